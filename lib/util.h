/*
 * Small things every file needs: cleanup attributes, array length, descriptors that
 * close. Nothing with a subject of its own belongs here.
 */
#ifndef FERRY_LIB_UTIL_H
#define FERRY_LIB_UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Closes *fd if it is open and forgets it; errno survives. */
static inline void
fd_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

static inline void
freep(void *p)
{
	free(*(void **)p);
	*(void **)p = NULL;
}

#define _cleanup_close_ _cleanup_(fd_closep)
#define _cleanup_free_ _cleanup_(freep)

/* Hands an owned descriptor on: the old place holds -1 afterwards. */
static inline int
fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Bytes with a length, borrowed from somewhere: never owned, may hold any byte. */
struct bytes {
	const uint8_t *p;
	size_t n;
};

/* Are n bytes of both the same but for the case of ASCII letters? In every locale:
 * strncasecmp() does not know FILE and file for the same in Turkey. */
bool equal_nocase(const char *a, const char *b, size_t n);

/* Decimal digits only, no sign, no blanks, 0..max. 0 or -FERRY_EINVAL (not digits, empty,
 * or past max); *ret untouched on failure. Leading zeros are accepted and mean nothing.
 */
int parse_uint(const char *s, size_t n, uint64_t max, uint64_t *ret);
/* The same with octal digits, for modes and umasks. */
int parse_octal(const char *s, size_t n, uint64_t max, uint64_t *ret);

#endif
