/*
 * Data connections, RFC 959 3.2 and 3.3, RFC 2428; the rules of RFC 2577 (only to and
 * from the control connection's peer, no low ports, random passive ports). For
 * cmd_pasv.c, cmd_port.c and transfer.c. Must never leave the configured range, and never
 * read from or write to a stranger.
 */
#include "data.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "caller.h"
#include "diagnosis.h"
#include "listener.h"
#include "log.h"
#include "proxied.h"
#include "proxy_from.h"
#include "session.h"
#include "tls.h"
#include "transfer.h"
#include "util.h"

/* Strangers at one port that the log names; more of them are only counted. */
#define STRANGERS_LOGGED 10
/* Milliseconds. */
#define HOLD_MAX 16
/* When a stranger has called, the client most likely has, through another address of its
 * own: then it is told soon, and need not wait for accept_timeout to hear why. */
#define STRANGER_MS 5000

static void
data_enter(struct session *s, enum data_state state)
{
	static const char *const names[] = {
	    [DATA_NONE] = "none",
	    [DATA_CLAIMING] = "claiming",
	    [DATA_LISTENING] = "listening",
	    [DATA_ADDRESSED] = "addressed",
	    [DATA_BINDING] = "binding",
	    [DATA_DIALLING] = "dialling",
	    [DATA_OPEN] = "open",
	    [DATA_KEPT] = "kept",
	    [DATA_SECURING] = "securing",
	};

	if (s->worker->trace)
		log_event(LOG_DEBUG, s->id, "data %s -> %s", names[s->data.state],
		    names[state]);
	s->data.state = state;
}

/* then() is called in so many ms, unless calm() comes first. */
static void
alarm_in(struct session *s, uint64_t ms, void (*then)(struct session *s))
{
	s->data.due = uv_now(s->worker->loop) + ms;
	s->data.on_due = then;
	session_watch(s);
}

static void
calm(struct session *s)
{
	s->data.due = 0;
}

static void
forget(struct session *s)
{
	struct data *d = &s->data;

	calm(s);
	worker_unexpect(s->worker, s);
	if (listener_is_open(&d->listener)) {
		listener_close(s);
		portqueue_wake(s->worker);
	}
	diagnosis_end(s);
	d->conn = NULL;
	d->wanted = d->prompt = false;
	d->strangers = d->unproved = d->headerless = 0;
	if (d->state != DATA_NONE)
		data_enter(s, DATA_NONE);
}

void
data_close(struct session *s)
{
	/* The last file may still be on its way. */
	if (s->data.state == DATA_KEPT)
		conn_finish(s->data.conn);
	conn_free(s->data.conn);
	forget(s);
}

void
data_reset(struct session *s)
{
	if (s->data.state == DATA_OPEN || s->data.state == DATA_SECURING) {
		conn_reset(s->data.conn);
		forget(s);
	} else {
		data_close(s);
	}
}

/* ---- TLS: RFC 4217 7, 9, 10.2 ---- */

static void
could_not_secure(struct session *s, const char *why)
{
	char text[320];

	log_event(LOG_NOTICE, s->id, "tls failed channel=data why=\"%s\"", why);
	worker_failure(s->worker, s, FAILURE_HANDSHAKE, 0, NULL);
	if (!s->data.wanted) {
		data_close(s);
		return;
	}
	snprintf(text, sizeof(text),
	    "The TLS handshake on the data connection failed: %s.", why);
	transfer_refused(s, 522, text);
	session_run(s);
}

static void
on_handshake_timeout(struct session *s)
{
	could_not_secure(s, "it took too long");
}

/* Whoever can connect to the port need not be the client: only a session of the control
 * connection proves that. */
static bool
is_proved(struct session *s)
{
	if (!s->conf->require_ssl_reuse ||
	    tls_resumes(conn_tls(s->data.conn), s->tls_number))
		return true;
	log_event(
	    LOG_NOTICE, s->id, "tls failed channel=data why=\"session not resumed\"");
	worker_failure(s->worker, s, FAILURE_NOT_RESUMED, 0, NULL);
	transfer_refused(s, 522,
	    "The data connection must resume the TLS session of the control connection "
	    "(require_ssl_reuse=YES): configure your client to reuse the session.");
	return false;
}

