/*
 * The matrix: which ways work in clear and encrypted, over which family and at which
 * port, and what follows. Each rule stands in a function of its own; the gravest finding
 * is sorted to the front.
 */
#include "diagnosis.h"

#include "address.h"
#include "own.h"

#include <netinet/in.h>
#include <stdarg.h>

#define SLOW_DIAL 0.9  /* such a call was repeated: the first packet was lost */
#define QUICK_DIAL 0.5 /* ... if others take less than this */
#define ABSENT_SECONDS 2.5
#define PORTS_SHOWN 6

enum way { WAY_EPSV, WAY_PASV, WAY_ACTIVE };

/* Which trials are meant. */
struct pick {
	int family;    /* 0: any */
	unsigned port; /* of the command connection; 0: any */
	int tls;       /* 1, 0; -1: any */
};

struct tally {
	unsigned n;
	unsigned of[OUTCOME_STALLED + 1];
};

/* What passive mode came to. */
enum state { STATE_UNTESTED, STATE_WORKS, STATE_PARTLY, STATE_FAILS };

struct work {
	const struct checkup *c;
	struct diagnosis *d;
	struct pick home; /* family and port of the session that the user asked for */
};

/* ---------------------------------------------------------------- findings */

__attribute__((format(printf, 4, 5))) static struct finding *
found(struct work *w, enum verdict_code code, enum verdict_certainty certainty,
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

/* ---------------------------------------------------------------- counting */

static bool
matches(const struct checkup *c, const struct trial *t, const struct pick *p)
{
	const struct visit *v = &c->visits[t->visit];

	return (p->family == 0 || p->family == v->family) &&
	       (p->port == 0 || p->port == v->port) &&
	       (p->tls < 0 || (p->tls != 0) == t->a.tls);
}

static enum way
way_of(const struct attempt *a)
{
	return attempt_is_active(a)         ? WAY_ACTIVE
	       : a->mode == FERRY_MODE_PASV ? WAY_PASV
					    : WAY_EPSV;
}

static struct tally
count(const struct work *w, const struct pick *p, enum way way)
{
	struct tally t = {.n = 0};

	for (size_t i = 0; i < w->c->n_trials; i++) {
		const struct trial *trial = &w->c->trials[i];

		if (trial->kind != TRIAL_LISTING || way_of(&trial->a) != way ||
		    !matches(w->c, trial, p))
			continue;
		t.n++;
		t.of[attempt_outcome(&trial->a)]++;
	}
	return t;
}

/* Calls that got through, whatever came then. */
static unsigned
through(const struct tally *t)
{
	return t->of[OUTCOME_WORKS] + t->of[OUTCOME_DENIED] + t->of[OUTCOME_STALLED];
}

static unsigned
shut(const struct tally *t)
{
	return t->of[OUTCOME_SILENT] + t->of[OUTCOME_REFUSED] + t->of[OUTCOME_REJECTED];
}

static enum state
passive_state(const struct work *w, const struct pick *p)
{
	struct tally e = count(w, p, WAY_EPSV), s = count(w, p, WAY_PASV);
	unsigned good = e.of[OUTCOME_WORKS] + s.of[OUTCOME_WORKS];
	unsigned bad = e.n + s.n - good;

	/* a server that has one of the two commands only is well */
	if (e.of[OUTCOME_DECLINED] == e.n)
		bad -= e.n;
	else if (s.of[OUTCOME_DECLINED] == s.n)
		bad -= s.n;
	if (e.n + s.n == 0)
		return STATE_UNTESTED;
	if (good == 0)
		return STATE_FAILS;
	return bad > 0 ? STATE_PARTLY : STATE_WORKS;
}

/* The last trial of that kind which ended so, or NULL. */
static const struct trial *
example(const struct work *w, const struct pick *p, enum way way, enum outcome outcome)
{
	for (size_t i = w->c->n_trials; i-- > 0;) {
		const struct trial *t = &w->c->trials[i];

		if (way_of(&t->a) == way && attempt_outcome(&t->a) == outcome &&
		    matches(w->c, t, p))
			return t;
	}
	return NULL;
}

/* ---------------------------------------------------------------- words of servers */

enum whose_words { OF_PASSIVE = 1, OF_ACTIVE = 2, OF_BOTH = 3 };

static const struct {
	const char *words;
	enum whose_words whose;
	enum verdict_code code;
} sayings[] = {
    {"invalid pasv_address", OF_PASSIVE, VERDICT_P08},
    {"ports are busy", OF_PASSIVE, VERDICT_P15},
    {"could not find any port", OF_PASSIVE, VERDICT_P15},
    {"no free port", OF_PASSIVE, VERDICT_P15},
    {"passive ports", OF_PASSIVE, VERDICT_P15},
    {"session reuse required", OF_BOTH, VERDICT_T03},
    {"not resumed", OF_BOTH, VERDICT_T03},
    {"session resum", OF_BOTH, VERDICT_T03},
    {"prot setting", OF_BOTH, VERDICT_T05},
    {"required on the data", OF_BOTH, VERDICT_T05},
    {"alpn", OF_BOTH, VERDICT_T06},
    {"permission denied", OF_ACTIVE, VERDICT_A06},
    {"may not call from port", OF_ACTIVE, VERDICT_A06},
    {"unable to service port", OF_ACTIVE, VERDICT_A06},
    {"disabled", OF_ACTIVE, VERDICT_A09},
    {"not implemented", OF_ACTIVE, VERDICT_A09},
};

/* Did the server itself say what is wrong? */
static bool
judge_words(struct work *w, const struct attempt *a)
{
	unsigned whose = attempt_is_active(a) ? OF_ACTIVE : OF_PASSIVE;
	enum outcome outcome = attempt_outcome(a);

	if (outcome != OUTCOME_DECLINED && outcome != OUTCOME_DENIED &&
	    outcome != OUTCOME_NO_CALL)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(sayings); i++) {
		if ((sayings[i].whose & whose) == 0 ||
		    strcasestr(a->words, sayings[i].words) == NULL)
			continue;
		found(w, sayings[i].code, VERDICT_CERTAIN, "The server says so: \"%s\".",
		    a->words);
		return true;
	}
	return false;
}

