/*
 * Transfers: TYPE, MODE, SIZE, a data connection, REST, the transfer command, bytes, the
 * final reply. A transfer is good only if the final reply is positive and the byte count
 * agrees with what was announced: half a file with a 226 is an error. The control
 * connection is read all the time, so that an early refusal ends the wait.
 */
#include "client.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "listing.h"

static int after_type(struct ferry *h);
static int data_ready(struct ferry *h);

void
transfer_set_state(struct ferry *h, enum transfer_state state)
{
	h->xfer.state = state;
}

void
transfer_restart(struct ferry *h)
{
	struct transfer *x = &h->xfer;

	x->begun = x->data_end = x->calm_noop = x->calm_settled = false;
	x->reused = x->coded_end = x->cut = x->suspect = false;
	x->coded_pos = x->coded_len = 0;
	x->data_errno = 0;
	x->tls_why[0] = '\0';
	x->final = 0;
	x->stall = x->hollow = 0;
	coding_fresh(h);
	transfer_set_state(h, XFER_LADDER);
}

void
transfer_next(struct ferry *h)
{
	const struct transfer *x = &h->xfer;

	h->xfer = (struct transfer){
	    .state = x->state,
	    .verb = x->verb,
	    .type = x->type,
	    .upload = x->upload,
	    .convert = x->convert,
	    .check_size = x->check_size,
	    .want_time = x->want_time,
	    .size = -1,
	    .mtime = INT64_MIN,
	    .write = x->write,
	    .read = x->read,
	    .user = x->user,
	    .io = x->io,
	    .io_pos = x->io_pos,
	    .io_len = x->io_len,
	    .cooked = x->cooked,
	    .coded = x->coded,
	};
}

void
transfer_prepare(struct ferry *h, const char *verb, char type)
{
	h->xfer = (struct transfer){
	    .verb = verb,
	    .type = type,
	    .size = -1,
	    .mtime = INT64_MIN,
	};
}

/* ---------------------------------------------------------------- before the data
 * connection */

static bool
type_is_right(const struct ferry *h)
{
	char wanted = h->xfer.type;

	if (wanted == 0 || wanted == h->type)
		return true;
	return wanted == TYPE_LISTING && h->type != 'I';
}

int
transfer_begin(struct ferry *h)
{
	free(h->unique);
	h->unique = NULL;
	if (pump_prepare(h) < 0)
		return fail_memory(h);
	if (type_is_right(h))
		return after_type(h);
	transfer_set_state(h, XFER_TYPE);
	return op_send(h, 0, "TYPE", h->xfer.type == 'I' ? "I" : "A");
}

static int
type_reply(struct ferry *h)
{
	int code = h->control.reply.code;

	if (code >= 200 && code < 300)
		h->type = h->xfer.type == 'I' ? 'I' : 'A';
	else if (h->xfer.type != TYPE_LISTING)
		return many_fail_type(h);
	return after_type(h);
}

static int
begin_ladder(struct ferry *h)
{
	if (pump_prepare_coding(h) < 0)
		return fail_memory(h);
	transfer_set_state(h, XFER_LADDER);
	ladder_begin(h);
	h->xfer.reused = coding_reuses(h);
	if (h->xfer.reused)
		return data_ready(h);
	data_close(h, 0, false);
	coding_fresh(h);
	return ladder_next(h);
}

static int
after_size(struct ferry *h)
{
	if (!h->xfer.want_time || many_pipelines(h))
		return begin_ladder(h);
	transfer_set_state(h, XFER_TIME);
	return op_send(h, 0, "MDTM", h->op.path);
}

static int
after_mode(struct ferry *h)
{
	if (!h->xfer.check_size || h->xfer.size >= 0 || many_pipelines(h) ||
	    !ferry_has_feature(h, "SIZE"))
		return after_size(h);
	transfer_set_state(h, XFER_SIZE);
	return op_send(h, 0, "SIZE", h->op.path);
}