/* An end without close_notify: for each direction the administrator decides. */
static bool
forgives_cut(const struct session *s)
{
	const struct conf *conf = s->conf;

	return s->transfer->kind == TRANSFER_UPLOAD ? !conf->strict_ssl_read_eof
						    : !conf->strict_ssl_write_shutdown;
}

/* The connection is under TLS, and the transfer is there. */
static void
take_over(struct session *s)
{
	struct tls *control = conn_tls(s->control);

	if (!is_proved(s))
		return;
	if (forgives_cut(s))
		conn_forgive_cut(s->data.conn);
	if (control != NULL && s->data.ticketless)
		tls_give_ticket(control);
	transfer_opened(s);
}

static void hand_over(struct session *s);

static void
secured(struct session *s)
{
	char words[160];

	calm(s);
	log_event(LOG_DEBUG, s->id, "tls ok channel=data %s",
	    tls_describe(conn_tls(s->data.conn), words, sizeof(words)));
	data_enter(s, DATA_OPEN);
	if (s->data.wanted)
		hand_over(s);
}

static void
on_securing(struct conn *c, unsigned events, void *user)
{
	struct session *s = user;

	if ((events & CONN_SWITCHED) != 0)
		secured(s);
	else if ((events & CONN_BROKEN) != 0)
		could_not_secure(s, tls_why(conn_tls(c)));
	session_run(s);
}

static void
secure(struct session *s)
{
	/* Before the transfer command nobody knows who will send. */
	bool download = s->data.wanted && s->transfer->kind != TRANSFER_UPLOAD;
	struct tls *control = conn_tls(s->control);
	enum tls_use use = download ? TLS_DOWNLOAD : TLS_UPLOAD;
	int fd = conn_fd(s->data.conn);
	/* Behind CCC the ticket tells with which host TLS was begun. */
	struct tls *t = control != NULL ? tls_new_beside(control, fd, use)
					: tls_new(s->worker->identity, s->host,
					      s->worker->conf, fd, TLS_CALL);

	if (t == NULL) {
		could_not_secure(s, "memory is short");
		return;
	}
	data_enter(s, DATA_SECURING);
	s->data.ticketless = !download;
	alarm_in(s, s->conf->ssl_handshake_timeout * 1000, on_handshake_timeout);
	conn_set_owner(s->data.conn, on_securing, s);
	conn_want(s->data.conn, 0);
	conn_secure(s->data.conn, t);
}

/* The level counts at the transfer command, not at PASV or PORT: RFC 4217 10.2. */
static void
hand_over(struct session *s)
{
	bool secure_already = conn_tls(s->data.conn) != NULL;

	if (secure_already && s->private)
		take_over(s);
	else if (secure_already)
		transfer_refused(s, 522,
		    "The data connection is under TLS already, and PROT C came behind "
		    "it.");
	else if (s->private)
		secure(s);
	else
		transfer_opened(s);
}

/* Whoever called us here learns nothing more until a transfer wants the connection, with
 * one exception: a client that begins its handshake before the transfer command, and does
 * not send that before the handshake is done (curl 7.88), would wait for ever. */
static void
on_early(struct conn *c, unsigned events, void *user)
{
	struct session *s = user;

	conn_want(c, 0);
	if ((events & CONN_READABLE) != 0 && s->private && s->data.state == DATA_OPEN &&
	    !s->data.wanted)
		secure(s);
}

/* The connection is there: the transfer gets it now, or when it asks. */
static void
opened(struct session *s)
{
	calm(s);
	if (s->data.active)
		diagnosis_dialled(s, conn_fd(s->data.conn), 0);
	else
		diagnosis_accepted(s);
	data_enter(s, DATA_OPEN);
	if (s->data.wanted)
		hand_over(s);
	else if ((s->private || conn_tls(s->control) != NULL) &&
		 conn_tls(s->data.conn) == NULL)
		conn_want(s->data.conn, CONN_READABLE);
	session_run(s);
}

