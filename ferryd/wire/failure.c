/*
 * Verdicts on the server's side, and the lines of the failures file. The codes mean the
 * same as in the client. Must never claim more than the server saw: that nobody came is
 * certain, which box kept them away is not.
 */
#include "failure.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

static const struct {
	const char *name, *means, *advice;
} codes[CODES] = {
    [CODE_P11] = {"P11", "no call came to the passive port",
	"Open the passive range here and forward it in every router in front, same "
	"numbers, by a rule of its own (an FTP helper opens nothing under TLS): ferryd "
	"check, and ferryd check --watch while somebody tries."},
    [CODE_P15] = {"P15", "no passive port was free",
	"Give pasv_min_port and pasv_max_port more ports."},
    [CODE_A01] = {"A01", "the client is behind a NAT and named its inner address",
	"The client should use passive mode; or port_fix_nat=YES here, and its router "
	"forwards the port."},
    [CODE_A02] = {"A02", "our call to the client got no answer",
	"A firewall on the client's side drops it: the client should use passive mode, "
	"or open its port. When all clients fail so, let outgoing TCP out here."},
    [CODE_A03] = {"A03", "our call to the client was refused",
	"A router or firewall on the client's side says no: the client should use "
	"passive mode."},
    [CODE_A06] = {"A06", "no right to the source port of active mode",
	"Start ferryd as root, or set connect_from_port_20=NO."},
    [CODE_A07] = {"A07", "this machine may not call out",
	"Let outgoing TCP out in this machine's packet filter, or port_enable=NO."},
    [CODE_A08] = {"A08", "the pair of ports was still taken by an old connection",
	"The client should use more ports for active mode, or passive mode; or "
	"connect_from_port_20=NO here."},
    [CODE_A11] = {"A11", "the server sees a router or bridge in place of the client",
	"This machine (a container?) is not told the clients' addresses: use the host's "
	"network, or passive mode."},
    [CODE_A13] = {"A13", "the client named another address than it comes from",
	"The client should use passive mode, or name the address that its command "
	"connection has (has it several, or a VPN?)."},
    [CODE_A18] = {"A18", "several sessions of one address share the passive port",
	"Use TLS with session resumption, or give pasv_min_port and pasv_max_port a "
	"range."},
    [CODE_H03] = {"H03", "the call came from another inner address than the client's",
	"Something in front of this machine (a container's proxy, a load balancer) "
	"changes the callers' addresses: make it keep them."},
    [CODE_H09] = {"H09", "the proxy in front did not say whose the data connection is",
	"Have it send the PROXY header on the passive ports too, or let data connections "
	"go round it (pasv_address)."},
    [CODE_H11] = {"H11", "the call came from another address than the client's",
	"The client's network has several outer addresses: data_peer=resumed lets it "
	"through under TLS."},
    [CODE_L01] = {"L01", "the control connection died while a file moved",
	"A router or balancer on the way forgets connections that are silent: the client "
	"should keep its control connection alive (ferry does, from 60 s on), or the "
	"router remember it longer."},
    [CODE_L03] = {"L03", "large packets do not get through",
	"A link on the way takes smaller packets only, and the ICMP messages that would "
	"tell are filtered: let ICMP through, sysctl net.ipv4.tcp_mtu_probing=1 here "
	"(for "
	"downloads), or have the router in front of that link lower the MSS."},
    [CODE_L07] = {"L07", "packets are lost on the way",
	"The data connection was open and then got no answer any more: a router that "
	"forgets it, a line that is down, or a client that was switched off."},
    [CODE_L08] = {"L08", "the client takes no more data",
	"Its program stands still, or waits for its disk or its user. The network is in "
	"order."},
    [CODE_L09] = {"L09", "the client sends no more data",
	"Its program stands still, or something on the way drops its packets."},
    [CODE_S01] = {"S01", "this machine does not let the server open a passive port",
	"Ports below 1024 are not for everybody (pasv_min_port=61000); else SELinux, an "
	"AppArmor profile or the service's own sandbox forbids it: ferryd check."},
    [CODE_T03] = {"T03", "the data connection did not resume the TLS session",
	"The client should reuse the session of its command connection; only if it "
	"cannot, require_ssl_reuse=NO."},
    [CODE_T07] = {"T07", "the TLS handshake of the data connection failed",
	"Look at the log for why; does something inspect TLS on the way?"},
};

static bool
is_inner(const struct endpoint *ep)
{
	enum endpoint_scope scope = endpoint_scope_of(ep);

	return scope == SCOPE_PRIVATE || scope == SCOPE_SHARED || scope == SCOPE_LINK ||
	       scope == SCOPE_LOOPBACK;
}

static struct failure_verdict
certain(enum failure_code code)
{
	return (struct failure_verdict){.code = code, .certain = true};
}

static struct failure_verdict
likely(enum failure_code code)
{
	return (struct failure_verdict){.code = code};
}

static struct failure_verdict
judge_dialled(const struct failure *f)
{
	switch (f->error) {
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENOPROTOOPT:
	case ECONNRESET:
		return likely(CODE_A03);
	case EACCES:
		/* so says ICMPv6, in a packet from anywhere on the way */
		if (f->peer.family == AF_INET6)
			return likely(CODE_A03);
		return likely(CODE_A07);
	case EPERM:
		return likely(CODE_A07);
	case EADDRINUSE:
	case EADDRNOTAVAIL:
		return likely(CODE_A08);
	default:
		return likely(CODE_A02);
	}
}

