/*
 * See pump_splice.h. Must never block for long on a client, and never lose what it has
 * taken from the socket: where the file takes no splice, what is in the pipe is copied.
 */
#include "pump_splice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "pump_impl.h"
#include "util.h"

#define PIPE (256 * 1024)
/* With less room than this, moving costs more than copying. */
#define PIPE_MIN (64 * 1024)

void
splicer_init(struct splicer *s, unsigned *left)
{
	*s = (struct splicer){.left = left, .pipe = {-1, -1}};
}

void
splicer_free(struct splicer *s)
{
	if (s->counted)
		++*s->left;
	fd_closep(&s->pipe[0]);
	fd_closep(&s->pipe[1]);
}

/* Pipes are two descriptors and some memory each: not for thousands of uploads at once.
 */
bool
splicer_may_work(struct splicer *s)
{
	if (!s->counted && !s->useless) {
		s->counted = s->left != NULL && *s->left > 0;
		s->useless = !s->counted;
		if (s->counted)
			--*s->left;
	}
	return !s->useless;
}

bool
splicer_prepare(struct splicer *s)
{
	if (s->useless || s->pipe[0] >= 0)
		return !s->useless;
	if (pipe2(s->pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		s->pipe[0] = s->pipe[1] = -1;
		s->useless = true;
		return false;
	}
	(void)fcntl(s->pipe[1], F_SETPIPE_SZ, PIPE);
	s->useless = fcntl(s->pipe[1], F_GETPIPE_SZ) < PIPE_MIN;
	return !s->useless;
}

/* What is in the pipe and cannot be moved on. */
static bool
copy_pipe(struct splicer *s, int file, size_t n)
{
	uint8_t bytes[16 * 1024];

	while (n > 0) {
		ssize_t got =
		    read(s->pipe[0], bytes, n < sizeof(bytes) ? n : sizeof(bytes));

		if (got <= 0 || !pump_write_all(file, bytes, (size_t)got))
			return false;
		n -= (size_t)got;
	}
	return true;
}

/* n bytes stand in the pipe. APPE's files, and some file systems, take no splice. */
static bool
empty_pipe(struct splicer *s, int file, size_t n)
{
	while (n > 0) {
		ssize_t did = splice(s->pipe[0], NULL, file, NULL, n, SPLICE_F_MOVE);

		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0 && errno == EINVAL) {
			s->useless = true;
			return copy_pipe(s, file, n);
		}
		if (did == 0)
			errno = EIO;
		if (did <= 0)
			return false;
		n -= (size_t)did;
	}
	return true;
}

ssize_t
splicer_move(struct splicer *s, int socket, int file, bool *ret_unwritten)
{
	ssize_t got = splice(
	    socket, NULL, s->pipe[1], NULL, PIPE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	*ret_unwritten = got > 0 && !empty_pipe(s, file, (size_t)got);
	return *ret_unwritten ? -1 : got;
}