static int
after_type(struct ferry *h)
{
	enum ferry_coding coding;

	if (!coding_differs(h, &coding))
		return after_mode(h);
	transfer_set_state(h, XFER_MODE);
	return coding_ask(h, coding);
}

/* What was refused is not asked for again, so this comes to an end. */
static int
mode_reply(struct ferry *h)
{
	int r = coding_reply(h);

	return r < 0 ? r : after_type(h);
}

/* No SIZE is no failure: RETR itself will tell what is wrong with the file. */
static int
size_reply(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	const char *text = reply_text(&h->control.reply);
	uint64_t size;

	if (h->control.reply.code != 213 ||
	    parse_uint(text, strlen(text), INT64_MAX, &size) < 0)
		return after_size(h);
	if (size < x->offset)
		return fail(h, FERRY_ESHORT, 0,
		    "%s: the file has %llu bytes, it cannot be continued at %llu",
		    h->host, (unsigned long long)size, (unsigned long long)x->offset);
	x->size = (int64_t)(size - x->offset);
	return after_size(h);
}

/* No time is no failure. */
static int
time_reply(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	const char *text = reply_text(&h->control.reply);

	if (h->control.reply.code == 213)
		(void)listing_parse_time(text, strcspn(text, " "), &x->mtime);
	if (!many_pipelines(h))
		return begin_ladder(h);
	transfer_set_state(h, XFER_RUN);
	control_await(h);
	return FERRY_AGAIN;
}

/* ---------------------------------------------------------------- the transfer command
 */

static int
send_verb(struct ferry *h)
{
	int r;

	if (many_pipelines(h)) {
		r = many_send(h);
	} else if (many_goes_ahead(h)) {
		r = many_send_ahead(h);
	} else {
		r = op_send(h, 0, h->xfer.verb, h->op.path);
		transfer_set_state(h, XFER_RUN);
	}
	if (r < 0)
		return r;
	if (h->data.listener >= 0)
		h->data.deadline = deadline_in(h->timer[FERRY_TIMER_ACCEPT]);
	return FERRY_AGAIN;
}

/* The way to a data connection is open. REST goes directly before the command (RFC
 * 3659 5.3). */
static int
data_ready(struct ferry *h)
{
	char number[24];

	if (h->xfer.offset == 0)
		return send_verb(h);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)h->xfer.offset);
	transfer_set_state(h, XFER_REST);
	return op_send(h, 0, "REST", number);
}

static int
rest_reply(struct ferry *h)
{
	if (h->control.reply.code / 100 != 3)
		return fail_reply(h);
	return send_verb(h);
}

/* "150 Opening BINARY mode data connection for x (1234 bytes)." */
static bool
announced_size(const char *text, int64_t *ret)
{
	const char *open = strrchr(text, '(');
	size_t n = open ? strspn(open + 1, "0123456789") : 0;
	uint64_t size;

	if (n == 0 || !equal_nocase(open + 1 + n, " byte", 5) ||
	    parse_uint(open + 1, n, INT64_MAX, &size) < 0)
		return false;
	*ret = (int64_t)size;
	return true;
}

/* SIZE is the word that counts; 150 when there was no SIZE, or when the file has grown
 * since. With REST servers differ in what they count there. */
static void
note_announced(struct ferry *h, const char *text)
{
	struct transfer *x = &h->xfer;
	int64_t size;

	if (x->check_size && x->offset == 0 && announced_size(text, &size) &&
	    size > x->size)
		x->size = size;
}

/* RFC 1123 4.1.2.9: "150 FILE: name". */
static void
note_unique(struct ferry *h, const char *text)
{
	if (strcmp(h->xfer.verb, "STOU") != 0 || !equal_nocase(text, "FILE: ", 6))
		return;
	free(h->unique);
	h->unique = strdup(text + 6);
}