static struct failure_verdict
judge_named(const struct failure *f)
{
	bool named = is_inner(&f->other), seen = is_inner(&f->peer);

	if (named && !seen)
		return certain(CODE_A01);
	if (!named && seen)
		return likely(CODE_A11);
	return likely(CODE_A13);
}

struct failure_verdict
failure_judge(const struct failure *f)
{
	switch (f->cause) {
	case FAILURE_STRANGERS:
		return is_inner(&f->other) ? likely(CODE_H03) : likely(CODE_H11);
	case FAILURE_TURN:
		return likely(CODE_A18);
	case FAILURE_UNPROVED:
		return certain(CODE_A18);
	case FAILURE_FULL:
		return certain(CODE_P15);
	case FAILURE_DIALLED:
		return judge_dialled(f);
	case FAILURE_BIND:
		return certain(CODE_A06);
	case FAILURE_NAMED:
		return judge_named(f);
	case FAILURE_NOT_RESUMED:
		return certain(CODE_T03);
	case FAILURE_HANDSHAKE:
		return likely(CODE_T07);
	case FAILURE_SWALLOWED:
		return likely(CODE_L03);
	case FAILURE_LOST:
		return likely(CODE_L07);
	case FAILURE_UNREAD:
		return certain(CODE_L08);
	case FAILURE_SILENT:
		return likely(CODE_L09);
	case FAILURE_HEADERLESS:
		return certain(CODE_H09);
	case FAILURE_FORBIDDEN:
		return certain(CODE_S01);
	case FAILURE_FORGOTTEN:
		return likely(CODE_L01);
	case FAILURE_NOBODY:
	case FAILURE_CAUSES:
		break;
	}
	return likely(CODE_P11);
}

const char *
failure_way(enum failure_cause cause)
{
	switch (cause) {
	case FAILURE_DIALLED:
	case FAILURE_BIND:
	case FAILURE_NAMED:
		return "active";
	case FAILURE_SWALLOWED:
	case FAILURE_LOST:
	case FAILURE_UNREAD:
	case FAILURE_SILENT:
		return "open";
	case FAILURE_FORGOTTEN:
		return "control";
	default:
		return "passive";
	}
}

const char *
failure_code_name(enum failure_code code)
{
	return codes[code].name;
}

const char *
failure_code_means(enum failure_code code)
{
	return codes[code].means;
}

const char *
failure_code_advice(enum failure_code code)
{
	return codes[code].advice;
}

/* ---- lines: last count cause error port peer other ---- */

size_t
failure_format(const struct failure_record *r, char out[FAILURE_LINE_MAX])
{
	char peer[ENDPOINT_TEXT_MAX], other[ENDPOINT_TEXT_MAX] = "-";

	endpoint_format_address(&r->failure.peer, peer);
	if (r->failure.other.family != 0)
		endpoint_format_address(&r->failure.other, other);
	int n = snprintf(out, FAILURE_LINE_MAX,
	    "%" PRId64 " %" PRIu32 " %d %d %u %s %s\n", r->last, r->count,
	    (int)r->failure.cause, r->failure.error, r->failure.port, peer, other);
	return n < FAILURE_LINE_MAX ? (size_t)n : FAILURE_LINE_MAX - 1;
}

/* The next word up to a blank or the end. */
static struct bytes
next_word(const char **p, const char *end)
{
	const char *begin = *p;
	const char *blank = memchr(begin, ' ', (size_t)(end - begin));
	const char *stop = blank != NULL ? blank : end;

	*p = blank != NULL ? blank + 1 : end;
	return (struct bytes){(const uint8_t *)begin, (size_t)(stop - begin)};
}

static int
next_number(const char **p, const char *end, uint64_t max, uint64_t *ret)
{
	struct bytes word = next_word(p, end);

	return parse_uint((const char *)word.p, word.n, max, ret);
}

static int
next_address(const char **p, const char *end, struct endpoint *ret)
{
	struct bytes word = next_word(p, end);
	char text[ENDPOINT_TEXT_MAX];

	if (word.n >= sizeof(text) || memchr(word.p, '\0', word.n) != NULL)
		return -FERRY_EPROTO;
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	return endpoint_from_text(text, ret);
}

int
failure_parse(const char *line, size_t n, struct failure_record *ret)
{
	struct failure_record r = {0};
	const char *p = line, *end = line + n;
	uint64_t last, count, cause, error, port;

	if (n >= FAILURE_LINE_MAX || next_number(&p, end, INT32_MAX * 64ULL, &last) < 0 ||
	    next_number(&p, end, UINT32_MAX, &count) < 0 || count == 0 ||
	    next_number(&p, end, FAILURE_CAUSES - 1, &cause) < 0 ||
	    next_number(&p, end, 4095, &error) < 0 ||
	    next_number(&p, end, UINT16_MAX, &port) < 0 ||
	    next_address(&p, end, &r.failure.peer) < 0)
		return -FERRY_EPROTO;
	if (end - p == 1 && *p == '-')
		p = end;
	else if (next_address(&p, end, &r.failure.other) < 0)
		return -FERRY_EPROTO;
	if (p != end)
		return -FERRY_EPROTO;
	r.last = (int64_t)last;
	r.count = (uint32_t)count;
	r.failure.cause = (enum failure_cause)cause;
	r.failure.error = (int)error;
	r.failure.port = (uint16_t)port;
	r.verdict = failure_judge(&r.failure);
	*ret = r;
	return 0;
}
