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
	uid_t owner;
};

/* Of the directory dir, for this process. */
struct facts_place facts_place_of(int dir);
/* For what has no name that could be changed: the root, "." and "..". */
#define FACTS_NOWHERE ((struct facts_place){.writable = false})

/* One entry's texts; the item points into them. */
struct facts {
	struct listing_item item;
	char owner[16], group[16];
	char perm[16];
};

/* Fills f for name with st. Strings of item are borrowed: name, st, and f itself. type
 * and perm are set by facts_mlsx. */
void facts_fill(
    struct facts *f, const struct grant *g, const char *name, const struct stat *st);

/* Adds type, perm and the time of creation, where the file system knows it. at and path
 * name the entry for faccessat() and statx() with flags. type NULL: from the mode. */
void facts_mlsx(struct facts *f, const struct grant *g, struct facts_place place, int at,
    const char *path, int flags, const char *type);

/* The perm letters. can: R_OK, W_OK, X_OK of the file system. Pure; out holds 16. */
void facts_perm(uint32_t rights, mode_t mode, int can, bool removable, char *out);

#endif
