/*
 * The ways file: which way to a data connection worked with which server from which
 * network, and how the others failed. It only saves time: what is not understood in it is
 * passed over and goes at the next change.
 *
 * A line is "HOST PORT plain|tls 4|6 NETWORK LEARNED WAY [WAY:HOW ...]": LEARNED in
 * seconds since 1970; WAY is EPSV, PASV, EPRT or PORT, or "other": none did, but the
 * addresses of the other family are worth a try. HOW is a word of way_how_names.
 */
#ifndef FERRY_WAYS_H
#define FERRY_WAYS_H

#include "network.h"

#include <ferry/ferry.h>

#define WAYS_SECONDS (7 * 24 * 3600) /* so long a line is believed */
#define WAYS_MAX 200                 /* lines; the oldest go */
#define WAYS_HOST_MAX 256

/* How a way failed. */
enum way_how {
	HOW_NONE,    /* it did not */
	HOW_SILENT,  /* nobody answered */
	HOW_REFUSED, /* the port was refused */
	HOW_BLOCKED, /* a router said no */
	HOW_DENIED,  /* the server said no to the command */
	HOW_OTHER,
	HOW_COUNT,
};

/* All that a way depends on: helpers in routers do nothing under TLS. */
struct way_key {
	char host[WAYS_HOST_MAX];
	uint16_t port;
	bool tls;
	int family;
	char network[NETWORK_MAX];
};

struct way {
	enum ferry_mode mode; /* FERRY_MODE_AUTO: the other family */
	enum way_how failed[FERRY_MODE_PORT + 1];
};

/* May this be a line of the file? Names with spaces may not. */
bool ways_can_store(const struct way_key *key);
bool ways_find(const char *text, const struct way_key *key, int64_t now, struct way *ret);
/* The text with this in the place of what it says of key (NULL: nothing), and without
 * what has expired: free(). NULL: out of memory. */
char *ways_replace(
    const char *text, const struct way_key *key, const struct way *way, int64_t now);

/* The same in a file. */
bool ways_lookup(
    const char *path, const struct way_key *key, int64_t now, struct way *ret);
/* 0, -FERRY_ESYS with errno, -FERRY_ENOMEM. */
int ways_store(
    const char *path, const struct way_key *key, const struct way *way, int64_t now);
/* $XDG_STATE_HOME/ferry/ways or ~/.local/state/ferry/ways: free(). NULL if there is no
 * home. */
char *ways_default_path(void);

/* "EPSV"; "other" for FERRY_MODE_AUTO. */
const char *way_name(enum ferry_mode mode);
/* Of FERRY_EV_MODE_FAILED. */
enum way_how way_how_of(const struct ferry_event *ev);
/* For people: "no answer". */
const char *way_how_text(enum way_how how);

#endif
