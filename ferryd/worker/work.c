/*
 * Work over whole files. See work.h. Must never hold a thread of the pool for longer than
 * a piece takes, nor free what a thread still uses.
 */
#include "work.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "digest.h"
#include "util.h"

/* Bytes until others have their turn: a few milliseconds. */
#define PIECE (2U << 20)
#define CHUNK (64U << 10)

struct work {
	struct work_plan plan;
	uv_work_t job;
	_Atomic uint64_t done; /* a thread counts, the loop looks */
	bool working;          /* a thread has `job` and what follows */
	bool cancelled;
	bool freed;
	bool by_hand; /* the kernel cannot copy between these two files */
	enum work_end end;
	int error;
};

/* ---- in a thread ---- */

static void
fail(struct work *k, enum work_end end, int error)
{
	k->end = end;
	k->error = error;
}

static bool
write_all(struct work *k, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t r = write(k->plan.to, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			fail(k, WORK_UNWRITTEN, r < 0 ? errno : EIO);
			return false;
		}
		p += r;
		n -= (size_t)r;
	}
	return true;
}

/* The next chunk through a buffer. Its length, or 0 when that failed. */
static size_t
chunk_by_hand(struct work *k, size_t want)
{
	uint8_t chunk[CHUNK];
	ssize_t n;

	do
		n = pread(k->plan.from, chunk, want < CHUNK ? want : CHUNK,
		    (off_t)(k->plan.offset + k->done));
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		fail(k, WORK_UNREAD, n < 0 ? errno : 0);
		return 0;
	}
	if (k->plan.digest != NULL && digest_add(k->plan.digest, chunk, (size_t)n) < 0) {
		fail(k, WORK_UNREAD, ENOMEM);
		return 0;
	}
	if (k->plan.to >= 0 && !write_all(k, chunk, (size_t)n))
		return 0;
	return (size_t)n;
}

/* The kernel copies, or the file system shares the blocks. */
static size_t
chunk_by_kernel(struct work *k, size_t want)
{
	off_t at = (off_t)(k->plan.offset + k->done);
	ssize_t n = copy_file_range(k->plan.from, &at, k->plan.to, NULL, want, 0);

	if (n > 0)
		return (size_t)n;
	if (n < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS &&
	    errno != EOPNOTSUPP && errno != EBADF) {
		fail(k, WORK_UNWRITTEN, errno);
		return 0;
	}
	/* Some file systems say 0 where they cannot: reading tells whether it is the
	 * end. */
	k->by_hand = true;
	return chunk_by_hand(k, want);
}

static void
do_piece(uv_work_t *job)
{
	struct work *k = job->data;
	uint64_t until = k->done + PIECE;

	if (until > k->plan.length)
		until = k->plan.length;
	while (k->done < until && k->end == WORK_DONE) {
		size_t want = (size_t)(until - k->done);

		if (k->plan.to < 0 || k->by_hand)
			k->done += chunk_by_hand(k, want);
		else
			k->done += chunk_by_kernel(k, want);
	}
}

/* ---- in the loop ---- */

static void
destroy(struct work *k)
{
	fd_closep(&k->plan.from);
	fd_closep(&k->plan.to);
	digest_free(k->plan.digest);
	(*k->plan.count)--;
	free(k);
}

static void on_piece(uv_work_t *job, int status);

static void
go_on(struct work *k)
{
	k->job.data = k;
	k->working = true;
	/* It fails for want of arguments only. */
	uv_queue_work(k->plan.loop, &k->job, do_piece, on_piece);
}

static void
on_piece(uv_work_t *job, int status)
{
	struct work *k = job->data;

	k->working = false;
	if (k->freed) {
		destroy(k);
		return;
	}
	if (k->end == WORK_DONE && k->cancelled)
		k->end = WORK_CANCELLED;
	else if (k->end == WORK_DONE && k->done < k->plan.length) {
		go_on(k);
		return;
	}
	k->plan.on_end(k, k->end, k->error, k->plan.user);
}

struct work *
work_start(const struct work_plan *plan)
{
	struct work *k = calloc(1, sizeof(*k));

	if (k == NULL) {
		close(plan->from);
		if (plan->to >= 0)
			close(plan->to);
		digest_free(plan->digest);
		return NULL;
	}
	k->plan = *plan;
	(*plan->count)++;
	go_on(k);
	return k;
}

uint64_t
work_bytes(const struct work *k)
{
	return k->done;
}

void
work_cancel(struct work *k)
{
	k->cancelled = true;
}

void
work_free(struct work *k)
{
	if (k == NULL || k->freed)
		return;
	k->freed = k->cancelled = true;
	if (!k->working)
		destroy(k);
}
