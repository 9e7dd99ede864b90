/*
 * The life of a session: reading lines, running them one after the other, timers, ending.
 * What the commands do is in dispatch.c and cmd_*.c. Must never block, run two commands
 * at once, or hold more input or output than its limits.
 */
#include "session.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ahead.h"
#include "answer.h"
#include "cmd_copy.h"
#include "deflate.h"
#include "diagnosis.h"
#include "dispatch.h"
#include "log.h"
#include "listing.h"
#include "proxy_from.h"
#include "replylist.h"
#include "section.h"
#include "transfer.h"

static void on_control(struct conn *c, unsigned events, void *user);

/* ---- state ---- */

static const char *const state_names[] = {
    [SESSION_ARRIVING] = "arriving",
    [SESSION_READY] = "ready",
    [SESSION_SECURING] = "securing",
    [SESSION_CHECKING] = "checking",
    [SESSION_PAUSED] = "paused",
    [SESSION_ASKING] = "asking",
    [SESSION_PORTLESS] = "portless",
    [SESSION_TRANSFER] = "transfer",
    [SESSION_LISTING] = "listing",
    [SESSION_WORKING] = "working",
    [SESSION_PROBING] = "probing",
    [SESSION_CLOSING] = "closing",
    [SESSION_ENDED] = "ended",
};

const char *
session_state_name(enum session_state state)
{
	return state_names[state];
}

void
session_enter(struct session *s, enum session_state state)
{
	if (s->state == state)
		return;
	if (s->worker->trace)
		log_event(LOG_DEBUG, s->id, "state %s -> %s", state_names[s->state],
		    state_names[state]);
	s->state = state;
	s->last_active = uv_now(s->worker->loop);
	if (state == SESSION_CLOSING)
		s->closing_since = s->last_active;
	if (state != SESSION_ENDED)
		session_watch(s);
}

/* Cut where it is too long; no rest of what stood there before stays. */
static void
show_text(char *out, size_t cap, const char *text)
{
	size_t n = strnlen(text, cap - 1);

	memcpy(out, text, n);
	memset(out + n, 0, cap - n);
}

void
session_show(
    struct session *s, enum slot_state state, const char *verb, struct bytes path)
{
	struct slot_view *v = worker_slot_begin(s->worker, s);

	if (v == NULL)
		return;
	/* The end of a long path tells more than its beginning. */
	size_t most = sizeof(v->path.text) - 1;
	size_t skip = path.n > most ? path.n - most : 0;
	struct slot_head *h = &v->head;
	h->state = (uint8_t)state;
	show_text(h->user, sizeof(h->user), s->user != NULL ? s->user : "");
	show_text(h->verb, sizeof(h->verb), verb);
	h->pathed = path.n > 0;
	if (path.n > 0) {
		v->path = (struct slot_path){0};
		memcpy(v->path.text, path.p + skip, path.n - skip);
	}
	h->bytes = 0;
	h->bytes_in = s->bytes_in;
	h->bytes_out = s->bytes_out;
	worker_slot_end(s->worker, s);
}

/* ---- input ---- */

/* A line is whole. Most wait their turn; a few are heard while a transfer runs. */
static int
take_line(struct session *s, struct bytes line)
{
	int r = 0;

	if (!dispatch_urgent(s, line))
		r = input_push(&s->input, line);
	if (dispatch_is_secret(line))
		buf_wipe(&s->reader.text);
	return r;
}

static int
take_event(struct session *s, enum line_event event)
{
	switch (event) {
	case LINE_READY:
		return take_line(s, line_text(&s->reader));
	case LINE_TOO_LONG:
		return input_push_too_long(&s->input);
	case LINE_ANSWER:
		return conn_write(s->control, s->reader.answer, sizeof(s->reader.answer));
	case LINE_SYNCH: /* announces an ABOR, which is found in its place without it */
	case LINE_MORE:
		break;
	}
	return 0;
}

