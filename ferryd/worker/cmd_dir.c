/*
 * Directories: RFC 959 4.1.1, 4.1.3 and appendix II; names as RFC 2640 wants them.
 *
 *   CWD  <SP> <directory>     250
 *   CDUP                      250
 *   PWD                       257 "path", quotes doubled
 *   MKD  <SP> <directory>     257 "path", absolute
 *   RMD  <SP> <directory>     250
 *   and XCWD, XCUP, XPWD, XMKD, XRMD: the same (RFC 1123 4.1.3.1)
 *
 * The worker keeps the working directory as a text that the agent has once confirmed;
 * where it leads is decided anew for every command, by the agent.
 */
#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "commands.h"
#include "grant.h"

/* ---- CWD, CDUP ---- */

static void
on_changed(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	struct answer reply;

	if (a->error != 0) {
		free(s->pending);
		s->pending = NULL;
		answer_failure(s, a, 550);
		return;
	}
	free(s->cwd);
	s->cwd = s->pending;
	s->pending = NULL;
	answer_begin(&reply, s, 250);
	answer_lines(&reply, a->text);
	answer_line(&reply, ANSWER_LAST);
	answer_text(&reply, "Directory changed to ");
	answer_safe(&reply, bytes_of(s->cwd));
	answer_send(&reply);
}

/* A directory shows its message when the user enters it for the first time. What was
 * entered is remembered by a hash, the last few of them: a mistake shows a message too
 * often, or not. */
bool
dir_is_new(struct session *s, const char *path)
{
	uint32_t hash = 2166136261u;

	if (s->entered == NULL)
		s->entered = calloc(1, sizeof(*s->entered));
	struct entered *e = s->entered;
	if (e == NULL)
		return false;
	for (; *path != '\0'; path++)
		hash = (hash ^ (uint8_t)*path) * 16777619u;
	for (size_t i = 0; i < ARRAY_LEN(e->hash); i++) {
		if (e->hash[i] == hash)
			return false;
	}
	e->hash[e->next++ % ARRAY_LEN(e->hash)] = hash;
	return true;
}

static void
change_to(struct session *s, struct bytes arg)
{
	struct buf path;
	struct msg m = {.type = MSG_AGENT_CHDIR};

	if (!command_path(s, arg, &path))
		return;
	m.agent_chdir.path = bytes_of_buf(&path);
	if (command_keep(s, bytes_of_buf(&path))) {
		m.agent_chdir.message =
		    s->conf->dirmessage_enable && dir_is_new(s, s->pending);
		agent_ask(s, &m, on_changed);
	}
	buf_free(&path);
}

void
cmd_cwd(struct session *s, struct bytes arg)
{
	change_to(s, arg);
}

void
cmd_cdup(struct session *s, struct bytes arg)
{
	change_to(s, bytes_of(".."));
}

/* ---- PWD ---- */

static void
answer_path(struct session *s, const char *path, const char *words)
{
	struct answer a;

	answer_begin(&a, s, 257);
	answer_line(&a, ANSWER_LAST);
	answer_text(&a, "\"");
	answer_name(&a, bytes_of(path), true);
	answer_text(&a, "\" %s", words);
	answer_send(&a);
}

void
cmd_pwd(struct session *s, struct bytes arg)
{
	answer_path(s, s->cwd, "is the current directory.");
}

/* ---- MKD, RMD ---- */

static void
on_made(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error != 0)
		answer_failure(s, a, 550);
	else
		answer_path(s, s->pending, "created.");
	free(s->pending);
	s->pending = NULL;
}

void
cmd_mkd(struct session *s, struct bytes arg)
{
	struct buf path;
	struct msg m = {.type = MSG_AGENT_CHANGE};

	if (!command_path(s, arg, &path))
		return;
	m.agent_change.path = bytes_of_buf(&path);
	m.agent_change.what = CHANGE_MKDIR;
	m.agent_change.mode = 0777;
	m.agent_change.umask = s->umask;
	if (command_keep(s, bytes_of_buf(&path)))
		agent_ask(s, &m, on_made);
	buf_free(&path);
}

static void
on_removed(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error != 0)
		answer_failure(s, a, 550);
	else
		answer(s, 250, "Directory removed.");
}

void
cmd_rmd(struct session *s, struct bytes arg)
{
	struct buf path;
	struct msg m = {.type = MSG_AGENT_CHANGE};

	if (!command_path(s, arg, &path))
		return;
	m.agent_change.path = bytes_of_buf(&path);
	m.agent_change.what = CHANGE_RMDIR;
	agent_ask(s, &m, on_removed);
	buf_free(&path);
}
