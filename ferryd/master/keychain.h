/*
 * What TLS needs, for every host: number 0 is for who asks for none of the [host]
 * sections. Each can be renewed without the others.
 */
#ifndef FERRYD_MASTER_KEYCHAIN_H
#define FERRYD_MASTER_KEYCHAIN_H

#include <stdbool.h>

#include "conf.h"

struct keychain;

/* Reads all that conf names, and tries it out; every problem is told. 0, with *ret NULL
 * when TLS is off; -FERRY_EINVAL; -FERRY_ENOMEM; -FERRY_ESYS. */
int keychain_load(
    const struct conf *conf, struct keychain **ret, conf_problem_cb *cb, void *user);
/* Wipes. NULL is accepted. */
void keychain_free(struct keychain *k);

/* Hosts, the nameless one included; 0 for NULL. */
size_t keychain_size(const struct keychain *k);
/* A sealed memory file for a worker: a descriptor, or -FERRY_ESYS. */
int keychain_seal(const struct keychain *k, size_t host);
/* The same for auth, with the authorities alone. */
int keychain_seal_authorities(const struct keychain *k, size_t host);

/* Has a file of that host changed, and is what it holds now of use? Then it counts from
 * here on. If it is of no use the log says so, once, and what there was stays. */
bool keychain_renew(struct keychain *k, const struct conf *conf, size_t host);

#endif
