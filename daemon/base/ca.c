/*
 * Certificates over libcrypto. Keys are EC P-256, signatures ECDSA with
 * SHA-256. Foreign ASN.1 is read in ca_csr_open alone; who signs is given a
 * point of 65 bytes and builds the certificate itself, so nothing of a
 * stranger's request but its key can get into what the cluster signs.
 */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "ca.h"
#include "str.h"

#define CA_DAYS 3650
#define CA_BACK 3600 /* seconds */

/* err with libcrypto's words; its queue is empty afterwards. */
static int
ca_fail(struct err *e, enum err_code code, const char *what)
{
	unsigned long n = ERR_peek_last_error();
	char words[256] = "failed";

	if (n != 0)
		ERR_error_string_n(n, words, sizeof words);
	ERR_clear_error();
	return err_set(e, code, "%s: %s", what, words);
}

/* Keys with a passphrase are not ours; nobody is asked for one. */
static int
ca_no_passphrase(char *buf, int size, int rw, void *arg)
{
	(void)buf;
	(void)size;
	(void)rw;
	(void)arg;
	return -1;
}

static EVP_PKEY *
ca_read_key(const char *pem, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio != NULL
	    ? PEM_read_bio_PrivateKey(bio, NULL, ca_no_passphrase, NULL)
	    : NULL;

	BIO_free(bio);
	if (key == NULL)
		ca_fail(e, ERR_INVALID, "private key");
	return key;
}

static X509 *
ca_read_cert(const char *pem, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x = bio != NULL
	    ? PEM_read_bio_X509(bio, NULL, ca_no_passphrase, NULL)
	    : NULL;

	BIO_free(bio);
	if (x == NULL)
		ca_fail(e, ERR_INVALID, "certificate");
	return x;
}

/* The bytes of a memory BIO as a text of the caller's; ends the BIO. */
static char *
ca_text(BIO *bio, bool written, struct err *e)
{
	char *p, *text = NULL;
	long n;

	if (bio != NULL && written && (n = BIO_get_mem_data(bio, &p)) > 0 &&
	    (text = malloc((size_t)n + 1)) != NULL) {
		memcpy(text, p, (size_t)n);
		text[n] = '\0';
	}
	BIO_free(bio);
	if (text == NULL)
		ca_fail(e, ERR_NOMEM, "PEM");
	return text;
}

static char *
ca_write_key(EVP_PKEY *key, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_secmem());

	return ca_text(bio,
	    bio != NULL &&
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) ==
		    1,
	    e);
}

static char *
ca_write_cert(X509 *x, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_mem());

	return ca_text(bio, bio != NULL && PEM_write_bio_X509(bio, x) == 1, e);
}

int
ca_key_make(char **key, struct err *e)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");

	*key = pkey != NULL ? ca_write_key(pkey, e) : NULL;
	if (pkey == NULL)
		return ca_fail(e, ERR_INTERNAL, "new key");
	EVP_PKEY_free(pkey);
	return *key != NULL ? 0 : -ERR_NOMEM;
}

static int
ca_set_name(X509_NAME *n, const char *name)
{
	return X509_NAME_add_entry_by_txt(
	    n, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
}

static bool
ca_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool good;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	good = ext != NULL && X509_add_ext(x, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return good;
}

/* A random positive serial number (RFC 5280 4.1.2.2). */
static bool
ca_set_serial(X509 *x)
{
	uint8_t bytes[16];
	BIGNUM *n;
	bool good;

	rand_bytes(bytes, sizeof bytes);
	bytes[0] = (bytes[0] & 0x7f) | 0x40;
	n = BN_bin2bn(bytes, sizeof bytes, NULL);
	good = n != NULL &&
	    BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
	BN_free(n);
	return good;
}

/* What every certificate has; it is not signed yet. */
static X509 *
ca_draft(const char *name, EVP_PKEY *key)
{
	X509 *x = X509_new();

	if (x != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
	    ca_set_serial(x) &&
	    X509_gmtime_adj(X509_getm_notBefore(x), -CA_BACK) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(x), CA_DAYS, 0, NULL) != NULL &&
	    X509_set_pubkey(x, key) == 1 &&
	    ca_set_name(X509_get_subject_name(x), name) == 1)
		return x;
	X509_free(x);
	return NULL;
}

