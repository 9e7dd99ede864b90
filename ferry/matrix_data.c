/*
 * What the server itself says, and data connections that came about and were of no use.
 */
#include "matrix.h"

#include "address.h"
#include "own.h"

/* ---------------------------------------------------------------- words of servers */

/* Over IPv6 a firewall on the way has such words too. */
enum whose_words { OF_PASSIVE = 1, OF_ACTIVE = 6, OF_ACTIVE_IPV4 = 2, OF_BOTH = 7 };

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
    {"which is the only one", OF_PASSIVE, VERDICT_A18},
    {"my one passive port", OF_PASSIVE, VERDICT_A18},
    {"already reserved for client ip", OF_PASSIVE, VERDICT_A18},
    {"ports below 1024", OF_ACTIVE, VERDICT_A10},
    {"ports < 1024", OF_ACTIVE, VERDICT_A10},
    {"privileged port", OF_ACTIVE, VERDICT_A10},
    {"permission denied", OF_ACTIVE_IPV4, VERDICT_A06},
    {"may not call from port", OF_ACTIVE, VERDICT_A06},
    {"unable to service port", OF_ACTIVE, VERDICT_A06},
    {"disabled", OF_ACTIVE, VERDICT_A09},
    {"not implemented", OF_ACTIVE, VERDICT_A09},
};

/* Did the server itself say what is wrong? */
bool
matrix_judge_words(struct work *w, const struct attempt *a)
{
	unsigned whose = !attempt_is_active(a)           ? OF_PASSIVE
			 : a->peer.ss_family == AF_INET6 ? OF_ACTIVE & ~OF_ACTIVE_IPV4
							 : OF_ACTIVE_IPV4;
	enum outcome outcome = attempt_outcome(a);

	if (outcome != OUTCOME_DECLINED && outcome != OUTCOME_DENIED &&
	    outcome != OUTCOME_NO_CALL)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(sayings); i++) {
		if ((sayings[i].whose & whose) == 0 ||
		    strcasestr(a->words, sayings[i].words) == NULL)
			continue;
		matrix_found(w, sayings[i].code, VERDICT_CERTAIN,
		    "The server says so: \"%s\".", a->words);
		return true;
	}
	return false;
}

/* ---------------------------------------------------------------- connected, and then */

static bool
some_get_through(const struct work *w)
{
	struct tally e = matrix_count(w, &w->home, WAY_EPSV),
		     s = matrix_count(w, &w->home, WAY_PASV);

	return e.of[OUTCOME_WORKS] + s.of[OUTCOME_WORKS] >
	       e.of[OUTCOME_DENIED] + s.of[OUTCOME_DENIED];
}

/* The call was taken and came to nothing, and the server knows nothing of it. */
static bool
is_hollow(const struct attempt *a)
{
	return a->answer < 400;
}

/* The second call reached the server from another address than the first: who replaced
 * it? The server may have told both, and where it sees our own address in the first one,
 * an address of our network, or of its own, tells whose doing the other is. */
static void
judge_elsewhere(struct work *w, const struct trial *t, const struct verdict *v)
{
	const struct visit *visit = &w->c->visits[t->visit];
	const struct sockaddr_storage *from = &t->call.from, *own = &visit->own;
	enum verdict_code code =
	    v->found[VERDICT_H11] != VERDICT_NO ? VERDICT_H11 : VERDICT_H03;
	enum verdict_certainty certainty = v->found[code];
	bool told = t->call.rejected > 0 && t->call.by_address && visit->who.known &&
		    from->ss_family != AF_UNSPEC;
	bool direct = told && address_same(&visit->who.peer, own);
	char first[ADDRESS_TEXT_MAX], second[ADDRESS_TEXT_MAX], word[200] = "";

	if (told && visit->who.proxied &&
	    (matrix_is_near(from, &visit->peer) ||
		matrix_is_near(from, &visit->who.local))) {
		code = VERDICT_H09;
		certainty = VERDICT_CERTAIN;
	} else if (direct && matrix_is_near(from, own)) {
		code = VERDICT_H11;
		certainty = VERDICT_CERTAIN;
	} else if (direct && (matrix_is_near(from, &visit->peer) ||
				 matrix_is_near(from, &visit->who.local))) {
		code = VERDICT_H03;
		certainty = VERDICT_CERTAIN;
	}
	if (told)
		snprintf(word, sizeof word,
		    " The command connection comes from %s there, the other from %s.",
		    address_text(&visit->who.peer, first), address_text(from, second));
	matrix_found(w, code, certainty,
	    "Your call got through, and the server says \"%s\".%s%s", t->a.words, word,
	    code == VERDICT_H03 && certainty == VERDICT_LIKELY
		? " Your own address is a public one, which your router need not replace."
		: "");
}

