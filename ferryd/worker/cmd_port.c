/*
 * Active mode: the client listens, says where, and we call. RFC 959 4.1.2, RFC 2428 2,
 * RFC 2577 3.
 *
 *   PORT <SP> h1,h2,h3,h4,p1,p2                      port = p1 x 256 + p2
 *   EPRT <SP> <d>family<d>address<d>port<d>          family 1: IPv4, 2: IPv6
 *
 * Only the control connection's peer is called (port_fix_nat calls it whatever private
 * address the client names), and no port below 1024: nobody can make this server connect
 * to a third machine or to a service. Nothing is dialled before a transfer command; how
 * it is dialled is in data.c.
 */
#include <ferry/ferry.h>

#include "answer.h"
#include "commands.h"
#include "diagnosis.h"
#include "endpoint.h"
#include "log.h"

#define PORT_LOWEST 1024

static bool
is_off(struct session *s)
{
	if (!s->conf->port_enable) {
		answer(s, 502,
		    "Active mode is switched off on this server (port_enable=NO). Use "
		    "PASV or EPSV.");
		return true;
	}
	if (s->epsv_all) {
		answer(
		    s, 501, "You have sent EPSV ALL: only EPSV works in this session.");
		return true;
	}
	return false;
}

static void
refuse_address(struct session *s, const char *verb, const struct endpoint *to)
{
	char named[ENDPOINT_TEXT_MAX], seen[ENDPOINT_TEXT_MAX];

	endpoint_format_address(to, named);
	endpoint_format_address(&s->peer, seen);
	worker_failure(s->worker, s, FAILURE_NAMED, 0, to);
	answer(s, 500, "%s names %s but you come from %s (NAT?). Use passive mode.", verb,
	    named, seen);
}

/* The client is behind a NAT and does not know it: the address that it names leads
 * nowhere from here, the one it comes from may lead to it. */
static bool
is_behind_nat(const struct session *s, const struct endpoint *to)
{
	enum endpoint_scope named = endpoint_scope_of(to);
	enum endpoint_scope seen = endpoint_scope_of(&s->peer);

	return (named == SCOPE_PRIVATE || named == SCOPE_SHARED) &&
	       (seen == SCOPE_PUBLIC || seen == SCOPE_DOCUMENTATION);
}

static void
fix_nat(struct session *s, struct endpoint *to)
{
	char named[ENDPOINT_TEXT_MAX];

	if (!s->conf->port_fix_nat || to->family != s->peer.family ||
	    !is_behind_nat(s, to))
		return;
	endpoint_format(to, named);
	log_event(LOG_INFO, s->id, "port=%s fixed=\"the client's own address\"", named);
	uint16_t port = to->port;
	*to = s->peer;
	to->port = port;
}

static void
take_address(struct session *s, const char *verb, struct endpoint *to)
{
	fix_nat(s, to);
	if (to->port == 0) {
		answer(s, 501, "Port 0 cannot be called.");
	} else if (!s->conf->port_promiscuous && !endpoint_same_address(to, &s->peer)) {
		refuse_address(s, verb, to);
	} else if (to->port < PORT_LOWEST) {
		answer(s, 504,
		    "I do not call ports below %d. Use passive mode or a higher port.",
		    PORT_LOWEST);
	} else {
		/* A link-local address is no address without the interface that it came
		 * over. */
		if (endpoint_same_address(to, &s->peer))
			to->scope = s->peer.scope;
		data_address(s, to);
		answer(s, 200, "%s command successful. Consider using %s.", verb,
		    s->local.family == AF_INET6 ? "EPSV" : "PASV");
	}
}

void
cmd_port(struct session *s, struct bytes arg)
{
	struct endpoint to;

	data_close(s);
	diagnosis_port(s, arg);
	if (is_off(s))
		return;
	if (endpoint_parse_port((const char *)arg.p, arg.n, &to) < 0)
		answer(
		    s, 501, "PORT takes six numbers from 0 to 255: h1,h2,h3,h4,p1,p2.");
	else
		take_address(s, "PORT", &to);
}

void
cmd_eprt(struct session *s, struct bytes arg)
{
	struct endpoint to;

	data_close(s);
	diagnosis_port(s, arg);
	if (is_off(s))
		return;
	int r = endpoint_parse_eprt((const char *)arg.p, arg.n, &to);
	if (r == -FERRY_EUNSUPPORTED)
		answer(s, 522, "Unknown network protocol, use (1,2)");
	else if (r < 0)
		answer(s, 501, "EPRT takes |family|address|port|.");
	else if (to.family != s->local.family)
		answer(s, 522, "You are connected over the other protocol, use (%d)",
		    s->local.family == AF_INET ? 1 : 2);
	else
		take_address(s, "EPRT", &to);
}
