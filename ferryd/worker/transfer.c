/*
 * The life of a transfer. See transfer.h. Must never answer twice, and never say 226
 * before every byte is where it belongs: confirmed by the client's system, or on the disk
 * under its name.
 */
#include "transfer.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "diagnosis.h"
#include "dispatch.h"
#include "log.h"
#include "policy.h"
#include "pump.h"
#include "session.h"
#include "stall.h"
#include "xferlog.h"

bool
transfer_is_possible(struct session *s)
{
	const char *why = policy_against_data(s);

	if (why == NULL && (data_is_kept(s) || data_is_set(&s->data)))
		return true;
	if (why != NULL) {
		answer(s, 521, "%s", why);
		return false;
	}
	answer(
	    s, 425, "There is no data connection. Use EPSV, PASV, EPRT or PORT first.");
	return false;
}

bool
transfer_prepare(struct session *s, enum transfer_kind kind, const struct buf *path)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (t != NULL)
		t->path = strndup((const char *)buf_data(path), buf_len(path));
	if (t == NULL || t->path == NULL) {
		free(t);
		answer(s, 451, "Out of memory.");
		return false;
	}
	t->kind = kind;
	t->mode = s->mode;
	t->fd = -1;
	s->transfer = t;
	return true;
}

int
transfer_opening(struct session *s)
{
	return data_is_kept(s) ? 125 : 150;
}

uint64_t
transfer_bytes(const struct session *s)
{
	const struct transfer *t = s->transfer;

	if (t == NULL)
		return 0;
	return t->pump != NULL ? pump_bytes(t->pump) : t->bytes;
}

/* ---- the end ---- */

static void
note(struct transfer *t, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->text, sizeof(t->text), fmt, ap);
	va_end(ap);
	t->code = code;
	t->good = code < 300;
}

/* The session ends before its transfer does. */
static void
note_cut_off(struct session *s, struct transfer *t)
{
	t->bytes = transfer_bytes(s);
	note(t, 426, "The session ended before the transfer.");
}

static void
count(struct session *s, const struct transfer *t)
{
	if (t->kind == TRANSFER_UPLOAD)
		s->bytes_in += t->bytes;
	else
		s->bytes_out += t->bytes;
	if (t->kind != TRANSFER_PATTERN)
		xferlog_write(s, t);
}

void
transfer_drop(struct session *s)
{
	struct transfer *t = s->transfer;

	if (t == NULL)
		return;
	if (t->begun != 0 && !t->over)
		note_cut_off(s, t);
	if (t->begun != 0)
		count(s, t);
	s->transfer = NULL;
	pump_free(t->pump);
	fd_closep(&t->fd);
	free(t->content);
	free(t->path);
	free(t);
}

/* Everything that has to happen before the last reply has happened. */
static void
transfer_over(struct session *s)
{
	struct transfer *t = s->transfer;

	answer(s, t->code, "%s", t->text);
	t->over = true;
	transfer_drop(s);
	session_done(s);
}

/* Behind a 1xx reply RFC 959 5.4 has 451 and 552 for what an upload meets, not the 450
 * and 452 that stand before one. */
static int
code_of_failure(unsigned error)
{
	int code = answer_code(error, 451);

	return code == 452 || code == 552 ? 552 : 451;
}

/* The agent's word: the upload is under its name and on the disk, or it is not. */
static void
on_committed(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	struct transfer *t = s->transfer;
	char cause[256];

	if (t->good && a->error != 0)
		note(t, code_of_failure(a->error), "The upload was not kept: %s.",
		    answer_cause(a, cause, sizeof(cause)));
	transfer_over(s);
}

static void
commit(struct session *s)
{
	struct msg m = {
	    .type = MSG_AGENT_COMMIT,
	    .agent_commit =
		{
		    .upload = s->transfer->upload,
		    .complete = s->transfer->good,
		    .rest = {.p = s->transfer->content, .n = s->transfer->content_n},
		},
	};

	agent_ask(s, &m, on_committed);
}

/* The last reply is noted: closes the data connection (RFC 959 5.4: before the reply) or
 * keeps it for the next file, then ends. */
