/*
 * ~/.netrc: user names and passwords by host.
 */
#ifndef FERRY_NETRC_H
#define FERRY_NETRC_H

#include <stdbool.h>
#include <stddef.h>

struct netrc_entry {
	char *login;
	char *password; /* wiped by netrc_clear */
	char *account;
};

/* Finds the entry for host in the text of a netrc file, or its "default" entry. With user
 * not NULL only an entry that names this very login counts, so that no password reaches
 * another account. 1 found, 0 none, -FERRY_EINVAL (malformed; *ret_line tells where),
 * -FERRY_ENOMEM. */
int netrc_find(const char *text, const char *host, const char *user,
    struct netrc_entry *ret, unsigned *ret_line);
/* The same in a file. -FERRY_ESYS with errno; EPERM: it holds a password for this host
 * and other users could read it. A missing file is 0. */
int netrc_lookup(const char *path, const char *host, const char *user,
    struct netrc_entry *ret, unsigned *ret_line);
/* $NETRC or ~/.netrc: free(). NULL if there is no home. */
char *netrc_default_path(void);
void netrc_clear(struct netrc_entry *e);

#endif
