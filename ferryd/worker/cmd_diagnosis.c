/*
 * SITE FERRY: what the server saw of a data connection that failed, so that the client's
 * side can tell what it was.
 *
 *   SITE FERRY WHOAMI             200 peer=198.51.100.7:40211 local=192.0.2.1:21
 * tls=TLSv1.3 proxyhdr=no SITE FERRY LASTDATA           200 mode=EPSV port=61017 listened=20.0s
 * accepted=0 rejected=0 200 mode=EPRT to=198.51.100.7:50187 result=ETIMEDOUT
 * src=192.0.2.1:20 SITE FERRY LASTPORT           200 received=504F5254...  the line as it
 * came, in hexadecimal: what changes addresses on its way changes none in there SITE
 * FERRY INFO               200 advertise=203.0.113.1 range=61000-61199 srcport=any SITE
 * FERRY PROBE <SP> <port>  200 to=198.51.100.7 port=50187 result=ECONNREFUSED ms=12 SITE
 * FERRY BLOB <SP> <n>      150, n bytes over the data connection, 226
 *
 * Must never dial anybody but the client, nor a low port, nor one more often than
 * PROBES_MAX in a session (the master counts by address and hour); no byte is sent or
 * read there. No reply looks like one that says where to connect.
 */
#include "cmd_diagnosis.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "answer.h"
#include "commands.h"
#include "diagnosis.h"
#include "endpoint.h"
#include "tls.h"
#include "transfer.h"

#define PROBES_MAX 6
#define PORT_LOWEST 1024
#define BLOB_MAX (1024 * 1024)

/* "ETIMEDOUT", "OK" */
static const char *
error_name(int error)
{
	const char *name = error == 0 ? "OK" : strerrorname_np(error);

	return name != NULL ? name : "EUNKNOWN";
}

/* ---- what is known ---- */

static void
whoami(struct session *s, struct bytes arg)
{
	const struct tls *tls = conn_tls(s->control);
	char peer[ENDPOINT_TEXT_MAX], local[ENDPOINT_TEXT_MAX];

	endpoint_format(&s->peer, peer);
	endpoint_format(&s->local, local);
	answer(s, 200, "peer=%s local=%s tls=%s proxyhdr=%s", peer, local,
	    tls != NULL ? tls_version(tls) : "no", s->told ? "yes" : "no");
}

static void
tell_passive(struct session *s, const struct diagnosis *d)
{
	uint64_t end = d->ended != 0 ? d->ended : uv_now(s->worker->loop);
	char rejected[ENDPOINT_TEXT_MAX + 32] = "", from[ENDPOINT_TEXT_MAX];

	if (d->rejected > 0) {
		endpoint_format(&d->rejected_from, from);
		snprintf(rejected, sizeof(rejected), " from=%s why=%s", from, d->why);
	}
	answer(s, 200, "mode=%s port=%u listened=%.1fs accepted=%u rejected=%u%s",
	    d->verb, d->at.port, (double)(end - d->begun) / 1000, d->accepted,
	    d->rejected, rejected);
}

static void
tell_active(struct session *s, const struct diagnosis *d)
{
	char to[ENDPOINT_TEXT_MAX], source[ENDPOINT_TEXT_MAX];

	endpoint_format(&d->at, to);
	endpoint_format(&d->source, source);
	if (d->dialled)
		answer(s, 200, "mode=%s to=%s result=%s src=%s", d->verb, to,
		    error_name(d->error), d->source.family != 0 ? source : "none");
	else
		answer(s, 200, "mode=%s to=%s result=none", d->verb, to);
}

static void
lastdata(struct session *s, struct bytes arg)
{
	const struct diagnosis *d = s->diagnosis;

	if (d == NULL || d->begun == 0)
		answer(s, 200, "mode=none");
	else if (d->active)
		tell_active(s, d);
	else
		tell_passive(s, d);
}

static void
add_hex(struct answer *a, const void *p, size_t n)
{
	const uint8_t *byte = p;

	for (size_t i = 0; i < n; i++)
		answer_text(a, "%02X", byte[i]);
}

