/*
 * May a certificate serve? It is judged by the library of the gates that will
 * show it, so what a commit lets through they can use: a chain of PEM
 * certificates, a private key, and the key is that of the first of them. One
 * that has expired is a warning: phones may be told to take it.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/sip/sip_stream.h"
#include "st.h"

int
st_certificate_check(
    const struct st_checker *k, const struct obj_row *row, struct err *e)
{
	const char *chain = obj_value(row, "chain");
	const char *sealed = obj_value(row, "key"), *name = row->path.key[0];
	struct sip_tls *tls;
	const char *words;
	struct err why;
	char *key;

	if (k->seal == NULL || chain == NULL || sealed == NULL)
		return 0;
	if ((key = st_seal_open_key(k->seal, name, sealed)) == NULL)
		return err_set(e, ERR_CHECK, "key: cannot be opened here");
	tls = sip_tls_new(chain, key, &why);
	explicit_bzero(key, strlen(key));
	free(key);
	if (tls == NULL)
		return err_set(e, ERR_CHECK, "%s", why.text);
	words = sip_tls_expiry(tls);
	if (words != NULL && k->warnings != NULL)
		json_array_append_new(k->warnings,
		    json_sprintf("certificate %s: %s", name, words));
	sip_tls_free(&tls);
	return 0;
}
