#ifndef BASE_CA_H
#define BASE_CA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/*
 * The certificates of a cluster: one CA (EC P-256) whose common name is the
 * random id of the cluster, and below it one certificate for each server,
 * whose common name is the server's name. Nothing else is ever signed, so a
 * certificate says all there is to know: which cluster, which server.
 *
 * Everything is valid for ten years from one hour before its making (clocks
 * of servers that join may be late). There is no renewal in this release: a
 * server whose certificate ends joins again with a token in its own name.
 */
#define CA_ID 33    /* id of a cluster: 32 hexadecimal digits, NUL */
#define CA_NAME 33  /* a server's name and the NUL */
#define CA_POINT 65 /* a public key: P-256, uncompressed (SEC 1 2.3.3) */
#define CA_CSR 512  /* bytes of a request, DER */
#define CA_PRINT 32 /* SHA-256 of a certificate */

/* PEM texts are the caller's to free; keys with ca_forget. */

int ca_key_make(char **key, struct err *);
/* A new cluster: its id, key and certificate. */
int ca_make(char id[CA_ID], char **key, char **certificate, struct err *);
/* Of a console, which is of no cluster: a key, and a certificate that it signs
 * itself; whose it is its fingerprint says, the name is for people. */
int ca_make_console(
    const char *name, char **key, char **certificate, struct err *);
/* A server's certificate over its public key. ca_key and ca fit. */
int ca_sign(const char *ca_key, const char *ca, const char *name,
    const uint8_t point[CA_POINT], char **certificate, struct err *);
/* The public key that belongs to a private one. */
int ca_point(const char *key, uint8_t point[CA_POINT], struct err *);
/* A request (PKCS #10, DER) of a server for a certificate in its name. */
int ca_csr_make(
    const char *key, const char *name, uint8_t *out, size_t *n, struct err *);
/* What it asks for: foreign bytes. Refused unless its own signature is good
 * and the key is of P-256. */
int ca_csr_open(const uint8_t *, size_t n, char name[CA_NAME],
    uint8_t point[CA_POINT], struct err *);

/* Of the first certificate in a PEM text. */
int ca_subject(const char *pem, char *out, size_t size, struct err *);
int ca_print(const char *pem, uint8_t out[CA_PRINT], struct err *);
/* The key, the certificate and the CA belong together, and the CA is one. */
int ca_check(
    const char *key, const char *certificate, const char *ca, struct err *);

/* The first block "-----BEGIN WHAT-----" of a PEM text and the text behind it
 * (rest may be NULL); NULL when there is none. */
char *ca_block(const char *pem, const char *what, const char **rest);
void ca_forget(char **secret);		   /* overwrite, free, clear */
bool ca_name_good(const char *, size_t n); /* may a server be called so? */

#endif
