/*
 * What this machine's own packet filter does with a new call from outside: a pure
 * function over the text of `nft -j list ruleset`. For ferryd check. It says "certain"
 * only of what the rules say themselves: a rule that looks at the caller, the interface,
 * a rate, or at anything that is not understood here may go either way.
 */
#ifndef FERRYD_CHECK_RULESET_H
#define FERRYD_CHECK_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum passage {
	PASSAGE_UNKNOWN, /* nobody could be asked */
	PASSAGE_OPEN,    /* every port of the range is let in */
	PASSAGE_CLOSED,  /* none is */
	PASSAGE_PARTLY,  /* some are */
	PASSAGE_DEPENDS, /* on more than the port */
};

/* Who has made the rules, as far as they show it: for the advice. */
enum manager {
	MANAGER_NONE, /* no rule looks at what comes in */
	MANAGER_NFTABLES,
	MANAGER_IPTABLES,
	MANAGER_UFW,
	MANAGER_FIREWALLD,
};

struct ruleset;

/* 0; -FERRY_EPROTO when the text is not what nft prints, -FERRY_ENOMEM. */
int ruleset_parse(const char *text, size_t n, struct ruleset **ret);
/* What iptables-save (AF_INET) or ip6tables-save (AF_INET6) prints, in place of what nft
 * shows of it. Borrowed: it must live as long as r is asked. */
void ruleset_add_iptables(struct ruleset *r, int family, const struct buf *text);
void ruleset_free(struct ruleset *r);

/* TCP from anywhere to the ports low to high, over AF_INET or AF_INET6. With
 * PASSAGE_PARTLY, *ret_port is the first port that is shut. */
enum passage ruleset_passage(
    const struct ruleset *r, int family, uint16_t low, uint16_t high, uint16_t *ret_port);
/* Does a rule hand connections to the kernel's FTP helper? */
bool ruleset_has_ftp_helper(const struct ruleset *r);
enum manager ruleset_manager(const struct ruleset *r);
/* The base chain through which calls come in, where a rule belongs: "inet filter input";
 * "" when there is none. */
void ruleset_input_chain(const struct ruleset *r, char *out, size_t cap);

#endif
