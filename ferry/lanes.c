/*
 * The loop around several handles. Knows nothing of files: only who is connected, who is
 * busy, and whether one more would help.
 */
#include "lanes.h"

#include "interrupt.h"
#include "own.h"

/* Sessions that nobody asked for by number: at first, and at most. A server that is far
 * away does little for each. vsftpd lets one address have 50. */
#define NEAR_FIRST 4
#define NEAR_MAX 8
#define FAR_FIRST 16
#define FAR_MAX 48
#define FAR_MICROSECONDS 5000
#define ERRANDS_OF_ONE 3 /* a session that has fewer costs more than it brings */
#define CALLS_MAX 16 /* that wait for a greeting (or 421), unless more were asked for */
#define LOOK_SECONDS 0.15
#define LOOK_LONGEST 2.0
#define LOOK_DEEDS 2    /* of each session, or what one sees is chance */
#define GROWTH 1.12     /* so much faster, or it was no use */
#define GROWTH_MANY 1.3 /* the same for more than NEAR_MAX */
#define MISSES_MAX 2    /* looks that saw no growth */
#define RETRY_LOOKS 10  /* more of them, until one more is tried again */
#define REOPEN_MAX 10
#define STRIKES_MAX 3
#define FDS_OF_ONE 4

/* A narration or a diagram has room for one conversation. */
static unsigned
most_allowed(const struct lanes *ls)
{
	if (ls->opt->explain || ls->opt->trace != NULL)
		return 1;
	if (ls->opt->sessions != 0)
		return ls->opt->sessions;
	return ls->is_far ? FAR_MAX : NEAR_MAX;
}

/* ---------------------------------------------------------------- open and close */

/* Logged in. MODE B wherever it is known: one data connection for all that a session
 * moves.
 */
static void
lane_ready(struct lane *l)
{
	l->in = true;
	if (l->s.coding == FERRY_CODING_AUTO && ferry_has_feature(l->s.h, "MODE B"))
		ferry_set_coding(l->s.h, FERRY_CODING_BLOCK);
	l->pipelines = ferry_get_coding(l->s.h) == FERRY_CODING_BLOCK;
}

static int
lane_make(struct lanes *ls, struct lane *l)
{
	int rc;

	if (l->made)
		return 0;
	rc = session_init(&l->s, ls->opt);
	l->made = l->s.h != NULL;
	if (rc < 0)
		return rc;
	l->s.login = &ls->login;
	l->s.view.talk = ls->opt->verbose ? TALK_ALL : TALK_NONE;
	l->s.binary = !(ls->opt->ascii || ls->t->type == 'a');
	session_apply(&l->s);
	return 0;
}

static int
first_open(struct lanes *ls, struct lane *l)
{
	struct ferry_tls_info info = {.struct_size = sizeof info};
	int rc = session_find_login(&l->s, ls->t, &ls->login);

	if (rc == 0)
		rc = session_enter(&l->s, ls->t, &ls->login);
	if (rc < 0)
		return rc;
	if (ferry_tls_info(l->s.h, &info) == 0)
		memcpy(ls->fingerprint, info.fingerprint, sizeof ls->fingerprint);
	lane_ready(l);
	l->state = LANE_IDLE;
	ls->is_far = ferry_round_trip(l->s.h) >= FAR_MICROSECONDS;
	if (!ls->settled && ls->is_far)
		ls->goal = ls->before = FAR_FIRST;
	return 0;
}

int
lanes_open(struct lanes *ls, const struct options *opt, const struct target *t)
{
	struct lane *l = &ls->lane[0];
	int rc;

	*ls = (struct lanes){.opt = opt, .t = t, .goal = 1, .before = 1};
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		ls->lane[i].number = i;
	rc = lane_make(ls, l);
	if (rc == 0 && opt->explain)
		rc = explain_new(stdout, options_colour(opt, stdout), &l->s.view.explain);
	if (rc < 0)
		return rc;
	l->s.may_ask = true; /* the others ask for nothing: what was said is kept */
	ls->settled = opt->sessions != 0 || most_allowed(ls) == 1;
	ls->goal = ls->before = ls->settled ? most_allowed(ls) : NEAR_FIRST;
	return first_open(ls, l);
}

