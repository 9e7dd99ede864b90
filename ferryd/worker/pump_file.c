/*
 * File to data connection: sendfile for bytes as they are; all else is pump_coded.c's.
 * For transfer.c. Must never wait for a disk in the loop: what is not in the page cache
 * is read by a thread first.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "pump_impl.h"
#include "util.h"

/* Bytes sent before other sessions have their turn. One large download alone is quickest
 * with many; beside others few are still in the processor's caches when the peer on this
 * machine takes them, and many cost a third of the speed. */
#define WINDOW (512 * 1024)
#define WINDOW_BESIDE (128 * 1024)
/* Files over this are worth a system call that makes their segments full ones: with BBR
 * they are otherwise so small that loopback is four times slower. */
#define BULK_MIN (128 * 1024)
/* Bytes a thread brings into the page cache at a time. */
#define READ_AHEAD (1024 * 1024)

struct file_pump {
	struct pump p;
	uint64_t offset; /* next byte to send */
	uint64_t left;
	uint64_t warm; /* up to here the page cache has it */
	bool large;    /* it is one of plan.large */
};

/* ---- in a thread ---- */

/* Reads job->n bytes at job->offset to nowhere, so that they are in memory. */
static void
work_read(uv_work_t *work)
{
	struct pump_job *job = pump_job_of(work);
	uint8_t waste[64 * 1024];
	ssize_t n = 1;

	job->result = 0;
	while (n > 0 && (size_t)job->result < job->n) {
		size_t want = job->n - (size_t)job->result;
		off_t at = (off_t)(job->offset + (uint64_t)job->result);

		n = pread(
		    job->fd, waste, want < sizeof(waste) ? want : sizeof(waste), at);
		if (n > 0)
			job->result += n;
	}
	if (n < 0) {
		job->error = errno;
		job->result = -1;
	}
}

static void
ask_thread(struct file_pump *f, size_t n)
{
	f->p.job = (struct pump_job){
	    .fd = f->p.plan.fd,
	    .n = n < f->left ? n : (size_t)f->left,
	    .offset = f->offset,
	};
	conn_want(f->p.plan.conn, 0);
	pump_work(&f->p, work_read);
}

/* ---- bytes as they are ---- */

/* Is the byte at offset in the page cache? Where the file system cannot tell, a thread
 * has to look. */
static bool
is_cached(int fd, uint64_t offset)
{
	uint8_t byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};

	return preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT) >= 0;
}

/* tmpfs cannot tell what is in memory (EOPNOTSUPP): all of it is, unless the machine is
 * so short of memory that it swaps, and then our own pages are not better off. */
static bool
lives_in_memory(int fd)
{
	struct statfs fs;

	return errno == EOPNOTSUPP && fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

/* How many of the next n bytes can be sent without waiting for a disk: what a thread has
 * read, or what is found in memory by its first and its last page (what lies between was
 * read with them). 0: a thread is reading now. */
static size_t
warm_up(struct file_pump *f, size_t n)
{
	if (f->offset < f->warm)
		return n < f->warm - f->offset ? n : (size_t)(f->warm - f->offset);
	if (is_cached(f->p.plan.fd, f->offset) &&
	    is_cached(f->p.plan.fd, f->offset + n - 1))
		return n;
	if (lives_in_memory(f->p.plan.fd)) {
		f->warm = f->offset + f->left;
		return n;
	}
	ask_thread(f, READ_AHEAD);
	return 0;
}

/* Results of conn_send(). */
static int
send_bytes(struct file_pump *f, size_t n, size_t *ret_sent)
{
	const struct pump_plan *plan = &f->p.plan;
	int r = conn_send_last(
	    plan->conn, plan->bytes + (f->offset - plan->offset), n, ret_sent);

	f->offset += *ret_sent;
	return r;
}

static size_t
window(const struct file_pump *f)
{
	size_t most = f->large && *f->p.plan.large > 1 ? WINDOW_BESIDE : WINDOW;

	return f->left < most ? (size_t)f->left : most;
}

static void
send_plain(struct file_pump *f)
{
	const struct pump_plan *plan = &f->p.plan;
	size_t n = window(f), sent = 0;

	if (n == 0) {
		pump_drain(&f->p);
		return;
	}
	if (plan->bytes == NULL)
		n = warm_up(f, n);
	if (n == 0)
		return;
	int r = plan->bytes != NULL
		    ? send_bytes(f, n, &sent)
		    : conn_sendfile(plan->conn, plan->fd, &f->offset, n, &sent);
	if (r == FERRY_AGAIN) {
		conn_want(plan->conn, CONN_WRITABLE);
		return;
	}
	if (r < 0) {
		pump_finish(&f->p, errno == EIO ? PUMP_UNREAD : PUMP_BROKEN, errno);
		return;
	}
	if (sent == 0) {
		pump_finish(&f->p, PUMP_UNREAD, 0);
		return;
	}
	f->left -= sent;
	pump_moved(&f->p, sent);
	if (f->left == 0)
		pump_drain(&f->p);
	else
		conn_want(plan->conn, CONN_WRITABLE);
}

/* ---- the pump ---- */

static void
file_ready(struct pump *p)
{
	send_plain((struct file_pump *)p);
}

static void
file_worked(struct pump *p)
{
	struct file_pump *f = (struct file_pump *)p;

	if (p->job.result < 0) {
		pump_finish(p, PUMP_UNREAD, p->job.error);
		return;
	}
	if (p->job.result == 0) {
		pump_finish(p, PUMP_UNREAD, 0);
		return;
	}
	f->warm = f->offset + (uint64_t)p->job.result;
	conn_want(p->plan.conn, CONN_WRITABLE);
}

static void
file_release(struct pump *p)
{
	struct file_pump *f = (struct file_pump *)p;

	if (f->large)
		--*p->plan.large;
}

static const struct pump_kind file_kind = {
    .eager = true,
    .on_ready = file_ready,
    .on_worked = file_worked,
    .release = file_release,
};

struct pump *
pump_file(const struct pump_plan *plan)
{
	if (!coding_is_plain(&plan->coding))
		return pump_coded(plan);
	struct file_pump *f = calloc(1, sizeof(*f));
	if (f == NULL) {
		pump_plan_close(plan);
		return NULL;
	}
	f->offset = f->warm = plan->offset;
	f->left = plan->length;
	if (f->left > BULK_MIN) {
		conn_bulk(plan->conn);
		f->large = plan->large != NULL;
	}
	if (f->large)
		++*plan->large;
	return pump_start(&f->p, &file_kind, plan, 0);
}