static void
take_bytes(struct session *s, const uint8_t *p, size_t n)
{
	enum line_event event;
	size_t used;
	int r = 0;

	while (r >= 0 && n > 0 && s->state < SESSION_CLOSING) {
		r = line_feed(&s->reader, p, n, &used, &event);
		if (r == 0) {
			r = take_event(s, event);
			p += used;
			n -= used;
		}
	}
	if (r < 0)
		s->doomed = true;
}

/* A control connection that gets no answer any more, in a transfer or behind one: while a
 * file moves it is silent, and routers forget what is silent. */
static void
control_broke(struct session *s, int error)
{
	if (error == ETIMEDOUT && s->after_transfer)
		worker_failure(s->worker, s, FAILURE_FORGOTTEN, error, NULL);
	session_end(s, strerror(error));
}

static void
read_control(struct session *s)
{
	uint8_t chunk[INPUT_CHUNK];
	size_t n = 0;

	int r = conn_read(s->control, chunk, sizeof(chunk), &n);
	if (r == FERRY_AGAIN)
		return;
	/* Whole lines that came before it are true; no more can be told by a cut. */
	if (r == -FERRY_EOF || r == -FERRY_ESHORT) {
		s->input_ended = true;
		s->last_active = uv_now(s->worker->loop);
		return;
	}
	if (r < 0) {
		control_broke(s, errno);
		return;
	}
	/* An ABOR among these lines may end a transfer: what follows runs when all are in
	 * the queue. */
	s->running = true;
	take_bytes(s, chunk, n);
	s->running = false;
	explicit_bzero(chunk, n); /* it may have been a password */
}

/* ---- TLS ---- */

bool
session_secure(struct session *s, size_t host)
{
	struct worker *w = s->worker;
	struct tls *t = worker_has_keys(w) ? tls_new(w->identity, host, w->conf,
						 conn_fd(s->control), TLS_CONTROL)
					   : NULL;

	if (t == NULL)
		return false;
	session_enter(s, SESSION_SECURING);
	conn_want(s->control, 0);
	conn_secure(s->control, t);
	return true;
}

void
session_clear(struct session *s)
{
	session_enter(s, SESSION_SECURING);
	conn_want(s->control, 0);
	conn_clear(s->control);
}

static void
not_secured(struct session *s)
{
	const char *why = tls_why(conn_tls(s->control));

	log_event(LOG_NOTICE, s->id, "tls failed channel=control why=\"%s\"", why);
	session_end(s, "no TLS");
}

static void
switched(struct session *s)
{
	char words[160];

	if (conn_tls(s->control) != NULL) {
		tls_get_number(conn_tls(s->control), s->tls_number);
		log_event(LOG_INFO, s->id, "tls ok %s",
		    tls_describe(conn_tls(s->control), words, sizeof(words)));
	} else {
		log_event(LOG_INFO, s->id, "tls ended");
	}
	if (conn_tls(s->control) != NULL &&
	    !session_choose(s, tls_host(conn_tls(s->control)))) {
		session_end(s, "out of memory");
		return;
	}
	if (!s->greeted)
		session_greet(s);
	session_enter(s, SESSION_READY);
}