/* ---------------------------------------------------------------- no conversation */

static void
judge_unreachable(struct work *w, const struct visit *v)
{
	if (v->result == -FERRY_ERESOLVE)
		found(w, VERDICT_C01, VERDICT_CERTAIN, "%s.", v->words);
	else if (v->sys_errno == ECONNREFUSED)
		found(w, VERDICT_C03, VERDICT_CERTAIN,
		    "Port %u answers \"no such door here\": no FTP server runs there, or "
		    "a firewall rejects the call. %s.",
		    v->port, v->words);
	else if (v->web)
		found(w, VERDICT_H13, VERDICT_LIKELY,
		    "Port %u is silent, but port 443 of the same address answers: the "
		    "name may lead to a web service in front (a content network), which "
		    "does not pass FTP on.",
		    v->port);
	else if (v->sys_errno == ETIMEDOUT || v->sys_errno == 0)
		found(w, VERDICT_C02, VERDICT_CERTAIN,
		    "Silence from port %u: a firewall swallows the call, or there is no "
		    "such machine. %s.",
		    v->port, v->words);
	else
		found(w, VERDICT_C04, VERDICT_CERTAIN,
		    "A router or firewall says no to port %u. %s.", v->port, v->words);
}

static void
judge_conversation(struct work *w, const struct visit *v)
{
	int r = v->result;

	if (v->code == 421)
		found(w, VERDICT_L04, VERDICT_CERTAIN, "The server says: %s.", v->words);
	else if (r == -FERRY_EPROTO)
		found(w, VERDICT_J03, VERDICT_CERTAIN, "%s.", v->words);
	else if (r == -FERRY_ETLS || r == -FERRY_ETLSNONE || r == -FERRY_ETLSCERT)
		found(w, VERDICT_T08, r == -FERRY_ETLS ? VERDICT_LIKELY : VERDICT_CERTAIN,
		    "%s.", v->words);
	else if (r == -FERRY_ETIMEOUT || r == -FERRY_ECLOSED)
		found(w, VERDICT_C06, VERDICT_CERTAIN, "%s.", v->words);
	else
		found(w, VERDICT_C05, VERDICT_CERTAIN, "%s.", v->words);
}

static void
judge_visit(struct work *w, const struct visit *v)
{
	if (v->stage == VISIT_NOWHERE)
		judge_unreachable(w, v);
	else
		judge_conversation(w, v);
}

/* ---------------------------------------------------------------- passive ports shut */

/* "Calls to ports 50001 (EPSV), 50003 (PASV): no answer in 4.0 s" */
static void
describe_calls(const struct work *w, const struct pick *p, enum outcome outcome,
    char *out, size_t cap)
{
	unsigned shown = 0, more = 0;
	size_t n = 0;
	double longest = 0;

	*out = '\0';
	for (size_t i = 0; i < w->c->n_trials; i++) {
		const struct attempt *a = &w->c->trials[i].a;

		if (attempt_outcome(a) != outcome || !matches(w->c, &w->c->trials[i], p))
			continue;
		longest = a->seconds > longest ? a->seconds : longest;
		if (shown++ >= PORTS_SHOWN) {
			more++;
			continue;
		}
		n += (size_t)snprintf(out + n, cap - n, "%s%u (%s)",
		    shown > 1 ? ", " : "Calls to ports ",
		    (unsigned)address_port(&a->used),
		    way_of(a) == WAY_PASV ? "PASV" : "EPSV");
	}
	if (more > 0)
		n += (size_t)snprintf(out + n, cap - n, " and %u more", more);
	snprintf(out + n, cap - n, ": %s %.*f s",
	    outcome == OUTCOME_SILENT    ? "no answer in"
	    : outcome == OUTCOME_REFUSED ? "refused within"
					 : "rejected (ICMP) within",
	    longest < 0.1 ? 2 : 1, longest < 0.01 ? 0.01 : longest);
}

