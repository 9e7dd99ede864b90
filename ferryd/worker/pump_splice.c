/*
 * Data connection to file where bytes are stored as they come. For pump_upload.c. The
 * kernel moves them (splice) in a thread of the pool; no byte passes through this
 * process. Must never write in the loop, and never call it done before the last byte is
 * written.
 *
 * A small file needs no thread: it is held until it has ended, for a moment at most, and
 * goes to the agent together with the word that it is complete (pump_take_unwritten()).
 */
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "pump_impl.h"
#include "util.h"

/* The most that a message to the agent can carry, and how long it is held, ms. */
#define HELD_MAX (16 * 1024)
#define HELD_MS 5
/* Bytes moved before other uploads have a turn in the pool. */
#define TURN (4 * 1024 * 1024)
#define PIPE (256 * 1024)
/* With less room than this, moving costs more than copying. */
#define PIPE_MIN (64 * 1024)
#define COPIED (128 * 1024)
/* A client that has sent so much of a turn is fast: its next bytes come in no time, ms.
 */
#define FAST (64 * 1024)
#define FAST_WAIT 1

enum outcome {
	OUT_OF_BYTES, /* the client is the slower one, or the turn is over */
	OUT_AT_END,
	OUT_BROKEN,    /* the connection: job.error */
	OUT_UNWRITTEN, /* the file: job.error */
};

struct splice_pump {
	struct pump p;
	uint8_t *held, *copied; /* HELD_MAX; COPIED, where it is done by copying */
	size_t n;
	bool is_held; /* no thread has been asked yet */
	int pipe[2];  /* -1 until it is wanted */
	bool copies;  /* the file, or the kernel, takes no splice; or there is no pipe */
	bool counted; /* one of plan.pipes is its own */
	int socket;   /* lent to a thread; or -1 */
	size_t moved; /* by the last turn */
};

/* ---- in a thread ---- */

static enum outcome
fail(struct splice_pump *u, enum outcome out)
{
	u->p.job.error = errno;
	return out;
}

static bool
write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t did = write(fd, p, n);

		if (did < 0 && errno == EINTR)
			continue;
		if (did == 0)
			errno = EIO;
		if (did <= 0)
			return false;
		p += did;
		n -= (size_t)did;
	}
	return true;
}

/* Without a pipe of some size it is done by copying. */
static void
make_pipe(struct splice_pump *u)
{
	if (u->pipe[0] >= 0 || u->copies)
		return;
	if (pipe2(u->pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		u->pipe[0] = u->pipe[1] = -1;
		u->copies = true;
		return;
	}
	(void)fcntl(u->pipe[1], F_SETPIPE_SZ, PIPE);
	u->copies = fcntl(u->pipe[1], F_GETPIPE_SZ) < PIPE_MIN;
}

/* What is in the pipe and cannot be moved on. */
static bool
copy_pipe(struct splice_pump *u, size_t n)
{
	uint8_t bytes[16 * 1024];

	while (n > 0) {
		ssize_t got =
		    read(u->pipe[0], bytes, n < sizeof(bytes) ? n : sizeof(bytes));

		if (got <= 0 || !write_all(u->p.plan.fd, bytes, (size_t)got))
			return false;
		n -= (size_t)got;
	}
	return true;
}

/* n bytes stand in the pipe. APPE's files, and some file systems, take no splice. */
static bool
empty_pipe(struct splice_pump *u, size_t n)
{
	while (n > 0) {
		ssize_t did =
		    splice(u->pipe[0], NULL, u->p.plan.fd, NULL, n, SPLICE_F_MOVE);

		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0 && errno == EINVAL) {
			u->copies = true;
			return copy_pipe(u, n);
		}
		if (did == 0)
			errno = EIO;
		if (did <= 0)
			return false;
		n -= (size_t)did;
	}
	return true;
}

/* One read of the socket, and what it gave to the file. As read(); -1 with OUT_UNWRITTEN
 * in *ret_out when it was the file. */