bool
session_has_input(const struct session *s)
{
	char byte;

	return !input_is_empty(&s->input) || line_pending(&s->reader) ||
	       recv(conn_fd(s->control), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void
on_control(struct conn *c, unsigned events, void *user)
{
	struct session *s = user;

	if (s->state == SESSION_ARRIVING) {
		session_read_header(s);
		return;
	}
	if (s->state == SESSION_SECURING && (events & CONN_BROKEN) != 0)
		not_secured(s);
	else if ((events & CONN_BROKEN) != 0)
		control_broke(s, conn_error(c));
	if ((events & CONN_SWITCHED) != 0)
		switched(s);
	if (s->state < SESSION_ENDED && (events & CONN_READABLE) != 0)
		read_control(s);
	if (s->state == SESSION_LISTING && (events & CONN_DRAINED) != 0) {
		s->last_active = uv_now(s->worker->loop);
		replylist_resume(s);
	}
	session_run(s);
}

bool
session_peer_left(const struct session *s)
{
	char byte;

	if (s->quitting)
		return false;
	return s->input_ended ||
	       recv(conn_fd(s->control), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* ---- running ---- */

/* Nothing more will come: neither commands nor a client to hear the replies. */
static void
settle_closing(struct session *s)
{
	if (conn_pending(s->control) > 0)
		return;
	if (s->input_ended) {
		session_end(s, "closed");
	} else if (!s->finished) {
		s->finished = true;
		conn_finish(s->control);
	}
}

/* What is left to do when no command can run right now. */
static void
settle(struct session *s)
{
	if (s->doomed) {
		session_end(s, "the client does not read, or memory is short");
		return;
	}
	if (s->state == SESSION_READY && input_is_empty(&s->input)) {
		input_rest(&s->input);
		ahead_free(s);
		s->no_port = false;
		if (s->input_ended)
			session_enter(s, SESSION_CLOSING);
		else if (s->worker->leaving)
			session_close(s, 421, "The server is going down. Goodbye.");
	}
	if (s->state == SESSION_CLOSING)
		settle_closing(s);
	if (s->state == SESSION_ENDED)
		return;
	unsigned want = 0;
	if (!s->input_ended && !conn_is_full(s->control) &&
	    (s->state == SESSION_CLOSING || !input_is_full(&s->input)))
		want |= CONN_READABLE;
	/* This session's turn is over, its commands are not: there may be nothing else
	 * that wakes it, when the system has taken all replies. */
	if (s->state == SESSION_READY && !input_is_empty(&s->input))
		want |= CONN_WRITABLE;
	conn_want(s->control, want);
}

void
session_run(struct session *s)
{
	struct bytes line;

	if (s->running || s->state == SESSION_ARRIVING || s->state == SESSION_ENDED)
		return;
	s->running = true;
	conn_cork(s->control);
	while (s->state == SESSION_READY && !s->doomed && !conn_is_full(s->control) &&
	       input_next(&s->input, &line)) {
		s->last_active = uv_now(s->worker->loop);
		dispatch_line(s, line);
	}
	if (s->state != SESSION_ENDED && conn_uncork(s->control) < 0)
		s->doomed = true;
	s->running = false;
	if (s->state == SESSION_ENDED)
		return;
	session_watch(s); /* a command may have changed the limit */
	ahead_look(s);
	settle(s);
}

void
session_done(struct session *s)
{
	if (s->state >= SESSION_CLOSING)
		return;
	session_enter(s, SESSION_READY);
	session_show(
	    s, session_logged_in(s) ? SLOT_IDLE : SLOT_LOGIN, "", (struct bytes){0});
	session_run(s);
}

/* ---- the beginning ---- */

static void
set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
	    {IPPROTO_TCP, TCP_NODELAY, 1},
	    /* The urgent byte may be part of ABOR itself: it must not go missing. */
	    {SOL_SOCKET, SO_OOBINLINE, 1},
	    /* A NAT that forgets the control connection during a long transfer is found
	       by this. */
	    {SOL_SOCKET, SO_KEEPALIVE, 1},
	    {IPPROTO_TCP, TCP_KEEPIDLE, 60},
	    {IPPROTO_TCP, TCP_KEEPINTVL, 20},
	    {IPPROTO_TCP, TCP_KEEPCNT, 3},
	};

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value,
		    sizeof(options[i].value));
}

static int
get_addresses(int fd, struct endpoint *ret_peer, struct endpoint *ret_local)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		return -FERRY_ESYS;
	int r = endpoint_from_sockaddr((struct sockaddr *)&ss, ret_peer);
	if (r < 0)
		return r;
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -FERRY_ESYS;
	return endpoint_from_sockaddr((struct sockaddr *)&ss, ret_local);
}

bool
session_choose(struct session *s, size_t host)
{
	const struct conf *conf = section_view(s->worker->conf, host, s->network);
	const struct section *section = section_get(s->worker->conf, SECTION_HOST, host);

	if (conf == NULL)
		return false;
	if (section != NULL && s->host != host)
		log_event(LOG_INFO, s->id, "host name=%s", section->name);
	s->conf = conf;
	s->host = host;
	s->idle_seconds = conf->idle_session_timeout;
	return true;
}