static int
begun_reply(struct ferry *h)
{
	const char *text = reply_text(&h->control.reply);

	note_announced(h, text);
	note_unique(h, text);
	/* when the data has come and gone already, this is not the reply that is awaited */
	if (!h->xfer.data_end)
		control_rest(h);
	pump_begun(h);
	pump_touch(h);
	return FERRY_AGAIN;
}

/* No data connection in this way, the server says, or it came to nothing: is there
 * another? */
static int
reply_425(struct ferry *h)
{
	_cleanup_free_ char *said = safe_text(reply_text(&h->control.reply));
	_cleanup_free_ char *text = NULL;

	if (!said || asprintf(&text, "the server said 425 %s", said) < 0) {
		text = NULL;
		return fail_memory(h);
	}
	if (h->xfer.bytes > 0)
		return ladder_over(h, FERRY_ETEMPORARY, 0, text);
	h->ladder.no_call = mode_is_active(h->ladder.now);
	transfer_restart(h);
	return ladder_failed(h, FERRY_ETEMPORARY, 0, text);
}

/* The connection that was open already is not any more: a new one may work. */
static int
open_again(struct ferry *h)
{
	data_close(h, FERRY_EDATA, true);
	transfer_restart(h);
	return ladder_next(h);
}

/* Nobody came, the server says, so what moved all the same moved between us and somebody
 * else. Much of it makes that unlikely: the number was chosen badly for a connection that
 * broke. */
static bool
has_no_connection(const struct transfer *x)
{
	return x->final == 425 &&
	       x->bytes <= (x->upload ? FOREIGN_UPLOAD_MAX : FOREIGN_DOWNLOAD_MAX);
}

static int
refused(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	bool no_data = x->final == 425 || x->final == 426;

	if (x->upload && x->wire > 0)
		h->no_hurry = true;

	if (no_data && x->reused && x->bytes == 0 && !many_pipelines(h))
		return open_again(h);
	if (has_no_connection(x) && !many_pipelines(h))
		return reply_425(h);
	/* MODE B: a file that failed in the middle has an end all the same, and then the
	 * connection is of use again */
	if (h->coding.now == FERRY_CODING_BLOCK && x->final != 425 && x->begun &&
	    h->data.open && !x->upload && !x->data_end)
		return FERRY_AGAIN;
	if (!coding_keeps(h))
		data_close(h, reply_error(x->final), true);
	return fail_reply(h);
}

static int
fail_early_end(struct ferry *h)
{
	const struct transfer *x = &h->xfer;

	return fail(h, FERRY_ESHORT, 0,
	    "%s: the server ended the upload after about %llu bytes, there was more to "
	    "come",
	    h->host, (unsigned long long)x->bytes);
}

static int
positive(struct ferry *h)
{
	struct transfer *x = &h->xfer;
	bool moved = true;

	if (x->data_end)
		return transfer_judge(h);
	if (x->upload)
		return fail_early_end(h);
	/* a call that the server ended already waits in our queue, if there was one */
	while (h->data.listener >= 0 && moved) {
		moved = false;
		(void)data_accept(h, &moved);
	}
	if (h->data.listener >= 0)
		return fail(h, FERRY_EDATA, 0,
		    "%s says the transfer is done but never called port %u", h->host,
		    h->data.local.port);
	pump_begun(h);
	pump_touch(h);
	return FERRY_AGAIN;
}

/* What was asked for behind the transfer is answered in its midst: pyftpdlib hangs up on the
 * transfer for that, and never tells. */
static int
fail_order(struct ferry *h)
{
	_cleanup_free_ char *path = safe_text(h->op.path);

	return abort_swiftly(
	    h, fail(h, FERRY_ESHORT, 0,
		   "%s: %s does not answer commands in their order; this file came "
		   "between",
		   path ? path : "", h->host));
}

static int
run_reply(struct ferry *h)
{
	int code = h->control.reply.code;

	if (code < 200)
		return begun_reply(h);
	if (many_is_stray(h, code))
		return fail_order(h);
	h->xfer.final = code;
	return code < 300 ? positive(h) : refused(h);
}

