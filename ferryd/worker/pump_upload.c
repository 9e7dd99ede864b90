/*
 * Data connection to file. For transfer.c. A thread of the pool is lent the connection:
 * it receives, decrypts and decodes, and writes, for as long as the client keeps up, so
 * that bytes stay in one processor's cache; where they are stored as they come, in clear,
 * the kernel moves them (pump_splice.c). Must never write in the loop, never have more in
 * memory than a piece, and never call it done before the last byte is written.
 *
 * A small file needs no thread: it is held until it has ended, for a moment at most, and
 * goes to the agent together with the word that it is complete (pump_take_unwritten()).
 *
 * MODE B (ARCHITECTURE.md, "Block mode"): when the file cannot be written the rest of it
 * is read and thrown away, so that the next one is understood.
 */
#include <assert.h>
#include <errno.h>
#include <ferry/ferry.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "decoder.h"
#include "pump_impl.h"
#include "pump_splice.h"
#include "util.h"

/* The most that a message to the agent can carry, and how long it is held, ms. One byte
 * more shows that it was not all. */
#define HELD_MAX (16 * 1024)
#define HELD_ROOM (HELD_MAX + 1)
#define HELD_MS 5
/* So long one has a thread before others have a turn in the pool, ns: at a fast client's
 * rate about 16 MiB. */
#define TURN (16 * 1000 * 1000)
/* What is received, and what is written, at once: on the stack of a thread, whose cache
 * it fits. */
#define PIECE (64 * 1024)
/* The same of a zlib stream, which may become a thousand times as much. */
#define PACKED_PIECE (4 * 1024)
/* A client that has sent so much of a turn is fast: its next bytes come in no time, ms.
 */
#define FAST (64 * 1024)
#define FAST_WAIT 2

/* What a step comes to, where it is not the end of the upload (enum pump_end). */
enum step {
	STEP_MOVED = -1,
	STEP_WAITS = -2, /* for the client */
};

struct upload_pump {
	struct pump p;
	struct splicer splicer;
	bool decodes;
	struct decoder decoder;
	uint8_t *held; /* HELD_ROOM */
	size_t n;      /* bytes in it */
	bool is_held;  /* no thread has been asked yet */
	bool lent;
	bool lost;          /* MODE B: it could not be written: lost_error */
	int lost_error;     /* errno */
	size_t moved, made; /* by this turn: on the connection, and for the file */
};

bool
pump_write_all(int fd, const uint8_t *p, size_t n)
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

/* ---- steps: in a thread, or in the loop while it is held ---- */

static int
fail(struct upload_pump *u, enum pump_end end, int error)
{
	u->p.job.error = error;
	return end;
}

/* The disk's doing. */
static int
not_written(struct upload_pump *u)
{
	if (u->p.plan.coding.mode != CODING_BLOCK)
		return fail(u, PUMP_UNWRITTEN, errno);
	u->lost = true;
	u->lost_error = errno;
	return STEP_MOVED;
}

/* Bytes for the file. */
static int
store(struct upload_pump *u, const uint8_t *p, size_t n)
{
	u->made += n;
	if (u->is_held) {
		assert(n <= HELD_ROOM - u->n);
		memcpy(u->held + u->n, p, n);
		u->n += n;
	} else if (!u->lost && !pump_write_all(u->p.plan.fd, p, n)) {
		return not_written(u);
	}
	return STEP_MOVED;
}

/* The file has ended, or the connection has. */
static int
end_file(struct upload_pump *u)
{
	uint8_t last;
	size_t n = 0;

	if (u->decodes && decoder_end(&u->decoder, &last, &n) < 0)
		return fail(u, u->lost ? PUMP_UNWRITTEN : PUMP_UNENDED, u->lost_error);
	int r = store(u, &last, n);
	if (r != STEP_MOVED)
		return r;
	if (u->lost)
		return fail(u, PUMP_UNWRITTEN, u->lost_error);
	return u->decodes && decoder_is_suspect(&u->decoder) ? PUMP_SUSPECT : PUMP_DONE;
}

