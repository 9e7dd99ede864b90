/*
 * The one directory of `ferryd DIR`: who may use it and as whom its files are touched.
 */
#ifndef FERRYD_MASTER_SERVED_H
#define FERRYD_MASTER_SERVED_H

#include <sys/types.h>

struct served {
	int root;  /* O_PATH */
	uid_t uid; /* the owner when we are root, else ourselves */
	gid_t gid;
	const char *user; /* --user, or NULL: anonymous reads */
	char *password;   /* of that user; wiped when auth has it (and kept while auth may
			     restart) */
};

#endif
