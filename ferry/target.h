/*
 * What the user named on the command line: an ftp://, ftpes:// or ftps:// URL, or HOST,
 * USER@HOST, HOST:PATH as the classic ftp command takes them.
 */
#ifndef FERRY_TARGET_H
#define FERRY_TARGET_H

#include <ferry/ferry.h>

struct target {
	char *host;
	uint16_t port;      /* 0: 21, or 990 */
	enum ferry_tls tls; /* by the scheme: AUTO, EXPLICIT or IMPLICIT */
	char *user;     /* or NULL */
	char *password; /* or NULL; wiped by target_clear */
	char *path;     /* "" if none was given; relative to the login directory, "/..."
			   absolute */
	char type;      /* 'a', 'i', 'd' of a URL, or 0 */
	bool is_directory; /* path is empty or ends with "/" */
};

/* 0; -FERRY_EINVAL with *ret_why (static); -FERRY_ENOMEM. */
int target_parse(const char *text, struct target *ret, const char **ret_why);
/* The same, but only a URL will do: for get, put, ls and cat. */
int target_parse_url(const char *text, struct target *ret, const char **ret_why);
void target_clear(struct target *t);
/* Host, port, encryption, user and password only. 0 or -FERRY_ENOMEM. */
int target_copy_login(const struct target *t, struct target *ret);
/* Do both lead to the same server as the same user? */
bool target_same_login(const struct target *a, const struct target *b);

#endif
