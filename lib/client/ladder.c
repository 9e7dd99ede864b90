/*
 * The ladder: which way to a data connection is tried, in which order, and why each one
 * failed. First what worked before in this session, or what the caller knows to work from
 * here. Then EPSV, then PASV dialled at the control connection's peer (where there is no
 * PASV, EPSV once more: another port may be open), then (if allowed) PORT or EPRT. PORT
 * goes before EPRT: more routers' helpers read it, a helper that does not read costs a
 * timeout, and a server that does not know one of them only a reply. Each attempt has its
 * own time budget. One way at a time: every new command makes the server drop the one
 * before, so they cannot be raced on one session.
 *
 * Refused here, whatever the server says: an address in 227 that is not the server's own
 * (CVE-2020-8284), ports below 1024, and addresses that nobody can dial.
 */
#include "client.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

const char *
mode_name(enum ferry_mode mode)
{
	static const char *const names[] = {
	    [FERRY_MODE_AUTO] = "automatic mode",
	    [FERRY_MODE_PASSIVE] = "passive mode",
	    [FERRY_MODE_EPSV] = "EPSV",
	    [FERRY_MODE_PASV] = "PASV",
	    [FERRY_MODE_ACTIVE] = "active mode",
	    [FERRY_MODE_EPRT] = "EPRT",
	    [FERRY_MODE_PORT] = "PORT",
	};

	return names[mode];
}

bool
mode_is_active(enum ferry_mode mode)
{
	return mode >= FERRY_MODE_ACTIVE;
}

/* ---------------------------------------------------------------- the order */

static void
add_rung(struct ladder *l, enum ferry_mode mode)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->rung[i] == mode)
			return;
	l->rung[l->count++] = mode;
}

static void
try_again(struct ladder *l, enum ferry_mode mode)
{
	l->has_again = true;
	l->again = mode;
}

static void
add_passive(struct ferry *h)
{
	bool v4 = h->control.remote.family == AF_INET;

	if (!h->no_epsv)
		add_rung(&h->ladder, FERRY_MODE_EPSV);
	if (v4 && !h->no_pasv)
		add_rung(&h->ladder, FERRY_MODE_PASV);
	if (!v4 || h->no_pasv)
		try_again(&h->ladder, FERRY_MODE_EPSV);
	/* refused before, but there is nothing else: the reason may be gone */
	if (h->no_epsv && (!v4 || h->no_pasv))
		add_rung(&h->ladder, FERRY_MODE_EPSV);
}

static void
add_active(struct ferry *h)
{
	if (h->control.remote.family == AF_INET)
		add_rung(&h->ladder, FERRY_MODE_PORT);
	add_rung(&h->ladder, FERRY_MODE_EPRT);
}

static bool
is_inner(enum endpoint_scope scope)
{
	return scope == SCOPE_PRIVATE || scope == SCOPE_SHARED || scope == SCOPE_LINK;
}

/* Networks in documents and tests stand for public ones. */
static bool
is_outer(enum endpoint_scope scope)
{
	return scope == SCOPE_PUBLIC || scope == SCOPE_DOCUMENTATION;
}

/* From behind a NAT the server cannot call us, unless the caller gave an outer address or
 * the router may rewrite PORT, which it does for port 21 only, and where it can read. */
static bool
active_plausible(const struct ferry *h)
{
	return h->has_active_address || (h->port == 21 && !h->control.tls) ||
	       !is_inner(endpoint_scope_of(&h->control.local)) ||
	       !is_outer(endpoint_scope_of(&h->control.remote));
}

bool
ladder_allows(const struct ferry *h, enum ferry_mode mode)
{
	switch (h->mode) {
	case FERRY_MODE_AUTO:
		return !mode_is_active(mode) || h->active_allowed;
	case FERRY_MODE_PASSIVE:
		return !mode_is_active(mode);
	case FERRY_MODE_ACTIVE:
		return mode_is_active(mode);
	default:
		return h->mode == mode;
	}
}

/* What worked comes first. If it did so in this very session, a port that is closed now
 * is no reason to give it up; but who names one way wants to see that way fail. */
static void
add_worked(struct ferry *h)
{
	bool chooses = h->mode == FERRY_MODE_AUTO || h->mode == FERRY_MODE_PASSIVE;

	if (!h->has_worked || !ladder_allows(h, h->worked))
		return;
	add_rung(&h->ladder, h->worked);
	if (chooses && !h->first_why && !mode_is_active(h->worked))
		try_again(&h->ladder, h->worked);
}

void
ladder_begin(struct ferry *h)
{
	struct ladder *l = &h->ladder;

	l->count = l->next = 0;
	l->no_call = l->has_again = false;
	l->sys_errno = 0;
	buf_clear(&l->tried);
	add_worked(h);
	switch (h->mode) {
	case FERRY_MODE_AUTO:
		add_passive(h);
		if (h->active_allowed && active_plausible(h))
			add_active(h);
		break;
	case FERRY_MODE_PASSIVE:
		add_passive(h);
		break;
	case FERRY_MODE_ACTIVE:
		add_active(h);
		break;
	default:
		add_rung(l, h->mode);
	}
}

