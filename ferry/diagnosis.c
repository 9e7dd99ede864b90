/*
 * The matrix: which ways work in clear and encrypted, over which family and at which
 * port, and what follows. Each rule stands in a function of its own; the gravest finding
 * is sorted to the front.
 */
#include "matrix.h"

#include "address.h"
#include "own.h"

#include <stdarg.h>

/* ---------------------------------------------------------------- findings */

struct finding *
matrix_found(struct work *w, enum verdict_code code, enum verdict_certainty certainty,
    const char *format, ...)
{
	struct diagnosis *d = w->d;
	struct finding *f = NULL;
	va_list ap;

	for (size_t i = 0; i < d->n; i++)
		if (d->findings[i].code == code)
			f = &d->findings[i];
	if ((f != NULL && f->certainty >= certainty) ||
	    (f == NULL && d->n == FINDINGS_MAX))
		return f;
	if (f == NULL)
		f = &d->findings[d->n++];
	*f = (struct finding){
	    .code = code, .certainty = certainty, .weight = verdict_weight(code)};
	va_start(ap, format);
	vsnprintf(f->evidence, sizeof f->evidence, format, ap);
	va_end(ap);
	return f;
}

enum verdict_certainty
diagnosis_has(const struct diagnosis *d, enum verdict_code code)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->findings[i].code == code)
			return d->findings[i].certainty;
	return VERDICT_NO;
}

/* ---------------------------------------------------------------- no conversation */

static void
judge_unreachable(struct work *w, const struct visit *v)
{
	if (v->result == -FERRY_ERESOLVE)
		matrix_found(w, VERDICT_C01, VERDICT_CERTAIN, "%s.", v->words);
	else if (v->sys_errno == ECONNREFUSED)
		matrix_found(w, VERDICT_C03, VERDICT_CERTAIN,
		    "Port %u answers \"no such door here\": no FTP server runs there, or "
		    "a firewall rejects the call. %s.",
		    v->port, v->words);
	else if (v->web)
		matrix_found(w, VERDICT_H13, VERDICT_LIKELY,
		    "Port %u is silent, but port 443 of the same address answers: the "
		    "name may lead to a web service in front (a content network), which "
		    "does not pass FTP on.",
		    v->port);
	else if (v->sys_errno == ETIMEDOUT || v->sys_errno == 0)
		matrix_found(w, VERDICT_C02, VERDICT_CERTAIN,
		    "Silence from port %u: a firewall swallows the call, or there is no "
		    "such machine. %s.",
		    v->port, v->words);
	else
		matrix_found(w, VERDICT_C04, VERDICT_CERTAIN,
		    "A router or firewall says no to port %u. %s.", v->port, v->words);
}

static void
judge_conversation(struct work *w, const struct visit *v)
{
	int r = v->result;

	if (v->code == 421)
		matrix_found(
		    w, VERDICT_L04, VERDICT_CERTAIN, "The server says: %s.", v->words);
	else if (r == -FERRY_EPROTO)
		matrix_found(w, VERDICT_J03, VERDICT_CERTAIN, "%s.", v->words);
	else if (r == -FERRY_ETLS || r == -FERRY_ETLSNONE || r == -FERRY_ETLSCERT)
		matrix_found(w, VERDICT_T08,
		    r == -FERRY_ETLS ? VERDICT_LIKELY : VERDICT_CERTAIN, "%s.", v->words);
	else if (r == -FERRY_ETIMEOUT || r == -FERRY_ECLOSED)
		matrix_found(w, VERDICT_C06, VERDICT_CERTAIN, "%s.", v->words);
	else
		matrix_found(w, VERDICT_C05, VERDICT_CERTAIN, "%s.", v->words);
}

static void
judge_visit(struct work *w, const struct visit *v)
{
	if (v->stage == VISIT_NOWHERE)
		judge_unreachable(w, v);
	else
		judge_conversation(w, v);
}

/* ---------------------------------------------------------------- oddities */

/* 172.16/12, where container engines put what they run. */
static bool
is_container(const struct sockaddr_storage *a)
{
	char text[ADDRESS_TEXT_MAX];
	unsigned second;

	return sscanf(address_text(a, text), "172.%3u.", &second) == 1 && second >= 16 &&
	       second <= 31;
}

/* The answer in clear names another address, and the encrypted one that of the server. Or
 * it is ours, as the server sees it. */
static bool
is_meddled(const struct work *w, const struct attempt *a)
{
	if (a->tls || a->sent.ss_family == AF_UNSPEC || address_same(&a->sent, &a->peer))
		return false;
	if (address_same(&a->sent, &w->d->seen))
		return true;
	for (size_t i = 0; i < w->c->n_trials; i++) {
		const struct attempt *other = &w->c->trials[i].a;

		if (other->tls && matrix_way(other) == WAY_PASV &&
		    address_same(&other->sent, &a->peer))
			return true;
	}
	return false;
}

