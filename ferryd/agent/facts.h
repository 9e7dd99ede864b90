/*
 * What a listing says of one entry to one user: owner and group as the configuration
 * wants them shown, MLSx type, and the perm fact (RFC 3659 7.5.5), which is what the
 * grant and the file system both allow.
 */
#ifndef FERRYD_AGENT_FACTS_H
#define FERRYD_AGENT_FACTS_H

#include "grants.h"
#include "listing.h"

/* Where an entry was found, as far as its perm fact depends on it. */
struct facts_place {
	bool writable; /* entries can be removed and renamed */
	bool sticky;   /* but only those of their owner, or of the directory's */
	bool by_mode;  /* what the modes of its file system's entries do not grant to
			  anybody is granted to nobody */
	uid_t owner;
	dev_t dev;
};

/* Of the directory dir, for this process. */
struct facts_place facts_place_of(int dir);
/* For what has no name that could be changed: the root, "." and "..". */
#define FACTS_NOWHERE ((struct facts_place){.writable = false})

/* An entry as the *at() calls are asked about it. */
struct facts_at {
	int at;
	const char *path;
	int flags;
};

/* One entry's texts; the item points into them. */
struct facts {
	struct listing_item item;
	struct stat st;
	char perm[16];
};

/* The entry's stat and, when facts (enum listing_fact) want it and the file system knows
 * it, the time of its creation. 0 or a negative errno. */
int facts_look(struct facts *f, uint32_t facts, struct facts_at at);

/* Completes f, which has been looked at, for LIST: name and accounts. Strings of item are
 * borrowed: name, and f itself. */
void facts_fill(struct facts *f, const struct grant *g, const char *name);

/* Adds the type, and perm when facts want it. type NULL: from the mode. */
void facts_mlsx(struct facts *f, uint32_t facts, const struct grant *g,
    struct facts_place place, struct facts_at at, const char *type);

/* The perm letters. can: R_OK, W_OK, X_OK of the file system. Pure; out holds 16. */
void facts_perm(uint32_t rights, mode_t mode, int can, bool removable, char *out);

/* R_OK, W_OK, X_OK of what a mode grants to its owner, its group or all others: nobody
 * has more. Pure. */
int facts_of_mode(mode_t mode);

#endif