/* As the first one was: in clear, or encrypted and with the same key. */
static int
lane_connect(struct lanes *ls, struct lane *l)
{
	bool secret = *ls->fingerprint != '\0';
	enum ferry_tls tls = FERRY_TLS_NEVER;
	int rc = lane_make(ls, l);

	if (rc < 0)
		return rc;
	if (secret)
		tls = ls->t->tls == FERRY_TLS_IMPLICIT ? FERRY_TLS_IMPLICIT
						       : FERRY_TLS_EXPLICIT;
	rc = ferry_set_tls(l->s.h, tls);
	if (rc == 0 && secret)
		rc = ferry_set_tls_pin(l->s.h, ls->fingerprint);
	if (rc < 0)
		return rc;
	l->in = l->useful = false;
	l->state = LANE_CONNECTING;
	l->s.message[0] = '\0';
	return ferry_connect(l->s.h, ls->t->host, ls->t->port);
}

static unsigned
count_open(const struct lanes *ls)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		n += ls->lane[i].state != LANE_CLOSED;
	return n;
}

/* The server has as many as it wants. */
static void
settle(struct lanes *ls)
{
	unsigned open = count_open(ls);

	ls->goal = open > 0 ? open : 1;
	ls->settled = true;
}

bool
lanes_goes_on(const struct lanes *ls)
{
	return ls->result == 0 && !ls->stopping && ls->busy <= ls->goal;
}

void
lanes_fail(struct lanes *ls, const struct lane *l, int rc)
{
	if (ls->result != 0)
		return;
	ls->result = rc;
	ls->why = session_error(&l->s, rc);
}

/* One that is connected no more, or never was. */
static void
lane_lost(struct lanes *ls, struct lane *l, int rc)
{
	bool sent_away = ferry_reply_code(l->s.h) == 421;
	bool again;

	ls->strikes = l->useful ? 0 : ls->strikes + 1;
	again =
	    l->in && !sent_away && ls->strikes < STRIKES_MAX && ls->reopened < REOPEN_MAX;
	l->state = LANE_CLOSED;
	if (count_open(ls) > 0) {
		if (!again)
			settle(ls);
	} else if (!again) {
		lanes_fail(ls, l, rc);
	}
	ls->reopened += again;
}

/* ---------------------------------------------------------------- one step */

static void lane_result(struct lanes *ls, struct lane *l, int rc);

static void
lane_begin(struct lanes *ls, struct lane *l)
{
	int rc;

	ferry_copy_way(l->s.h, ls->lane[0].s.h);
	rc = ls->work->begin(l, ls->user);
	if (rc == LANE_NOTHING)
		return;
	l->state = LANE_BUSY;
	if (rc != FERRY_AGAIN)
		lane_result(ls, l, rc);
}

/* What ran in this lane has come to its end. */
static void
lane_result(struct lanes *ls, struct lane *l, int rc)
{
	const struct lane *first = &ls->lane[0];
	enum lane_state was = l->state;

	if (was == LANE_CONNECTING && rc == 0) {
		l->state = LANE_LOGIN;
		if (l != first && first->in)
			ferry_copy_features(l->s.h, first->s.h);
		rc = ferry_login(
		    l->s.h, ls->login.user, ls->login.password, ls->login.account);
		if (rc == FERRY_AGAIN)
			return;
		was = LANE_LOGIN;
	}
	if (was == LANE_LOGIN && rc == 0)
		lane_ready(l);
	l->state = LANE_IDLE;
	if (was == LANE_BUSY) {
		ls->work->end(l, rc, ls->user);
		l->useful = l->useful || rc == 0;
	}
	if (!ferry_is_logged_in(l->s.h) || (was != LANE_BUSY && rc < 0))
		lane_lost(ls, l, rc < 0 ? rc : -FERRY_ECLOSED);
}

/* ^C: what runs is stopped in order; a second time it is dropped. */
static void
lane_stop(struct lanes *ls, struct lane *l, bool now)
{
	if (l->state == LANE_BUSY && !now) {
		ferry_abort(l->s.h);
		return;
	}
	if (l->state == LANE_CLOSED || l->state == LANE_IDLE)
		return;
	session_drop(&l->s);
	session_fail(&l->s, -FERRY_EABORTED, "interrupted; the connection is closed");
	if (l->state == LANE_BUSY)
		ls->work->end(l, -FERRY_EABORTED, ls->user);
	l->state = LANE_CLOSED;
}

