/*
 * The sections of ferryd.conf: [host NAME] holds what is different for those who ask for
 * that name, [network CIDR] what is different for those who come from there. Options are
 * the same rows of options.def; a row says in which kind of section it may stand.
 *
 * A session has one configuration, a view: what stands before the first section,
 * overridden by its host's section, overridden by its network's. Hosts and networks have
 * numbers from 1 on in the order of the file; 0 is none. Where networks overlap, the
 * smallest one that holds the address counts, and it alone.
 */
#ifndef FERRYD_CONF_SECTION_H
#define FERRYD_CONF_SECTION_H

#include "conf.h"
#include "endpoint.h"
#include "network.h"
#include "option.h"
#include "util.h"

/* A process has one view of each pair that came up: some 15 MB if all do. */
#define SECTION_HOSTS_MAX 256
#define SECTION_NETWORKS_MAX 64
#define SECTION_NAME_MAX 255

enum section_kind { SECTION_HOST, SECTION_NETWORK, SECTION_KINDS };

struct section {
	enum section_kind kind;
	char *name; /* in small letters, without a dot at the end; or "192.0.2.0/24" */
	struct network network; /* of a SECTION_NETWORK */
	struct conf conf;       /* what is not in `set` is 0 and means nothing */
	bool *set;              /* by row of option_table */
	char *file;             /* where it begins, or NULL */
	unsigned line;
};

/* How many there are. */
size_t section_count(const struct conf *c, enum section_kind kind);
/* By number, from 1 on; NULL: there is none of that number. */
struct section *section_get(const struct conf *c, enum section_kind kind, size_t number);
/* "host" or "network". */
const char *section_kind_name(enum section_kind kind);

/* A new and empty section. 0 and *ret, c's; -FERRY_EINVAL after telling; -FERRY_ENOMEM.
 */
int section_add(struct conf *c, enum section_kind kind, const char *name,
    struct conf_teller *t, struct section **ret);
/* conf_set() for a section, and whether the option may stand in it. */
int section_set(struct section *s, const char *name, const char *value, const char *file,
    unsigned line, conf_problem_cb *cb, void *user);
/* A text that the master has found out, unchecked: as if it stood in s, or in the head of
 * c if s is NULL. Views are not refreshed. 0 or -FERRY_ENOMEM. */
int section_put(struct conf *c, struct section *s, const char *option, const char *text);
bool section_sets(const struct section *s, const char *option);

/* Does any network switch this on, whatever its clients' host says? */
bool section_networks_enable(const struct conf *c, const char *option);

/* The number of the host of that name, 0: unknown. */
size_t section_find_host(const struct conf *c, struct bytes name);
/* ... of the network of that address, 0: none. */
size_t section_find_network(const struct conf *c, const struct endpoint *address);

/* The configuration of that pair: c itself for 0 and 0. It stays where it is until c is
 * freed. NULL: out of memory, or a number that does not exist. */
const struct conf *section_view(const struct conf *c, size_t host, size_t network);
/* A value of c or of a section has changed: so do the views. */
void section_refresh(const struct conf *c);
/* The same made anew, without strings of its own: nothing of it is to be freed. Either
 * may be NULL. */
void section_overlay(const struct conf *c, const struct section *host,
    const struct section *network, struct conf *ret);

/* For conf.c. */
void sections_free(struct sections *s);
int sections_copy(const struct conf *from, struct conf *to);

#endif
