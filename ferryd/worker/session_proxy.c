/*
 * A session that comes through a proxy of proxy_protocol_from: its PROXY header is read
 * ahead of everything else, TLS included, and tells who the client is. The master hears
 * of it, since limits count by address, before the client is greeted. Must never believe
 * a header of somebody else, and never take a byte of the client's for part of one.
 */
#include <ferry/ferry.h>
#include <errno.h>

#include "answer.h"
#include "log.h"
#include "proxied.h"
#include "session.h"

bool
session_await_header(struct session *s)
{
	s->proxied = true;
	s->preface = calloc(1, sizeof(*s->preface));
	if (s->preface == NULL)
		return false;
	session_watch(s);
	conn_want(s->control, CONN_READABLE);
	return true;
}

static void
no_header(struct session *s, int r)
{
	char from[ENDPOINT_TEXT_MAX];

	/* Something looks whether the port is open: that is no news. */
	if (r != -FERRY_EOF || s->preface->n > 0) {
		endpoint_format(&s->peer, from);
		log_event(LOG_NOTICE, s->id, "proxy header=refused from=%s why=\"%s\"",
		    from, proxied_why(r));
	}
	session_end(s, "no PROXY header");
}

static void
introduce(struct session *s, const struct proxy_header *h)
{
	char from[ENDPOINT_TEXT_MAX];

	free(s->preface);
	s->preface = NULL;
	endpoint_format(&s->peer, from);
	log_event(LOG_DEBUG, s->id, "proxy header=%s from=%s",
	    h->told ? "told" : "health check", from);
	if (!h->told) {
		session_begin(s);
		return;
	}
	s->told = true;
	if (!session_meet(s, &h->peer, &h->local))
		session_end(s, "out of memory");
	else if (worker_tell_peer(s->worker, s) < 0)
		session_end(s, "the master cannot be asked");
}

void
session_read_header(struct session *s)
{
	struct proxy_header h;

	int r = proxied_read(s->control, s->preface, &s->peer, &h);
	if (r == FERRY_AGAIN)
		return;
	conn_want(s->control, 0);
	if (r < 0)
		no_header(s, r);
	else
		introduce(s, &h);
}

void
session_counted(struct session *s, int error)
{
	if (s->state != SESSION_ARRIVING)
		return;
	if (error == 0) {
		session_begin(s);
	} else if (s->implicit) { /* it would not understand what we say */
		log_event(LOG_NOTICE, s->id, "refused why=\"too many from its address\"");
		session_end(s, "too many connections from its address");
	} else {
		session_close(
		    s, 421, "There are too many connections from your internet address.");
		session_run(s);
	}
}
