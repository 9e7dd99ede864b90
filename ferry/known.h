/*
 * The known-hosts file: which servers encrypt, and which keys the user has accepted.
 *
 * A line is "HOST PORT tls" (it encrypted once, so it must always) or "HOST PORT sha256
 * HEX" (the same, and this key is believed without an authority). "#" begins a comment.
 */
#ifndef FERRY_KNOWN_H
#define FERRY_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#define KNOWN_KEY_MAX 65

struct known {
	bool tls;                /* there is a line */
	char key[KNOWN_KEY_MAX]; /* 64 digits in lower case, or "" */
};

/* Looks a server up in the text of a file. 1 found, 0 none, -FERRY_EINVAL: a line is not
 * understood, *ret_line tells which. */
int known_find(const char *text, const char *host, uint16_t port, struct known *ret,
    unsigned *ret_line);
/* The text with the lines of this server replaced by what known says: free(). NULL: out
 * of memory. */
char *known_replace(
    const char *text, const char *host, uint16_t port, const struct known *known);

/* The same in a file; a missing one is empty. -FERRY_ESYS with errno. */
int known_lookup(const char *path, const char *host, uint16_t port, struct known *ret,
    unsigned *ret_line);
/* Makes the directory if need be, and replaces the file in one step (mode 0600). 0,
 * -FERRY_ESYS with errno, -FERRY_EINVAL: the file is not understood, -FERRY_ENOMEM. */
int known_store(
    const char *path, const char *host, uint16_t port, const struct known *known);
/* $XDG_CONFIG_HOME/ferry/known_hosts or ~/.config/ferry/known_hosts: free(). NULL if
 * there is no home. */
char *known_default_path(void);

#endif
