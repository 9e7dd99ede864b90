/*
 * Active mode: why the server did not call, or its call did not come.
 */
#include "matrix.h"

#include "address.h"
#include "own.h"

#include <netinet/in.h>

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
		matrix_found(w, VERDICT_M01, VERDICT_CERTAIN,
		    "You sent the address %s, and the server says \"%s\".", told,
		    a->words);
	else if (has_seen && outside &&
		 (address_is_inner(&seen) || (!inner && is_near(&seen, &a->peer))))
		matrix_found(w, VERDICT_A11, VERDICT_CERTAIN,
		    "The server says that you come from %s: \"%s\".", by, a->words);
	else if (has_seen && !w->c->outer_given)
		matrix_found(w, VERDICT_A01, VERDICT_CERTAIN,
		    "Your own address is %s, and the server sees you coming from %s, the "
		    "address of your router: it refuses to call anybody else.",
		    told, by);
	else if (w->c->outer_given)
		matrix_found(w, VERDICT_A13, VERDICT_LIKELY,
		    "To the address %s the server says \"%s\".", told, a->words);
	else if (a->refused != 502 && address_kind(&a->told) != ADDRESS_LOOPBACK)
		matrix_found(w, VERDICT_A01, VERDICT_LIKELY,
		    "Your own address %s %s, and the server says \"%s\".", told,
		    inner && outside ? "is private and the server's is not"
				     : "is perhaps not the one that it sees",
		    a->words);
	else
		matrix_found(
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
		matrix_found(w, VERDICT_A14, VERDICT_CERTAIN,
		    "Your port was called from %s, which is not the server; the call was "
		    "not taken.",
		    address_text(&a->stranger, who));
	else
		matrix_found(w, code, VERDICT_LIKELY,
		    "The server agreed to call your port %u; then: \"%s\".",
		    (unsigned)address_port(&a->told), said);
}

static void
judge_active_trial(struct work *w, const struct attempt *a)
{
	enum outcome outcome = attempt_outcome(a);

	if (matrix_judge_words(w, a))
		return;
	if (outcome == OUTCOME_DECLINED)
		judge_declined(w, a);
	else if (outcome == OUTCOME_NO_CALL)
		judge_no_call(w, a);
}

void
matrix_judge_active(struct work *w)
{
	struct pick clear = w->home, tls = w->home;
	struct tally c, t;

	clear.tls = 0;
	tls.tls = 1;
	c = matrix_count(w, &clear, WAY_ACTIVE);
	t = matrix_count(w, &tls, WAY_ACTIVE);
	w->d->active_tested = c.n + t.n > 0;
	w->d->active_works = c.of[OUTCOME_WORKS] + t.of[OUTCOME_WORKS] > 0;
	if (c.of[OUTCOME_WORKS] > 0 &&
	    t.of[OUTCOME_DECLINED] + t.of[OUTCOME_NO_CALL] > 0) {
		matrix_found(w, VERDICT_T02, VERDICT_CERTAIN,
		    "The server's call comes where the session is in clear, and not "
		    "where it is encrypted: your router puts its own address into PORT, "
		    "and cannot do so where it cannot read.");
		return;
	}
	for (size_t i = 0; i < w->c->n_trials; i++)
		if (matrix_way(&w->c->trials[i].a) == WAY_ACTIVE &&
		    matrix_matches(w->c, &w->c->trials[i], &w->home))
			judge_active_trial(w, &w->c->trials[i].a);
}