static const char *
side_words(enum side side)
{
	static const char *const words[] = {
	    [SIDE_OURS] = "on your own side",
	    [SIDE_BETWEEN] = "between your network and the server's",
	    [SIDE_THEIRS] = "on the server's side",
	};

	return words[side];
}

/* " Such calls end at hop 2 of 3 (192.0.2.2), on the server's side; ..." or "". */
static void
describe_place(const struct location *l, enum outcome outcome, char *out, size_t cap)
{
	char who[ADDRESS_TEXT_MAX];
	bool told = l->who.ss_family != AF_UNSPEC;

	*out = '\0';
	address_text(&l->who, who);
	if (l->side == SIDE_UNKNOWN)
		return;
	if (l->router_itself)
		snprintf(out, cap,
		    " The answer comes from the router at hop %u of %u that has the "
		    "server's address: it passes the command port on to the server and "
		    "keeps this one.",
		    l->hop, l->distance);
	else if (l->hop == 0)
		snprintf(out, cap,
		    " These calls do not even reach the first router, while those to "
		    "the command port do.");
	else if (outcome != OUTCOME_SILENT && !told)
		snprintf(out, cap,
		    " The answer comes from the server or the last router before it, at "
		    "hop %u of %u.",
		    l->hop, l->distance);
	else
		snprintf(out, cap, " %s hop %u of %u%s%s%s%s, %s.",
		    outcome == OUTCOME_SILENT ? "They get as far as"
					      : "The answer comes from",
		    l->hop, l->distance, told ? " (" : "", told ? who : "",
		    told ? ")" : "",
		    outcome == OUTCOME_SILENT ? " and end there, or right behind it" : "",
		    side_words(l->side));
}

static enum outcome
usual_outcome(const struct tally *e, const struct tally *p)
{
	static const enum outcome kinds[] = {
	    OUTCOME_SILENT, OUTCOME_REFUSED, OUTCOME_REJECTED};
	enum outcome best = OUTCOME_SILENT;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (e->of[kinds[i]] + p->of[kinds[i]] > e->of[best] + p->of[best])
			best = kinds[i];
	return best;
}

/* The way of calls is the same in clear and encrypted, so it is measured once. */
static const struct visit *
measured_visit(const struct work *w, const struct pick *p)
{
	for (size_t i = 0; i < w->c->n_visits; i++) {
		const struct visit *v = &w->c->visits[i];

		if (v->hops.measured && v->family == p->family && v->port == p->port)
			return v;
	}
	return NULL;
}

static void
look_at(struct work *w, const struct visit *v)
{
	if (v == NULL)
		return;
	w->d->visit = v;
	locate(&v->hops, &v->peer, &w->d->where);
}

/* A router that looks for a neighbour in vain says so after three seconds. */
static bool
is_absent(const struct work *w, const struct pick *p)
{
	static const enum way ways[] = {WAY_EPSV, WAY_PASV};

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		const struct trial *t = example(w, p, ways[i], OUTCOME_REJECTED);

		if (t != NULL && t->a.sys_errno == EHOSTUNREACH &&
		    t->a.seconds >= ABSENT_SECONDS)
			return true;
	}
	return false;
}

static void
judge_shut_kind(struct work *w, const struct pick *p, enum outcome outcome)
{
	static const enum verdict_code codes[] = {
	    [OUTCOME_SILENT] = VERDICT_P11,
	    [OUTCOME_REFUSED] = VERDICT_P12,
	    [OUTCOME_REJECTED] = VERDICT_P13,
	};
	const struct location *l = &w->d->where;
	bool absent = outcome == OUTCOME_REJECTED && is_absent(w, p);
	enum verdict_certainty certainty =
	    (outcome == OUTCOME_REJECTED && !absent) ||
		    (outcome == OUTCOME_REFUSED && l->router_itself)
		? VERDICT_CERTAIN
		: VERDICT_LIKELY;
	char calls[160], place[200];

	describe_calls(w, p, outcome, calls, sizeof calls);
	describe_place(l, outcome, place, sizeof place);
	if (l->side == SIDE_OURS) {
		found(w, VERDICT_P21, VERDICT_CERTAIN, "%s.%s", calls, place);
		return;
	}
	found(w, absent ? VERDICT_P12 : codes[outcome], certainty,
	    "%s%s. The command connection works.%s", calls,
	    absent
		? ": so long looks a router for a machine that is not there; these ports "
		  "may be forwarded to a wrong address"
		: "",
	    place);
}

/* Another connection with the command port is not possible either. */
static bool
judge_second_connection(struct work *w, const struct visit *v)
{
	if (v == NULL || v->hops.command[0].kind != HOP_SILENT)
		return false;
	found(w, VERDICT_L05, VERDICT_LIKELY,
	    "While one command connection is open, a second call to the very same port "
	    "%u gets no answer either: the firewall counts connections of one address.",
	    v->port);
	return true;
}

static bool
works_at_21(struct work *w, const struct pick *p)
{
	struct pick other = {.family = p->family, .port = 21, .tls = p->tls};

	if (p->port == 21 || passive_state(w, &other) != STATE_WORKS)
		return false;
	found(w, VERDICT_P19, VERDICT_CERTAIN,
	    "The same server at port 21 has working passive ports; at port %u it has "
	    "none.",
	    p->port);
	return true;
}