/* What another result of conn_read() than 0 comes to. */
static int
not_read(struct upload_pump *u, int r)
{
	switch (r) {
	case FERRY_AGAIN:
		return STEP_WAITS;
	case -FERRY_EOF:
		return end_file(u);
	case -FERRY_ESHORT:
		return fail(u, PUMP_CUT, 0);
	default:
		return fail(u, PUMP_BROKEN, errno);
	}
}

/* Into the file, or what is held: never more than came. */
static int
decode(struct upload_pump *u, const uint8_t *raw, size_t n)
{
	uint8_t text[PIECE];
	size_t used, made;
	int r, stored;

	do {
		r = decoder_run(&u->decoder, raw, n, &used, text, sizeof(text), &made);
		raw += used;
		n -= used;
		stored = store(u, text, made);
		if (stored != STEP_MOVED)
			return stored;
	} while (r == 0 && (n > 0 || sizeof(text) - made < DECODER_ROOM));
	if (r == -FERRY_EPROTO)
		return fail(u, PUMP_GARBLED, 0);
	if (r < 0)
		return fail(u, PUMP_UNWRITTEN, ENOMEM);
	return u->decoder.ended ? end_file(u) : STEP_MOVED;
}

/* On the connection, this turn counted in. */
static uint64_t
came(const struct upload_pump *u)
{
	return u->p.bytes + u->moved;
}

/* How much may be read at once: no byte behind the file, none that cannot be held. */
static size_t
piece(const struct upload_pump *u)
{
	size_t n = u->is_held ? HELD_ROOM - came(u) : PIECE;
	size_t wish = u->decodes ? decoder_wish(&u->decoder) : n;

	if (u->p.plan.coding.mode == CODING_DEFLATE && n > PACKED_PIECE)
		n = PACKED_PIECE;
	return n < wish ? n : wish;
}

static int
copy_step(struct upload_pump *u)
{
	const struct pump_plan *plan = &u->p.plan;
	uint8_t bytes[PIECE];
	size_t n = 0;

	int r = conn_read(plan->conn, bytes, piece(u), &n);
	if (r != 0)
		return not_read(u, r);
	u->moved += n;
	/* What is too much does not reach the file. */
	if (plan->bounded && came(u) > plan->length)
		return fail(u, PUMP_UNWRITTEN, EMSGSIZE);
	return u->decodes ? decode(u, bytes, n) : store(u, bytes, n);
}

static int
splice_step(struct upload_pump *u)
{
	bool unwritten;
	ssize_t got =
	    splicer_move(&u->splicer, conn_fd(u->p.plan.conn), u->p.plan.fd, &unwritten);

	if (got < 0 && !unwritten && (errno == EAGAIN || errno == EINTR))
		return STEP_WAITS;
	if (got < 0)
		return fail(u, unwritten ? PUMP_UNWRITTEN : PUMP_BROKEN, errno);
	if (got == 0)
		return PUMP_DONE;
	u->moved += (size_t)got;
	u->made += (size_t)got;
	return STEP_MOVED;
}

/* ---- in a thread ---- */

/* Does it pay to wait for it here? */
static bool
more_comes(const struct upload_pump *u)
{
	const struct conn *c = u->p.plan.conn;
	struct pollfd wait = {.fd = conn_fd(c), .events = POLLIN};

	return u->moved >= FAST && !conn_read_waits_to_write(c) &&
	       poll(&wait, 1, FAST_WAIT) > 0;
}

static int
turn(struct upload_pump *u)
{
	uint64_t end = uv_hrtime() + TURN;
	int r;

	do {
		r = splicer_prepare(&u->splicer) ? splice_step(u) : copy_step(u);
		if (r == STEP_WAITS && more_comes(u))
			r = STEP_MOVED;
	} while (r == STEP_MOVED && uv_hrtime() < end);
	return r;
}

static void
work_turn(uv_work_t *work)
{
	struct upload_pump *u = work->data;

	if (!pump_write_all(u->p.plan.fd, u->held, u->n))
		u->p.job.result = not_written(u);
	else
		u->p.job.result = STEP_MOVED;
	if (u->p.job.result == STEP_MOVED)
		u->p.job.result = turn(u);
}

/* ---- in the loop ---- */

