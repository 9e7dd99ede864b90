/*
 * Whom a session believes: what the known-hosts file remembers of a server, what the user
 * says to a new one, and what is remembered of it. Nothing is accepted without consent.
 */
#ifndef FERRY_TRUST_H
#define FERRY_TRUST_H

#include "known.h"

#include <ferry/ferry.h>

struct session;

/* What is known of the server that is being connected to. */
struct trust {
	char *path; /* of the file, or NULL: none */
	struct known known;
	uint16_t port;
	bool accepted; /* the user accepted its key just now */
};

/* Before connecting: how this server is to be encrypted. tls: what the URL says. 0, or an
 * error with s->message. */
int trust_begin(struct session *s, const char *host, uint16_t port, enum ferry_tls tls);
/* A ferry_trust_cb; user is the session. */
bool trust_ask(const struct ferry_tls_peer *peer, void *user);
/* The connection was made, or not: remembers, or says why there is none. Returns result.
 */
int trust_end(struct session *s, const char *host, int result);
void trust_clear(struct trust *t);

#endif