static void
judge_shut(struct work *w, const struct pick *p, enum outcome outcome)
{
	const struct visit *v = measured_visit(w, p);

	look_at(w, v);
	if (judge_second_connection(w, v) || works_at_21(w, p))
		return;
	judge_shut_kind(w, p, outcome);
}

/* ---------------------------------------------------------------- partly open */

struct sample {
	unsigned port;
	bool good;
	double seconds;
};

struct samples {
	struct sample at[TRIALS_MAX];
	size_t n;
	unsigned good, bad;
};

static void
collect(const struct work *w, const struct pick *p, struct samples *ret)
{
	ret->n = ret->good = ret->bad = 0;
	for (size_t i = 0; i < w->c->n_trials; i++) {
		const struct trial *t = &w->c->trials[i];
		enum outcome o = attempt_outcome(&t->a);
		bool good = o == OUTCOME_WORKS;

		if (way_of(&t->a) == WAY_ACTIVE || !matches(w->c, t, p) ||
		    (!good && o != OUTCOME_SILENT && o != OUTCOME_REFUSED &&
			o != OUTCOME_REJECTED))
			continue;
		ret->at[ret->n++] = (struct sample){.port = address_port(&t->a.used),
		    .good = good,
		    .seconds = t->a.seconds};
		ret->good += good;
		ret->bad += !good;
	}
}

/* Lowest and highest port of one sort. */
static void
span(const struct samples *s, bool good, unsigned *ret_low, unsigned *ret_high)
{
	*ret_low = 65535;
	*ret_high = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (s->at[i].good != good)
			continue;
		*ret_low = s->at[i].port < *ret_low ? s->at[i].port : *ret_low;
		*ret_high = s->at[i].port > *ret_high ? s->at[i].port : *ret_high;
	}
}

/* Is no port of the other sort between those of this one? */
static bool
is_block(const struct samples *s, bool good)
{
	unsigned low, high;

	span(s, good, &low, &high);
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].good != good && s->at[i].port >= low &&
		    s->at[i].port <= high)
			return false;
	return true;
}

/* First some that work at once, then none any more, or only when it is repeated. */
static bool
is_used_up(const struct samples *s, bool slow_too, size_t least)
{
	size_t i = 0;

	while (i < s->n && s->at[i].good && s->at[i].seconds < SLOW_DIAL)
		i++;
	for (size_t k = i; k < s->n; k++)
		if (s->at[k].good && (!slow_too || s->at[k].seconds < SLOW_DIAL))
			return false;
	return i >= least && s->n - i >= least;
}

/* Some of those that got through had to be repeated. */
static bool
has_losses(const struct samples *s)
{
	unsigned slow = 0;
	double best = SLOW_DIAL;

	for (size_t i = 0; i < s->n; i++) {
		if (!s->at[i].good)
			continue;
		slow += s->at[i].seconds >= SLOW_DIAL;
		best = s->at[i].seconds < best ? s->at[i].seconds : best;
	}
	return best < QUICK_DIAL && slow > (s->bad > 0 ? 0 : 1);
}

static void
judge_losses(struct work *w, const struct samples *s)
{
	struct finding *f = found(w, VERDICT_L07, VERDICT_LIKELY,
	    "%u of %u calls to passive ports got through, some of them only when they "
	    "were repeated after a second.",
	    s->good, s->good + s->bad);

	if (f != NULL && s->bad == 0)
		f->weight = WEIGHT_ODDITY;
}

static void
judge_partly(struct work *w, const struct pick *p)
{
	const struct visit *v = measured_visit(w, p);
	struct samples s;
	unsigned good_low, good_high, bad_low, bad_high;
	bool block;

	collect(w, p, &s);
	span(&s, true, &good_low, &good_high);
	span(&s, false, &bad_low, &bad_high);
	block = is_block(&s, true) || is_block(&s, false);
	if (judge_second_connection(w, v))
		return;
	if (has_losses(&s) && !is_used_up(&s, true, 3))
		judge_losses(w, &s);
	else if (block && !has_losses(&s))
		found(w, VERDICT_P14,
		    s.good > 1 && s.bad > 1 ? VERDICT_CERTAIN : VERDICT_LIKELY,
		    "%u of %u calls to passive ports got through: those to ports %u to "
		    "%u. Those to ports %u to %u did not.",
		    s.good, s.good + s.bad, good_low, good_high, bad_low, bad_high);
	else if (is_used_up(&s, true, 2))
		found(w, VERDICT_L05, VERDICT_LIKELY,
		    "The first calls to passive ports got through at once, and later "
		    "ones late or never, whatever the port: %u of %u in all.",
		    s.good, s.good + s.bad);
	else
		found(w, VERDICT_H06, VERDICT_LIKELY,
		    "%u of %u calls to passive ports got through, and the numbers of the "
		    "ports do not tell which: several machines may share the calls.",
		    s.good, s.good + s.bad);
}

