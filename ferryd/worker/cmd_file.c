/*
 * One file: RFC 959 4.1.3, RFC 3659 3 and 4, draft-somers-ftp-mfxx 3.
 *
 *   SIZE <SP> <file>                 213 and nothing but the number RETR would send now
 *   MDTM <SP> <file>                 213 and nothing but the time, UTC
 *   MFMT <SP> <time> <SP> <file>     213 Modify=<time>; <file>
 *   DELE <SP> <file>                 250
 *   RNFR <SP> <old>                  350, then at once
 *   RNTO <SP> <new>                  250
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <string.h>

#include "answer.h"
#include "commands.h"
#include "grant.h"
#include "listing.h"

/* ---- SIZE, MDTM ---- */

static void
on_size(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	char cause[512];

	/* Too large to count its line ends in TYPE A: 550, since no disk is full (RFC
	 * 3659 4.2). */
	if (a->error == EFBIG)
		answer(s, 550, "%s.", answer_cause(a, cause, sizeof(cause)));
	else if (a->error != 0)
		answer_failure(s, a, 550);
	else if (a->type != TYPE_FILE)
		answer(s, 550, "It is not a regular file.");
	else
		answer(s, 213, "%llu", (unsigned long long)a->size);
}

void
cmd_size(struct session *s, struct bytes arg)
{
	struct buf path;
	struct msg m = {.type = MSG_AGENT_STAT};

	if (!command_file(s, arg, 550, &path))
		return;
	m.agent_stat.path = bytes_of_buf(&path);
	m.agent_stat.ascii = s->ascii && s->conf->ascii_download_enable;
	agent_ask(s, &m, on_size);
	buf_free(&path);
}

void
file_set_time(struct session *s, struct bytes arg, int64_t when, agent_answer_cb *fn)
{
	struct buf path;
	struct msg m = {.type = MSG_AGENT_CHANGE};

	if (!command_path(s, arg, &path))
		return;
	m.agent_change.path = bytes_of_buf(&path);
	m.agent_change.what = CHANGE_MTIME;
	m.agent_change.mtime = when;
	agent_ask(s, &m, fn);
	buf_free(&path);
}

static void
on_time_set(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error != 0)
		answer_failure(s, a, 550);
	else
		answer(s, 213, "The file's time is set.");
}

/* "<time> <file>" cut in two. False when it has another form. */
static bool
split_time(struct bytes *arg, int64_t *ret_when)
{
	struct bytes rest = *arg;
	struct bytes word = command_word(&rest);

	if (rest.n == 0 || listing_parse_time((const char *)word.p, word.n, ret_when) < 0)
		return false;
	*arg = rest;
	return true;
}

/* MDTM asks about a file (RFC 3659 3.1). "MDTM <time> <file>", when nothing has that
 * whole name, is what old clients send to set a time: mdtm_write lets them. */
static void
on_mdtm(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	_cleanup_free_ char *name = s->pending;
	struct bytes arg = bytes_of(name);
	char text[16];
	int64_t when;

	s->pending = NULL;
	if (a->error == ENOENT && s->conf->mdtm_write && split_time(&arg, &when)) {
		file_set_time(s, arg, when, on_time_set);
		return;
	}
	if (a->error != 0) {
		answer_failure(s, a, 550);
		return;
	}
	listing_format_time((time_t)a->mtime, text);
	answer(s, 213, "%s", text);
}

void
cmd_mdtm(struct session *s, struct bytes arg)
{
	struct buf path;
	struct msg m = {.type = MSG_AGENT_STAT};

	if (!command_path(s, arg, &path))
		return;
	m.agent_stat.path = bytes_of_buf(&path);
	if (command_keep(s, arg))
		agent_ask(s, &m, on_mdtm);
	buf_free(&path);
}

/* ---- MFMT ---- */

static void
on_mfmt(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	_cleanup_free_ char *name = s->pending;
	struct answer reply;
	char text[16];

	s->pending = NULL;
	if (a->error != 0) {
		answer_failure(s, a, 550);
		return;
	}
	listing_format_time((time_t)a->mtime, text);
	answer_begin(&reply, s, 213);
	answer_line(&reply, ANSWER_LAST);
	answer_text(&reply, "Modify=%s; ", text);
	answer_line_of_name(&reply, bytes_of(name));
	answer_send(&reply);
}

void
cmd_mfmt(struct session *s, struct bytes arg)
{
	int64_t when;

	if (!s->conf->mfmt_enable) {
		answer(s, 550,
		    "Setting times is switched off on this server (mfmt_enable=NO).");
		return;
	}
	if (!split_time(&arg, &when)) {
		answer(s, 501, "MFMT takes YYYYMMDDHHMMSS and a file.");
		return;
	}
	if (command_keep(s, arg))
		file_set_time(s, arg, when, on_mfmt);
}

/* ---- DELE ---- */

static void
on_deleted(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error != 0)
		answer_failure(s, a, 550);
	else
		answer(s, 250, "File deleted.");
}

void
cmd_dele(struct session *s, struct bytes arg)
{
	struct buf path;
	struct msg m = {.type = MSG_AGENT_CHANGE};

	if (!command_file(s, arg, 550, &path))
		return;
	m.agent_change.path = bytes_of_buf(&path);
	m.agent_change.what = CHANGE_DELETE;
	agent_ask(s, &m, on_deleted);
	buf_free(&path);
}

/* ---- RNFR, RNTO ---- */

static void
on_rename_from(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error == 0) {
		free(s->rename_from);
		s->rename_from = s->pending;
		s->pending = NULL;
		answer(s, 350, "The new name, please: RNTO.");
		return;
	}
	free(s->pending);
	s->pending = NULL;
	answer_failure(s, a, 550);
}

void
cmd_rnfr(struct session *s, struct bytes arg)
{
	struct buf path;
	struct msg m = {.type = MSG_AGENT_STAT};

	if (!command_path(s, arg, &path))
		return;
	m.agent_stat.path = bytes_of_buf(&path);
	m.agent_stat.nofollow = 1;
	m.agent_stat.right = RIGHT_RENAME;
	if (command_keep(s, bytes_of_buf(&path)))
		agent_ask(s, &m, on_rename_from);
	buf_free(&path);
}

static void
on_renamed(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error != 0)
		answer_failure(s, a, 553);
	else
		answer(s, 250, "Renamed.");
}

void
cmd_rnto(struct session *s, struct bytes arg)
{
	_cleanup_free_ char *from = s->rename_from;
	struct buf path;
	struct msg m = {.type = MSG_AGENT_RENAME};

	s->rename_from = NULL;
	if (from == NULL) {
		answer(s, 503, "RNFR comes first, and RNTO right behind it.");
		return;
	}
	if (!command_path(s, arg, &path))
		return;
	m.agent_rename.from = bytes_of(from);
	m.agent_rename.to = bytes_of_buf(&path);
	agent_ask(s, &m, on_renamed);
	buf_free(&path);
}