static void
stop(struct lanes *ls)
{
	bool now = ls->stopping || interrupt_is_end();

	interrupt_clear();
	ls->stopping = true;
	ls->result = -FERRY_EABORTED;
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		lane_stop(ls, &ls->lane[i], now);
}

/* ---------------------------------------------------------------- how many */

static unsigned
raised(const struct lanes *ls)
{
	unsigned n = 2 * ls->goal;

	return n < most_allowed(ls) ? n : most_allowed(ls);
}

static unsigned
count_state(const struct lanes *ls, enum lane_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		n += ls->lane[i].state == state;
	return n;
}

/* Was it worth it? Then more; else, when that was no accident, back to what was as fast,
 * and after a while another try: much else may be going on. */
static void
judge(struct lanes *ls, double rate)
{
	double growth = ls->goal > NEAR_MAX ? GROWTH_MANY : GROWTH;

	if (rate > ls->best * growth) {
		ls->before = ls->goal;
		ls->best = rate;
		ls->misses = 0;
		ls->goal = raised(ls);
	} else if (++ls->misses == MISSES_MAX) {
		ls->goal = ls->before;
	} else if (ls->misses == MISSES_MAX + RETRY_LOOKS) {
		ls->best = rate;
		ls->misses = 0;
		ls->goal = raised(ls);
	}
}

/* Enough to see how fast it is? */
static bool
has_seen_enough(const struct lanes *ls, double seconds, uint64_t deeds)
{
	if (seconds < LOOK_SECONDS)
		return false;
	return deeds >= LOOK_DEEDS * ls->goal || seconds > LOOK_LONGEST;
}

static void
look(struct lanes *ls)
{
	double t = monotonic();
	uint64_t score = ls->work->score(ls->user);
	bool is_new = count_state(ls, LANE_CONNECTING) + count_state(ls, LANE_LOGIN) > 0;

	if (ls->settled ||
	    (!is_new && !has_seen_enough(ls, t - ls->looked, score - ls->scored)))
		return;
	if (!is_new && ls->looked > 0)
		judge(ls, (double)(score - ls->scored) / (t - ls->looked));
	/* what one brings that is not there yet counts from when it is */
	ls->looked = t;
	ls->scored = score;
}

/* Far away it is known before what one more will bring, if there is something to do. */
static void
spread(struct lanes *ls)
{
	size_t wanted;

	if (ls->settled || !ls->is_far)
		return;
	wanted = ls->work->errands(ls->user) / ERRANDS_OF_ONE;
	if (wanted > most_allowed(ls))
		wanted = most_allowed(ls);
	if (wanted > ls->goal)
		ls->goal = ls->before = (unsigned)wanted;
}

/* Near by a few files are done before the second session is there. */
static bool
waits_for_first(struct lanes *ls)
{
	return !ls->settled && !ls->is_far && count_open(ls) > 0 &&
	       ls->work->score(ls->user) == 0;
}

/* Far away those that are opened anyhow log in while the first listing is read. */
static bool
wants_one_more(struct lanes *ls)
{
	bool is_beginning = ls->is_far && ls->work->score(ls->user) == 0;

	if (ls->result < 0 || count_open(ls) >= ls->goal)
		return false;
	if (ls->opt->sessions == 0 && count_state(ls, LANE_CONNECTING) >= CALLS_MAX)
		return false;
	return is_beginning || ls->work->has_more(ls->user);
}

static void
open_more(struct lanes *ls)
{
	if (waits_for_first(ls))
		return;
	for (unsigned i = 0; i < ls->goal; i++) {
		struct lane *l = &ls->lane[i];
		if (l->state != LANE_CLOSED || !wants_one_more(ls))
			continue;
		int rc = lane_connect(ls, l);
		if (rc < 0)
			lane_result(ls, l, rc);
	}
}

/* Everything is done: those that would come too late are not waited for. */
static void
drop_unfinished(struct lanes *ls)
{
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct lane *l = &ls->lane[i];
		if (l->state != LANE_CONNECTING && l->state != LANE_LOGIN)
			continue;
		session_drop(&l->s);
		l->state = LANE_CLOSED;
	}
}

