/*
 * Active mode: why the server did not call, or its call did not come.
 */
#include "matrix.h"

#include "address.h"
#include "own.h"

#include <netinet/in.h>

#define NEARBY_MIN_MS 8 /* in less, near and far are the same */

/* Our address as the server sees it, if it told. */
static bool
seen_address(const struct trial *t, const struct visit *v, struct sockaddr_storage *ret)
{
	const struct attempt *a = &t->a;
	struct sockaddr_storage all[4];
	size_t n = address_find(a->words, all, ARRAY_LEN(all));

	if (v->who.known) {
		*ret = v->who.peer;
		return !address_same(ret, &a->told);
	}
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
was_rewritten(const struct trial *t, struct sockaddr_storage *ret)
{
	struct sockaddr_storage all[2];

	*ret = t->arrived.address;
	if (t->arrived.known)
		return !address_same(ret, &t->a.told);
	if (address_find(t->a.words, all, 2) != 2 || address_same(&all[0], &t->a.told))
		return false;
	*ret = all[0];
	return true;
}

/* We named the address that the server sees, or one that nobody told it is not. */
static void
judge_unwanted(struct work *w, const struct trial *t)
{
	const struct attempt *a = &t->a;
	bool inner = address_is_inner(&a->told), outside = !address_is_inner(&a->peer);
	bool known = w->c->visits[t->visit].who.known;
	char told[ADDRESS_TEXT_MAX];

	address_text(&a->told, told);
	if (known)
		matrix_found(w, VERDICT_A09, VERDICT_LIKELY,
		    "You named the address %s, at which the server sees you too, and it "
		    "says \"%s\".",
		    told, a->words);
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
judge_declined(struct work *w, const struct trial *t)
{
	const struct attempt *a = &t->a;
	const struct visit *v = &w->c->visits[t->visit];
	struct sockaddr_storage seen = {0}, arrived;
	char told[ADDRESS_TEXT_MAX], by[ADDRESS_TEXT_MAX], came[ADDRESS_TEXT_MAX];
	bool has_seen = seen_address(t, v, &seen);
	bool inner = address_is_inner(&a->told), outside = !address_is_inner(&a->peer);

	address_text(&a->told, told);
	address_text(&seen, by);
	if (has_seen)
		w->d->seen = seen;
	if (was_rewritten(t, &arrived))
		matrix_found(w, VERDICT_M01, VERDICT_CERTAIN,
		    "You sent the address %s, at the server %s arrived, and it says "
		    "\"%s\".",
		    told, address_text(&arrived, came), a->words);
	else if (has_seen && outside &&
		 (address_is_inner(&seen) || (!inner && matrix_is_near(&seen, &a->peer))))
		matrix_found(w, VERDICT_A11, VERDICT_CERTAIN,
		    "The server says that you come from %s: \"%s\".", by, a->words);
	else if (has_seen && !w->c->outer_given)
		matrix_found(w, VERDICT_A01, VERDICT_CERTAIN,
		    "Your own address is %s, and the server sees you coming from %s, the "
		    "address of your router: it refuses to call anybody else.",
		    told, by);
	else if (has_seen && v->who.known)
		matrix_found(w, VERDICT_A13, VERDICT_CERTAIN,
		    "You named the address %s, and the server sees you coming from %s: "
		    "it refuses to call anybody else.",
		    told, by);
	else
		judge_unwanted(w, t);
}

/* ---------------------------------------------------------------- its call failed */

/* What the server says of its call, in the best words that there are: an errno, 0: it was
 * taken. False: it says nothing. That it still tried when we gave up is silence. */
static bool
said_error(const struct trial *t, int *ret)
{
	if (t->call.way != TOLD_ACTIVE)
		return false;
	*ret = t->call.over ? t->call.error : t->probe.known ? t->probe.error : ETIMEDOUT;
	return true;
}

/* "The server says of its call from port 20 to 198.51.100.7 port 50187: Connection
 * refused (ECONNREFUSED)." The port it comes from is worth a word: many rules mean
 * port 20. */
static const char *
say_call(const struct trial *t, int error, char *out, size_t cap)
{
	const char *words = error > 0 ? strerrordesc_np(error) : NULL;
	unsigned port = address_port(&t->call.source);
	char to[ADDRESS_TEXT_MAX], from[32] = "", how[64] = "another error";

	if (port != 0)
		snprintf(from, sizeof from, " from port %u", port);
	if (error == 0)
		snprintf(how, sizeof how, "it was taken (not by you)");
	else if (words != NULL)
		snprintf(how, sizeof how, "%s (%s)", words, told_error_name(error));
	if (!t->call.over && !t->probe.known)
		snprintf(how, sizeof how, "no answer so far");
	snprintf(out, cap, "The server says of its call%s to %s port %u: %s.", from,
	    address_text(&t->call.to, to), (unsigned)address_port(&t->call.to), how);
	return out;
}

/* Its own system, and no packet, says so. */
static bool
is_forbidden(const struct trial *t, int error)
{
	return error == EPERM || (error == EACCES && t->a.told.ss_family == AF_INET);
}

/* A refusal that came sooner than a packet can be a quarter of the way here. */
static bool
is_refused_nearby(const struct work *w, const struct trial *t)
{
	double round_trip = w->c->visits[t->visit].round_trip * 1000;

	return t->probe.known && t->probe.error > 0 && t->probe.error != ETIMEDOUT &&
	       round_trip >= NEARBY_MIN_MS && (t->probe.ms + 1) * 4 <= round_trip;
}

/* What firewalls let in that keep account of our calls came, and other calls do not. */
static bool
is_let_in(const struct trial *t)
{
	return t->unlocked.known && t->unlocked.error == 0 &&
	       !(t->probe.known && t->probe.error == 0);
}

/* Do our own calls leave our network, whatever port of the server they are for? */
static bool
gets_out(const struct work *w)
{
	struct tally e = matrix_count(w, &w->home, WAY_EPSV),
		     s = matrix_count(w, &w->home, WAY_PASV);

	return tally_through(&e) + tally_through(&s) > 0 ||
	       w->d->where.side == SIDE_BETWEEN ||
	       (w->d->where.side == SIDE_THEIRS && w->d->where.hop > 1);
}

/* Not even that came. A router that translates may have given our call another port, and
 * a firewall that does not let it out keeps no account of it. */
static bool
is_kept_back_there(const struct work *w, const struct trial *t)
{
	const struct visit *v = &w->c->visits[t->visit];

	return t->unlocked.known && t->unlocked.error != 0 && t->all_hops &&
	       !w->c->outer_given &&
	       (!v->who.known || address_same(&v->who.peer, &v->own)) && gets_out(w);
}

static enum verdict_code
call_code(const struct work *w, bool refused)
{
	return w->c->outer_given ? VERDICT_A04 : refused ? VERDICT_A03 : VERDICT_A02;
}

/* It was kept out within the hops that were unlocked: by ours, or by whose ever. */
static void
judge_let_in(struct work *w, const struct trial *t, int error, const char *said)
{
	char routers[64] = "";

	if (t->hops == 2)
		snprintf(routers, sizeof routers, " or by the first router");
	else if (t->hops > 2)
		snprintf(routers, sizeof routers, " or by one of the first %u routers",
		    t->hops - 1);
	matrix_found(w, call_code(w, error > 0 && error != ETIMEDOUT),
	    t->own_hops ? VERDICT_CERTAIN : VERDICT_LIKELY,
	    "%s The same call came in when it looked like an answer, for your machine "
	    "had called there first: so calls are let out there, and kept out by your "
	    "own machine%s.",
	    said, routers);
}

/* What else than its errno tells who kept the call away? */
static bool
judge_said(struct work *w, const struct trial *t, int error, const char *said)
{
	if (error == EADDRINUSE || error == EADDRNOTAVAIL)
		matrix_found(w, VERDICT_A08, VERDICT_CERTAIN, "%s", said);
	else if (is_forbidden(t, error))
		matrix_found(
		    w, VERDICT_A07, VERDICT_CERTAIN, "%s That was its own system.", said);
	else if (is_let_in(t))
		judge_let_in(w, t, error, said);
	else if (is_refused_nearby(w, t))
		matrix_found(w, VERDICT_A07, VERDICT_CERTAIN,
		    "%s That took less than %u ms, and to you and back takes %.0f ms: "
		    "the "
		    "refusal comes from its own side.",
		    said, t->probe.ms + 1, w->c->visits[t->visit].round_trip * 1000);
	else if (is_kept_back_there(w, t))
		matrix_found(w, VERDICT_A07, VERDICT_LIKELY,
		    "%s The same call did not come either when it looked like an answer, "
		    "for your machine had called there first: it is rather kept back on "
		    "the server's side.",
		    said);
	else
		return false;
	return true;
}

static void
judge_no_call(struct work *w, const struct trial *t)
{
	const struct attempt *a = &t->a;
	char who[ADDRESS_TEXT_MAX], said[200] = "";
	bool refused = attempt_is_fast_no(a);
	int error;

	if (a->stranger.ss_family != AF_UNSPEC) {
		matrix_found(w, VERDICT_A14, VERDICT_CERTAIN,
		    "Your port was called from %s, which is not the server; the call was "
		    "not taken.",
		    address_text(&a->stranger, who));
		return;
	}
	if (said_error(t, &error)) {
		if (judge_said(w, t, error, say_call(t, error, said, sizeof said)))
			return;
		refused = error != 0 && error != ETIMEDOUT;
	}
	matrix_found(w, call_code(w, refused), VERDICT_LIKELY,
	    "The server agreed to call your port %u; then: \"%s\".%s%s",
	    (unsigned)address_port(&a->told),
	    a->answer == 0 ? "nobody called and the server said nothing" : a->words,
	    *said != '\0' ? " " : "", said);
}

/* "Permission denied" is said of binding a port and of calling; this is the latter. */
static bool
has_better_word(const struct trial *t)
{
	int error;

	return said_error(t, &error) && is_forbidden(t, error);
}

static void
judge_active_trial(struct work *w, const struct trial *t)
{
	enum outcome outcome = attempt_outcome(&t->a);

	if (!has_better_word(t) && matrix_judge_words(w, &t->a))
		return;
	if (address_is_translated(&t->a.peer) &&
	    (outcome == OUTCOME_DECLINED || outcome == OUTCOME_NO_CALL))
		matrix_found(w, VERDICT_M08, VERDICT_CERTAIN,
		    "The server's IPv6 address stands for an IPv4 address, which is all "
		    "that it has: it cannot call yours. It says \"%s\".",
		    t->a.words);
	else if (outcome == OUTCOME_DECLINED)
		judge_declined(w, t);
	else if (outcome == OUTCOME_NO_CALL)
		judge_no_call(w, t);
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
			judge_active_trial(w, &w->c->trials[i]);
}
