/*
 * The verdicts of FERRY's narration. The codes are fixed names for causes, so that a
 * message can be searched for and sent on. "Certain" is said only of what the client
 * itself saw.
 */
#include "verdict.h"

#include "address.h"
#include "own.h"

/* A reply that comes sooner than this was not waited for: somebody answered the server's
 * call. */
#define FAST_ANSWER 2.0

static bool
is_silence(int sys_errno)
{
	return sys_errno == 0 || sys_errno == ETIMEDOUT || sys_errno == EINPROGRESS;
}

/* What ICMP of a router or filter becomes: unreachable, prohibited; over IPv6 EACCES. */
static bool
is_no_entry(int sys_errno)
{
	return sys_errno == EHOSTUNREACH || sys_errno == ENETUNREACH ||
	       sys_errno == EACCES || sys_errno == ENOPROTOOPT;
}

static void
find(struct verdict *v, enum verdict_code code, enum verdict_certainty certainty)
{
	if (v->found[code] < certainty)
		v->found[code] = certainty;
}

/* Harmless for us, who do not go there, but not for others. */
static void
judge_announced(const struct attempt *a, struct verdict *v)
{
	enum address_kind kind = address_kind(&a->sent);

	if (kind == ADDRESS_UNKNOWN || address_same(&a->sent, &a->peer))
		return;
	if (kind == ADDRESS_NOWHERE)
		find(v, VERDICT_P03, VERDICT_CERTAIN);
	else if (kind == ADDRESS_LOOPBACK)
		find(v, VERDICT_P04, VERDICT_CERTAIN);
	else if (kind == ADDRESS_PUBLIC)
		find(v, address_is_inner(&a->peer) ? VERDICT_P07 : VERDICT_P02,
		    VERDICT_CERTAIN);
	else if (!address_is_inner(&a->peer))
		/* an inner address is no fault if we are inside too */
		find(v, VERDICT_P01, VERDICT_CERTAIN);
}