static void
transfer_conclude(struct session *s)
{
	struct transfer *t = s->transfer;
	bool in_step = t->pump != NULL && pump_in_step(t->pump);

	if (t->pump != NULL) {
		t->bytes = pump_bytes(t->pump);
		t->content = pump_take_unwritten(t->pump, &t->content_n);
	}
	pump_free(t->pump);
	t->pump = NULL;
	fd_closep(&t->fd);
	if (in_step)
		data_keep(s);
	/* Half a file must not end like a whole one. */
	else if (!t->good && t->kind != TRANSFER_UPLOAD)
		data_reset(s);
	else
		data_close(s);
	if (t->upload != 0)
		commit(s);
	else
		transfer_over(s);
}

void
transfer_failed(struct session *s, const char *text)
{
	transfer_refused(s, 425, text);
}

void
transfer_refused(struct session *s, int code, const char *text)
{
	note(s->transfer, code, "%s", text);
	transfer_conclude(s);
}

void
transfer_abort(struct session *s)
{
	struct transfer *t = s->transfer;

	if (s->state != SESSION_TRANSFER || t == NULL)
		return;
	s->aborted = true;
	if (t->pump != NULL) {
		pump_cancel(t->pump);
		return;
	}
	note(t, 426, "Transfer aborted.");
	transfer_conclude(s);
}

/* ---- what the pump said ---- */

static void
note_unwritten(struct transfer *t, int error)
{
	if (t->ranged && error == EMSGSIZE) {
		note(t, 552, "More bytes came than the range has: %llu.",
		    (unsigned long long)t->length);
		return;
	}
	note(t, code_of_failure((unsigned)error), "Writing failed after %llu bytes: %s.",
	    (unsigned long long)t->bytes, strerror(error));
}

/* The client ended its upload in order. When it ended its control connection as well it
 * is more likely that its program was killed (the system then closes both) than that it
 * meant "complete": nobody is there to be told, and the old file may be all that the user
 * has. */
static void
note_done(struct session *s, struct transfer *t)
{
	if (conn_was_cut(s->data.conn))
		log_event(LOG_NOTICE, s->id,
		    "tls end=missing why=\"no close_notify: perhaps cut\" accepted=yes");
	if (t->kind == TRANSFER_UPLOAD && session_peer_left(s))
		note(t, 426, "The control connection ended before the upload.");
	else if (t->kind == TRANSFER_UPLOAD && t->ranged && t->bytes != t->length)
		note(t, 451, "%llu bytes came for a range of %llu.",
		    (unsigned long long)t->bytes, (unsigned long long)t->length);
	else if (t->mode == CODING_BLOCK)
		note(t, 250, "Transfer complete; the data connection stays open.");
	else
		note(t, 226, "Transfer complete.");
}

/* Was it the network's doing? For the log and ferryd failures, and words for the client.
 */
static const char *
note_stall(struct session *s, struct transfer *t, enum pump_end end, int error)
{
	struct stall seen = {
	    .upload = t->kind == TRANSFER_UPLOAD,
	    .stood = end == PUMP_STALLED,
	    .given_up = error == ETIMEDOUT,
	    .arrived = t->bytes,
	};
	enum failure_cause cause = stall_look(conn_fd(s->data.conn), &seen)
				       ? stall_judge(&seen)
				       : FAILURE_CAUSES;

	if (cause != FAILURE_CAUSES) {
		const struct failure f = {.cause = cause};

		worker_failure(s->worker, s, cause, error, NULL);
		diagnosis_stalled(s, failure_code_name(failure_judge(&f).code));
	}
	return stall_words(cause, seen.upload);
}