static void
lastport(struct session *s, struct bytes arg)
{
	const struct diagnosis *d = s->diagnosis;
	struct answer a;

	if (d == NULL || d->port_verb[0] == '\0') {
		answer(s, 200, "received=none");
		return;
	}
	answer_begin(&a, s, 200);
	answer_line(&a, ANSWER_LAST);
	answer_text(&a, "received=");
	add_hex(&a, d->port_verb, strlen(d->port_verb));
	add_hex(&a, " ", 1);
	add_hex(&a, d->argument, d->argument_n);
	answer_send(&a);
}

static void
info(struct session *s, struct bytes arg)
{
	const struct conf *conf = s->conf;
	char local[ENDPOINT_TEXT_MAX], range[32] = "off", source[16] = "any";

	endpoint_format_address(&s->local, local);
	if (conf->pasv_enable)
		snprintf(range, sizeof(range), "%llu-%llu",
		    (unsigned long long)conf->pasv_min_port,
		    (unsigned long long)conf->pasv_max_port);
	if (!conf->port_enable)
		snprintf(source, sizeof(source), "off");
	else if (conf->connect_from_port_20)
		snprintf(source, sizeof(source), "%llu",
		    (unsigned long long)conf->ftp_data_port);
	answer(s, 200, "advertise=%s range=%s srcport=%s",
	    conf->pasv_address != NULL ? conf->pasv_address : local, range, source);
}

/* ---- PROBE ---- */

/* The end of the call that is ours; family 0: it has none. */
static struct endpoint
source_of(const struct conn *c)
{
	struct endpoint source = {0};
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (c != NULL && getsockname(conn_fd(c), (struct sockaddr *)&ss, &len) == 0)
		(void)endpoint_from_sockaddr((struct sockaddr *)&ss, &source);
	return source;
}

static void
probe_over(struct session *s, int error)
{
	struct diagnosis *d = s->diagnosis;
	struct endpoint from = source_of(d->conn);
	char to[ENDPOINT_TEXT_MAX], source[ENDPOINT_TEXT_MAX] = "none";

	conn_free(d->conn);
	d->conn = NULL;
	d->probe = 0;
	d->source_port = from.port;
	endpoint_format_address(&d->to, to);
	if (from.family != 0)
		endpoint_format(&from, source);
	answer(s, 200, "to=%s port=%u result=%s ms=%llu src=%s", to, d->to.port,
	    error_name(error),
	    (unsigned long long)(uv_now(s->worker->loop) - d->probe_begun), source);
	session_done(s);
}

void
probe_timeout(struct session *s)
{
	probe_over(s, ETIMEDOUT);
}

static void
on_dialled(struct conn *c, unsigned events, void *user)
{
	struct session *s = user;

	probe_over(s, conn_error(c));
	session_run(s);
}

static void
dial(struct session *s, int fd)
{
	struct diagnosis *d = s->diagnosis;
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&d->to, &ss);

	d->conn = conn_new(s->worker->loop, fd, on_dialled, s);
	if (d->conn == NULL)
		probe_over(s, ENOMEM);
	else if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)
		probe_over(s, errno);
	else
		conn_want(d->conn, CONN_WRITABLE);
}

/* From the port of the last call, if it can be had again: the client may have told its
 * firewall of it. */
static int
probe_socket(struct session *s)
{
	const struct diagnosis *d = s->diagnosis;
	struct endpoint from = s->own;
	struct sockaddr_storage ss;
	const int on = 1;
	int fd = data_outgoing_socket(s);

	if (fd < 0 || d->source_port == 0 || from.family != s->peer.family)
		return fd;
	from.port = d->source_port;
	socklen_t len = endpoint_to_sockaddr(&from, &ss);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	(void)bind(fd, (struct sockaddr *)&ss, len);
	return fd;
}

