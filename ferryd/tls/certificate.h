/*
 * Clients' certificates as a proof of who they are: the authorities that are believed,
 * the row of certificates that a client showed, and the name in its first one. For the
 * TLS context, for the worker that asks auth, and for auth, which believes no worker and
 * verifies all of it again. Needs libcrypto alone.
 */
#ifndef FERRYD_TLS_CERTIFICATE_H
#define FERRYD_TLS_CERTIFICATE_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "buf.h"
#include "cert_user.h"
#include "util.h"

/* Bytes of a chain on its way to auth (messages.def), and certificates in it. */
#define CHAIN_MAX 12288
#define CHAIN_LENGTH 8

/* Puts the authorities in pem into the store, and their revocation lists (X509 CRL):
 * where there is one, every certificate needs its issuer's. each (or NULL) sees every
 * authority and returns 1. 0, or -FERRY_EINVAL: pem holds no authority, or something
 * broken. */
int authorities_load(
    X509_STORE *store, struct bytes pem, int (*each)(X509 *, void *), void *user);

/* A chain as bytes: DER, one behind the other, the client's own first. out has a maximum
 * of CHAIN_MAX. 0, -FERRY_ETOOBIG, -FERRY_ENOMEM. */
int chain_append(struct buf *out, const X509 *cert);
/* Pure. 0 and a stack for chain_free(), or -FERRY_EPROTO. */
int chain_parse(struct bytes chain, STACK_OF(X509) * *ret);
void chain_free(STACK_OF(X509) * chain);

/* Is that name in the certificate, byte for byte and as a whole? Never for a name that
 * is empty, nor for a certificate with several common names. */
bool certificate_names(const X509 *cert, enum cert_user how, const char *user);

/* Does the chain lead from an authority of the store to a client's certificate for this
 * user? 0, or -FERRY_EREFUSED with the cause, for the operator, in why. */
int chain_proves(X509_STORE *store, struct bytes chain, enum cert_user how,
    const char *user, struct buf *why);

#endif
