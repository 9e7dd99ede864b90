/*
 * File to data connection: sendfile for bytes as they are, two buffers where line ends
 * are converted. For transfer.c. Must never wait for a disk in the loop: what is not in
 * the page cache is read by a thread first.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ascii.h"
#include "pump_impl.h"
#include "util.h"

/* Bytes sent before other sessions have their turn. */
#define WINDOW (512 * 1024)
/* Bytes a thread brings into the page cache at a time. */
#define READ_AHEAD (1024 * 1024)
#define TEXT_CHUNK (32 * 1024)

struct file_pump {
	struct pump p;
	uint64_t offset; /* next byte to send, or to convert */
	uint64_t left;
	uint64_t warm; /* up to here the page cache has it */
	/* TYPE A */
	struct ascii_encoder encoder;
	uint8_t *in, *out; /* TEXT_CHUNK, and twice that */
	size_t in_used, in_len, out_used, out_len;
};

/* ---- in a thread ---- */

/* Reads job->n bytes at job->offset: into job->p, or to nowhere, so that they are in
 * memory. */
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

		if (job->p != NULL)
			n = pread(job->fd, job->p + job->result, want, at);
		else
			n = pread(job->fd, waste,
			    want < sizeof(waste) ? want : sizeof(waste), at);
		if (n > 0)
			job->result += n;
	}
	if (n < 0) {
		job->error = errno;
		job->result = -1;
	}
}

static void
ask_thread(struct file_pump *f, uint8_t *to, size_t n)
{
	f->p.job = (struct pump_job){
	    .fd = f->p.plan.fd,
	    .p = to,
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
	ask_thread(f, NULL, READ_AHEAD);
	return 0;
}

static void
send_plain(struct file_pump *f)
{
	size_t n = f->left < WINDOW ? (size_t)f->left : WINDOW, sent = 0;

	if (n == 0) {
		pump_drain(&f->p);
		return;
	}
	n = warm_up(f, n);
	if (n == 0)
		return;
	int r = conn_sendfile(f->p.plan.conn, f->p.plan.fd, &f->offset, n, &sent);
	if (r == FERRY_AGAIN)
		return;
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
}

/* ---- with line ends converted ---- */

/* Sends what is converted. 0: all of it; FERRY_AGAIN; negative: over. */
static int
send_converted(struct file_pump *f)
{
	while (f->out_used < f->out_len) {
		size_t n = 0;
		int r = conn_send(
		    f->p.plan.conn, f->out + f->out_used, f->out_len - f->out_used, &n);

		if (r < 0)
			pump_finish(&f->p, PUMP_BROKEN, errno);
		if (r != 0)
			return r;
		f->out_used += n;
		pump_moved(&f->p, n);
	}
	return 0;
}

static void
convert(struct file_pump *f)
{
	size_t used = 0, made = 0;

	ascii_encode(&f->encoder, f->in + f->in_used, f->in_len - f->in_used, &used,
	    f->out, 2 * TEXT_CHUNK, &made);
	f->in_used += used;
	f->out_used = 0;
	f->out_len = made;
}

static void
took(struct file_pump *f, size_t n)
{
	f->in_used = 0;
	f->in_len = n;
	f->offset += n;
	f->left -= n;
}

/* Fills the input. False: a thread does it, or it is over. */
static bool
fill(struct file_pump *f)
{
	size_t want = f->left < TEXT_CHUNK ? (size_t)f->left : TEXT_CHUNK;
	struct iovec iov = {.iov_base = f->in, .iov_len = want};
	ssize_t n = preadv2(f->p.plan.fd, &iov, 1, (off_t)f->offset, RWF_NOWAIT);

	if (n < 0) {
		ask_thread(f, f->in, TEXT_CHUNK);
		return false;
	}
	if (n == 0) {
		pump_finish(&f->p, PUMP_UNREAD, 0);
		return false;
	}
	took(f, (size_t)n);
	return true;
}

static void
send_text(struct file_pump *f)
{
	if (send_converted(f) != 0)
		return;
	if (f->in_used == f->in_len && !f->encoder.owe_lf) {
		if (f->left == 0) {
			pump_drain(&f->p);
			return;
		}
		if (!fill(f))
			return;
	}
	convert(f);
	send_converted(f);
}

/* ---- the pump ---- */

static void
file_ready(struct pump *p, unsigned events)
{
	struct file_pump *f = (struct file_pump *)p;

	if (p->plan.ascii)
		send_text(f);
	else
		send_plain(f);
}

/* A small file fits into the socket's buffer at once: then the connection is never
 * watched. */
static void
file_begin(struct pump *p)
{
	file_ready(p, CONN_WRITABLE);
	if (!p->ending && !p->draining && !p->working)
		conn_want(p->plan.conn, CONN_WRITABLE);
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
	if (p->plan.ascii)
		took(f, (size_t)p->job.result);
	else
		f->warm = f->offset + (uint64_t)p->job.result;
	conn_want(p->plan.conn, CONN_WRITABLE);
}

static void
file_release(struct pump *p)
{
	struct file_pump *f = (struct file_pump *)p;

	free(f->in);
	free(f->out);
}

static const struct pump_kind file_kind = {
    .begin = file_begin,
    .on_ready = file_ready,
    .on_worked = file_worked,
    .release = file_release,
};

struct pump *
pump_file(const struct pump_plan *plan)
{
	struct file_pump *f = calloc(1, sizeof(*f));

	if (f != NULL && plan->ascii) {
		f->in = malloc(TEXT_CHUNK);
		f->out = malloc((size_t)2 * TEXT_CHUNK);
	}
	if (f == NULL || (plan->ascii && (f->in == NULL || f->out == NULL))) {
		if (f != NULL) {
			free(f->in);
			free(f->out);
		}
		free(f);
		close(plan->fd);
		return NULL;
	}
	f->offset = f->warm = plan->offset;
	f->left = plan->length;
	return pump_start(&f->p, &file_kind, plan, 0);
}