/* ---------------------------------------------------------------- one kind of session */

static void
judge_only_epsv(struct work *w, const struct pick *p, const struct tally *pasv)
{
	const struct trial *t = example(w, p, WAY_PASV, usual_outcome(pasv, pasv));
	char sent[ADDRESS_TEXT_MAX] = "?";
	bool other = t != NULL && !address_same(&t->a.sent, &t->a.peer);

	if (t != NULL)
		address_text(&t->a.sent, sent);
	found(w, VERDICT_P20, other || pasv->n > 1 ? VERDICT_CERTAIN : VERDICT_LIKELY,
	    "EPSV works and PASV does not (%u tries), although both lead to ports of the "
	    "same address. The answer to PASV names %s%s: a firewall that opens ports as "
	    "it reads them does not open this one.",
	    pasv->n, sent, other ? ", which is not what the firewall expects" : "");
}

static bool
is_unanswered(const struct work *w, const struct pick *p)
{
	struct tally e = count(w, p, WAY_EPSV), s = count(w, p, WAY_PASV);

	return e.of[OUTCOME_UNANSWERED] + s.of[OUTCOME_UNANSWERED] > 0;
}

static void
judge_unanswered(struct work *w, const struct pick *p)
{
	struct tally pasv = count(w, p, WAY_PASV);
	struct pick tls = {.family = p->family, .port = p->port, .tls = 1};
	bool other =
	    through(&pasv) > 0 || (p->tls == 0 && passive_state(w, &tls) == STATE_WORKS);

	found(w, VERDICT_M05, other ? VERDICT_CERTAIN : VERDICT_LIKELY,
	    "The command connection froze at EPSV or PASV, which the server answers in "
	    "other sessions%s.",
	    other ? "; asked in another way it works" : " at most");
}

static bool
is_mixed(const struct tally *a)
{
	return through(a) > 0 && shut(a) > 0;
}

/* One and the same command leads to open ports and to others. */
static bool
is_partly(const struct work *w, const struct pick *p)
{
	struct tally e = count(w, p, WAY_EPSV), s = count(w, p, WAY_PASV);

	return is_mixed(&e) || is_mixed(&s);
}

/* No call gets through. */
static bool
is_shut(const struct work *w, const struct pick *p)
{
	struct tally e = count(w, p, WAY_EPSV), s = count(w, p, WAY_PASV);

	return shut(&e) + shut(&s) > 0 && through(&e) + through(&s) == 0;
}

/* All calls get through, if late. */
static void
judge_delays(struct work *w, const struct pick *p)
{
	struct samples s;

	collect(w, p, &s);
	if (has_losses(&s))
		judge_losses(w, &s);
}

/* Passive mode as it was found in clear, or encrypted. */
static void
judge_security(struct work *w, const struct pick *p)
{
	struct tally e = count(w, p, WAY_EPSV), s = count(w, p, WAY_PASV);

	if (is_unanswered(w, p))
		judge_unanswered(w, p);
	if (e.of[OUTCOME_GARBLED] + s.of[OUTCOME_GARBLED] > 0) {
		const struct trial *t = example(w, p,
		    e.of[OUTCOME_GARBLED] > 0 ? WAY_EPSV : WAY_PASV, OUTCOME_GARBLED);
		found(w, VERDICT_P09, VERDICT_CERTAIN, "The server said \"%s\".",
		    t->a.words);
	}
	if (shut(&e) + shut(&s) == 0)
		judge_delays(w, p);
	else if (is_partly(w, p))
		judge_partly(w, p);
	else if (through(&e) + through(&s) == 0)
		judge_shut(w, p, usual_outcome(&e, &s));
	else if (through(&e) > 0)
		judge_only_epsv(w, p, &s);
	else
		found(w, VERDICT_P22, shut(&e) > 1 ? VERDICT_CERTAIN : VERDICT_LIKELY,
		    "PASV works and EPSV does not (%u tries), although both lead to "
		    "ports of the same address.",
		    e.n);
}

/* Does the same answer name another address when it is encrypted? */
static bool
is_rewritten(const struct work *w, const struct pick *clear, const struct pick *tls)
{
	const struct sockaddr_storage *seen[2] = {NULL, NULL};

	for (size_t i = 0; i < w->c->n_trials; i++) {
		const struct trial *t = &w->c->trials[i];

		if (way_of(&t->a) != WAY_PASV || t->a.sent.ss_family == AF_UNSPEC)
			continue;
		if (matches(w->c, t, clear))
			seen[0] = &t->a.sent;
		if (matches(w->c, t, tls))
			seen[1] = &t->a.sent;
	}
	return seen[0] != NULL && seen[1] != NULL && !address_same(seen[0], seen[1]);
}

static void
judge_blind_helper(struct work *w, const struct pick *clear, const struct pick *tls)
{
	const struct visit *v = measured_visit(w, tls);

	look_at(w, v);
	found(w, VERDICT_T01, VERDICT_CERTAIN,
	    "The same calls work where the command connection is in clear, and not "
	    "where it is encrypted: a firewall that opens ports as it reads them cannot "
	    "read these.%s",
	    is_rewritten(w, clear, tls)
		? " In clear it even puts another address into the answer to PASV."
		: "");
}