/* The one extension after the other; a draft that signs itself. */
static bool
ca_sign_self(X509 *x, EVP_PKEY *key, const char *constraints, const char *usage,
    const char *purpose)
{
	return X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
	    ca_extend(x, x, NID_basic_constraints, constraints) &&
	    ca_extend(x, x, NID_key_usage, usage) &&
	    (purpose == NULL || ca_extend(x, x, NID_ext_key_usage, purpose)) &&
	    ca_extend(x, x, NID_subject_key_identifier, "hash") &&
	    X509_sign(x, key, EVP_sha256()) > 0;
}

/* A new key, and a certificate of that name that it signs. */
static int
ca_make_self(
    const char *name, bool ca, char **key, char **certificate, struct err *e)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	X509 *x = pkey != NULL ? ca_draft(name, pkey) : NULL;
	bool good;

	*key = *certificate = NULL;
	good = x != NULL &&
	    ca_sign_self(x, pkey,
		ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE",
		ca ? "critical,keyCertSign" : "critical,digitalSignature",
		ca ? NULL : "clientAuth");
	if (good && (*key = ca_write_key(pkey, e)) != NULL)
		*certificate = ca_write_cert(x, e);
	else if (!good)
		ca_fail(e, ERR_INTERNAL, "new certificate");
	X509_free(x);
	EVP_PKEY_free(pkey);
	if (*certificate != NULL)
		return 0;
	ca_forget(key);
	return -ERR_INTERNAL;
}

int
ca_make(char id[CA_ID], char **key, char **certificate, struct err *e)
{
	rand_hex(id, (CA_ID - 1) / 2);
	return ca_make_self(id, true, key, certificate, e);
}

int
ca_make_console(const char *name, char **key, char **certificate, struct err *e)
{
	return ca_make_self(name, false, key, certificate, e);
}

