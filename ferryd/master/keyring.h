/*
 * The files that TLS needs for one host: certificates, private keys, authorities, OCSP
 * answers. Read by the master, tried out, and kept for workers that start later; read
 * again when one of them changes.
 */
#ifndef FERRYD_MASTER_KEYRING_H
#define FERRYD_MASTER_KEYRING_H

#include <stdbool.h>

#include "conf.h"

struct keyring;

/* host: its number, 0 for who asks for none. Reads what conf names and makes sure that it
 * can be used; every problem is told. last: its tickets stay good (it may be NULL). 0,
 * with *ret NULL when TLS is off; -FERRY_EINVAL; -FERRY_ENOMEM. */
int keyring_load(const struct conf *conf, size_t host, const struct keyring *last,
    struct keyring **ret, conf_problem_cb *cb, void *user);
/* Wipes. NULL is accepted. */
void keyring_free(struct keyring *k);

/* A sealed memory file for a worker: a descriptor, or -FERRY_ESYS. */
int keyring_seal(const struct keyring *k);
/* The same for auth, with the authorities alone. */
int keyring_seal_authorities(const struct keyring *k);

/* Has a file changed since it was read, or since this was asked last? */
bool keyring_changed(struct keyring *k, const struct conf *conf);

#endif