/* It works encrypted, and in clear it does not. */
static void
judge_meddler(struct work *w, const struct pick *clear)
{
	if (is_unanswered(w, clear))
		judge_unanswered(w, clear);
	else
		found(w, VERDICT_M06, VERDICT_LIKELY,
		    "Passive mode works where the session is encrypted, and not in "
		    "clear.");
}

static void
judge_passive(struct work *w)
{
	struct pick clear = w->home, tls = w->home;
	enum state c, t;
	bool tls_shut, by_chance;

	clear.tls = 0;
	tls.tls = 1;
	c = passive_state(w, &clear);
	t = passive_state(w, &tls);
	tls_shut = is_shut(w, &tls);
	by_chance = is_partly(w, &clear); /* then so may be what differs */

	if (c == STATE_FAILS && t == STATE_WORKS) {
		judge_meddler(w, &clear);
		return;
	}
	judge_security(w, &clear);
	if ((c == STATE_WORKS || c == STATE_PARTLY) && tls_shut && !by_chance)
		judge_blind_helper(w, &clear, &tls);
	else if (c == STATE_UNTESTED || t != STATE_FAILS)
		judge_security(w, &tls);
	if (c == STATE_UNTESTED && tls_shut && w->d->where.side != SIDE_OURS)
		found(w, VERDICT_T01, VERDICT_LIKELY,
		    "It was tested with encryption only: a firewall that opens ports as "
		    "it reads them in unencrypted FTP looks the same.");
}

/* ---------------------------------------------------------------- families */

static const char *
family_name(int family)
{
	return family == AF_INET6 ? "IPv6" : "IPv4";
}

static bool
declines_all(const struct work *w, const struct pick *p)
{
	struct tally e = count(w, p, WAY_EPSV), s = count(w, p, WAY_PASV);

	return e.n + s.n > 0 &&
	       e.of[OUTCOME_DECLINED] + s.of[OUTCOME_DECLINED] == e.n + s.n;
}

static void
judge_families(struct work *w)
{
	struct pick here = w->home, other = w->home;
	enum state a, b;
	int bad;

	other.family = here.family == AF_INET ? AF_INET6 : AF_INET;
	a = passive_state(w, &here);
	b = passive_state(w, &other);
	if (a == STATE_UNTESTED || b == STATE_UNTESTED ||
	    (a == STATE_FAILS) == (b == STATE_FAILS))
		return;
	bad = a == STATE_FAILS ? here.family : other.family;
	for (size_t i = 0; i < w->c->n_visits; i++)
		if (w->c->visits[i].family == bad &&
		    w->c->visits[i].stage == VISIT_LOGGED_IN)
			w->d->visit = &w->c->visits[i];
	if (bad == AF_INET6 && declines_all(w, a == STATE_FAILS ? &here : &other))
		found(w, VERDICT_V02, VERDICT_CERTAIN,
		    "Over IPv6 it declines EPSV; over IPv4 passive mode works.");
	else
		found(w, VERDICT_V03, VERDICT_CERTAIN,
		    "Passive mode works over %s and not over %s, with the same server "
		    "and the same name.",
		    family_name(bad == AF_INET ? AF_INET6 : AF_INET), family_name(bad));
}

/* ---------------------------------------------------------------- active mode */

/* Our address as the server sees it, if it told. */
static bool
seen_address(const struct attempt *a, struct sockaddr_storage *ret)
{
	struct sockaddr_storage all[4];
	size_t n = address_find(a->words, all, ARRAY_LEN(all));

	for (size_t i = n; i-- > 0;) {
		if (address_same(&all[i], &a->told) || address_same(&all[i], &a->peer))
			continue;
		*ret = all[i];
		return true;
	}
	return false;
}

/* "PORT names A but you come from B", "I won't open a connection to A (only to B)": A is
 * what arrived. */
static bool
was_rewritten(const struct attempt *a)
{
	struct sockaddr_storage all[2];

	return address_find(a->words, all, 2) == 2 && !address_same(&all[0], &a->told);
}

/* In the same small network. */
static bool
is_near(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *x = (const struct sockaddr_in *)a;
	const struct sockaddr_in *y = (const struct sockaddr_in *)b;

	return a->ss_family == AF_INET && b->ss_family == AF_INET &&
	       (ntohl(x->sin_addr.s_addr) ^ ntohl(y->sin_addr.s_addr)) < 256;
}

