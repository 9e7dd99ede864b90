/*
 * Trials and addresses, counted and compared for the matrix. No opinions.
 */
#include "matrix.h"

#include "address.h"

#include <netinet/in.h>

bool
matrix_matches(const struct checkup *c, const struct trial *t, const struct pick *p)
{
	const struct visit *v = &c->visits[t->visit];

	return (p->family == 0 || p->family == v->family) &&
	       (p->port == 0 || p->port == v->port) &&
	       (p->tls < 0 || (p->tls != 0) == t->a.tls);
}

enum way
matrix_way(const struct attempt *a)
{
	return attempt_is_active(a)         ? WAY_ACTIVE
	       : a->mode == FERRY_MODE_PASV ? WAY_PASV
					    : WAY_EPSV;
}

struct tally
matrix_count(const struct work *w, const struct pick *p, enum way way)
{
	struct tally t = {.n = 0};

	for (size_t i = 0; i < w->c->n_trials; i++) {
		const struct trial *trial = &w->c->trials[i];

		if (trial->kind != TRIAL_LISTING || matrix_way(&trial->a) != way ||
		    !matrix_matches(w->c, trial, p))
			continue;
		t.n++;
		t.of[attempt_outcome(&trial->a)]++;
	}
	return t;
}

unsigned
tally_through(const struct tally *t)
{
	return t->of[OUTCOME_WORKS] + t->of[OUTCOME_DENIED] + t->of[OUTCOME_STALLED];
}

unsigned
tally_shut(const struct tally *t)
{
	return t->of[OUTCOME_SILENT] + t->of[OUTCOME_REFUSED] + t->of[OUTCOME_REJECTED];
}

enum state
matrix_passive_state(const struct work *w, const struct pick *p)
{
	struct tally e = matrix_count(w, p, WAY_EPSV), s = matrix_count(w, p, WAY_PASV);
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

const struct trial *
matrix_example(
    const struct work *w, const struct pick *p, enum way way, enum outcome outcome)
{
	for (size_t i = w->c->n_trials; i-- > 0;) {
		const struct trial *t = &w->c->trials[i];

		if (matrix_way(&t->a) == way && attempt_outcome(&t->a) == outcome &&
		    matrix_matches(w->c, t, p))
			return t;
	}
	return NULL;
}

bool
matrix_is_near(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *x = (const struct sockaddr_in *)a;
	const struct sockaddr_in *y = (const struct sockaddr_in *)b;

	return a->ss_family == AF_INET && b->ss_family == AF_INET &&
	       (ntohl(x->sin_addr.s_addr) ^ ntohl(y->sin_addr.s_addr)) < 256;
}

bool
matrix_is_unheard(const struct trial *t)
{
	return t->call.way == TOLD_PASSIVE && t->call.accepted == 0 &&
	       t->call.rejected == 0 && t->call.port == address_port(&t->a.used);
}
