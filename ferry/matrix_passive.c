/*
 * Passive mode, in clear beside encrypted and over one family beside the other: whose
 * doing it is that one works and the other does not.
 */
#include "matrix.h"

#include "address.h"
#include "own.h"

/* ---------------------------------------------------------------- one kind of session */

static void
judge_only_epsv(struct work *w, const struct pick *p, const struct tally *pasv)
{
	const struct trial *t =
	    matrix_example(w, p, WAY_PASV, matrix_usual_outcome(pasv, pasv));
	char sent[ADDRESS_TEXT_MAX] = "?";
	bool other = t != NULL && !address_same(&t->a.sent, &t->a.peer);

	if (t != NULL)
		address_text(&t->a.sent, sent);
	matrix_found(w, VERDICT_P20,
	    other || pasv->n > 1 ? VERDICT_CERTAIN : VERDICT_LIKELY,
	    "EPSV works and PASV does not (%u tries), although both lead to ports of the "
	    "same address. The answer to PASV names %s%s: a firewall that opens ports as "
	    "it reads them does not open this one.",
	    pasv->n, sent, other ? ", which is not what the firewall expects" : "");
}

static bool
is_unanswered(const struct work *w, const struct pick *p)
{
	struct tally e = matrix_count(w, p, WAY_EPSV), s = matrix_count(w, p, WAY_PASV);

	return e.of[OUTCOME_UNANSWERED] + s.of[OUTCOME_UNANSWERED] > 0;
}

/* The trial that was not answered, if the same command was in the same session before. */
static const struct trial *
broke_later(const struct work *w, const struct pick *p)
{
	const struct trial *before = NULL;

	for (size_t i = 0; i < w->c->n_trials; i++) {
		const struct trial *t = &w->c->trials[i];

		if (!matrix_matches(w->c, t, p) || attempt_is_active(&t->a))
			continue;
		if (attempt_outcome(&t->a) == OUTCOME_UNANSWERED)
			return before != NULL && before->visit == t->visit &&
				       before->a.mode == t->a.mode
				   ? before
				   : NULL;
		before = t;
	}
	return NULL;
}

static void
judge_unanswered(struct work *w, const struct pick *p)
{
	const struct trial *before = broke_later(w, p);
	struct tally pasv = matrix_count(w, p, WAY_PASV);
	struct pick tls = {.family = p->family, .port = p->port, .tls = 1};
	bool other = tally_through(&pasv) > 0 ||
		     (p->tls == 0 && matrix_passive_state(w, &tls) == STATE_WORKS);

	if (before != NULL && attempt_outcome(&before->a) == OUTCOME_SILENT) {
		matrix_found(w, VERDICT_L01, VERDICT_LIKELY,
		    "The command connection was left alone for %.1f s, while a call to a "
		    "passive port went without an answer, and then it was dead: a router "
		    "on "
		    "the way forgets silent connections so soon.",
		    before->a.seconds);
		return;
	}
	matrix_found(w, VERDICT_M05, other ? VERDICT_CERTAIN : VERDICT_LIKELY,
	    "The command connection froze or broke at EPSV or PASV, which the server "
	    "answers in other sessions%s.",
	    other ? "; asked in another way it works" : " at most");
}

static bool
is_mixed(const struct tally *a)
{
	return tally_through(a) > 0 && tally_shut(a) > 0;
}

/* One and the same command leads to open ports and to others. */
static bool
is_partly(const struct work *w, const struct pick *p)
{
	struct tally e = matrix_count(w, p, WAY_EPSV), s = matrix_count(w, p, WAY_PASV);

	return is_mixed(&e) || is_mixed(&s);
}

/* No call gets through. */
static bool
is_shut(const struct work *w, const struct pick *p)
{
	struct tally e = matrix_count(w, p, WAY_EPSV), s = matrix_count(w, p, WAY_PASV);

	return tally_shut(&e) + tally_shut(&s) > 0 &&
	       tally_through(&e) + tally_through(&s) == 0;
}

