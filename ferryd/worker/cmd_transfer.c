/*
 * Files to and from the client: RFC 959 4.1.3, RFC 1123 4.1.2.9, RFC 3659 5.
 *
 *   RETR <SP> <file>     150, then 226; behind RANG, of that part of it
 *   STOR <SP> <file>     150, then 226 when it is on the disk under its name
 *   APPE <SP> <file>     the same, at the end of the file
 *   STOU [<SP> <name>]   150 FILE: name
 *   ABOR                 226 behind the 426 of the transfer; 225 when none ran
 *
 * The agent is asked first, so that a file that cannot be had is refused before the 150;
 * what happens after it is in transfer.c. In MODE B the data connection stays: 250
 * instead of 226, and for the next file 125 instead of 150.
 */
#include <ferry/ferry.h>
#include <string.h>

#include "ahead.h"
#include "answer.h"
#include "commands.h"
#include "grant.h"
#include "path.h"
#include "row.h"
#include "transfer.h"

/* A file of no more bytes comes with the agent's answer. */
#define INLINED_MAX ROW_FILE_MAX

/* Takes REST for this command: it does not reach a later one (RFC 3659 5.3). */
static uint64_t
take_rest(struct session *s)
{
	uint64_t rest = s->rest;

	s->rest = 0;
	return rest;
}

/* The same for RANG. */
static bool
take_ranged(struct session *s)
{
	bool ranged = s->ranged;

	s->ranged = false;
	return ranged;
}

/* The transfer is of what RANG said. */
static void
set_range(const struct session *s)
{
	struct transfer *t = s->transfer;

	t->ranged = true;
	t->offset = s->range_first;
	t->length = s->range_last - s->range_first + 1;
}

/* REST and RANG count bytes of the file: TYPE A has others. A range is not for the modes
 * in which a transfer has an end of its own (draft-bryan-ftp-range 4.1). False after
 * having told the user. */
static bool
may_begin_at(struct session *s, uint64_t offset, bool ranged)
{
	bool counted = !s->ascii && (!ranged || s->mode == CODING_STREAM);

	if (counted || (offset == 0 && !ranged))
		return true;
	answer(s, 554, "REST works in TYPE I only, RANG in MODE S as well.");
	return false;
}

/* "ddd BEFORE name AFTER". */
static void
answer_opening(
    struct session *s, int code, const char *before, const char *path, const char *after)
{
	struct answer a;

	answer_begin(&a, s, code);
	answer_line(&a, ANSWER_LAST);
	answer_text(&a, "%s", before);
	answer_safe(&a, bytes_of(path));
	answer_text(&a, "%s", after);
	answer_send(&a);
}

/* ---- RETR ---- */

void
retr_answer_sending(struct session *s, int code, uint64_t size)
{
	char after[64] = ".";

	/* How many bytes TYPE A makes of it is not known yet: no number is better than a
	 * wrong one. */
	if (!s->transfer->ascii)
		snprintf(
		    after, sizeof(after), " (%llu bytes).", (unsigned long long)size);
	answer_opening(s, code,
	    s->transfer->ascii ? "Opening ASCII mode data connection for "
			       : "Opening BINARY mode data connection for ",
	    path_base(s->transfer->path), after);
}

/* Of a range that begins behind the end no byte is sent; one that ends there ends with
 * the file (draft-bryan-ftp-range 4.3). */
static void
fit_range(struct transfer *t, uint64_t size)
{
	if (t->offset > size)
		t->offset = size;
	if (t->length > size - t->offset)
		t->length = size - t->offset;
}

/* The agent gives a descriptor, or for a small file that is wanted to its end what is in
 * it. */
static bool
take_file(struct transfer *t, const struct msg_worker_answer *a, int *fd)
{
	if (command_is_file(*fd)) {
		t->fd = fd_take(fd);
		return true;
	}
	if (t->ranged || *fd >= 0 || t->offset > a->size ||
	    a->text.n != a->size - t->offset)
		return false;
	t->content = (uint8_t *)bytes_dup(a->text);
	return t->content != NULL;
}

static void
on_opened(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	struct transfer *t = s->transfer;

	if (a->error != 0 || !take_file(t, a, fd)) {
		bool past_end = t->offset > 0 && a->error == EINVAL;

		answer_failure(s, a, past_end ? 554 : 550);
	} else if (t->ranged) {
		fit_range(t, a->size);
		retr_answer_sending(s, transfer_opening(s), t->length);
		transfer_begin(s);
		return;
	} else if (t->offset > a->size) {
		answer(
		    s, 554, "The file has %llu bytes only.", (unsigned long long)a->size);
	} else {
		t->length = a->size - t->offset;
		if (ahead_send(s, a->size))
			return;
		retr_answer_sending(s, transfer_opening(s), a->size);
		transfer_begin(s);
		return;
	}
	transfer_drop(s);
}