static void
ask_thread(struct upload_pump *u)
{
	(void)splicer_may_work(&u->splicer);
	u->is_held = false;
	conn_want(u->p.plan.conn, 0);
	conn_lend(u->p.plan.conn);
	u->lent = true;
	pump_work(&u->p, work_turn);
}

static void
take_back(struct upload_pump *u)
{
	if (u->lent)
		conn_take_back(u->p.plan.conn);
	u->lent = false;
}

/* Takes in what a turn has moved. */
static void
count(struct upload_pump *u)
{
	size_t moved = u->moved;

	u->p.received += u->made;
	u->moved = u->made = 0;
	if (moved > 0)
		pump_moved(&u->p, moved);
}

/* Reads on while there is room and something comes. A zlib stream may become anything:
 * it is a thread's from its first byte on. */
static int
hold(struct upload_pump *u)
{
	int r = STEP_MOVED;

	if (u->p.plan.coding.mode == CODING_DEFLATE) {
		u->is_held = false;
		return STEP_WAITS;
	}
	while (r == STEP_MOVED && came(u) < HELD_ROOM)
		r = copy_step(u);
	count(u);
	return r;
}

/* The step was the last one. */
static void
conclude(struct upload_pump *u, int end)
{
	u->p.in_step = u->decoder.ended;
	pump_finish(&u->p, (enum pump_end)end, u->p.job.error);
}

static void
upload_ready(struct pump *p)
{
	struct upload_pump *u = (struct upload_pump *)p;
	bool first = p->bytes == 0;
	int r = u->is_held ? hold(u) : STEP_MOVED;

	if (r == STEP_MOVED) {
		ask_thread(u);
	} else if (r == STEP_WAITS) {
		if (first && p->bytes > 0)
			pump_pause(p, HELD_MS);
		conn_want(p->plan.conn, CONN_READABLE);
	} else {
		conclude(u, r);
	}
}

/* It is not the whole file that was held, or not a fast client's. */
static void
upload_paused(struct pump *p)
{
	struct upload_pump *u = (struct upload_pump *)p;

	if (u->is_held)
		ask_thread(u);
}

static void
upload_collect(struct pump *p)
{
	struct upload_pump *u = (struct upload_pump *)p;

	take_back(u);
	free(u->held);
	u->held = NULL;
	u->n = 0;
	count(u);
}

static void
upload_worked(struct pump *p)
{
	int r = (int)p->job.result;

	if (r == STEP_MOVED || r == STEP_WAITS)
		conn_want(p->plan.conn, CONN_READABLE);
	else
		conclude((struct upload_pump *)p, r);
}

static uint8_t *
upload_unwritten(struct pump *p, size_t *ret_n)
{
	struct upload_pump *u = (struct upload_pump *)p;
	uint8_t *held = u->held;

	*ret_n = u->is_held ? u->n : 0;
	u->held = NULL;
	u->n = 0;
	return held;
}

static void
upload_release(struct pump *p)
{
	struct upload_pump *u = (struct upload_pump *)p;

	take_back(u);
	splicer_free(&u->splicer);
	if (u->decodes)
		decoder_free(&u->decoder);
	free(u->held);
}

static const struct pump_kind upload_kind = {
    .eager = true,
    .on_ready = upload_ready,
    .collect = upload_collect,
    .on_paused = upload_paused,
    .on_worked = upload_worked,
    .unwritten = upload_unwritten,
    .release = upload_release,
};

struct pump *
pump_upload(const struct pump_plan *plan)
{
	bool plain = coding_is_plain(&plan->coding);
	bool splices = plain && !plan->bounded && conn_tls(plan->conn) == NULL;
	struct upload_pump *u = calloc(1, sizeof(*u));

	if (u != NULL)
		u->held = malloc(HELD_ROOM);
	if (u == NULL || u->held == NULL ||
	    (!plain && decoder_init(&u->decoder, &plan->coding) < 0)) {
		if (u != NULL)
			free(u->held);
		free(u);
		pump_plan_close(plan);
		return NULL;
	}
	splicer_init(&u->splicer, splices ? plan->pipes : NULL);
	u->decodes = !plain;
	u->is_held = true;
	return pump_start(&u->p, &upload_kind, plan, 0);
}