bool
attempt_came_from_elsewhere(const struct attempt *a)
{
	static const char *const words[] = {
	    "other address", "foreign address", "bad ip connecting"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (a->answer == 425 && strcasestr(a->words, words[i]) != NULL)
			return true;
	return false;
}

/* A server that is called from an inner address although it has a public one itself has
 * somebody before it who puts that address in place of ours. */
static bool
sees_own_gateway(const struct attempt *a)
{
	struct sockaddr_storage seen;

	return address_find(a->words, &seen, 1) == 1 && address_is_inner(&seen) &&
	       !address_is_inner(&a->peer) && !address_same(&seen, &a->own);
}

/* Our side replaces addresses if ours is an inner one; else it is the server's. */
static void
judge_elsewhere(const struct attempt *a, struct verdict *v)
{
	if (sees_own_gateway(a))
		find(v, VERDICT_H03, VERDICT_CERTAIN);
	else if (address_is_inner(&a->own) || address_is_inner(&a->peer))
		find(v, VERDICT_H11, VERDICT_CERTAIN);
	else
		find(v, VERDICT_H03, VERDICT_LIKELY);
}

static void
judge_passive(const struct attempt *a, struct verdict *v)
{
	judge_announced(a, v);
	if (attempt_came_from_elsewhere(a)) {
		judge_elsewhere(a, v);
		v->elsewhere = a;
	}
	if (!a->dial_failed)
		return;
	v->passive = a;
	if (is_silence(a->sys_errno))
		find(v, VERDICT_P11, VERDICT_LIKELY);
	else if (a->sys_errno == ECONNREFUSED)
		find(v, VERDICT_P12, VERDICT_LIKELY);
	else if (is_no_entry(a->sys_errno))
		find(v, VERDICT_P13,
		    address_same(&a->used, &a->peer) ? VERDICT_CERTAIN : VERDICT_LIKELY);
}

bool
attempt_is_active(const struct attempt *a)
{
	return a->mode == FERRY_MODE_ACTIVE || a->mode == FERRY_MODE_EPRT ||
	       a->mode == FERRY_MODE_PORT;
}

bool
attempt_is_fast_no(const struct attempt *a)
{
	if ((a->answer != 425 && a->answer != 426) ||
	    strcasestr(a->words, "timed out") != NULL)
		return false;
	return a->answered_after < FAST_ANSWER || strcasestr(a->words, "refused") != NULL;
}

/* The data connection came about, or never will. */
static enum outcome
outcome_of_open(const struct attempt *a)
{
	if (a->answer == 425 || a->answer == 426 || a->answer == 521 || a->answer == 522)
		return OUTCOME_DENIED;
	/* somebody hung up at once, and it was not the server */
	if (a->done && a->bytes == 0 && a->result == -FERRY_EDATA)
		return OUTCOME_DENIED;
	if (!a->done && a->bytes == 0 && a->result == -FERRY_ESTALLED)
		return OUTCOME_STALLED;
	/* we had seen enough (ELOCAL), or something else went wrong */
	if (a->result < 0 && a->result != -FERRY_ELOCAL && a->answer == 0 && !a->done &&
	    a->bytes == 0)
		return OUTCOME_UNKNOWN;
	return OUTCOME_WORKS;
}

static enum outcome
outcome_of_dial(const struct attempt *a)
{
	if (is_silence(a->sys_errno))
		return OUTCOME_SILENT;
	if (a->sys_errno == ECONNREFUSED || a->sys_errno == ECONNRESET)
		return OUTCOME_REFUSED;
	return is_no_entry(a->sys_errno) ? OUTCOME_REJECTED : OUTCOME_UNKNOWN;
}

enum outcome
attempt_outcome(const struct attempt *a)
{
	bool asked = a->agreed || a->used.ss_family != AF_UNSPEC;

	if (a->refused != 0)
		return OUTCOME_DECLINED;
	if (a->open)
		return outcome_of_open(a);
	if (a->dial_failed)
		return outcome_of_dial(a);
	if (attempt_is_active(a) && a->agreed)
		return OUTCOME_NO_CALL;
	if (!asked && (a->result == -FERRY_ETIMEOUT || a->result == -FERRY_ECLOSED))
		return OUTCOME_UNANSWERED;
	/* what is answered with a port that nobody should call is no better */
	if (!attempt_is_active(a) && a->result == -FERRY_EDATA)
		return OUTCOME_GARBLED;
	return OUTCOME_UNKNOWN;
}

static void
judge_active(const struct attempt *a, struct verdict *v)
{
	v->active = a;
	if (a->refused != 0) {
		if (address_is_inner(&a->own) && !address_is_inner(&a->peer))
			find(v, VERDICT_A01, VERDICT_LIKELY);
		return;
	}
	if (!a->agreed || a->called)
		return;
	if (attempt_is_fast_no(a))
		find(v, VERDICT_A03, VERDICT_LIKELY);
	else if (a->answer == 0 || a->answer == 425 || a->answer == 426)
		find(v, VERDICT_A02, VERDICT_LIKELY);
}

/* The connection came about, and then? */
static void
judge_transfer(const struct attempt *a, struct verdict *v)
{
	if (!a->open)
		return;
	if (a->done && (a->result == -FERRY_ETIMEOUT || a->result == -FERRY_ECLOSED))
		find(v, VERDICT_L01, VERDICT_LIKELY);
	/* what we sent went into the void, or what we were to get never came */
	if ((a->done || a->bytes == 0) && a->result == -FERRY_ESTALLED)
		find(v, VERDICT_L03, VERDICT_LIKELY);
}

void
verdict_judge(const struct attempt *attempts, size_t n, struct verdict *ret)
{
	*ret = (struct verdict){.passive = NULL};
	for (size_t i = 0; i < n; i++) {
		const struct attempt *a = &attempts[i];
		if (attempt_is_active(a))
			judge_active(a, ret);
		else
			judge_passive(a, ret);
		judge_transfer(a, ret);
	}
}

static const struct {
	const char *code;
	enum verdict_weight weight;
	const char *headline;
} rows[VERDICT_CODES] = {
#define VERDICT(code, weight, headline)                                                  \
	[VERDICT_##code] = {#code, WEIGHT_##weight, headline},
#include "verdict.def"
#undef VERDICT
};

const char *
verdict_name(enum verdict_code code)
{
	return rows[code].code;
}

const char *
verdict_headline(enum verdict_code code)
{
	return rows[code].headline;
}

enum verdict_weight
verdict_weight(enum verdict_code code)
{
	return rows[code].weight;
}

const char *
verdict_certainty_name(enum verdict_certainty certainty)
{
	return certainty == VERDICT_CERTAIN ? "certain" : "likely";
}

/* The main cause: what is certain goes before what is likely. NULL: none. */
static const char *
main_cause(const struct verdict *v)
{
	static const enum verdict_certainty order[] = {VERDICT_CERTAIN, VERDICT_LIKELY};

	for (size_t k = 0; k < ARRAY_LEN(order); k++)
		for (size_t i = 0; i < VERDICT_CODES; i++)
			if (v->found[i] == order[k] && rows[i].weight != WEIGHT_ODDITY)
				return rows[i].headline;
	return NULL;
}

bool
verdict_has_cause(const struct verdict *v)
{
	return main_cause(v) != NULL;
}

static void
draw_headline(const struct verdict *v, struct draw *d)
{
	bool private = v->found[VERDICT_P01] != VERDICT_NO && v->passive != NULL;

	draw_paragraph(d, DRAW_BAD, 8, "FAILED: %s%s.", main_cause(v),
	    private ? ", and it announces a private address" : "");
}

static void
draw_passive_advice(const struct verdict *v, struct draw *d)
{
	const struct attempt *a = v->passive;
	bool behind = address_is_inner(&a->own) && !address_is_inner(&a->peer);
	char peer[ADDRESS_TEXT_MAX], admin[512];

	if (v->active == NULL)
		draw_advice(d, "You can:",
		    behind ? "try active mode, option -A (likely to fail: you are behind "
			     "a router too), "
			     "or send this to the administrator of the server."
			   : "try active mode, option -A, or send this to the "
			     "administrator of the server.");
	else
		draw_advice(
		    d, "You can:", "send this to the administrator of the server.");
	if (v->found[VERDICT_P12] != VERDICT_NO && v->found[VERDICT_P11] == VERDICT_NO)
		draw_advice(d, "It may be:",
		    "that only the command port is forwarded or published, or that "
		    "another machine answers.");
	snprintf(admin, sizeof admin,
	    "1. choose a passive range, for example 61000-61199; 2. open it in the "
	    "firewall, and forward "
	    "it in the router with the same numbers%s%s.",
	    v->found[VERDICT_P01] != VERDICT_NO ? "; 3. announce the public address "
						: "",
	    v->found[VERDICT_P01] != VERDICT_NO ? address_text(&a->peer, peer) : "");
	draw_advice(d, "Admin, do:", admin);
	snprintf(admin, sizeof admin, "pasv_min_port=61000 pasv_max_port=61199%s%s",
	    v->found[VERDICT_P01] != VERDICT_NO ? " pasv_address=" : "",
	    v->found[VERDICT_P01] != VERDICT_NO ? address_text(&a->peer, peer) : "");
	draw_advice(d, "ferryd and vsftpd:", admin);
}

static void
draw_active_advice(const struct verdict *v, struct draw *d)
{
	const struct attempt *a = v->active;
	char own[ADDRESS_TEXT_MAX], peer[ADDRESS_TEXT_MAX], text[512];

	address_text(&a->own, own);
	address_text(&a->peer, peer);
	if (v->passive == NULL)
		draw_advice(d, "You can:",
		    "use passive mode (the default, or -p). Nothing on the server needs "
		    "to change.");
	if (v->found[VERDICT_A01] != VERDICT_NO)
		snprintf(text, sizeof text,
		    "--active-address with your router's public address and "
		    "--active-ports 50000-50010; "
		    "forward TCP 50000-50010 in the router to %s.",
		    own);
	else
		snprintf(text, sizeof text,
		    "--active-ports 50000-50010, and let TCP 50000-50010 in from %s in "
		    "your firewall (not "
		    "\"from port 20\": anybody can call from that port).",
		    peer);
	draw_advice(d, "If active is a must:", text);
	if (v->found[VERDICT_A02] != VERDICT_NO || v->found[VERDICT_A03] != VERDICT_NO)
		draw_advice(d, "Admin, check:",
		    "whether the server may make calls to the outside at all; many "
		    "firewalls forbid it.");
}

static void
draw_elsewhere_advice(const struct verdict *v, struct draw *d)
{
	if (v->found[VERDICT_H03] != VERDICT_NO) {
		draw_advice(d, "The cause:",
		    "the server lets only the caller of the first connection in, and a "
		    "router or proxy on its side puts its own address in place of "
		    "yours.");
		draw_advice(
		    d, "Admin, do:", "let the server see its clients' own addresses.");
		return;
	}
	draw_advice(d, "The cause:",
	    "your router or provider has several outer addresses and took another one "
	    "for the second call; the server lets only the caller of the first in.");
	draw_advice(d, "You can:",
	    "use one line to the outside, and ask the provider for \"paired\" address "
	    "pooling. No mode of FTP helps.");
}

static void
draw_transfer_advice(const struct verdict *v, struct draw *d)
{
	if (v->found[VERDICT_L01] != VERDICT_NO) {
		draw_advice(d, "The cause:",
		    "a router or firewall on the way forgets connections that are silent "
		    "for long, and the command connection is silent while a file moves.");
		draw_advice(d, "You can:",
		    "compare the sizes: all bytes came, only the server's word for it is "
		    "missing.");
		draw_advice(d, "Admin, do:",
		    "raise the router's idle time for TCP above two minutes: both ends "
		    "make themselves heard every 60 seconds.");
	}
	if (v->found[VERDICT_L03] != VERDICT_NO) {
		draw_advice(d, "The cause:",
		    "a link on the way takes smaller packets only (MTU), and the message "
		    "that says so is filtered.");
		draw_advice(d, "Admin, do:",
		    "let ICMP \"fragmentation needed\" pass, or clamp the MSS in the "
		    "router; on the sender, if it runs Linux: sysctl "
		    "net.ipv4.tcp_mtu_probing=1.");
	}
}

static void
draw_codes(const struct verdict *v, struct draw *d)
{
	char text[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < VERDICT_CODES; i++)
		if (v->found[i] != VERDICT_NO)
			n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %s",
			    n > 0 ? ", " : "", rows[i].code,
			    verdict_certainty_name(v->found[i]));
	if (n > 0)
		draw_advice(d, strchr(text, ',') != NULL ? "Codes:" : "Code:", text);
}

void
verdict_draw(const struct verdict *v, struct draw *d)
{
	draw_headline(v, d);
	if (v->passive != NULL)
		draw_passive_advice(v, d);
	if (v->elsewhere != NULL)
		draw_elsewhere_advice(v, d);
	draw_transfer_advice(v, d);
	if (v->active != NULL)
		draw_active_advice(v, d);
	draw_codes(v, d);
}