void
session_greet(struct session *s)
{
	const char *banner = s->conf->ftpd_banner;
	const char *last;
	struct answer a;

	s->greeted = true;
	if (banner == NULL || banner[0] == '\0')
		banner = "Ferry FTP server ready.";
	/* The last line closes the reply; an LF at the end of a file is no line. */
	size_t n = strlen(banner);
	while (n > 0 && (banner[n - 1] == '\n' || banner[n - 1] == '\r'))
		n--;
	last = memrchr(banner, '\n', n);
	answer_begin(&a, s, 220);
	if (last != NULL)
		answer_lines(&a,
		    (struct bytes){(const uint8_t *)banner, (size_t)(last + 1 - banner)});
	last = last != NULL ? last + 1 : banner;
	answer_line(&a, ANSWER_LAST);
	answer_safe(
	    &a, (struct bytes){(const uint8_t *)last, n - (size_t)(last - banner)});
	answer_send(&a);
}

/* It only looks whether the port is open, or the server alive, every other second
 * perhaps: that fills no log. */
static bool
is_no_news(const struct session *s)
{
	return s->state == SESSION_ARRIVING ||
	       (s->proxied && !s->told && !session_logged_in(s));
}

static void
show_new(struct session *s)
{
	char peer[ENDPOINT_TEXT_MAX], local[ENDPOINT_TEXT_MAX];
	struct slot_view *v = worker_slot_begin(s->worker, s);

	if (v != NULL) {
		v->head = (struct slot_head){.session = s->id, .state = SLOT_LOGIN};
		worker_slot_end(s->worker, s);
	}
	endpoint_format(&s->peer, peer);
	endpoint_format(&s->local, local);
	log_event(is_no_news(s) ? LOG_DEBUG : LOG_INFO, s->id,
	    "connect peer=%s local=%s%s", peer, local, s->told ? " proxy=yes" : "");
}

static struct session *
session_make(struct worker *w, uint32_t id, uint32_t slot)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL || idtable_put(&w->sessions, id, s) < 0) {
		free(s);
		return NULL;
	}
	s->worker = w;
	s->id = id;
	s->slot = slot;
	s->input = INPUT_INIT;
	s->ascii = true;
	s->mode = CODING_STREAM;
	s->level = DEFLATE_LEVEL_DEFAULT;
	s->facts = FACT_DEFAULT;
	s->conf = w->conf;
	s->idle_seconds = s->conf->idle_session_timeout;
	s->digest = DIGEST_DEFAULT;
	s->copy_source = -1;
	s->begun = s->last_active = uv_now(w->loop);
	line_init(&s->reader, INPUT_LINE_MAX, LINE_STRICT);
	uv_timer_init(w->loop, &s->clock);
	s->clock.data = s;
	LIST_INSERT_HEAD(&w->all, s, entry);
	return s;
}

bool
session_meet(struct session *s, const struct endpoint *peer, const struct endpoint *local)
{
	s->peer = *peer;
	s->local = *local;
	s->network = section_find_network(s->worker->conf, peer);
	return session_choose(s, 0);
}

void
session_begin(struct session *s)
{
	session_enter(s, SESSION_READY);
	show_new(s);
	if (!s->implicit) {
		session_greet(s);
	} else if (!session_secure(s, 0)) {
		session_end(s, "no TLS");
		return;
	}
	session_watch(s);
	session_run(s);
}

static int
no_room(struct session *s)
{
	log_event(LOG_ERR, s->id, "no session: out of memory");
	session_end(s, "out of memory");
	return -FERRY_ESYS;
}