bool
transfer_holds_replies(const struct ferry *h)
{
	const struct transfer *x = &h->xfer;

	return x->state == XFER_RUN && x->final && !x->data_end && h->control.waiting > 0;
}

int
transfer_reply(struct ferry *h)
{
	enum transfer_state state = h->xfer.state;
	int r;

	if (state != XFER_RUN && state != XFER_CALM) {
		if (h->control.reply.code < 200)
			return FERRY_AGAIN;
		if (h->op.aborting)
			return fail_aborted(h);
	}
	switch (state) {
	case XFER_TYPE:
		return type_reply(h);
	case XFER_MODE:
		return mode_reply(h);
	case XFER_SIZE:
		return size_reply(h);
	case XFER_TIME:
		return time_reply(h);
	case XFER_LADDER:
		r = ladder_reply(h);
		return r == 0 || (r == FERRY_AGAIN && many_is_sure(h)) ? data_ready(h)
								       : r;
	case XFER_REST:
		return rest_reply(h);
	case XFER_RUN:
		return run_reply(h);
	case XFER_CALM:
		return abort_reply(h);
	case XFER_IDLE:
		break;
	}
	assert(!"a reply in a transfer that has not begun");
	return -FERRY_ESTATE;
}

/* ---------------------------------------------------------------- bytes and time */

static int
fail_count(struct ferry *h)
{
	const struct transfer *x = &h->xfer;
	_cleanup_free_ char *path = safe_text(h->op.path ? h->op.path : "");

	if (!path)
		return fail_memory(h);
	return fail(h, FERRY_ESHORT, x->data_errno,
	    "%s: %s said the transfer was complete, but %llu bytes came and %lld were "
	    "announced",
	    path, h->host, (unsigned long long)x->bytes, (long long)x->size);
}

static int
fail_broken(struct ferry *h)
{
	const struct transfer *x = &h->xfer;
	char place[PLACE_MAX], words[ERRNO_MAX];

	if (x->tls_why[0])
		return fail(h, x->wire ? FERRY_ESHORT : FERRY_ETLS, x->data_errno,
		    "the data connection (%s, %s) failed after %llu bytes: %s",
		    mode_name(h->ladder.now), say_place(&h->data.remote, place),
		    (unsigned long long)x->bytes, x->tls_why);
	return fail(h, FERRY_ESHORT, x->data_errno,
	    "the data connection (%s, %s) broke after %llu bytes: %s",
	    mode_name(h->ladder.now), say_place(&h->data.remote, place),
	    (unsigned long long)x->bytes, say_errno(x->data_errno, words));
}

/* The coding has an end of its own, and it did not come, or came with a doubt. */
static int
fail_coding(struct ferry *h)
{
	const struct transfer *x = &h->xfer;
	_cleanup_free_ char *path = safe_text(h->op.path ? h->op.path : x->verb);

	return fail(h, FERRY_ESHORT, 0, "%s: %s after %llu bytes", path ? path : "",
	    x->suspect ? "the server suspects errors in what it sent, which ended"
		       : "the data connection ended in the middle of the file,",
	    (unsigned long long)x->bytes);
}

int
transfer_judge(struct ferry *h)
{
	const struct transfer *x = &h->xfer;

	if (x->final >= 300) {
		if (!coding_keeps(h))
			data_close(h, reply_error(x->final), true);
		return fail_reply(h);
	}
	if (x->data_errno)
		return fail_broken(h);
	if (x->cut || x->suspect)
		return fail_coding(h);
	if (!x->upload && x->size >= 0 && x->bytes != (uint64_t)x->size)
		return fail_count(h);
	ladder_worked(h);
	return 0;
}