/* Those that are too many have nothing more to do. */
static void
give_work(struct lanes *ls)
{
	unsigned busy = count_state(ls, LANE_BUSY);

	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct lane *l = &ls->lane[i];
		while (ls->result == 0 && l->state == LANE_IDLE && busy < ls->goal) {
			lane_begin(ls, l);
			if (l->state == LANE_IDLE)
				break;
			busy += l->state == LANE_BUSY;
		}
	}
	ls->busy = busy;
	if (busy > ls->most)
		ls->most = busy;
	if (busy == 0 && !ls->work->has_more(ls->user))
		drop_unfinished(ls);
}

/* ---------------------------------------------------------------- the loop */

static bool
is_working(const struct lane *l)
{
	return l->state == LANE_CONNECTING || l->state == LANE_LOGIN ||
	       l->state == LANE_BUSY;
}

/* What all of them wait for, lane after lane. */
struct vigil {
	struct pollfd fds[SESSIONS_MAX * FDS_OF_ONE];
	nfds_t n, of[SESSIONS_MAX];
	int timeout[SESSIONS_MAX], soonest;
	bool any;
};

static void
gather(struct lanes *ls, struct vigil *v)
{
	v->n = 0;
	v->soonest = -1;
	v->any = false;
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		int *one = &v->timeout[i];

		v->of[i] = 0;
		*one = -1;
		if (!is_working(&ls->lane[i]))
			continue;
		v->any = true;
		v->of[i] = ferry_poll(ls->lane[i].s.h, v->fds + v->n, FDS_OF_ONE, one);
		v->n += v->of[i];
		if (*one >= 0 && (v->soonest < 0 || *one < v->soonest))
			v->soonest = *one;
	}
}

/* For whom did something come, or run out? With many sessions most of them wait. */
static void
mark_due(struct lanes *ls, const struct vigil *v, bool all, double waited_ms)
{
	const struct pollfd *p = v->fds;

	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct lane *l = &ls->lane[i];

		l->due = all || (v->timeout[i] >= 0 && v->timeout[i] <= waited_ms + 1);
		for (nfds_t k = 0; k < v->of[i]; k++, p++)
			l->due = l->due || p->revents != 0;
	}
}

/* Waits until something can go on. false: nothing runs. */
static bool
wait_all(struct lanes *ls)
{
	struct vigil v;
	double began = monotonic();
	int r;

	gather(ls, &v);
	if (!v.any)
		return false;
	r = interrupt_poll(v.fds, v.n, v.soonest);
	if (r < 0 && interrupt_seen())
		stop(ls);
	mark_due(ls, &v, r < 0, 1000 * (monotonic() - began));
	return true;
}

static void
step_all(struct lanes *ls)
{
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct lane *l = &ls->lane[i];
		if (!is_working(l) || !l->due)
			continue;
		int rc = ferry_step(l->s.h);
		if (rc != FERRY_AGAIN)
			lane_result(ls, l, rc);
	}
}

int
lanes_run(struct lanes *ls, const struct lanes_work *work, void *user)
{
	ls->work = work;
	ls->user = user;
	do {
		if (!ls->stopping) {
			look(ls);
			spread(ls);
			give_work(ls);
			open_more(ls);
		}
		if (!wait_all(ls))
			break;
		step_all(ls);
		if (work->tick != NULL)
			work->tick(user);
	} while (true);
	return ls->result;
}

static bool
shows_talk(const struct options *opt)
{
	return opt->explain || opt->trace != NULL || opt->verbose;
}

int
lanes_close(struct lanes *ls)
{
	int quit[SESSIONS_MAX], rc;

	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (ls->lane[i].made)
			quit[i] = ferry_is_connected(ls->lane[i].s.h)
				      ? ferry_quit(ls->lane[i].s.h)
				      : 0;
	/* the answer says nothing, except to those who want to see it */
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (ls->lane[i].made && shows_talk(ls->opt))
			session_run(&ls->lane[i].s, quit[i]);
	rc = ls->lane[0].made ? session_save_trace(&ls->lane[0].s) : 0;
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (ls->lane[i].made)
			session_free(&ls->lane[i].s);
	login_clear(&ls->login);
	freep(&ls->why);
	return rc;
}