/* ---- block mode: the connection stays ---- */

/* Between two files nothing may come: a client sends an upload when it is told that it
 * may. Bytes that belong to a refused one must not become the beginning of the next. */
static void
on_kept(struct conn *c, unsigned events, void *user)
{
	struct session *s = user;
	uint8_t byte;
	size_t n = 0;
	int r = conn_read(c, &byte, 1, &n);

	if (r == FERRY_AGAIN)
		return;
	if (r == 0)
		log_event(LOG_NOTICE, s->id,
		    "bytes between two files of block mode: data connection closed");
	data_close(s);
}

void
data_keep(struct session *s)
{
	struct data *d = &s->data;

	const int on = 1;

	/* The next file's end must not wait until what stands before it is confirmed. */
	if (!d->prompt)
		setsockopt(conn_fd(d->conn), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	d->prompt = true;
	d->wanted = false;
	conn_set_owner(d->conn, on_kept, s);
	conn_want(d->conn, CONN_READABLE);
	alarm_in(s, s->conf->data_connection_timeout * 1000, data_close);
	data_enter(s, DATA_KEPT);
}

bool
data_is_kept(struct session *s)
{
	if (s->data.state == DATA_KEPT)
		on_kept(s->data.conn, CONN_READABLE, s);
	return s->data.state == DATA_KEPT;
}

void
data_unkeep(struct session *s)
{
	if (s->data.state == DATA_KEPT)
		data_close(s);
}

/* ---- passive: the client calls ---- */

/* A call that went away again means nothing. Without descriptors or memory the caller
 * would knock for ever: this command is given up, the session goes on. */
static void
accept_failed(struct session *s, int error)
{
	if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
		return;
	log_event(
	    LOG_WARNING, s->id, "data connection not accepted: %s", strerror(error));
	/* A transfer that waits must hear of it: nothing else would end its wait. */
	if (s->data.wanted)
		transfer_failed(
		    s, "I cannot take your connection just now. Please try again.");
	else
		data_close(s);
	session_run(s);
}

/* curl up to 7.88 looks for our reply once, right behind its EPSV. If it is there
 * already, curl sleeps for a second before it calls; else it waits for it as it should. A
 * client on our machine may find it there for every other file: waking up we take the
 * processor from it. So after such a second the session's replies are held back a little.
 */
static void
consider_hold(struct session *s)
{
	struct data *d = &s->data;
	uint64_t took = uv_now(s->worker->loop) - d->listened_at;

	if (took >= 1000 && took < 1500 && d->hold < HOLD_MAX)
		d->hold = d->hold == 0 ? 1 : d->hold * 2;
}

/* A NAT with several outer addresses: TLS tells whose the call is. */
static bool
may_prove_itself(const struct session *s)
{
	return conf_trusts_resumed(s->conf) && s->private;
}

static void on_nobody_came(struct session *s);

static void
await_call(struct session *s)
{
	uint64_t wait = s->conf->accept_timeout * 1000;

	if (s->data.strangers > 0 && wait > STRANGER_MS)
		wait = STRANGER_MS;
	alarm_in(s, wait, on_nobody_came);
}

static void
stranger(struct session *s, const struct endpoint *peer)
{
	char text[ENDPOINT_TEXT_MAX];

	diagnosis_rejected(s, peer, "address");
	s->data.stranger = *peer;
	if (s->data.strangers++ == 0 && s->data.wanted &&
	    s->data.due > uv_now(s->worker->loop) + STRANGER_MS)
		await_call(s);
	if (s->data.strangers > STRANGERS_LOGGED)
		return;
	endpoint_format(peer, text);
	log_event(LOG_NOTICE, s->id, "stranger peer=%s port=%u: closed unread", text,
	    s->data.target.port);
}

/* Takes fd. */
static void
answer_call(struct session *s, int fd, const struct endpoint *peer)
{
	s->data.conn = conn_new(s->worker->loop, fd, on_early, s);
	if (s->data.conn == NULL)
		accept_failed(s, ENOMEM);
	else
		opened(s);
}

bool
data_listens_at(const struct session *s, uint16_t port)
{
	return listener_is_open(&s->data.listener) && s->data.listener.port == port;
}

bool
data_waited(const struct session *s, uint64_t turns)
{
	return s->data.state == DATA_LISTENING && s->data.turn <= turns;
}

void
data_call(struct session *s, int fd, const struct endpoint *peer)
{
	if (!s->conf->pasv_promiscuous && !endpoint_same_address(peer, &s->peer)) {
		if (may_prove_itself(s)) {
			caller_new(s->worker, fd, peer, s->id);
			return;
		}
		close(fd);
		stranger(s, peer);
		return;
	}
	consider_hold(s);
	/* One call is all there will be. */
	listener_rest(s);
	portqueue_wake(s->worker);
	answer_call(s, fd, peer);
}

void
data_knock(struct session *s)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint peer;

	int fd = accept4(conn_fd(s->data.listener.conn), (struct sockaddr *)&ss, &len,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		accept_failed(s, errno);
	else if (endpoint_from_sockaddr((struct sockaddr *)&ss, &peer) < 0)
		close(fd);
	else if (conf_trusts_proxy(s->worker->conf, &peer))
		proxied_call(s->worker, fd, &peer, s->id);
	else
		data_call(s, fd, &peer);
}

/* ---- passive, with one port for all (ferryd/master/calls.h) ---- */

static int
claim(struct session *s)
{
	int r = worker_expect(s->worker, s);

	if (r < 0) {
		errno = EAGAIN;
		return -FERRY_ESYS;
	}
	data_enter(s, DATA_CLAIMING);
	return FERRY_AGAIN;
}

void
data_expected(struct session *s)
{
	struct data *d = &s->data;

	if (d->state != DATA_CLAIMING)
		return;
	d->target = s->local;
	d->target.port = (uint16_t)s->conf->pasv_min_port;
	d->active = false;
	s->data.turn = ++s->worker->turns;
	data_enter(s, DATA_LISTENING);
	diagnosis_begin(s);
	portqueue_go_on(s);
}

void
data_unexpected(struct session *s)
{
	if (!s->data.wanted) {
		data_close(s);
		return;
	}
	worker_failure(s->worker, s, FAILURE_TURN, 0, NULL);
	transfer_failed(s,
	    "Nobody came to my port, which is the only one, and other sessions from your "
	    "address wait for their turn.");
	session_run(s);
}

void
data_called(struct session *s, int fd, const struct endpoint *peer)
{
	answer_call(s, fd, peer);
}

void
data_called_securely(struct session *s, struct conn *c, const struct endpoint *peer)
{
	worker_unexpect(s->worker, s);
	listener_rest(s);
	portqueue_wake(s->worker);
	s->data.conn = c;
	s->data.ticketless = true;
	conn_set_owner(c, on_early, s);
	conn_want(c, 0);
	opened(s);
}

int
data_listen(struct session *s)
{
	data_close(s);
	if (conf_one_passive_port(s->worker->conf)) /* the master has it, or not */
		return claim(s);
	int r = listener_open(s);
	if (r < 0)
		return r;
	s->data.listened_at = uv_now(s->worker->loop);
	s->data.target = s->local;
	s->data.target.port = s->data.listener.port;
	s->data.active = false;
	s->data.turn = ++s->worker->turns;
	data_enter(s, DATA_LISTENING);
	diagnosis_begin(s);
	return 0;
}

static enum failure_cause
why_nobody_came(const struct data *d)
{
	if (d->unproved > 0)
		return FAILURE_UNPROVED;
	if (d->headerless > 0)
		return FAILURE_HEADERLESS;
	return d->strangers > 0 ? FAILURE_STRANGERS : FAILURE_NOBODY;
}

static void
on_nobody_came(struct session *s)
{
	const struct conf *conf = s->conf;
	enum failure_cause why = why_nobody_came(&s->data);
	char text[384], peer[ENDPOINT_TEXT_MAX];
	uint64_t took = uv_now(s->worker->loop) - s->data.listened_at;

	endpoint_format_address(&s->peer, peer);
	if (why == FAILURE_UNPROVED)
		snprintf(text, sizeof(text),
		    "From %s %u calls came to port %llu that could have been for any of "
		    "several sessions: configure your client to resume the TLS session "
		    "of the control connection.",
		    peer, s->data.unproved, (unsigned long long)conf->pasv_min_port);
	else if (why == FAILURE_HEADERLESS)
		snprintf(text, sizeof(text),
		    "Calls to my port %u came through a proxy that did not say whose "
		    "they are: it must send the PROXY header on data connections too.",
		    s->data.target.port);
	else if (why == FAILURE_STRANGERS)
		snprintf(text, sizeof(text),
		    "Nobody came to my port %u in %llu s from %s; I refused calls from "
		    "other addresses (%u). Is there a NAT with several on your side?",
		    s->data.target.port, (unsigned long long)(took + 500) / 1000, peer,
		    s->data.strangers);
	else
		snprintf(text, sizeof(text),
		    "Nobody came to my port %u in %llu s. Check that TCP %llu-%llu is "
		    "open at my side, or use active mode.",
		    s->data.target.port, (unsigned long long)conf->accept_timeout,
		    (unsigned long long)conf->pasv_min_port,
		    (unsigned long long)conf->pasv_max_port);
	worker_failure(
	    s->worker, s, why, 0, s->data.strangers > 0 ? &s->data.stranger : NULL);
	transfer_failed(s, text);
	session_run(s);
}

/* ---- active: we call ---- */

void
data_address(struct session *s, const struct endpoint *to)
{
	data_close(s);
	s->data.target = *to;
	s->data.active = true;
	data_enter(s, DATA_ADDRESSED);
	diagnosis_begin(s);
}

static void dial(struct session *s, int bound);

/* strerror() in the middle of a sentence. */
static const char *
error_words(int error, char out[64])
{
	snprintf(out, 64, "%s", strerror(error));
	if (out[0] >= 'A' && out[0] <= 'Z')
		out[0] = (char)(out[0] - 'A' + 'a');
	return out;
}

static void
could_not_reach(struct session *s, int error)
{
	char to[ENDPOINT_TEXT_MAX], cause[64], text[256];

	endpoint_format_address(&s->data.target, to);
	diagnosis_dialled(s, s->data.conn != NULL ? conn_fd(s->data.conn) : -1, error);
	worker_failure(s->worker, s, FAILURE_DIALLED, error, NULL);
	snprintf(text, sizeof(text),
	    "I could not reach %s port %u: %s. Use passive mode or open that port.", to,
	    s->data.target.port, error_words(error, cause));
	transfer_failed(s, text);
	session_run(s);
}

/* The administrator wants the call to come from this port and no other (a firewall waits
 * for it), and did not give us the right to it. */
static void
may_not_bind(struct session *s, int error)
{
	unsigned port = (unsigned)s->conf->ftp_data_port;
	char cause[64], text[256];

	snprintf(text, sizeof(text),
	    "I may not call from port %u as connect_from_port_20 wants: %s. Use passive "
	    "mode, or start the server as root.",
	    port, error_words(error, cause));
	log_event(LOG_WARNING, s->id, "no right to source port %u (connect_from_port_20)",
	    port);
	worker_failure(s->worker, s, FAILURE_BIND, error, NULL);
	transfer_failed(s, text);
	session_run(s);
}

static void
on_connect_timeout(struct session *s)
{
	could_not_reach(s, ETIMEDOUT);
}

/* The well-known port is taken for exactly this pair of ends (an old transfer's
 * TIME_WAIT): any port of ours reaches the client as well. */
static bool
retry_from_any_port(struct session *s, int error)
{
	if (!s->data.from_port || (error != EADDRNOTAVAIL && error != EADDRINUSE))
		return false;
	log_event(LOG_NOTICE, s->id, "source port taken: %s; dialling from another",
	    strerror(error));
	conn_free(s->data.conn);
	s->data.conn = NULL;
	dial(s, -1);
	return true;
}

static void
dialled(struct session *s, int error)
{
	if (error == 0) {
		conn_want(s->data.conn, 0);
		conn_set_owner(s->data.conn, on_early, s);
		opened(s);
		return;
	}
	if (!retry_from_any_port(s, error))
		could_not_reach(s, error);
}

static void
on_dialled(struct conn *c, unsigned events, void *user)
{
	dialled(user, conn_error(c));
}

/* A socket that leaves from the address the client knows us by (RFC 1123 4.1.2.12). */
int
data_outgoing_socket(const struct session *s)
{
	struct endpoint from = s->own;
	struct sockaddr_storage ss;
	const int on = 1;
	int family = s->peer.family;

	from.port = 0;
	socklen_t len = endpoint_to_sockaddr(&from, &ss);
	_cleanup_close_ int fd =
	    socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd < 0)
		return -FERRY_ESYS;
	/* A proxy has brought a client of the other family. */
	if (from.family != family)
		return fd_take(&fd);
	/* The port is chosen with the destination known: one may serve many clients. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		return -FERRY_ESYS;
	return fd_take(&fd);
}

/* Begins to connect. 0, EINPROGRESS or another errno. To this machine it is done at once,
 * which the kernel tells who asks twice: then nothing has to be waited for. */
static int
begin_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	int error = connect(fd, to, len) < 0 ? errno : 0;

	if (error == EINPROGRESS)
		error = connect(fd, to, len) < 0 ? errno : 0;
	return error == EALREADY ? EINPROGRESS : error;
}

