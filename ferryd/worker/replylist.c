/*
 * The listing of STAT <path>. For cmd_info.c. The lines come from the agent through a
 * pipe and leave as inner lines of one reply: each with a blank in front, so that none
 * looks like a reply (RFC 959 4.2), names with 0xFF doubled. Never holds more than the
 * control connection's high-water mark.
 */
#include "replylist.h"

#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "line.h"
#include "listpipe.h"
#include "session.h"

struct replylist {
	struct listpipe *pipe;
	int code;
	bool in_line; /* the line's first byte, and the blank before it, are written */
};

void
replylist_drop(struct session *s)
{
	if (s->replylist == NULL)
		return;
	listpipe_free(s->replylist->pipe);
	free(s->replylist);
	s->replylist = NULL;
}

/* A piece of a line, without its CR LF. */
static int
append_piece(struct replylist *rl, struct buf *out, const uint8_t *p, size_t n)
{
	int r = 0;

	/* The agent writes CR only in front of LF, and here it is made anew. */
	if (n > 0 && p[n - 1] == '\r')
		n--;
	/* An empty line has its blank, too: LIST -R puts one between directories. */
	if (!rl->in_line)
		r = buf_append_byte(out, ' ');
	rl->in_line = true;
	return r < 0 || n == 0 ? r : line_append_name(out, p, n, false);
}

static int
append_lines(struct replylist *rl, struct buf *out, const uint8_t *p, size_t n)
{
	int r = 0;

	while (r == 0 && n > 0) {
		const uint8_t *lf = memchr(p, '\n', n);
		size_t piece = lf != NULL ? (size_t)(lf - p) : n;

		r = append_piece(rl, out, p, piece);
		if (r == 0 && lf != NULL)
			r = buf_append_str(out, "\r\n");
		if (lf != NULL) {
			rl->in_line = false;
			piece++;
		}
		p += piece;
		n -= piece;
	}
	return r;
}

static void
on_bytes(void *user, const uint8_t *p, size_t n)
{
	struct session *s = user;
	struct buf out = BUF_INIT((size_t)3 * LISTPIPE_CHUNK);

	if (append_lines(s->replylist, &out, p, n) < 0 ||
	    conn_write(s->control, buf_data(&out), buf_len(&out)) < 0)
		s->doomed = true;
	buf_free(&out);
	s->last_active = uv_now(s->worker->loop);
	if (s->doomed || conn_is_full(s->control))
		listpipe_pause(s->replylist->pipe);
	session_run(s);
}

/* The last line of the reply. */
static void
finish(struct session *s, bool complete)
{
	struct answer a;

	answer_begin(&a, s, s->replylist->code);
	/* A line that was cut with the listing must not swallow the last one. */
	if (s->replylist->in_line && conn_write(s->control, "\r\n", 2) < 0)
		s->doomed = true;
	answer_line(&a, ANSWER_LAST);
	answer_text(&a, "%s",
	    complete ? "End of the listing."
		     : "The listing broke off here: it is not complete.");
	answer_send(&a);
	replylist_drop(s);
}

static void
on_listed(void *user, bool complete)
{
	struct session *s = user;

	finish(s, complete);
	session_done(s);
	session_run(s);
}

void
replylist_break(struct session *s)
{
	if (s->replylist != NULL)
		finish(s, false);
}

void
replylist_resume(struct session *s)
{
	if (s->replylist != NULL)
		listpipe_resume(s->replylist->pipe);
}

void
replylist_begin(struct session *s, int code, int *fd)
{
	char begin[32];
	struct replylist *rl = calloc(1, sizeof(*rl));

	if (rl != NULL)
		rl->pipe =
		    listpipe_new(s->worker->loop, fd_take(fd), on_bytes, on_listed, s);
	if (rl == NULL || rl->pipe == NULL) {
		free(rl);
		answer(s, 451, "Out of memory.");
		return;
	}
	s->replylist = rl;
	rl->code = code;
	snprintf(begin, sizeof(begin), "%d-Listing:\r\n", code);
	if (conn_write(s->control, begin, strlen(begin)) < 0)
		s->doomed = true;
	session_enter(s, SESSION_LISTING);
	listpipe_resume(rl->pipe);
}