void
ladder_worked(struct ferry *h)
{
	ladder_forget(h);
	h->worked = h->ladder.now;
	h->has_worked = true;
}

void
ladder_forget(struct ferry *h)
{
	free(h->first_why);
	h->first_why = NULL;
	h->has_worked = false;
}

/* Is the present way tried because of what the caller knows? */
static bool
is_known_way(const struct ferry *h)
{
	return h->has_worked && h->first_why && h->worked == h->ladder.now;
}

/* Microseconds until the server's kernel answers; 0: not known. */
static unsigned
round_trip(const struct ferry *h)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(h->control.fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_rtt;
}

/* Four round trips and three lost packets on top. */
unsigned
ladder_budget(const struct ferry *h)
{
	unsigned ms = h->timer[FERRY_TIMER_DATA_CONNECT], slow;

	if (h->connect_timer_set)
		return ms;
	slow = round_trip(h) / 250 + 3000;
	ms = slow > ms ? slow : ms;
	return is_known_way(h) && ms < KNOWN_CONNECT_MS ? KNOWN_CONNECT_MS : ms;
}

/* ---------------------------------------------------------------- failures */

static const char *
advice(const struct ferry *h)
{
	if (mode_is_active(h->ladder.now))
		return is_inner(endpoint_scope_of(&h->control.local)) &&
			       !h->has_active_address
			   ? " (we are on an inner address: passive mode suits better)"
			   : "";
	if (h->mode != FERRY_MODE_AUTO)
		return "";
	if (h->active_allowed && !active_plausible(h))
		return "; active mode cannot work from behind an address translation";
	return h->active_allowed ? "" : "; active mode was not allowed";
}

/* Every way failed. */
static int
verdict(struct ferry *h)
{
	const struct ladder *l = &h->ladder;

	return fail(h, FERRY_EDATA, l->sys_errno,
	    "no data connection with %s; tried %s%s. The control connection still works",
	    h->host, buf_len(&l->tried) ? buf_cstr((struct buf *)&l->tried) : "nothing",
	    advice(h));
}

static void
way_failed(struct ferry *h, int error, int sys_errno, const char *text)
{
	struct ladder *l = &h->ladder;

	data_close(h, error, true);
	l->sys_errno = sys_errno;
	buf_printf(&l->tried, "%s%s (%s)", buf_len(&l->tried) ? ", " : "",
	    mode_name(l->now), text);
	event_emit(h, (struct ferry_event){
			  .kind = FERRY_EV_MODE_FAILED,
			  .channel = FERRY_DATA,
			  .mode = l->now,
			  .error = error,
			  .sys_errno = sys_errno,
			  .text = text,
		      });
	if (h->has_worked && h->worked == l->now)
		ladder_forget(h);
}

int
ladder_failed(struct ferry *h, int error, int sys_errno, const char *text)
{
	way_failed(h, error, sys_errno, text);
	return ladder_next(h);
}

int
ladder_over(struct ferry *h, int error, int sys_errno, const char *text)
{
	way_failed(h, error, sys_errno, text);
	return verdict(h);
}

void
ladder_lost(struct ferry *h, int error)
{
	char text[80] = "the command connection broke";

	if (h->xfer.state != XFER_LADDER || h->data.fd >= 0)
		return;
	if (error == FERRY_ETIMEOUT)
		snprintf(text, sizeof(text), "the command was not answered in %.1f s",
		    (double)(now_ms() - h->control.since) / 1000);
	way_failed(h, error, 0, text);
}

static int
dial_failed(struct ferry *h)
{
	const struct data *d = &h->data;
	char place[PLACE_MAX], cause[160], text[PLACE_MAX + 160];

	say_cause(cause, sizeof(cause), d->sys_errno, now_ms() - d->began);
	snprintf(text, sizeof(text), "%s: %s", say_place(&d->remote, place), cause);
	if (h->ladder.has_again && h->ladder.now == h->ladder.again) {
		h->ladder.has_again = false;
		h->ladder.rung[--h->ladder.next] = h->ladder.now;
	}
	return ladder_failed(h, d->sys_errno == ETIMEDOUT ? FERRY_ETIMEOUT : FERRY_EDATA,
	    d->sys_errno, text);
}

/* The server said no to EPSV, PASV, EPRT or PORT. */
static int
refused(struct ferry *h)
{
	int code = h->control.reply.code;
	_cleanup_free_ char *said = safe_text(reply_text(&h->control.reply));
	_cleanup_free_ char *text = NULL;

	/* no mode helps one who is not logged in */
	if (code == 530 || code == 532)
		return fail_reply(h);
	if (code >= 500 && h->ladder.now == FERRY_MODE_EPSV)
		h->no_epsv = true;
	if ((code == 500 || code == 502) && h->ladder.now == FERRY_MODE_PASV)
		h->no_pasv = true;
	if (!said || asprintf(&text, "refused: %d %s", code, said) < 0) {
		text = NULL;
		return fail_memory(h);
	}
	return ladder_failed(h, reply_error(code), 0, text);
}

