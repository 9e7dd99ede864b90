/*
 * Data connection to file, where bytes are not stored as they come (pump_splice.c is for
 * those). For transfer.c. The loop fills one buffer while a thread writes the other; when
 * both are full the client waits. Must never write in the loop,
 * never decode more of a turn than there is room for, and never call it done before the
 * last byte is written.
 *
 * MODE B (ARCHITECTURE.md, "Block mode"): when the file cannot be written the rest of it
 * is read and thrown away, so that the next one is understood.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdlib.h>
#include <unistd.h>

#include "decoder.h"
#include "pump_impl.h"
#include "util.h"

#define UPLOAD_CHUNK (256 * 1024)
/* Read here, and decoded into the buffer. */
#define RAW_CHUNK (32 * 1024)

struct upload_pump {
	struct pump p;
	struct decoder decoder;
	uint8_t *half[2]; /* the second is made when the first is being written */
	unsigned filling;
	size_t n;     /* bytes in the one being filled */
	uint8_t *raw; /* RAW_CHUNK; NULL where nothing is to be decoded */
	size_t raw_used, raw_len;
	bool pressed; /* the decoder had no room: it may have more without new input */
	bool all;     /* the file has ended in order */
	bool lost;    /* MODE B: it could not be written: error */
	int error;
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

/* What the decoder makes of bytes that came, to the buffer. Room is left for the last
 * byte. Results of decoder_run(). */
static int
decode(struct upload_pump *u)
{
	size_t room = UPLOAD_CHUNK - u->n - 1, used = 0, made = 0;
	int r = decoder_run(&u->decoder, u->raw + u->raw_used, u->raw_len - u->raw_used,
	    &used, u->half[u->filling] + u->n, room, &made);

	u->raw_used += used;
	u->n += made;
	u->p.received += made;
	u->pressed = room - made < DECODER_ROOM;
	return r;
}

static bool
has_undecoded(const struct upload_pump *u)
{
	return u->pressed || u->raw_used < u->raw_len;
}

/* Reads as much as fits and belongs to the file. Results of conn_read(), decoder_run().
 */
static int
take_in(struct upload_pump *u)
{
	struct conn *c = u->p.plan.conn;
	size_t wish = decoder_wish(&u->decoder), n = 0;
	int r;

	if (u->raw == NULL) {
		r = conn_read(c, u->half[u->filling] + u->n, UPLOAD_CHUNK - u->n, &n);
		u->n += n;
		u->p.received += n;
	} else if (has_undecoded(u)) {
		return decode(u);
	} else {
		r = conn_read(c, u->raw, wish < RAW_CHUNK ? wish : RAW_CHUNK, &n);
		u->raw_used = 0;
		u->raw_len = n;
	}
	if (r != 0)
		return r;
	pump_moved(&u->p, n);
	return u->raw != NULL ? decode(u) : 0;
}

static bool
has_room(const struct upload_pump *u)
{
	return u->n + (u->raw != NULL ? 1 + DECODER_ROOM : 1) <= UPLOAD_CHUNK;
}

static enum pump_end
verdict(const struct upload_pump *u)
{
	if (u->lost)
		return PUMP_UNWRITTEN;
	return decoder_is_suspect(&u->decoder) ? PUMP_SUSPECT : PUMP_DONE;
}

/* Whatever can happen next happens. */
static void
go_on(struct upload_pump *u)
{
	if (u->lost)
		u->n = 0;
	if (!u->p.working && u->n > 0)
		write_out(u);
	if (u->all && !u->p.working && u->n == 0) {
		u->p.in_step = u->p.plan.coding.mode == CODING_BLOCK;
		pump_finish(&u->p, verdict(u), u->error);
	} else if (u->all || !has_room(u)) {
		conn_want(u->p.plan.conn, 0);
	} else {
		/* What is here already needs a turn, but no byte from the client. */
		conn_want(
		    u->p.plan.conn, has_undecoded(u) ? CONN_WRITABLE : CONN_READABLE);
	}
}

/* The disk's doing, or the memory's. */
static void
cannot_write(struct upload_pump *u, int error)
{
	if (u->p.plan.coding.mode != CODING_BLOCK) {
		pump_finish(&u->p, PUMP_UNWRITTEN, error);
		return;
	}
	u->lost = true;
	u->error = error;
	go_on(u);
}

/* The file, or the connection, is at its end. */
static void
on_end(struct upload_pump *u)
{
	size_t n = 0;

	if (decoder_end(&u->decoder, u->half[u->filling] + u->n, &n) < 0) {
		pump_finish(&u->p, u->lost ? PUMP_UNWRITTEN : PUMP_UNENDED, u->error);
		return;
	}
	u->n += n;
	u->p.received += n;
	u->all = true;
	go_on(u);
}

static void
upload_ready(struct pump *p)
{
	struct upload_pump *u = (struct upload_pump *)p;

	if (half_to_fill(u) == NULL) {
		pump_finish(p, PUMP_UNWRITTEN, ENOMEM);
		return;
	}
	int r = take_in(u);
	/* What is too much has not been given to a thread yet. */
	if (r >= 0 && p->plan.bounded && p->bytes > p->plan.length)
		pump_finish(p, PUMP_UNWRITTEN, EMSGSIZE);
	else if (r >= 0 && u->decoder.ended)
		on_end(u);
	else if (r >= 0)
		go_on(u);
	else if (r == -FERRY_EOF)
		on_end(u);
	else if (r == -FERRY_EPROTO)
		pump_finish(p, PUMP_GARBLED, 0);
	else if (r == -FERRY_ENOMEM)
		pump_finish(p, PUMP_UNWRITTEN, ENOMEM);
	else if (r == -FERRY_ESHORT)
		pump_finish(p, PUMP_CUT, 0);
	else
		pump_finish(p, PUMP_BROKEN, errno);
}

static void
upload_worked(struct pump *p)
{
	struct upload_pump *u = (struct upload_pump *)p;

	if (p->job.result < 0)
		cannot_write(u, p->job.error);
	else
		go_on(u);
}

static void
upload_release(struct pump *p)
{
	struct upload_pump *u = (struct upload_pump *)p;

	free(u->half[0]);
	free(u->half[1]);
	free(u->raw);
	decoder_free(&u->decoder);
}

static const struct pump_kind upload_kind = {
    .eager = true,
    .on_ready = upload_ready,
    .on_worked = upload_worked,
    .release = upload_release,
};

struct pump *
pump_upload(const struct pump_plan *plan)
{
	bool plain = coding_is_plain(&plan->coding);

	if (plain && !plan->bounded && conn_tls(plan->conn) == NULL)
		return pump_splice(plan);
	struct upload_pump *u = calloc(1, sizeof(*u));
	if (u != NULL && !plain)
		u->raw = malloc(RAW_CHUNK);
	if (u == NULL || (u->raw == NULL && !plain) ||
	    decoder_init(&u->decoder, &plan->coding) < 0) {
		if (u != NULL)
			free(u->raw);
		free(u);
		pump_plan_close(plan);
		return NULL;
	}
	return pump_start(&u->p, &upload_kind, plan, 0);
}