/* Calls that were taken here, and of which the server knows nothing; one alone may have
 * lost its last packet. */
static unsigned
taken_unheard(const struct work *w)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->c->n_trials; i++)
		n += attempt_outcome(&w->c->trials[i].a) == OUTCOME_DENIED &&
		     matrix_is_unheard(&w->c->trials[i]);
	return n;
}

static void
judge_denied(struct work *w, const struct trial *t)
{
	const struct attempt *a = &t->a;
	unsigned port = address_port(&a->used), lost = taken_unheard(w);
	struct verdict v;

	if (is_hollow(a)) {
		matrix_found(w, VERDICT_P25, VERDICT_LIKELY,
		    "Your call to port %u was taken, and ended at once without a byte, "
		    "while the server went on to wait for it.",
		    (unsigned)address_port(&a->used));
		return;
	}
	if (matrix_judge_words(w, a))
		return;
	verdict_judge(a, 1, &v);
	if (v.found[VERDICT_H11] != VERDICT_NO || v.found[VERDICT_H03] != VERDICT_NO)
		judge_elsewhere(w, t, &v);
	else if (some_get_through(w))
		matrix_found(w, VERDICT_L07, VERDICT_LIKELY,
		    "Your call to port %u seemed to be taken, and the server says "
		    "\"%s\", while others get through.",
		    port, a->words);
	else if (lost > 0)
		matrix_found(w, VERDICT_P25, lost > 1 ? VERDICT_CERTAIN : VERDICT_LIKELY,
		    "Your call to port %u was taken, and the server, which listened "
		    "there for %.1f s, says that nothing came: \"%s\".",
		    port, t->call.listened, a->words);
	else if (a->tls)
		matrix_found(w, VERDICT_T03, VERDICT_LIKELY,
		    "The encrypted data connection came about, and the server says "
		    "\"%s\".",
		    a->words);
	else
		matrix_found(w, VERDICT_P25, VERDICT_LIKELY,
		    "Your call to port %u was taken, and the server says \"%s\".", port,
		    a->words);
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

/* Did this transfer end in a way that TLS calls an end? cut: in the other one? */
static bool
ended_in_tls(const struct attempt *a, bool cut)
{
	if (!a->tls || !a->open || attempt_outcome(a) == OUTCOME_DENIED)
		return false;
	return cut ? a->result == -FERRY_ETLS || a->result == -FERRY_ESHORT
		   : a->result == 0;
}

/* One may have been cut, but not all. */
static void
judge_ends(struct work *w)
{
	unsigned good = 0, cut = 0;

	for (size_t i = 0; i < w->c->n_trials; i++) {
		good += ended_in_tls(&w->c->trials[i].a, false);
		cut += ended_in_tls(&w->c->trials[i].a, true);
	}
	if (cut > 1 && good == 0)
		matrix_found(w, VERDICT_T07, VERDICT_LIKELY,
		    "All %u encrypted data connections that came about ended without the "
		    "mark that TLS puts at the end, or earlier: nobody can tell whether "
		    "all has come.",
		    cut);
}

void
matrix_judge_transfers(struct work *w)
{
	judge_ends(w);
	for (size_t i = 0; i < w->c->n_trials; i++) {
		const struct trial *t = &w->c->trials[i];
		const struct attempt *a = &t->a;
		enum outcome outcome = attempt_outcome(a);

		if (outcome == OUTCOME_DENIED && !attempt_is_active(a))
			judge_denied(w, t);
		else if (outcome == OUTCOME_DECLINED && !attempt_is_active(a))
			matrix_judge_words(w, a);
		else if (outcome == OUTCOME_STALLED)
			matrix_found(w, VERDICT_L03,
			    t->call.stalled_full || (t->kind == TRIAL_BIG &&
							has_short_success(w->c, t->visit))
				? VERDICT_CERTAIN
				: VERDICT_LIKELY,
			    "The data connection came about and the server began to "
			    "send; no byte of it arrived%s.%s",
			    t->kind == TRIAL_BIG ? ", while short answers do" : "",
			    t->call.stalled_full
				? " The server says that only full packets got no answer."
				: "");
		else if (a->open && a->done &&
			 (a->result == -FERRY_ETIMEOUT || a->result == -FERRY_ECLOSED))
			matrix_found(w, VERDICT_L01, VERDICT_LIKELY,
			    "All bytes came, and the server's word for it did not.");
	}
}
