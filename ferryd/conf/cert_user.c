/*
 * The words of cert_user: for conf_check() and for those who act on them.
 */
#include "cert_user.h"

#include <ferry/ferry.h>
#include <strings.h>

#include "util.h"

int
cert_user_parse(const struct conf *c, enum cert_user *ret)
{
	static const char *const words[] = {
	    [CERT_USER_NONE] = "none",
	    [CERT_USER_CN] = "CN",
	    [CERT_USER_SAN] = "SAN",
	};

	if (c->cert_user == NULL) {
		*ret = CERT_USER_NONE;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcasecmp(c->cert_user, words[i]) == 0) {
			*ret = (enum cert_user)i;
			return 0;
		}
	}
	return -FERRY_EINVAL;
}

enum cert_user
cert_user_of(const struct conf *c)
{
	enum cert_user how = CERT_USER_NONE;

	(void)cert_user_parse(c, &how); /* what is no word lets nobody in */
	return how;
}