/* ---------------------------------------------------------------- passive */

static bool
may_trust(const struct ferry *h, const struct endpoint *sent)
{
	enum endpoint_scope scope = endpoint_scope_of(sent);

	if (!h->trust_pasv || sent->family != h->control.local.family)
		return false;
	if (scope == SCOPE_UNSPECIFIED || scope == SCOPE_MULTICAST)
		return false;
	/* a server on the Internet does not get to point us into our own network */
	return is_outer(scope) || !is_outer(endpoint_scope_of(&h->control.remote));
}

/* sent: where the server says; family 0 when it named a port only. */
static int
dial_where(struct ferry *h, const struct endpoint *sent, uint16_t port)
{
	struct ferry_event ev = {
	    .kind = FERRY_EV_ADDRESS,
	    .channel = FERRY_DATA,
	    .mode = h->ladder.now,
	};
	struct endpoint used = h->control.remote;
	char text[160];
	int r;

	if (sent->family && may_trust(h, sent))
		used = *sent;
	used.port = port;
	event_address(&ev.remote, sent->family ? sent : &used);
	event_address(&ev.used, &used);
	event_emit(h, ev);
	if (port < 1024) {
		snprintf(text, sizeof(text),
		    "the server named port %u; ports below 1024 are not dialled", port);
		return ladder_failed(h, FERRY_EDATA, 0, text);
	}
	r = data_dial(h, &used);
	return r == -FERRY_EDATA ? dial_failed(h) : r;
}

/* 229 or 227: servers are known that answer one command with the other's reply. */
static int
passive_reply(struct ferry *h)
{
	int code = h->control.reply.code;
	const char *text = reply_text(&h->control.reply);
	struct endpoint sent = {0};
	uint16_t port = 0;
	int r = -FERRY_EPROTO;

	if (code == 229) {
		r = endpoint_parse_229(text, strlen(text), &port);
	} else if (code == 227) {
		r = endpoint_parse_227(text, strlen(text), &sent);
		port = sent.port;
	} else if (code >= 400) {
		return refused(h);
	}
	if (r < 0) {
		_cleanup_free_ char *said = safe_text(text);
		_cleanup_free_ char *why = NULL;

		if (!said ||
		    asprintf(&why, "no address in the reply %d %s", code, said) < 0) {
			why = NULL;
			return fail_memory(h);
		}
		return ladder_failed(h, FERRY_EPROTO, 0, why);
	}
	return dial_where(h, &sent, port);
}

/* ---------------------------------------------------------------- active */

static int
send_port(struct ferry *h, enum ferry_mode mode)
{
	char arg[ENDPOINT_TEXT_MAX], text[256], words[ERRNO_MAX];
	struct endpoint told;

	if (data_listen(h, &told) < 0) {
		snprintf(text, sizeof(text), "cannot wait for a call: %s",
		    say_errno(h->data.sys_errno, words));
		return ladder_failed(h, FERRY_ESYS, h->data.sys_errno, text);
	}
	if (mode == FERRY_MODE_PORT && told.family != AF_INET)
		return ladder_failed(
		    h, FERRY_EDATA, 0, "PORT cannot name an IPv6 address");
	if (mode == FERRY_MODE_PORT)
		endpoint_format_port(&told, arg);
	else
		endpoint_format_eprt(&told, arg);
	return op_send(h, h->op.state, mode_name(mode), arg);
}

/* ---------------------------------------------------------------- steps */

static int
begin_rung(struct ferry *h, enum ferry_mode mode)
{
	struct ladder *l = &h->ladder;
	int r;

	l->now = mode;
	event_emit(h, (struct ferry_event){
			  .kind = FERRY_EV_MODE,
			  .channel = FERRY_DATA,
			  .mode = mode,
			  .text = is_known_way(h) ? h->first_why : NULL,
		      });
	r = mode_is_active(mode) ? send_port(h, mode)
				 : op_send(h, h->op.state, mode_name(mode), NULL);
	/* firewalls are known that swallow EPSV, or its answer */
	if (r == FERRY_AGAIN && h->mode == FERRY_MODE_AUTO)
		control_hurry(h, WAY_REPLY_MS);
	return r;
}

int
ladder_next(struct ferry *h)
{
	struct ladder *l = &h->ladder;

	while (l->next < l->count) {
		enum ferry_mode mode = l->rung[l->next++];

		if (l->no_call && mode_is_active(mode))
			continue;
		return begin_rung(h, mode);
	}
	return verdict(h);
}

int
ladder_reply(struct ferry *h)
{
	if (!mode_is_active(h->ladder.now))
		return passive_reply(h);
	if (h->control.reply.code >= 200 && h->control.reply.code < 300)
		return 0;
	return refused(h);
}

int
ladder_work(struct ferry *h, bool *ret_moved)
{
	int r;

	if (h->data.fd < 0 || h->data.open)
		return FERRY_AGAIN;
	r = data_dial_work(h);
	if (r == FERRY_AGAIN)
		return r;
	*ret_moved = true;
	return r == 0 ? 0 : dial_failed(h);
}