static void
judge_meddled(struct work *w, const struct attempt *a)
{
	char sent[ADDRESS_TEXT_MAX];
	struct finding *f = matrix_found(w, VERDICT_M06, VERDICT_CERTAIN,
	    "In clear the answer to PASV names %s, which is not what the server said: "
	    "something on the way puts it there.",
	    address_text(&a->sent, sent));

	if (f != NULL)
		f->weight = WEIGHT_ODDITY;
}

/* What QEMU's user networking gives its guest. */
static bool
is_guest(const struct sockaddr_storage *a)
{
	char text[ADDRESS_TEXT_MAX];

	return strcmp(address_text(a, text), "10.0.2.15") == 0;
}

static void
judge_announced(struct work *w, const struct attempt *a)
{
	static const enum verdict_code codes[] = {
	    VERDICT_P01, VERDICT_P02, VERDICT_P03, VERDICT_P04, VERDICT_P07};
	char sent[ADDRESS_TEXT_MAX], peer[ADDRESS_TEXT_MAX];
	struct verdict v;

	if (matrix_way(a) != WAY_PASV)
		return;
	if (is_meddled(w, a)) {
		judge_meddled(w, a);
		return;
	}
	address_text(&a->sent, sent);
	address_text(&a->peer, peer);
	verdict_judge(a, 1, &v);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		bool his = codes[i] == VERDICT_P02 && w->c->announced_is_his;

		if (v.found[codes[i]] != VERDICT_NO)
			matrix_found(w, his ? VERDICT_H08 : codes[i], VERDICT_CERTAIN,
			    "The answer to PASV names %s; you reach the server at %s. "
			    "ferry calls that one, other programs may not.",
			    sent, peer);
	}
	if (v.found[VERDICT_P01] == VERDICT_NO)
		return;
	w->d->server_inner = a->sent;
	if (is_container(&a->sent))
		matrix_found(w, VERDICT_H02, VERDICT_LIKELY,
		    "%s is an address as containers have them.", sent);
	if (is_guest(&a->sent))
		matrix_found(w, VERDICT_H14, VERDICT_LIKELY,
		    "%s is the address that QEMU gives a guest.", sent);
}

static void
judge_oddities(struct work *w)
{
	struct pick any = {.tls = -1};
	struct tally e = matrix_count(w, &any, WAY_EPSV),
		     s = matrix_count(w, &any, WAY_PASV);
	struct finding *f;

	for (size_t i = 0; i < w->c->n_trials; i++)
		judge_announced(w, &w->c->trials[i].a);
	for (size_t i = 0; i < w->c->n_visits; i++)
		if (w->c->visits[i].masked)
			matrix_found(w, VERDICT_M03, VERDICT_CERTAIN,
			    "The answer to SYST is blotted out with X.");
	if (s.n == 0 || s.of[OUTCOME_DECLINED] < s.n)
		return;
	f = matrix_found(w, VERDICT_P23, VERDICT_CERTAIN, "The server says \"%s\".",
	    matrix_example(w, &any, WAY_PASV, OUTCOME_DECLINED)->a.words);
	if (f != NULL && e.of[OUTCOME_DECLINED] == e.n)
		f->weight = WEIGHT_PASSIVE;
}

/* ---------------------------------------------------------------- what else differs */

/* A name that leads to two addresses, and only one of them answers. */
static void
judge_away(struct work *w, const struct visit *home)
{
	const struct visit *v = &w->c->away;
	bool six = home->family == AF_INET;
	struct finding *f;

	if (!w->c->has_away || v->stage != VISIT_NOWHERE)
		return;
	f = matrix_found(w,
	    v->sys_errno == ECONNREFUSED                     ? VERDICT_C03
	    : v->sys_errno == ETIMEDOUT || v->sys_errno == 0 ? VERDICT_C02
							     : VERDICT_C04,
	    VERDICT_CERTAIN,
	    "The name has an %s address too, and there port %u does not answer: %s. Over "
	    "%s it does. ferry tries both; other programs may wait, or give up.",
	    six ? "IPv6" : "IPv4", w->c->port, v->words, six ? "IPv4" : "IPv6");
	if (f != NULL)
		f->weight = WEIGHT_ODDITY;
}

static void
judge_encryption(struct work *w, const struct visit *home)
{
	struct finding *f;

	if (home->tls || !home->tls_offered || w->c->clear_wanted)
		return;
	f = matrix_found(w, VERDICT_T08, VERDICT_CERTAIN,
	    "The server's features offer encryption, and AUTH TLS was refused all the "
	    "same: something between may be hiding it.");
	if (f != NULL)
		f->weight = WEIGHT_ODDITY;
}

