/*
 * Passive ports that no call reaches, or that only some do: which verdict that is, and
 * where on the way the calls end.
 */
#include "matrix.h"

#include "address.h"
#include "own.h"

#define MANY_CALLS 8   /* it is no chance that just the first of so many got through */
#define SLOW_DIAL 0.9  /* such a call was repeated: the first packet was lost */
#define QUICK_DIAL 0.5 /* ... if others take less than this */
#define ABSENT_SECONDS 2.5
#define PORTS_SHOWN 6

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

		if (attempt_outcome(a) != outcome ||
		    !matrix_matches(w->c, &w->c->trials[i], p))
			continue;
		longest = a->seconds > longest ? a->seconds : longest;
		if (shown++ >= PORTS_SHOWN) {
			more++;
			continue;
		}
		n += (size_t)snprintf(out + n, cap - n, "%s%u (%s)",
		    shown > 1 ? ", " : "Calls to ports ",
		    (unsigned)address_port(&a->used),
		    matrix_way(a) == WAY_PASV ? "PASV" : "EPSV");
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

enum outcome
matrix_usual_outcome(const struct tally *e, const struct tally *p)
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
const struct visit *
matrix_measured_visit(const struct work *w, const struct pick *p)
{
	for (size_t i = 0; i < w->c->n_visits; i++) {
		const struct visit *v = &w->c->visits[i];

		if (v->hops.measured && v->family == p->family && v->port == p->port)
			return v;
	}
	return NULL;
}

void
matrix_look_at(struct work *w, const struct visit *v)
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
		const struct trial *t = matrix_example(w, p, ways[i], OUTCOME_REJECTED);

		if (t != NULL && t->a.sys_errno == EHOSTUNREACH &&
		    t->a.seconds >= ABSENT_SECONDS)
			return true;
	}
	return false;
}

/* The last of these calls of which the server says that it did not come, or NULL. */
static const struct trial *
unheard(const struct work *w, const struct pick *p, enum outcome outcome)
{
	for (size_t i = w->c->n_trials; i-- > 0;) {
		const struct trial *t = &w->c->trials[i];

		if (attempt_outcome(&t->a) == outcome && matrix_matches(w->c, t, p) &&
		    matrix_is_unheard(t))
			return t;
	}
	return NULL;
}

static void
describe_unheard(const struct trial *t, char *out, size_t cap)
{
	*out = '\0';
	if (t != NULL)
		snprintf(out, cap,
		    " The server says that it listened at port %u for %.1f s, and that "
		    "nothing came.",
		    t->call.port, t->call.listened);
}

/* The first router may be anybody's. */
static bool
is_theirs(const struct location *l)
{
	return l->side == SIDE_THEIRS && (l->hop > 1 || l->router_itself);
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
	const struct trial *lost = unheard(w, p, outcome);
	enum verdict_certainty certainty =
	    (outcome == OUTCOME_REJECTED && !absent) ||
		    (outcome == OUTCOME_REFUSED && l->router_itself) ||
		    (lost != NULL && is_theirs(l))
		? VERDICT_CERTAIN
		: VERDICT_LIKELY;
	char calls[160], place[200], word[128];

	describe_calls(w, p, outcome, calls, sizeof calls);
	describe_place(l, outcome, place, sizeof place);
	describe_unheard(lost, word, sizeof word);
	if (l->side == SIDE_OURS) {
		matrix_found(
		    w, VERDICT_P21, VERDICT_CERTAIN, "%s.%s%s", calls, place, word);
		return;
	}
	matrix_found(w, absent ? VERDICT_P12 : codes[outcome], certainty,
	    "%s%s. The command connection works.%s%s", calls,
	    absent
		? ": so long looks a router for a machine that is not there; these ports "
		  "may be forwarded to a wrong address"
		: "",
	    place, word);
}

/* Another connection with the command port is not possible either. */
static bool
judge_second_connection(struct work *w, const struct visit *v)
{
	enum hop_kind kind = v == NULL ? HOP_UNKNOWN : v->hops.command[0].kind;

	if (kind != HOP_SILENT && kind != HOP_REFUSED && kind != HOP_REJECTED)
		return false;
	matrix_found(w, VERDICT_L05, VERDICT_LIKELY,
	    "While one command connection is open, a second call to the very same port "
	    "%u %s: the firewall counts connections of one address.",
	    v->port, kind == HOP_SILENT ? "gets no answer either" : "is refused too");
	return true;
}

static bool
works_at_21(struct work *w, const struct pick *p)
{
	struct pick other = {.family = p->family, .port = 21, .tls = p->tls};

	if (p->port == 21 || matrix_passive_state(w, &other) != STATE_WORKS)
		return false;
	matrix_found(w, VERDICT_P19, VERDICT_CERTAIN,
	    "The same server at port 21 has working passive ports; at port %u it has "
	    "none.",
	    p->port);
	return true;
}

void
matrix_judge_shut(struct work *w, const struct pick *p, enum outcome outcome)
{
	const struct visit *v = matrix_measured_visit(w, p);

	matrix_look_at(w, v);
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

		if (matrix_way(&t->a) == WAY_ACTIVE || !matrix_matches(w->c, t, p) ||
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
	struct finding *f = matrix_found(w, VERDICT_L07, VERDICT_LIKELY,
	    "%u of %u calls to passive ports got through, some of them only when they "
	    "were repeated after a second.",
	    s->good, s->good + s->bad);

	if (f != NULL && s->bad == 0)
		f->weight = WEIGHT_ODDITY;
}

static void
judge_used_up(struct work *w, const struct samples *s)
{
	matrix_found(w, VERDICT_L05, VERDICT_LIKELY,
	    "The first calls to passive ports got through at once, and later ones late "
	    "or never, whatever the port: %u of %u in all.",
	    s->good, s->good + s->bad);
}

void
matrix_judge_partly(struct work *w, const struct pick *p)
{
	const struct visit *v = matrix_measured_visit(w, p);
	struct samples s;
	unsigned good_low, good_high, bad_low, bad_high;
	bool block;

	collect(w, p, &s);
	span(&s, true, &good_low, &good_high);
	span(&s, false, &bad_low, &bad_high);
	block = is_block(&s, true) || is_block(&s, false);
	if (judge_second_connection(w, v))
		return;
	if (s.n >= MANY_CALLS && s.good <= 2 && is_used_up(&s, false, 1))
		judge_used_up(w, &s);
	else if (has_losses(&s) && !is_used_up(&s, true, 3))
		judge_losses(w, &s);
	else if (block && !has_losses(&s))
		matrix_found(w, VERDICT_P14,
		    s.good > 1 && s.bad > 1 ? VERDICT_CERTAIN : VERDICT_LIKELY,
		    "%u of %u calls to passive ports got through: those to ports %u to "
		    "%u. Those to ports %u to %u did not.",
		    s.good, s.good + s.bad, good_low, good_high, bad_low, bad_high);
	else if (is_used_up(&s, true, 2))
		judge_used_up(w, &s);
	else
		matrix_found(w, VERDICT_H06, VERDICT_LIKELY,
		    "%u of %u calls to passive ports got through, and the numbers of the "
		    "ports do not tell which: several machines may share the calls.",
		    s.good, s.good + s.bad);
}

/* All calls get through, if late. */
void
matrix_judge_delays(struct work *w, const struct pick *p)
{
	struct samples s;

	collect(w, p, &s);
	if (has_losses(&s))
		judge_losses(w, &s);
}