static int
fail_stalled(struct ferry *h)
{
	char place[PLACE_MAX];

	return fail(h, FERRY_ESTALLED, ETIMEDOUT,
	    "the data connection (%s, %s) stood still for %.1f s after %llu bytes",
	    mode_name(h->ladder.now), say_place(&h->data.remote, place),
	    h->timer[FERRY_TIMER_STALL] / 1000.0, (unsigned long long)h->xfer.bytes);
}

/* Active mode: the server has until the deadline to call. */
static int
await_call(struct ferry *h, bool *ret_moved)
{
	int r = data_accept(h, ret_moved);

	if (r == 0) {
		pump_touch(h);
		return FERRY_AGAIN;
	}
	if (!deadline_over(h->data.deadline))
		return FERRY_AGAIN;
	h->ladder.no_call = true;
	return abort_begin(h, -FERRY_EDATA, true);
}

/* The data connection ended at once, and the server says nothing of it: it may still wait
 * for us, because somebody on the way took our call and hung up. */
static int
fail_hollow(struct ferry *h)
{
	static const char text[] =
	    "it was closed at once, and the server said nothing of it";

	h->xfer.hollow = 0;
	if (h->xfer.bytes == 0)
		return abort_begin(h, -FERRY_EDATA, true);
	return abort_begin(h, ladder_over(h, FERRY_ECLOSED, 0, text), false);
}

/* The transfer command went out before it stood. The way has worked before, so its failure
 * is this transfer's and not the way's. */
static int
await_connection(struct ferry *h, bool *ret_moved)
{
	char place[PLACE_MAX], cause[160];
	int r = data_dial_work(h);

	if (r == FERRY_AGAIN)
		return r;
	*ret_moved = true;
	if (r == 0) {
		pump_touch(h);
		return FERRY_AGAIN;
	}
	h->no_ahead = true;
	say_cause(cause, sizeof(cause), h->data.sys_errno, now_ms() - h->data.began);
	return fail(h, FERRY_EDATA, h->data.sys_errno,
	    "no data connection with %s, although %s has just worked: %s: %s", h->host,
	    mode_name(h->ladder.now), say_place(&h->data.remote, place), cause);
}

static int
run_work(struct ferry *h, bool *ret_moved)
{
	struct transfer *x = &h->xfer;
	int r = FERRY_AGAIN;

	if (h->data.listener >= 0)
		return await_call(h, ret_moved);
	if (h->data.fd >= 0 && !h->data.open)
		r = await_connection(h, ret_moved);
	if (h->data.open && !x->data_end)
		r = pump_work(h, ret_moved);
	if (r == FERRY_AGAIN && !x->data_end && deadline_over(x->stall))
		r = fail_stalled(h);
	if (r < 0)
		return abort_begin(h, r, false);
	if (x->data_end && x->final)
		return transfer_judge(h);
	if (x->data_end && deadline_over(x->hollow))
		return fail_hollow(h);
	return r;
}

int
transfer_work(struct ferry *h, bool *ret_moved)
{
	int r;

	switch (h->xfer.state) {
	case XFER_LADDER:
		r = ladder_work(h, ret_moved);
		return r == 0 ? data_ready(h) : r;
	case XFER_RUN:
		return run_work(h, ret_moved);
	case XFER_CALM:
		return abort_work(h);
	default:
		return FERRY_AGAIN;
	}
}

/* The final reply is there: what is still on the data connection may come. */
int
transfer_lost(struct ferry *h)
{
	const struct transfer *x = &h->xfer;

	ladder_lost(h, FERRY_ECLOSED);
	if (x->state == XFER_RUN && x->final)
		return FERRY_AGAIN;
	if (x->state == XFER_CALM && !x->calm_next_rung)
		return x->calm_result;
	return -FERRY_ECLOSED;
}

void
transfer_end(struct ferry *h, int result)
{
	if (!coding_keeps(h) || h->xfer.io_pos < h->xfer.io_len)
		data_close(h, result < 0 ? -result : 0, result < 0);
	pump_free(h);
	coding_fresh(h);
	h->xfer = (struct transfer){.state = XFER_IDLE};
}