/* Passive mode as it was found in clear, or encrypted. */
static void
judge_security(struct work *w, const struct pick *p)
{
	struct tally e = matrix_count(w, p, WAY_EPSV), s = matrix_count(w, p, WAY_PASV);

	if (is_unanswered(w, p))
		judge_unanswered(w, p);
	if (e.of[OUTCOME_GARBLED] + s.of[OUTCOME_GARBLED] > 0) {
		const struct trial *t = matrix_example(w, p,
		    e.of[OUTCOME_GARBLED] > 0 ? WAY_EPSV : WAY_PASV, OUTCOME_GARBLED);
		matrix_found(w, VERDICT_P09, VERDICT_CERTAIN, "The server said \"%s\".",
		    t->a.words);
	}
	if (tally_shut(&e) + tally_shut(&s) == 0)
		matrix_judge_delays(w, p);
	else if (is_partly(w, p))
		matrix_judge_partly(w, p);
	else if (tally_through(&e) + tally_through(&s) == 0)
		matrix_judge_shut(w, p, matrix_usual_outcome(&e, &s));
	else if (tally_through(&e) > 0)
		judge_only_epsv(w, p, &s);
	else
		matrix_found(w, VERDICT_P22,
		    tally_shut(&e) > 1 ? VERDICT_CERTAIN : VERDICT_LIKELY,
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

		if (matrix_way(&t->a) != WAY_PASV || t->a.sent.ss_family == AF_UNSPEC)
			continue;
		if (matrix_matches(w->c, t, clear))
			seen[0] = &t->a.sent;
		if (matrix_matches(w->c, t, tls))
			seen[1] = &t->a.sent;
	}
	return seen[0] != NULL && seen[1] != NULL && !address_same(seen[0], seen[1]);
}

static void
judge_blind_helper(struct work *w, const struct pick *clear, const struct pick *tls)
{
	const struct visit *v = matrix_measured_visit(w, tls);

	matrix_look_at(w, v);
	matrix_found(w, VERDICT_T01, VERDICT_CERTAIN,
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
	struct tally e = matrix_count(w, clear, WAY_EPSV),
		     s = matrix_count(w, clear, WAY_PASV);

	if (is_unanswered(w, clear))
		judge_unanswered(w, clear);
	else if (e.of[OUTCOME_DENIED] + s.of[OUTCOME_DENIED] ==
		 0) /* the server says why */
		matrix_found(w, VERDICT_M06, VERDICT_LIKELY,
		    "Passive mode works where the session is encrypted, and not in "
		    "clear.");
}

void
matrix_judge_passive(struct work *w)
{
	struct pick clear = w->home, tls = w->home;
	enum state c, t;
	bool tls_shut, by_chance;

	clear.tls = 0;
	tls.tls = 1;
	c = matrix_passive_state(w, &clear);
	t = matrix_passive_state(w, &tls);
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
		matrix_found(w, VERDICT_T01, VERDICT_LIKELY,
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
	struct tally e = matrix_count(w, p, WAY_EPSV), s = matrix_count(w, p, WAY_PASV);

	return e.n + s.n > 0 &&
	       e.of[OUTCOME_DECLINED] + s.of[OUTCOME_DECLINED] == e.n + s.n;
}

void
matrix_judge_families(struct work *w)
{
	struct pick here = w->home, other = w->home;
	enum state a, b;
	int bad;

	other.family = here.family == AF_INET ? AF_INET6 : AF_INET;
	a = matrix_passive_state(w, &here);
	b = matrix_passive_state(w, &other);
	if (a == STATE_UNTESTED || b == STATE_UNTESTED ||
	    (a == STATE_FAILS) == (b == STATE_FAILS))
		return;
	bad = a == STATE_FAILS ? here.family : other.family;
	for (size_t i = 0; i < w->c->n_visits; i++)
		if (w->c->visits[i].family == bad &&
		    w->c->visits[i].stage == VISIT_LOGGED_IN)
			w->d->visit = &w->c->visits[i];
	if (bad == AF_INET6 && declines_all(w, a == STATE_FAILS ? &here : &other))
		matrix_found(w, VERDICT_V02, VERDICT_CERTAIN,
		    "Over IPv6 it declines EPSV; over IPv4 passive mode works.");
	else
		matrix_found(w, VERDICT_V03, VERDICT_CERTAIN,
		    "Passive mode works over %s and not over %s, with the same server "
		    "and the same name.",
		    family_name(bad == AF_INET ? AF_INET6 : AF_INET), family_name(bad));
}