static void
judge_declined(struct work *w, const struct attempt *a)
{
	struct sockaddr_storage seen = {0};
	char told[ADDRESS_TEXT_MAX], by[ADDRESS_TEXT_MAX];
	bool has_seen = seen_address(a, &seen);
	bool inner = address_is_inner(&a->told), outside = !address_is_inner(&a->peer);

	address_text(&a->told, told);
	address_text(&seen, by);
	if (has_seen)
		w->d->seen = seen;
	if (was_rewritten(a))
		found(w, VERDICT_M01, VERDICT_CERTAIN,
		    "You sent the address %s, and the server says \"%s\".", told,
		    a->words);
	else if (has_seen && outside &&
		 (address_is_inner(&seen) || (!inner && is_near(&seen, &a->peer))))
		found(w, VERDICT_A11, VERDICT_CERTAIN,
		    "The server says that you come from %s: \"%s\".", by, a->words);
	else if (has_seen && !w->c->outer_given)
		found(w, VERDICT_A01, VERDICT_CERTAIN,
		    "Your own address is %s, and the server sees you coming from %s, the "
		    "address of your router: it refuses to call anybody else.",
		    told, by);
	else if (w->c->outer_given)
		found(w, VERDICT_A13, VERDICT_LIKELY,
		    "To the address %s the server says \"%s\".", told, a->words);
	else if (a->refused != 502 && address_kind(&a->told) != ADDRESS_LOOPBACK)
		found(w, VERDICT_A01, VERDICT_LIKELY,
		    "Your own address %s %s, and the server says \"%s\".", told,
		    inner && outside ? "is private and the server's is not"
				     : "is perhaps not the one that it sees",
		    a->words);
	else
		found(
		    w, VERDICT_A09, VERDICT_CERTAIN, "The server says \"%s\".", a->words);
}

static void
judge_no_call(struct work *w, const struct attempt *a)
{
	char who[ADDRESS_TEXT_MAX];
	const char *said =
	    a->answer == 0 ? "nobody called and the server said nothing" : a->words;
	enum verdict_code code = w->c->outer_given       ? VERDICT_A04
				 : attempt_is_fast_no(a) ? VERDICT_A03
							 : VERDICT_A02;

	if (a->stranger.ss_family != AF_UNSPEC)
		found(w, VERDICT_A14, VERDICT_CERTAIN,
		    "Your port was called from %s, which is not the server; the call was "
		    "not taken.",
		    address_text(&a->stranger, who));
	else
		found(w, code, VERDICT_LIKELY,
		    "The server agreed to call your port %u; then: \"%s\".",
		    (unsigned)address_port(&a->told), said);
}

static void
judge_active_trial(struct work *w, const struct attempt *a)
{
	enum outcome outcome = attempt_outcome(a);

	if (judge_words(w, a))
		return;
	if (outcome == OUTCOME_DECLINED)
		judge_declined(w, a);
	else if (outcome == OUTCOME_NO_CALL)
		judge_no_call(w, a);
}

static void
judge_active(struct work *w)
{
	struct pick clear = w->home, tls = w->home;
	struct tally c, t;

	clear.tls = 0;
	tls.tls = 1;
	c = count(w, &clear, WAY_ACTIVE);
	t = count(w, &tls, WAY_ACTIVE);
	w->d->active_tested = c.n + t.n > 0;
	w->d->active_works = c.of[OUTCOME_WORKS] + t.of[OUTCOME_WORKS] > 0;
	if (c.of[OUTCOME_WORKS] > 0 &&
	    t.of[OUTCOME_DECLINED] + t.of[OUTCOME_NO_CALL] > 0) {
		found(w, VERDICT_T02, VERDICT_CERTAIN,
		    "The server's call comes where the session is in clear, and not "
		    "where it is encrypted: your router puts its own address into PORT, "
		    "and cannot do so where it cannot read.");
		return;
	}
	for (size_t i = 0; i < w->c->n_trials; i++)
		if (way_of(&w->c->trials[i].a) == WAY_ACTIVE &&
		    matches(w->c, &w->c->trials[i], &w->home))
			judge_active_trial(w, &w->c->trials[i].a);
}

/* ---------------------------------------------------------------- connected, and then */

static bool
some_get_through(const struct work *w)
{
	struct tally e = count(w, &w->home, WAY_EPSV), s = count(w, &w->home, WAY_PASV);

	return e.of[OUTCOME_WORKS] + s.of[OUTCOME_WORKS] >
	       e.of[OUTCOME_DENIED] + s.of[OUTCOME_DENIED];
}

static void
judge_denied(struct work *w, const struct attempt *a)
{
	struct verdict v;

	if (judge_words(w, a))
		return;
	verdict_judge(a, 1, &v);
	if (v.found[VERDICT_H11] != VERDICT_NO)
		found(w, VERDICT_H11, v.found[VERDICT_H11],
		    "Your call got through, and the server says \"%s\".", a->words);
	else if (v.found[VERDICT_H03] != VERDICT_NO)
		found(w, VERDICT_H03, v.found[VERDICT_H03],
		    "Your call got through, and the server says \"%s\". Your own address "
		    "is a public one, which your router need not replace.",
		    a->words);
	else if (some_get_through(w))
		found(w, VERDICT_L07, VERDICT_LIKELY,
		    "Your call to port %u seemed to be taken, and the server says "
		    "\"%s\", while others get through.",
		    (unsigned)address_port(&a->used), a->words);
	else if (a->tls)
		found(w, VERDICT_T03, VERDICT_LIKELY,
		    "The encrypted data connection came about, and the server says "
		    "\"%s\".",
		    a->words);
	else
		found(w, VERDICT_P25, VERDICT_LIKELY,
		    "Your call to port %u was taken, and the server says \"%s\".",
		    (unsigned)address_port(&a->used), a->words);
}