static void
ask_alone(struct session *s)
{
	struct transfer *t = s->transfer;
	struct msg m = {.type = MSG_AGENT_OPEN};

	m.agent_open.path = bytes_of(t->path);
	m.agent_open.offset = t->ranged ? 0 : t->offset;
	m.agent_open.inlined = t->ranged ? 0 : INLINED_MAX;
	agent_ask(s, &m, on_opened);
}

/* In MODE B it may have been asked for already. */
static void
ask_for_file(struct session *s)
{
	struct transfer *t = s->transfer;
	struct msg_worker_answer a = {.type = TYPE_FILE};
	int none = -1;

	if (t->mode != CODING_BLOCK || t->offset > 0) {
		ask_alone(s);
		return;
	}
	switch (ahead_find(s, t->path, &a.text)) {
	case AHEAD_NONE:
		ask_alone(s);
		break;
	case AHEAD_HERE:
		a.size = a.text.n;
		on_opened(s, &a, &none);
		break;
	case AHEAD_COMING:
		ahead_await(s, ask_for_file);
		break;
	}
}

void
cmd_retr(struct session *s, struct bytes arg)
{
	const struct conf *conf = s->conf;
	uint64_t offset = take_rest(s);
	bool ranged = take_ranged(s);
	struct buf path;

	if (!conf->download_enable) {
		answer(s, 550, "Downloads are switched off on this server.");
		return;
	}
	if (!may_begin_at(s, offset, ranged) || !transfer_is_possible(s) ||
	    !command_file(s, arg, 550, &path))
		return;
	if (transfer_prepare(s, TRANSFER_FILE, &path)) {
		s->transfer->offset = offset;
		if (ranged)
			set_range(s);
		s->transfer->ascii = s->ascii && conf->ascii_download_enable;
		ask_for_file(s);
	}
	buf_free(&path);
}

/* ---- STOR, APPE, STOU ---- */

/* STOU: the 1xx reply is exactly this (RFC 1123 4.1.2.9), and the name is to be used as
 * it is. */
static void
answer_unique(struct session *s, struct bytes name)
{
	struct answer a;

	answer_begin(&a, s, transfer_opening(s));
	answer_line(&a, ANSWER_LAST);
	answer_text(&a, "FILE: ");
	answer_name(&a, name, false);
	answer_send(&a);
}

static void
on_stored(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	struct transfer *t = s->transfer;

	if (a->error != 0 || !command_is_file(*fd) || a->upload == 0) {
		bool past_end = t->offset > 0 && a->error == EINVAL;

		answer_failure(s, a, past_end ? 554 : 553);
		transfer_drop(s);
		return;
	}
	t->fd = fd_take(fd);
	t->upload = a->upload;
	if (a->text.n > 0)
		answer_unique(s, a->text);
	else
		answer_opening(
		    s, transfer_opening(s), "Ready to receive ", path_base(t->path), ".");
	transfer_begin(s);
}

static void
store(struct session *s, struct bytes arg, enum store_how how)
{
	uint64_t offset = take_rest(s), size = s->allo;
	bool ranged = take_ranged(s);
	struct buf path;
	struct msg m = {.type = MSG_AGENT_STORE};

	s->allo = 0;
	if ((offset > 0 || ranged) && how != STORE_REPLACE) {
		answer(s, 503, "REST and RANG go with STOR and RETR only.");
		return;
	}
	if (!may_begin_at(s, offset, ranged) || !transfer_is_possible(s))
		return;
	if (how == STORE_UNIQUE ? !command_path_or_cwd(s, arg, &path)
				: !command_file(s, arg, 553, &path))
		return;
	if (ranged) {
		how = STORE_PATCH;
		offset = s->range_first;
	}
	m.agent_store.path = bytes_of_buf(&path);
	m.agent_store.how = (uint8_t)how;
	m.agent_store.offset = offset;
	m.agent_store.size = size;
	m.agent_store.umask = s->umask;
	if (transfer_prepare(s, TRANSFER_UPLOAD, &path)) {
		s->transfer->offset = offset;
		if (ranged)
			set_range(s);
		s->transfer->ascii = s->ascii && s->conf->ascii_upload_enable;
		agent_ask(s, &m, on_stored);
	}
	buf_free(&path);
}

void
cmd_stor(struct session *s, struct bytes arg)
{
	store(s, arg, STORE_REPLACE);
}

void
cmd_appe(struct session *s, struct bytes arg)
{
	store(s, arg, STORE_APPEND);
}

void
cmd_stou(struct session *s, struct bytes arg)
{
	store(s, arg, STORE_UNIQUE);
}

/* ---- ABOR ---- */

/* It has acted already, when it came (dispatch_urgent); this is its place in the row of
 * replies. Also when the transfer was over by then. */
void
cmd_abor(struct session *s, struct bytes arg)
{
	data_close(s);
	if (s->aborted || s->after_transfer)
		answer(s, 226, "The transfer has ended.");
	else
		answer(s, 225, "No transfer to abort.");
	s->aborted = s->after_transfer = false;
}
