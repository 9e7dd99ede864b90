/*
 * What iptables lets in: a pure function over the text of iptables-save. nft shows
 * iptables' own matches without their arguments, so ruleset.c asks here about a filter
 * table that iptables has made.
 */
#ifndef FERRYD_CHECK_IPTABLES_H
#define FERRYD_CHECK_IPTABLES_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* Possible ends of a chain, for nft's chains as well. */
enum {
	END_ACCEPT = 1 << 0,
	END_DROP = 1 << 1,
	END_THROUGH = 1 << 2, /* behind its last rule, or return */
};

/* Does a rule match, as far as is known? */
enum match { MATCH_NO, MATCH_YES, MATCH_MAYBE };

/* One of several is enough. */
static inline enum match
match_either(enum match a, enum match b)
{
	return a == MATCH_YES || b == MATCH_YES       ? MATCH_YES
	       : a == MATCH_MAYBE || b == MATCH_MAYBE ? MATCH_MAYBE
						      : MATCH_NO;
}

/* The most that is read of it. */
#define IPTABLES_MAX (4 * 1024 * 1024)

/* The possible ends (END_ACCEPT, END_DROP, both) of a new call from outside to that TCP
 * port in the chain INPUT of the table filter. */
unsigned iptables_walk(const char *text, size_t n, uint16_t port);
/* Calls fn for each number in the text: between them nothing changes. */
void iptables_numbers(
    const char *text, size_t n, void (*fn)(uint16_t port, void *user), void *user);

#endif
