/*
 * Small text files of the user's own, of which ferry keeps several: read whole, and
 * replaced in one step (mode 0600), so that nobody ever finds half of one.
 */
#ifndef FERRY_USERFILE_H
#define FERRY_USERFILE_H

#include <stdbool.h>
#include <stddef.h>

struct userfile {
	const char *path;
	size_t max; /* bytes */
	/* What cannot be a file of ours (too long, with NUL, no regular file, writable by
	 * others) is taken for an empty one, and replaced. Else it is a failure. */
	bool disposable;
};

/* Its text: free(). A missing one is "". 0, -FERRY_ESYS with errno, -FERRY_ENOMEM. */
int userfile_read(const struct userfile *f, char **ret);

/* Makes the new text out of the old one: free(). Or a failure, and the file stays. NULL
 * in *ret_new: it stays too. */
typedef int userfile_edit_fn(const char *old, void *user, char **ret_new);
/* Under a lock: two of us at the same time do not lose each other's changes. Makes the
 * directories above, for the user alone. 0, edit's failure, or as userfile_read(). */
int userfile_edit(const struct userfile *f, userfile_edit_fn *edit, void *user);

/* "$VARIABLE/ferry/NAME", or "~/FALLBACK/ferry/NAME" where the variable is not set:
 * free(). NULL if there is no home. */
char *userfile_path(const char *variable, const char *fallback, const char *name);

#endif
