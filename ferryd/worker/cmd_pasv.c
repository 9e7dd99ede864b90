/*
 * Passive mode: we listen, say where, and the client calls. RFC 959 4.1.2, RFC 2428 3.
 *
 *   PASV                          227 Entering Passive Mode (h1,h2,h3,h4,p1,p2).
 *   EPSV [<SP> (1 | 2 | ALL)]     229 Entering Extended Passive Mode (|||port|)
 *
 * Both texts are interface: firewalls parse them, and one in another form makes them drop
 * the connection. Where and how is listened is in data.c.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <string.h>

#include "answer.h"
#include "commands.h"
#include "endpoint.h"
#include "log.h"

static bool
is_off(struct session *s)
{
	if (s->conf->pasv_enable)
		return false;
	answer(s, 502,
	    "Passive mode is switched off on this server (pasv_enable=NO). Use PORT or "
	    "EPRT.");
	return true;
}

void
pasv_is_full(struct session *s)
{
	unsigned long long low = s->conf->pasv_min_port;
	unsigned long long high = s->conf->pasv_max_port;

	if (conf_one_passive_port(s->worker->conf)) {
		worker_failure(s->worker, s, FAILURE_TURN, 0, NULL);
		answer(s, 425,
		    "My one passive port (%llu) is kept busy by other sessions from your "
		    "address. Please try again.",
		    low);
		return;
	}
	log_event(LOG_WARNING, s->id, "passive range %llu-%llu is full", low, high);
	worker_failure(s->worker, s, FAILURE_FULL, 0, NULL);
	answer(s, 425, "All of my passive ports (%llu-%llu) are taken. Please try again.",
	    low, high);
}

/* The system says no, for good or for now. */
static void
no_port(struct session *s, int error)
{
	log_event(LOG_WARNING, s->id, "no passive port: %s", strerror(error));
	if (error == EACCES || error == EPERM || error == EAFNOSUPPORT)
		worker_failure(s->worker, s, FAILURE_FORBIDDEN, error, NULL);
	answer(s, 425, "I cannot open a port: %s.", strerror(error));
}

/* Opens a port and tells it by then(), which may be a little later. */
static void
listen_and(struct session *s, void (*then)(struct session *s))
{
	int r = portqueue_is_empty(s->worker) ? data_listen(s) : -FERRY_ETOOBIG;

	if (r == 0) {
		session_pause(s, s->data.hold, then);
	} else if (r == FERRY_AGAIN) {
		portqueue_expect(s, then);
	} else if (r == -FERRY_ETOOBIG && !s->no_port) {
		portqueue_wait(s, then);
	} else if (r == -FERRY_ETOOBIG) {
		pasv_is_full(s);
	} else {
		no_port(s, errno);
	}
}

/* A client on our side of the NAT: what is forwarded outside may not be reachable from
 * here. */
static bool
is_inside(const struct session *s)
{
	return s->conf->pasv_own_for_private &&
	       endpoint_scope_of(&s->peer) == SCOPE_PRIVATE &&
	       endpoint_scope_of(&s->local) == SCOPE_PRIVATE;
}

/* What PASV tells: where we listen, or where a NAT in front of us listens for us. */
static struct endpoint
advertised(const struct session *s)
{
	const char *outer = s->conf->pasv_address;
	struct endpoint at = s->data.target, other;

	if (outer == NULL || is_inside(s) || endpoint_from_text(outer, &other) < 0 ||
	    other.family != AF_INET)
		return at;
	other.port = at.port;
	return other;
}

static void
tell_pasv(struct session *s)
{
	const struct endpoint at = advertised(s);
	char text[ENDPOINT_TEXT_MAX];

	endpoint_format_port(&at, text);
	answer(s, 227, "Entering Passive Mode (%s).", text);
	session_done(s);
}

static void
tell_epsv(struct session *s)
{
	answer(s, 229, "Entering Extended Passive Mode (|||%u|)", s->data.target.port);
	session_done(s);
}

void
cmd_pasv(struct session *s, struct bytes arg)
{
	data_close(s);
	if (is_off(s))
		return;
	if (s->epsv_all) {
		answer(
		    s, 501, "You have sent EPSV ALL: only EPSV works in this session.");
		return;
	}
	if (s->local.family != AF_INET) {
		answer(s, 501, "PASV cannot carry an IPv6 address. Use EPSV.");
		return;
	}
	listen_and(s, tell_pasv);
}

void
cmd_epsv(struct session *s, struct bytes arg)
{
	int ours = s->local.family == AF_INET ? 1 : 2;
	uint64_t family;

	/* A promise about later commands: what is open stays open. */
	if (command_is(arg, "ALL")) {
		s->epsv_all = true;
		answer(s, 200, "From now on only EPSV works.");
		return;
	}
	data_close(s);
	if (is_off(s))
		return;
	if (arg.n > 0 &&
	    parse_uint((const char *)arg.p, arg.n, UINT16_MAX, &family) < 0) {
		answer(s, 501, "EPSV takes 1, 2, ALL or nothing.");
		return;
	}
	if (arg.n > 0 && family != (uint64_t)ours) {
		answer(s, 522, "You are connected over another protocol, use (%d)", ours);
		return;
	}
	listen_and(s, tell_epsv);
}
