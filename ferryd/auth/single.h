/*
 * The one user of --user: what backend_single.c and backend_anonymous.c know about the
 * embedded use. Only keyed digests are kept; neither the name nor the password can be
 * read back.
 */
#ifndef FERRYD_AUTH_SINGLE_H
#define FERRYD_AUTH_SINGLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "msg.h"

#define SINGLE_DIGEST 32

struct single {
	bool used;      /* MSG_AUTH_USER came: a tree is served without accounts */
	bool anonymous; /* anonymous may read it */
	bool has_user;  /* there is a name and a password */
	uid_t uid;      /* who serves the tree */
	gid_t gid;
	uint8_t key[SINGLE_DIGEST]; /* random, of this process */
	uint8_t user[SINGLE_DIGEST];
	uint8_t password[SINGLE_DIGEST];
};

/* Takes the message's content and wipes the password in it. 0; -FERRY_EPROTO: it came
 * twice; -FERRY_ESYS: no randomness or no digest to be had. */
int single_set(struct single *s, const struct msg_auth_user *m);
/* Compares in a time that depends on neither. */
bool single_matches(const struct single *s, const char *user, const char *password);
/* The name alone, for a certificate. */
bool single_names(const struct single *s, const char *user);

#endif