int
session_new(struct worker *w, int fd, uint32_t id, uint32_t slot, bool implicit)
{
	struct session *s = session_make(w, id, slot);
	struct endpoint peer;

	if (s == NULL) {
		close(fd);
		return -FERRY_ENOMEM;
	}
	if (get_addresses(fd, &peer, &s->own) < 0) {
		/* It has gone already: a health check, or a client that did not wait. */
		close(fd);
		session_end(s, "no address");
		return -FERRY_ESYS;
	}
	if (!session_meet(s, &peer, &s->own)) {
		close(fd);
		return no_room(s);
	}
	set_options(fd);
	s->control = conn_new(w->loop, fd, on_control, s);
	if (s->control == NULL)
		return no_room(s);
	/* Clients of implicit TLS expect private data connections from the start. */
	s->implicit = s->pbsz = s->private = implicit;
	if (!conf_trusts_proxy(w->conf, &peer))
		session_begin(s);
	else if (!session_await_header(s))
		return no_room(s);
	return s->state != SESSION_ENDED ? 0 : -FERRY_ESYS;
}

/* ---- the end ---- */

void
session_close(struct session *s, int code, const char *fmt, ...)
{
	char words[256];
	va_list ap;

	if (s->state >= SESSION_CLOSING)
		return;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	transfer_drop(s);
	ahead_free(s);
	replylist_break(s);
	session_work_end(s);
	copy_forget(s);
	portqueue_leave(s);
	data_reset(s);
	answer(s, code, "%s", words);
	s->question = 0;
	s->on_answer = NULL;
	session_enter(s, SESSION_CLOSING);
	if (code == 421)
		log_event(LOG_INFO, s->id, "closing: %s", words);
}

void
session_logout(struct session *s)
{
	if (session_logged_in(s))
		worker_logout(s->worker, s);
	diagnosis_free(s);
	ahead_free(s);
	s->agent = NULL;
	s->grant = 0;
	free(s->user);
	free(s->cwd);
	free(s->pending);
	free(s->rename_from);
	copy_forget(s);
	s->user = s->cwd = s->pending = s->rename_from = NULL;
	s->rights = 0;
	s->certified = false;
	free(s->entered);
	s->entered = NULL;
}

void
session_reset(struct session *s)
{
	session_logout(s);
	data_close(s);
	s->ascii = true;
	s->mode = CODING_STREAM;
	s->level = DEFLATE_LEVEL_DEFAULT;
	s->epsv_all = false;
	s->rest = s->allo = 0;
	s->ranged = false;
	s->digest = DIGEST_DEFAULT;
	s->facts = FACT_DEFAULT;
	s->begun = uv_now(s->worker->loop);
	s->pbsz = s->private = s->implicit;
	/* What an implicit handshake has named stays named, until CCC. Both views are
	 * there already. */
	const struct tls *t = s->implicit ? conn_tls(s->control) : NULL;
	(void)session_choose(s, t != NULL ? tls_host(t) : 0);
}

static void
on_clock_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
log_end(const struct session *s, int level, const char *why)
{
	char user[160] = "";

	if (session_logged_in(s))
		log_quoted(s->user, user, sizeof(user));
	log_event(level, s->id,
	    "disconnect user=\"%s\" in=%llu out=%llu seconds=%llu: %s", user,
	    (unsigned long long)s->bytes_in, (unsigned long long)s->bytes_out,
	    (unsigned long long)(uv_now(s->worker->loop) - s->begun) / 1000, why);
}

void
session_end(struct session *s, const char *why)
{
	int level = is_no_news(s) ? LOG_DEBUG : LOG_INFO;

	if (s->state == SESSION_ENDED)
		return;
	transfer_drop(s);
	ahead_free(s);
	replylist_drop(s);
	session_work_end(s);
	copy_forget(s);
	portqueue_leave(s);
	data_reset(s);
	listener_close(s);
	session_enter(s, SESSION_ENDED);
	/* The line says what is so: the place is free. */
	worker_forget(s->worker, s);
	log_end(s, level, why);
	conn_free(s->control);
	diagnosis_free(s);
	line_free(&s->reader);
	input_free(&s->input);
	free(s->user);
	free(s->cwd);
	free(s->pending);
	free(s->rename_from);
	free(s->preface);
	free(s->entered);
	s->user = s->cwd = s->pending = s->rename_from = NULL;
	s->preface = NULL;
	s->entered = NULL;
	s->agent = NULL;
	uv_close((uv_handle_t *)&s->clock, on_clock_closed);
}