/* ---------------------------------------------------------------- left alone */

static void
judge_idle(struct work *w, const struct visit *v)
{
	if (v->idle == 0 || v->result == 0)
		return;
	if (v->code == 421)
		matrix_found(w, VERDICT_L02, VERDICT_CERTAIN,
		    "A command connection was left alone for %u seconds. Then the server "
		    "said \"%s\".",
		    v->idle, v->words);
	else
		matrix_found(w, VERDICT_L01, VERDICT_LIKELY,
		    "A command connection was left alone for %u seconds, and then it was "
		    "dead: a router on the way has forgotten it.",
		    v->idle);
}

/* ---------------------------------------------------------------- all of it */

static void
note_ports(struct work *w)
{
	struct diagnosis *d = w->d;

	for (size_t i = 0; i < w->c->n_trials; i++) {
		const struct attempt *a = &w->c->trials[i].a;
		unsigned port = address_port(&a->used);

		if (attempt_is_active(a) || port == 0)
			continue;
		d->low_port = d->n_ports == 0 || port < d->low_port ? port : d->low_port;
		d->high_port = port > d->high_port ? port : d->high_port;
		d->n_ports++;
	}
}

/* What a server said of itself in the session that stands for the user's. */
static void
note_told(struct diagnosis *d, const struct visit *v)
{
	if (v->ports.known) {
		d->range_low = v->ports.low;
		d->range_high = v->ports.high;
	}
	if (!v->who.known || v->who.proxied)
		return;
	if (!address_same(&v->who.local, &v->peer))
		d->server_inner = v->who.local;
	if (!address_same(&v->who.peer, &v->own))
		d->seen = v->who.peer;
}

static bool
goes_before(const struct finding *a, const struct finding *b)
{
	return a->weight != b->weight ? a->weight < b->weight
				      : a->certainty > b->certainty;
}

/* A few, and equal ones keep their order. */
static void
sort_findings(struct diagnosis *d)
{
	for (size_t i = 1; i < d->n; i++)
		for (size_t k = i;
		     k > 0 && goes_before(&d->findings[k], &d->findings[k - 1]); k--) {
			struct finding swap = d->findings[k];

			d->findings[k] = d->findings[k - 1];
			d->findings[k - 1] = swap;
		}
}

/* The session that stands for what plain commands of the user would meet. */
static const struct visit *
home_visit(const struct checkup *c)
{
	for (size_t i = 0; i < c->n_visits; i++)
		if (c->visits[i].stage == VISIT_LOGGED_IN)
			return &c->visits[i];
	return NULL;
}

/* What was asked for first and did not come about, although something else did. */
static void
judge_first_visit(struct work *w)
{
	if (w->c->visits[0].stage != VISIT_LOGGED_IN)
		judge_visit(w, &w->c->visits[0]);
}

/* Passive mode was begun and neither failed for a reason that we know nor worked. */
static void
judge_nothing(struct work *w, const struct visit *home)
{
	for (size_t i = 0; i < w->d->n; i++)
		if (w->d->findings[i].weight <= WEIGHT_TRANSFER)
			return;
	if (home != NULL && !w->d->passive_works)
		matrix_found(w, VERDICT_C06, VERDICT_LIKELY,
		    "The session ended before a data connection could be tested%s%s.",
		    *home->words != '\0' ? ": " : "", home->words);
}

void
diagnose(const struct checkup *c, struct diagnosis *ret)
{
	struct work w = {.c = c, .d = ret};
	const struct visit *home = home_visit(c);

	*ret = (struct diagnosis){.n = 0};
	if (c->n_visits == 0)
		return;
	if (home != NULL) {
		struct pick own = {.family = home->family, .port = home->port};

		own.tls = home->tls;
		w.home =
		    (struct pick){.family = home->family, .port = home->port, .tls = -1};
		ret->visit = home;
		if (matrix_passive_state(&w, &w.home) == STATE_UNTESTED)
			judge_conversation(&w, home);
		note_ports(&w);
		note_told(ret, home);
		matrix_judge_families(&w);
		matrix_judge_passive(&w);
		matrix_judge_active(&w);
		matrix_judge_transfers(&w);
		judge_oddities(&w);
		judge_away(&w, home);
		judge_encryption(&w, home);
		for (size_t i = 0; i < c->n_visits; i++)
			judge_idle(&w, &c->visits[i]);
		ret->passive_works = matrix_passive_state(&w, &own) == STATE_WORKS ||
				     matrix_passive_state(&w, &own) == STATE_PARTLY;
	}
	judge_first_visit(&w);
	judge_nothing(&w, home);
	sort_findings(ret);
}