/* The key of a point; libcrypto checks that it lies on the curve. */
static EVP_PKEY *
ca_key_of(const uint8_t point[CA_POINT])
{
	OSSL_PARAM params[3];
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	char group[] = "P-256";

	params[0] = OSSL_PARAM_construct_utf8_string("group", group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(
	    "pub", (void *)(uintptr_t)point, CA_POINT);
	params[2] = OSSL_PARAM_construct_end();
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* Both uses: every server dials some and accepts others. */
static X509 *
ca_issue(X509 *ca, EVP_PKEY *ca_key, const char *name, EVP_PKEY *key)
{
	X509 *x = ca_draft(name, key);

	if (x != NULL &&
	    X509_set_issuer_name(x, X509_get_subject_name(ca)) == 1 &&
	    ca_extend(x, ca, NID_basic_constraints, "critical,CA:FALSE") &&
	    ca_extend(x, ca, NID_key_usage, "critical,digitalSignature") &&
	    ca_extend(x, ca, NID_ext_key_usage, "serverAuth,clientAuth") &&
	    ca_extend(x, ca, NID_authority_key_identifier, "keyid") &&
	    X509_sign(x, ca_key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

int
ca_sign(const char *ca_key, const char *ca, const char *name,
    const uint8_t point[CA_POINT], char **certificate, struct err *e)
{
	EVP_PKEY *signer, *key = NULL;
	X509 *issuer = NULL, *x = NULL;

	*certificate = NULL;
	if (!ca_name_good(name, strlen(name)))
		return err_set(e, ERR_INVALID, "not a server's name");
	if ((signer = ca_read_key(ca_key, e)) == NULL ||
	    (issuer = ca_read_cert(ca, e)) == NULL)
		goto out;
	if (X509_check_private_key(issuer, signer) != 1)
		ca_fail(e, ERR_CORRUPT, "key of the CA");
	else if ((key = ca_key_of(point)) == NULL)
		ca_fail(e, ERR_INVALID, "public key");
	else if ((x = ca_issue(issuer, signer, name, key)) == NULL)
		ca_fail(e, ERR_INTERNAL, "new certificate");
	else
		*certificate = ca_write_cert(x, e);
out:
	X509_free(x);
	X509_free(issuer);
	EVP_PKEY_free(key);
	EVP_PKEY_free(signer);
	return *certificate != NULL ? 0 : -ERR_INVALID;
}

/* -ERR_INVALID unless it is an uncompressed point of P-256. */
static int
ca_point_of(EVP_PKEY *key, uint8_t point[CA_POINT], struct err *e)
{
	char group[32];
	size_t n = 0;

	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
	    EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
	    strcmp(group, "prime256v1") != 0 ||
	    EVP_PKEY_get_octet_string_param(key, "pub", point, CA_POINT, &n) !=
		1 ||
	    n != CA_POINT || point[0] != 4) {
		ERR_clear_error();
		return err_set(e, ERR_INVALID, "expected a key of P-256");
	}
	return 0;
}

int
ca_point(const char *key, uint8_t point[CA_POINT], struct err *e)
{
	EVP_PKEY *pkey = ca_read_key(key, e);
	int r = pkey != NULL ? ca_point_of(pkey, point, e) : -ERR_INVALID;

	EVP_PKEY_free(pkey);
	return r;
}

int
ca_csr_make(
    const char *key, const char *name, uint8_t *out, size_t *n, struct err *e)
{
	EVP_PKEY *pkey = ca_read_key(key, e);
	X509_REQ *req;
	uint8_t *at = out;
	int len, r = 0;

	if (pkey == NULL)
		return -ERR_INVALID;
	req = X509_REQ_new();
	if (req == NULL || X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
	    ca_set_name(X509_REQ_get_subject_name(req), name) != 1 ||
	    X509_REQ_set_pubkey(req, pkey) != 1 ||
	    X509_REQ_sign(req, pkey, EVP_sha256()) <= 0 ||
	    (len = i2d_X509_REQ(req, NULL)) <= 0 || (size_t)len > *n)
		r = ca_fail(e, ERR_INTERNAL, "request for a certificate");
	else
		*n = (size_t)i2d_X509_REQ(req, &at);
	X509_REQ_free(req);
	EVP_PKEY_free(pkey);
	return r;
}

/* The one common name of a subject that has nothing else. */
static int
ca_name_of(const X509_NAME *n, char *out, size_t size, struct err *e)
{
	const ASN1_STRING *s;
	X509_NAME_ENTRY *entry;

	if (X509_NAME_entry_count(n) != 1)
		return err_set(e, ERR_INVALID, "expected a subject CN alone");
	entry = X509_NAME_get_entry(n, 0);
	s = X509_NAME_ENTRY_get_data(entry);
	if (OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) != NID_commonName ||
	    !ca_name_good((const char *)ASN1_STRING_get0_data(s),
		(size_t)ASN1_STRING_length(s)) ||
	    !str_ncopy(out, size, (const char *)ASN1_STRING_get0_data(s),
		(size_t)ASN1_STRING_length(s)))
		return err_set(e, ERR_INVALID, "expected a server's name");
	return 0;
}

int
ca_csr_open(const uint8_t *p, size_t n, char name[CA_NAME],
    uint8_t point[CA_POINT], struct err *e)
{
	const uint8_t *at = p;
	X509_REQ *req;
	EVP_PKEY *key = NULL;
	int r;

	if (n > CA_CSR)
		return err_set(e, ERR_TOOBIG, "request for a certificate");
	req = d2i_X509_REQ(NULL, &at, (long)n);
	if (req == NULL || at != p + n)
		r = ca_fail(e, ERR_INVALID, "request for a certificate");
	else if ((key = X509_REQ_get0_pubkey(req)) == NULL)
		r = ca_fail(e, ERR_INVALID, "key of the request");
	else if ((r = ca_point_of(key, point, e)) == 0 &&
	    X509_REQ_verify(req, key) != 1)
		r = ca_fail(e, ERR_INVALID, "signature of the request");
	if (r == 0)
		r = ca_name_of(
		    X509_REQ_get_subject_name(req), name, CA_NAME, e);
	X509_REQ_free(req);
	ERR_clear_error();
	return r;
}

int
ca_subject(const char *pem, char *out, size_t size, struct err *e)
{
	X509 *x = ca_read_cert(pem, e);
	int r;

	if (x == NULL)
		return -ERR_INVALID;
	r = ca_name_of(X509_get_subject_name(x), out, size, e);
	X509_free(x);
	return r;
}

int
ca_print(const char *pem, uint8_t out[CA_PRINT], struct err *e)
{
	X509 *x = ca_read_cert(pem, e);
	unsigned n = CA_PRINT;
	int r = 0;

	if (x == NULL)
		return -ERR_INVALID;
	if (X509_digest(x, EVP_sha256(), out, &n) != 1 || n != CA_PRINT)
		r = ca_fail(e, ERR_INTERNAL, "digest");
	X509_free(x);
	return r;
}

/* The certificate is signed by the CA and in its time. */
static bool
ca_chain(X509 *x, X509 *ca)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool good = store != NULL && ctx != NULL &&
	    X509_STORE_add_cert(store, ca) == 1 &&
	    X509_STORE_CTX_init(ctx, store, x, NULL) == 1 &&
	    X509_verify_cert(ctx) == 1;

	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return good;
}

int
ca_check(
    const char *key, const char *certificate, const char *ca, struct err *e)
{
	EVP_PKEY *pkey = ca_read_key(key, e);
	X509 *x = NULL, *issuer = NULL;
	int r = -ERR_INVALID;

	if (pkey == NULL || (x = ca_read_cert(certificate, e)) == NULL ||
	    (issuer = ca_read_cert(ca, e)) == NULL)
		goto out;
	if (X509_check_private_key(x, pkey) != 1)
		r = err_set(e, ERR_INVALID,
		    "the key does not belong to the certificate");
	else if (X509_check_ca(issuer) != 1)
		r = err_set(e, ERR_INVALID, "the CA is none");
	else if (!ca_chain(x, issuer))
		r = err_set(e, ERR_INVALID,
		    "the certificate is not of this CA, or out of its time");
	else
		r = 0;
out:
	ERR_clear_error();
	X509_free(issuer);
	X509_free(x);
	EVP_PKEY_free(pkey);
	return r;
}

char *
ca_block(const char *pem, const char *what, const char **rest)
{
	char mark[64];
	const char *from, *to;

	snprintf(mark, sizeof mark, "-----BEGIN %s-----", what);
	if ((from = strstr(pem, mark)) == NULL)
		return NULL;
	snprintf(mark, sizeof mark, "-----END %s-----", what);
	if ((to = strstr(from, mark)) == NULL)
		return NULL;
	to += strlen(mark);
	to += *to == '\n';
	if (rest != NULL)
		*rest = to;
	return strndup(from, (size_t)(to - from));
}

void
ca_forget(char **p)
{
	if (*p != NULL)
		OPENSSL_cleanse(*p, strlen(*p));
	free(*p);
	*p = NULL;
}

bool
ca_name_good(const char *s, size_t n)
{
	size_t i;

	if (n == 0 || n >= CA_NAME || s[0] == '-')
		return false;
	for (i = 0; i < n; i++) {
		if (!(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= '0' && s[i] <= '9') && s[i] != '-')
			return false;
	}
	return true;
}
