/*
 * What every file of the client needs: cleanup attributes, array length, a clock. The
 * client is built on the installed header only, so it cannot borrow these from lib/.
 */
#ifndef FERRY_OWN_H
#define FERRY_OWN_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

static inline void
fclosep(FILE **f)
{
	if (*f != NULL)
		fclose(*f);
	*f = NULL;
}

/* Seconds, from some time on; never set back. */
static inline double
monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* As vasprintf() makes it: free(). NULL when out of memory. */
__attribute__((format(printf, 1, 0))) static inline char *
text_of(const char *format, va_list ap)
{
	char *text;

	return vasprintf(&text, format, ap) < 0 ? NULL : text;
}

/* For a secret: overwritten before it is freed. */
static inline void
wipep(char **p)
{
	if (*p != NULL)
		explicit_bzero(*p, strlen(*p));
	free(*p);
	*p = NULL;
}

#define _cleanup_close_ _cleanup_(fd_closep)
#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_file_ _cleanup_(fclosep)
#define _cleanup_secret_ _cleanup_(wipep)

#endif
