/*
 * Copies on the server: what RNFR and RNTO are for renaming.
 *
 *   SITE CPFR <SP> <file>       350, then at once
 *   SITE CPTO <SP> <new name>   250 when the copy is on the disk under its name
 *
 * It is a download and an upload without a data connection: the agent opens the one and
 * makes the other under the same rules and with the same promise (a temporary name,
 * fsync, rename), and a thread of the pool copies (work.h). ABOR ends it; a copy that
 * does not become whole leaves nothing behind.
 */
#include "cmd_copy.h"

#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "commands.h"
#include "grant.h"
#include "work.h"

void
copy_forget(struct session *s)
{
	free(s->copy_from);
	s->copy_from = NULL;
	fd_closep(&s->copy_source);
}

/* ---- CPFR ---- */

static void
on_found(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error != 0)
		answer_failure(s, a, 550);
	else if (a->type != TYPE_FILE)
		answer(s, 550, "Only files can be copied.");
	else {
		s->copy_from = s->pending;
		s->pending = NULL;
		answer(s, 350, "The name of the copy, please: SITE CPTO.");
	}
	free(s->pending);
	s->pending = NULL;
}

void
site_cpfr(struct session *s, struct bytes arg)
{
	struct buf path;
	struct msg m = {.type = MSG_AGENT_STAT};

	if (arg.n == 0) {
		answer(s, 501, "SITE CPFR takes a file.");
		return;
	}
	if (!command_path(s, arg, &path))
		return;
	m.agent_stat.path = bytes_of_buf(&path);
	m.agent_stat.right = RIGHT_READ;
	if (command_keep(s, bytes_of_buf(&path)))
		agent_ask(s, &m, on_found);
	buf_free(&path);
}

/* ---- CPTO ---- */

static void
on_kept(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	_cleanup_free_ char *why = s->pending;
	char cause[256];

	s->pending = NULL;
	if (s->aim.code != 250)
		answer(s, s->aim.code, "%s", why != NULL ? why : "Out of memory.");
	else if (a->error != 0)
		answer(s, answer_code(a->error, 451), "The copy was not kept: %s.",
		    answer_cause(a, cause, sizeof(cause)));
	else
		answer(s, 250, "Copied.");
}

static void
ask_keep(struct session *s, bool complete)
{
	struct msg m = {
	    .type = MSG_AGENT_COMMIT,
	    .agent_commit = {.upload = s->aim.upload, .complete = complete},
	};

	agent_ask(s, &m, on_kept);
}

/* What will be answered when the agent has kept the copy or thrown it away. */
static void
note_end(struct session *s, const struct work *k, enum work_end end, int error)
{
	const char *why = error != 0 ? strerror(error) : "the file has become shorter";
	unsigned long long n = work_bytes(k);
	int r = 0;

	s->aim.code = end == WORK_CANCELLED ? 426 : 451;
	if (end == WORK_DONE)
		s->aim.code = 250;
	else if (end == WORK_CANCELLED)
		r = asprintf(&s->pending, "Aborted after %llu bytes.", n);
	else
		r = asprintf(&s->pending, "%s failed after %llu bytes: %s.",
		    end == WORK_UNREAD ? "Reading" : "Writing", n, why);
	if (r < 0)
		s->pending = NULL;
	if (end == WORK_UNWRITTEN)
		s->aim.code = answer_code((unsigned)error, 451);
}

static void
on_copied(struct work *k, enum work_end end, int error, void *user)
{
	struct session *s = user;

	note_end(s, k, end, error);
	session_work_end(s);
	ask_keep(s, end == WORK_DONE);
	session_run(s);
}

static void
on_target(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	struct work_plan plan = {.length = s->aim.length, .on_end = on_copied};

	if (a->error != 0 || !command_is_file(*fd) || a->upload == 0) {
		answer_failure(s, a, 553);
		fd_closep(&s->copy_source);
		return;
	}
	plan.from = fd_take(&s->copy_source);
	plan.to = fd_take(fd);
	s->aim.upload = a->upload;
	if (session_work(s, &plan))
		return;
	s->aim.code = 451;
	ask_keep(s, false);
}

static void
on_source(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	_cleanup_free_ char *to = s->pending;
	struct msg m = {.type = MSG_AGENT_STORE};

	s->pending = NULL;
	if (a->error != 0 || !command_is_file(*fd)) {
		answer_failure(s, a, 550);
		return;
	}
	if (!session_may_work(s)) /* others may have begun meanwhile */
		return;
	s->copy_source = fd_take(fd);
	s->aim.length = a->size;
	m.agent_store.path = bytes_of(to);
	m.agent_store.how = STORE_COPY;
	m.agent_store.size = a->size;
	m.agent_store.umask = s->umask;
	agent_ask(s, &m, on_target);
}

void
site_cpto(struct session *s, struct bytes arg)
{
	_cleanup_free_ char *from = s->copy_from;
	struct buf path;
	struct msg m = {.type = MSG_AGENT_OPEN};

	s->copy_from = NULL;
	if (from == NULL) {
		answer(s, 503, "SITE CPFR comes first, and SITE CPTO right behind it.");
		return;
	}
	if (arg.n == 0) {
		answer(s, 501, "SITE CPTO takes a name.");
		return;
	}
	if (!session_may_work(s) || !command_path(s, arg, &path))
		return;
	s->aim = (struct aim){0};
	m.agent_open.path = bytes_of(from);
	if (command_keep(s, bytes_of_buf(&path)))
		agent_ask(s, &m, on_source);
	buf_free(&path);
}