void
probe_allowed(struct session *s, int error, int *fd)
{
	struct diagnosis *d = s->diagnosis;

	if (s->state != SESSION_PROBING || d == NULL || d->conn != NULL)
		return;
	d->probe_begun = uv_now(s->worker->loop);
	if (error == EDQUOT) {
		d->probe = 0;
		answer(s, 450, "Your address has had its probes of this hour.");
		session_done(s);
		return;
	}
	int own = error == 0 && *fd >= 0 ? fd_take(fd) : probe_socket(s);
	if (own < 0)
		probe_over(s, errno);
	else
		dial(s, own);
}

static bool
probe_is_refused(struct session *s)
{
	if (!s->conf->port_enable)
		answer(s, 502,
		    "Active mode is switched off on this server (port_enable=NO).");
	else if (s->proxied && !s->told)
		answer(s, 550, "You come through a proxy that does not say from where.");
	else if (s->own.family != s->peer.family)
		answer(s, 550,
		    "You come through a proxy, over another protocol than its own.");
	else if (endpoint_scope_of(&s->peer) == SCOPE_LOOPBACK)
		answer(
		    s, 550, "Between programs of one machine there is nothing to probe.");
	else if (s->diagnosis->probes >= PROBES_MAX)
		answer(s, 450, "A session has %d probes.", PROBES_MAX);
	else
		return false;
	return true;
}

static void
probe(struct session *s, struct bytes arg)
{
	struct diagnosis *d = s->diagnosis;
	uint64_t port;

	if (parse_uint((const char *)arg.p, arg.n, UINT16_MAX, &port) < 0 ||
	    port < PORT_LOWEST) {
		answer(s, 501, "SITE FERRY PROBE takes a port of yours, %d to 65535.",
		    PORT_LOWEST);
		return;
	}
	if (probe_is_refused(s))
		return;
	if (worker_probe(s->worker, s) < 0) {
		answer(s, 450, "The server is busy. Please try again.");
		return;
	}
	d->probes++;
	d->to = s->peer;
	d->to.port = (uint16_t)port;
	d->probe_begun = uv_now(s->worker->loop);
	session_enter(s, SESSION_PROBING);
}

/* ---- BLOB ---- */

static void
blob(struct session *s, struct bytes arg)
{
	struct buf name = BUF_INIT(64);
	uint64_t n;

	if (parse_uint((const char *)arg.p, arg.n, BLOB_MAX, &n) < 0) {
		answer(s, 501, "SITE FERRY BLOB takes a number of bytes up to %d.",
		    BLOB_MAX);
		return;
	}
	if (s->mode != CODING_STREAM) {
		answer(s, 504, "SITE FERRY BLOB works in MODE S.");
		return;
	}
	if (!transfer_is_possible(s))
		return;
	if (buf_append(&name, "SITE FERRY BLOB", 15) == 0 &&
	    transfer_prepare(s, TRANSFER_PATTERN, &name)) {
		s->transfer->length = n;
		answer(s, transfer_opening(s), "Here come %llu bytes.",
		    (unsigned long long)n);
		transfer_begin(s);
	}
	buf_free(&name);
}

/* ---- the table ---- */

void
site_ferry(struct session *s, struct bytes arg)
{
	static const struct {
		const char *name;
		void (*run)(struct session *s, struct bytes arg);
	} rows[] = {
	    {"WHOAMI", whoami},
	    {"LASTDATA", lastdata},
	    {"LASTPORT", lastport},
	    {"INFO", info},
	    {"PROBE", probe},
	    {"BLOB", blob},
	};
	struct bytes name = command_word(&arg);

	if (!diagnosis_works(s)) {
		answer(s, 550, "Diagnosis is switched off for you (%s=NO).",
		    s->anonymous ? "anon_diagnosis_enable" : "diagnosis_enable");
		return;
	}
	if (!diagnosis_ready(s)) {
		answer(s, 451, "Out of memory.");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (command_is(name, rows[i].name)) {
			rows[i].run(s, arg);
			return;
		}
	}
	answer(
	    s, 501, "SITE FERRY has WHOAMI, LASTDATA, LASTPORT, INFO, PROBE and BLOB.");
}