/* Connects from the socket `bound`, or, without one, from any port. */
static void
dial(struct session *s, int bound)
{
	struct data *d = &s->data;
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&d->target, &ss);

	d->from_port = bound >= 0;
	int fd = bound >= 0 ? bound : data_outgoing_socket(s);
	if (fd < 0) {
		could_not_reach(s, errno);
		return;
	}
	d->conn = conn_new(s->worker->loop, fd, on_dialled, s);
	if (d->conn == NULL) {
		could_not_reach(s, ENOMEM);
		return;
	}
	data_enter(s, DATA_DIALLING);
	int error = begin_connect(conn_fd(d->conn), (struct sockaddr *)&ss, len);
	if (error == EINPROGRESS)
		conn_want(d->conn, CONN_WRITABLE);
	else
		dialled(s, error);
}

static void
dial_from_port(struct session *s)
{
	if (!s->conf->connect_from_port_20 || s->own.family != s->peer.family) {
		dial(s, -1);
		return;
	}
	data_enter(s, DATA_BINDING);
	if (worker_bind(s->worker, s) < 0)
		dial(s, -1);
}

void
data_bound(struct session *s, int error, int *fd)
{
	/* ABOR or a timer was quicker. */
	if (s->data.state != DATA_BINDING)
		return;
	if (*fd < 0 && (error == EACCES || error == EPERM)) {
		may_not_bind(s, error);
		return;
	}
	if (*fd < 0)
		log_event(LOG_NOTICE, s->id,
		    "no socket on ftp_data_port: %s; dialling from another",
		    strerror(error));
	dial(s, fd_take(fd));
}

/* ---- a transfer wants it ---- */

void
data_begin(struct session *s)
{
	const struct conf *conf = s->conf;
	struct data *d = &s->data;

	d->wanted = true;
	switch (d->state) {
	case DATA_KEPT:
		calm(s);
		conn_want(d->conn, 0);
		conn_set_owner(d->conn, on_early, s);
		data_enter(s, DATA_OPEN);
		transfer_opened(s);
		break;
	case DATA_OPEN:
		hand_over(s);
		break;
	case DATA_SECURING: /* its end hands it over */
		break;
	case DATA_LISTENING:
		await_call(s);
		break;
	case DATA_ADDRESSED:
		alarm_in(s, conf->connect_timeout * 1000, on_connect_timeout);
		dial_from_port(s);
		break;
	default:
		transfer_failed(
		    s, "There is no data connection. Use PASV or PORT first.");
		break;
	}
}
