/*
 * Data connection to file. For transfer.c. The loop fills one buffer while a thread
 * writes the other; when both are full the client waits. Must never write in the loop,
 * and never call it done before the last byte is written.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdlib.h>
#include <unistd.h>

#include "ascii.h"
#include "pump_impl.h"
#include "util.h"

#define UPLOAD_CHUNK (256 * 1024)
/* TYPE A: read here, converted into the buffer. */
#define TEXT_CHUNK (16 * 1024)

struct upload_pump {
	struct pump p;
	struct ascii_decoder decoder;
	uint8_t *half[2]; /* the second is made when the first is being written */
	unsigned filling;
	size_t n; /* bytes in the one being filled */
	bool all; /* the client has ended in order */
};

static void
work_write(uv_work_t *work)
{
	struct pump_job *job = pump_job_of(work);

	job->result = 0;
	while ((size_t)job->result < job->n) {
		ssize_t n =
		    write(job->fd, job->p + job->result, job->n - (size_t)job->result);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			job->error = n < 0 ? errno : EIO;
			job->result = -1;
			return;
		}
		job->result += n;
	}
}

/* Gives the full half to a thread and turns to the other. */
static void
write_out(struct upload_pump *u)
{
	u->p.job = (struct pump_job){
	    .fd = u->p.plan.fd,
	    .p = u->half[u->filling],
	    .n = u->n,
	};
	u->filling ^= 1;
	u->n = 0;
	pump_work(&u->p, work_write);
}

/* Where the next bytes go; NULL when memory is out. */
static uint8_t *
half_to_fill(struct upload_pump *u)
{
	if (u->half[u->filling] == NULL)
		u->half[u->filling] = malloc(UPLOAD_CHUNK);
	return u->half[u->filling];
}

/* Reads as much as fits. Results of conn_read(). */
static int
take_in(struct upload_pump *u, uint8_t *half)
{
	struct conn *c = u->p.plan.conn;
	uint8_t text[TEXT_CHUNK];
	size_t room = UPLOAD_CHUNK - u->n, n = 0, used = 0, made = 0;

	if (!u->p.plan.ascii) {
		int r = conn_read(c, half + u->n, room, &n);
		if (r != 0)
			return r;
		u->n += n;
		pump_moved(&u->p, n);
		return 0;
	}
	/* A CR that was held back may come on top of what is read now; it also needs two
	 * bytes of room. */
	int r = conn_read(c, text, room - 2 < sizeof(text) ? room - 2 : sizeof(text), &n);
	if (r != 0)
		return r;
	pump_moved(&u->p, n);
	ascii_decode(&u->decoder, text, n, &used, half + u->n, room, &made);
	u->n += made;
	return 0;
}

/* Room for one more read: in TYPE A never less than a byte and the CR that waits. */
static bool
has_room(const struct upload_pump *u)
{
	return u->n < UPLOAD_CHUNK - (u->p.plan.ascii ? 3 : 0);
}

/* Whatever can happen next happens. */
static void
go_on(struct upload_pump *u)
{
	if (!u->p.working && u->n > 0)
		write_out(u);
	if (u->all && !u->p.working && u->n == 0)
		pump_finish(&u->p, PUMP_DONE, 0);
	else
		conn_want(u->p.plan.conn, !u->all && has_room(u) ? CONN_READABLE : 0);
}

static void
upload_ready(struct pump *p, unsigned events)
{
	struct upload_pump *u = (struct upload_pump *)p;
	uint8_t *half = half_to_fill(u);

	if (half == NULL) {
		pump_finish(p, PUMP_UNWRITTEN, ENOMEM);
		return;
	}
	int r = take_in(u, half);
	if (r == -FERRY_EOF) {
		u->all = true;
		u->n += ascii_decode_end(&u->decoder, half + u->n);
	} else if (r < 0) {
		pump_finish(p, PUMP_BROKEN, errno);
		return;
	}
	go_on(u);
}

static void
upload_worked(struct pump *p)
{
	if (p->job.result < 0)
		pump_finish(p, PUMP_UNWRITTEN, p->job.error);
	else
		go_on((struct upload_pump *)p);
}

static void
upload_release(struct pump *p)
{
	struct upload_pump *u = (struct upload_pump *)p;

	free(u->half[0]);
	free(u->half[1]);
}

static const struct pump_kind upload_kind = {
    .on_ready = upload_ready,
    .on_worked = upload_worked,
    .release = upload_release,
};

struct pump *
pump_upload(const struct pump_plan *plan)
{
	struct upload_pump *u = calloc(1, sizeof(*u));

	if (u == NULL) {
		close(plan->fd);
		return NULL;
	}
	return pump_start(&u->p, &upload_kind, plan, CONN_READABLE);
}