static void
on_pumped(struct pump *p, enum pump_end end, int error, void *user)
{
	struct session *s = user;
	struct transfer *t = s->transfer;

	t->bytes = pump_bytes(p);
	switch (end) {
	case PUMP_DONE:
		note_done(s, t);
		break;
	case PUMP_CANCELLED:
		note(t, 426, "Transfer aborted.%s", note_stall(s, t, end, 0));
		break;
	case PUMP_BROKEN:
		note(t, 426, "The data connection broke after %llu bytes: %s.%s",
		    (unsigned long long)t->bytes, strerror(error),
		    note_stall(s, t, end, error));
		break;
	case PUMP_CUT:
		note(t, 426,
		    "The data connection ended after %llu bytes without TLS's end mark "
		    "(close_notify): it may have been cut.",
		    (unsigned long long)t->bytes);
		break;
	case PUMP_STALLED:
		note(t, 426, "No byte moved on the data connection for %llu s.%s",
		    (unsigned long long)s->conf->data_connection_timeout,
		    note_stall(s, t, end, 0));
		break;
	case PUMP_UNREAD:
		note(t, 451, "Reading failed after %llu bytes: %s.",
		    (unsigned long long)t->bytes,
		    error != 0 ? strerror(error) : "the file has become shorter");
		break;
	case PUMP_UNWRITTEN:
		note_unwritten(t, error);
		break;
	case PUMP_UNLISTED:
		note(t, 451, "The listing could not be completed.");
		break;
	case PUMP_UNENDED:
		note(t, 426,
		    "The data connection ended after %llu bytes of the file, before %s.",
		    (unsigned long long)pump_received(p),
		    t->mode == CODING_BLOCK ? "the block that ends the file"
					    : "the end of the compressed stream");
		break;
	case PUMP_GARBLED:
		note(t, 451, "What came after about %llu bytes is %s.",
		    (unsigned long long)t->bytes,
		    t->mode == CODING_BLOCK ? "no block of MODE B"
					    : "no zlib stream, or not only one");
		break;
	case PUMP_SUSPECT:
		note(t, 451, "The sender marked its data as suspect.");
		break;
	}
	transfer_conclude(s);
	session_run(s);
}

/* ---- the beginning ---- */

static void
on_moved(struct pump *p, void *user)
{
	struct session *s = user;
	struct slot_view *v = worker_slot_begin(s->worker, s);

	if (v == NULL)
		return;
	v->head.bytes = pump_bytes(p);
	worker_slot_end(s->worker, s);
}

void
transfer_opened(struct session *s)
{
	struct transfer *t = s->transfer;
	const struct pump_plan plan = {
	    .loop = s->worker->loop,
	    .conn = s->data.conn,
	    .fd = fd_take(&t->fd),
	    .bytes = t->content,
	    .pipes = &s->worker->pipes,
	    .large = &s->worker->large,
	    .offset = t->begun_before ? t->bytes : t->offset,
	    .length = t->begun_before ? t->content_n : t->length,
	    .bounded = t->ranged,
	    .coding = {.mode = t->mode, .ascii = t->ascii, .level = s->level},
	    .stall = (unsigned)s->conf->data_connection_timeout,
	    .on_moved = on_moved,
	    .on_end = on_pumped,
	    .user = s,
	};

	if (t->begun_before)
		t->pump = pump_rest(&plan);
	else if (t->kind == TRANSFER_FILE)
		t->pump = pump_file(&plan);
	else if (t->kind == TRANSFER_LISTING)
		t->pump = pump_listing(&plan);
	else if (t->kind == TRANSFER_PATTERN)
		t->pump = pump_pattern(&plan);
	else
		t->pump = pump_upload(&plan);
	t->content = NULL;
	if (t->pump != NULL) {
		pump_begin(t->pump);
		return;
	}
	note(t, 451, "Out of memory.");
	transfer_conclude(s);
}

void
transfer_begin(struct session *s)
{
	struct transfer *t = s->transfer;
	struct bytes path = {.p = (const uint8_t *)t->path, .n = strlen(t->path)};

	t->begun = uv_now(s->worker->loop);
	s->after_transfer = true;
	session_enter(s, SESSION_TRANSFER);
	session_show(s, t->kind == TRANSFER_UPLOAD ? SLOT_RECEIVING : SLOT_SENDING,
	    s->verb->name, path);
	if (s->aborts > 0)
		transfer_abort(s);
	else
		data_begin(s);
}

void
transfer_sent(struct session *s, uint64_t bytes)
{
	struct transfer *t = s->transfer;

	t->begun = uv_now(s->worker->loop);
	t->bytes = bytes;
	s->after_transfer = true;
	note_done(s, t);
	answer(s, t->code, "%s", t->text);
	t->over = true;
	transfer_drop(s);
}