static ssize_t
move_some(struct splice_pump *u, enum outcome *ret_out)
{
	ssize_t got;

	*ret_out = OUT_BROKEN;
	if (u->copies)
		got = read(u->socket, u->copied, COPIED);
	else
		got = splice(u->socket, NULL, u->pipe[1], NULL, PIPE,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (got <= 0)
		return got;
	*ret_out = OUT_UNWRITTEN;
	if (u->copies ? !write_all(u->p.plan.fd, u->copied, (size_t)got)
		      : !empty_pipe(u, (size_t)got))
		return -1;
	return got;
}

static bool
more_comes(const struct splice_pump *u)
{
	struct pollfd wait = {.fd = u->socket, .events = POLLIN};

	return u->moved >= FAST && poll(&wait, 1, FAST_WAIT) > 0;
}

static enum outcome
move(struct splice_pump *u)
{
	enum outcome out;

	/* Threads ask for no memory: each would have an arena of its own for it. */
	while (u->moved < TURN && (!u->copies || u->copied != NULL)) {
		ssize_t got = move_some(u, &out);
		if (got == 0)
			return OUT_AT_END;
		if (got > 0)
			u->moved += (size_t)got;
		else if (out == OUT_UNWRITTEN || (errno != EAGAIN && errno != EINTR))
			return fail(u, out);
		else if (errno == EAGAIN && !more_comes(u))
			break;
	}
	return OUT_OF_BYTES;
}

static void
work_move(uv_work_t *work)
{
	struct splice_pump *u = work->data;

	make_pipe(u);
	if (u->n > 0 && !write_all(u->p.plan.fd, u->held, u->n))
		u->p.job.result = fail(u, OUT_UNWRITTEN);
	else
		u->p.job.result = move(u);
}

/* ---- in the loop ---- */

/* Pipes are two descriptors and some memory each: not for thousands of uploads at once.
 */
static void
count_pipe(struct splice_pump *u)
{
	unsigned *left = u->p.plan.pipes;

	if (u->counted || u->copies)
		return;
	u->counted = left != NULL && *left > 0;
	u->copies = !u->counted;
	if (u->counted)
		--*left;
}

static void
ask_thread(struct splice_pump *u)
{
	count_pipe(u);
	if (u->copies && u->copied == NULL && (u->copied = malloc(COPIED)) == NULL) {
		pump_finish(&u->p, PUMP_UNWRITTEN, ENOMEM);
		return;
	}
	u->is_held = false;
	u->moved = 0;
	conn_want(u->p.plan.conn, 0);
	u->socket = conn_lend(u->p.plan.conn);
	pump_work(&u->p, work_move);
}

static void
take_back(struct splice_pump *u)
{
	if (u->socket >= 0)
		conn_take_back(u->p.plan.conn);
	u->socket = -1;
}

/* Reads on while there is room and something comes. Results of conn_read(). */
static int
hold(struct splice_pump *u)
{
	size_t n = 0;
	int r = 0;

	while (r == 0 && u->n < HELD_MAX) {
		r = conn_read(u->p.plan.conn, u->held + u->n, HELD_MAX - u->n, &n);
		if (r == 0) {
			u->n += n;
			u->p.received += n;
			pump_moved(&u->p, n);
		}
	}
	return r;
}

static void
splice_ready(struct pump *p)
{
	struct splice_pump *u = (struct splice_pump *)p;
	bool first = u->n == 0;
	int r = u->is_held ? hold(u) : 0;

	if (r == 0) {
		ask_thread(u);
	} else if (r == -FERRY_EOF) {
		pump_finish(p, PUMP_DONE, 0);
	} else if (r < 0) {
		pump_finish(p, PUMP_BROKEN, errno);
	} else {
		if (first && u->n > 0)
			pump_pause(p, HELD_MS);
		conn_want(p->plan.conn, CONN_READABLE);
	}
}

/* It is not the whole file that was held, or not a fast client's. */
static void
splice_paused(struct pump *p)
{
	struct splice_pump *u = (struct splice_pump *)p;

	if (u->is_held)
		ask_thread(u);
}

static void
splice_collect(struct pump *p)
{
	struct splice_pump *u = (struct splice_pump *)p;

	take_back(u);
	u->n = 0;
	p->received += u->moved;
	if (u->moved > 0)
		pump_moved(p, u->moved);
}

static void
splice_worked(struct pump *p)
{
	switch ((enum outcome)p->job.result) {
	case OUT_OF_BYTES:
		conn_want(p->plan.conn, CONN_READABLE);
		break;
	case OUT_AT_END:
		pump_finish(p, PUMP_DONE, 0);
		break;
	case OUT_BROKEN:
		pump_finish(p, PUMP_BROKEN, p->job.error);
		break;
	case OUT_UNWRITTEN:
		pump_finish(p, PUMP_UNWRITTEN, p->job.error);
		break;
	}
}

static uint8_t *
splice_unwritten(struct pump *p, size_t *ret_n)
{
	struct splice_pump *u = (struct splice_pump *)p;
	uint8_t *held = u->held;

	*ret_n = u->is_held ? u->n : 0;
	u->held = NULL;
	u->n = 0;
	return held;
}

static void
splice_release(struct pump *p)
{
	struct splice_pump *u = (struct splice_pump *)p;

	take_back(u);
	if (u->counted)
		++*p->plan.pipes;
	fd_closep(&u->pipe[0]);
	fd_closep(&u->pipe[1]);
	free(u->held);
	free(u->copied);
}

static const struct pump_kind splice_kind = {
    .eager = true,
    .on_ready = splice_ready,
    .collect = splice_collect,
    .on_paused = splice_paused,
    .on_worked = splice_worked,
    .unwritten = splice_unwritten,
    .release = splice_release,
};

struct pump *
pump_splice(const struct pump_plan *plan)
{
	struct splice_pump *u = calloc(1, sizeof(*u));

	if (u != NULL)
		u->held = malloc(HELD_MAX);
	if (u == NULL || u->held == NULL) {
		free(u);
		pump_plan_close(plan);
		return NULL;
	}
	u->is_held = true;
	u->socket = u->pipe[0] = u->pipe[1] = -1;
	return pump_start(&u->p, &splice_kind, plan, 0);
}
