/*
 * From a login that is right to what it may do: account and options become the fields of
 * MSG_MASTER_VERDICT (user id, root, first directory, rights, umask). For auth.c and the
 * checks.
 *
 * Looks accounts up only through identity_source, so that tests bring their own. Never
 * opens or touches the directories it names: that is the agent's.
 */
#ifndef FERRYD_AUTH_IDENTITY_H
#define FERRYD_AUTH_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "conf.h"
#include "msg.h"

/* One row of the account database; the strings are owned. */
struct account {
	char *name;
	char *home;
	char *shell;
	uid_t uid;
	gid_t gid;
};

void account_clear(struct account *a);

/* The system's accounts. 0; -FERRY_EREFUSED: there is none of that name; -FERRY_ESYS: the
 * database does not answer; -FERRY_ENOMEM. May block. */
int account_find(const char *name, struct account *ret);
/* Is it in /etc/shells? */
bool account_shell_listed(const char *shell);
/* Is it in /etc/ftpusers, where ftpusers(5) has those who may not log in? */
bool account_denied(const char *name);

struct identity_source {
	const struct conf *conf;
	/* ferryd can become others; otherwise everything runs as uid and gid */
	bool root;
	uid_t uid;
	gid_t gid;
	int (*find)(const char *name, struct account *ret);
	bool (*shell_listed)(const char *shell);
	bool (*denied)(const char *name);
};

struct identity {
	char *account; /* "" for uid and gid alone */
	uid_t uid;
	gid_t gid;
	char *prefix;
	char *root;
	char *cwd;
	uint32_t rights;
	uint32_t umask;
	bool anonymous;
};

void identity_clear(struct identity *id);

/* All: 0 and *ret; -FERRY_EREFUSED: not so, why tells the operator; -FERRY_ESYS: the
 * accounts cannot be read now, why tells; -FERRY_ENOMEM. */
int identity_anonymous(
    const struct identity_source *s, struct identity *ret, struct buf *why);
/* What may be done by anonymous, whoever that is: by the options that count for the
 * login. */
void identity_judge_anonymous(const struct conf *c, struct identity *id);
/* user: the name that the backend accepted. judged: the backend has judged the account
 * itself, so neither check_shell nor ftpusers(5) applies. */
int identity_account(const struct identity_source *s, const char *user, bool judged,
    struct identity *ret, struct buf *why);
/* Of the directory that the master was told to serve. */
int identity_served(
    const struct conf *c, uid_t uid, gid_t gid, bool anonymous, struct identity *ret);

int identity_copy(const struct identity *from, struct identity *ret);
/* m borrows the strings. */
void identity_to_verdict(const struct identity *id, uint32_t worker, uint32_t session,
    struct bytes user, struct msg *ret);
int identity_from_verdict(const struct msg_master_verdict *v, struct identity *ret);

#endif