static bool
has_short_success(const struct checkup *c, size_t visit)
{
	for (size_t i = 0; i < c->n_trials; i++)
		if (c->trials[i].visit == visit &&
		    attempt_outcome(&c->trials[i].a) == OUTCOME_WORKS &&
		    c->trials[i].a.bytes > 0)
			return true;
	return false;
}

static void
judge_transfers(struct work *w)
{
	for (size_t i = 0; i < w->c->n_trials; i++) {
		const struct trial *t = &w->c->trials[i];
		const struct attempt *a = &t->a;
		enum outcome outcome = attempt_outcome(a);

		if (outcome == OUTCOME_DENIED && !attempt_is_active(a))
			judge_denied(w, a);
		else if (outcome == OUTCOME_DECLINED && !attempt_is_active(a))
			judge_words(w, a);
		else if (outcome == OUTCOME_STALLED)
			found(w, VERDICT_L03,
			    t->kind == TRIAL_BIG && has_short_success(w->c, t->visit)
				? VERDICT_CERTAIN
				: VERDICT_LIKELY,
			    "The data connection came about and the server began to "
			    "send; no byte of it arrived%s.",
			    t->kind == TRIAL_BIG ? ", while short answers do" : "");
		else if (a->open && a->done &&
			 (a->result == -FERRY_ETIMEOUT || a->result == -FERRY_ECLOSED))
			found(w, VERDICT_L01, VERDICT_LIKELY,
			    "All bytes came, and the server's word for it did not.");
	}
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

static void
judge_announced(struct work *w, const struct attempt *a)
{
	static const enum verdict_code codes[] = {
	    VERDICT_P01, VERDICT_P02, VERDICT_P03, VERDICT_P04, VERDICT_P07};
	char sent[ADDRESS_TEXT_MAX], peer[ADDRESS_TEXT_MAX];
	struct verdict v;

	if (way_of(a) != WAY_PASV)
		return;
	address_text(&a->sent, sent);
	address_text(&a->peer, peer);
	verdict_judge(a, 1, &v);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		bool his = codes[i] == VERDICT_P02 && w->c->announced_is_his;

		if (v.found[codes[i]] != VERDICT_NO)
			found(w, his ? VERDICT_H08 : codes[i], VERDICT_CERTAIN,
			    "The answer to PASV names %s; you reach the server at %s. "
			    "ferry calls that one, other programs may not.",
			    sent, peer);
	}
	if (v.found[VERDICT_P01] == VERDICT_NO)
		return;
	w->d->server_inner = a->sent;
	if (is_container(&a->sent))
		found(w, VERDICT_H02, VERDICT_LIKELY,
		    "%s is an address as containers have them.", sent);
}

static void
judge_oddities(struct work *w)
{
	struct pick any = {.tls = -1};
	struct tally e = count(w, &any, WAY_EPSV), s = count(w, &any, WAY_PASV);
	struct finding *f;

	for (size_t i = 0; i < w->c->n_trials; i++)
		judge_announced(w, &w->c->trials[i].a);
	for (size_t i = 0; i < w->c->n_visits; i++)
		if (w->c->visits[i].masked)
			found(w, VERDICT_M03, VERDICT_CERTAIN,
			    "The answer to SYST is blotted out with X.");
	if (s.n == 0 || s.of[OUTCOME_DECLINED] < s.n)
		return;
	f = found(w, VERDICT_P23, VERDICT_CERTAIN, "The server says \"%s\".",
	    example(w, &any, WAY_PASV, OUTCOME_DECLINED)->a.words);
	if (f != NULL && e.of[OUTCOME_DECLINED] == e.n)
		f->weight = WEIGHT_PASSIVE;
}

/* ---------------------------------------------------------------- left alone */

static void
judge_idle(struct work *w, const struct visit *v)
{
	if (v->idle == 0 || v->result == 0)
		return;
	if (v->code == 421)
		found(w, VERDICT_L02, VERDICT_CERTAIN,
		    "A command connection was left alone for %u seconds. Then the server "
		    "said \"%s\".",
		    v->idle, v->words);
	else
		found(w, VERDICT_L01, VERDICT_LIKELY,
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
		found(w, VERDICT_C06, VERDICT_LIKELY,
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
		if (passive_state(&w, &w.home) == STATE_UNTESTED)
			judge_conversation(&w, home);
		note_ports(&w);
		judge_families(&w);
		judge_passive(&w);
		judge_active(&w);
		judge_transfers(&w);
		judge_oddities(&w);
		for (size_t i = 0; i < c->n_visits; i++)
			judge_idle(&w, &c->visits[i]);
		ret->passive_works = passive_state(&w, &own) == STATE_WORKS ||
				     passive_state(&w, &own) == STATE_PARTLY;
	}
	judge_first_visit(&w);
	judge_nothing(&w, home);
	sort_findings(ret);
}
