/*
 * Attempts at data connections in the session that is open: in passive mode, with more
 * than one packet, in active mode.
 */
#include "doctor.h"

#include "address.h"
#include "doctor_state.h"
#include "own.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define FIRST_DIAL 4.0     /* until silence is believed: five tries of the kernel */
#define NEXT_DIAL 3.2      /* ... again */
#define CALL_WAIT 10.0     /* for the server's call */
#define NEXT_CALL_WAIT 5.0 /* ... in another session */
#define HOPS_SECONDS 9.0
#define LISTING_MAX (1u << 20)  /* bytes of a listing that are read */
#define BIG_MIN 4096            /* a file of so many bytes needs a full packet */
#define BIG_MAX 65536           /* ... and so many are read of it */
#define BLOB "FERRY BLOB 60000" /* ... which a ferryd sends without a file */
#define SERIES_MAX 8 /* ports that are asked for, to see whether all are open */

/* ---------------------------------------------------------------- trials */

static int
count_bytes(const void *data, size_t n, void *user)
{
	size_t *left = user;

	if (n >= *left)
		return -1;
	*left -= n;
	return 0;
}

static const char *
directory(const struct doctor *d)
{
	return d->t.is_directory && *d->t.path != '\0' ? d->t.path : NULL;
}

static int
run_trial(struct doctor *d, enum trial_kind kind)
{
	size_t left = kind == TRIAL_BIG ? BIG_MAX : LISTING_MAX;
	struct ferry *h = d->s.h;

	if (kind == TRIAL_BIG && d->big == NULL)
		return doctor_run(d, ferry_list_raw(h, "SITE", BLOB, count_bytes, &left));
	if (kind == TRIAL_BIG)
		return doctor_run(d, ferry_get(h, d->big, 0, count_bytes, &left));
	return doctor_run(d, ferry_list_raw(h, "NLST", directory(d), count_bytes, &left));
}

const char *
doctor_mode_name(enum ferry_mode mode)
{
	static const char *const names[] = {
	    [FERRY_MODE_EPSV] = "EPSV",
	    [FERRY_MODE_PASV] = "PASV",
	    [FERRY_MODE_EPRT] = "EPRT",
	    [FERRY_MODE_PORT] = "PORT",
	};

	return names[mode];
}

static void
tell_trial(const struct doctor *d, const struct trial *t)
{
	static const char *const words[] = {
	    [OUTCOME_UNKNOWN] = "was stopped",
	    [OUTCOME_WORKS] = "works",
	    [OUTCOME_SILENT] = "no answer",
	    [OUTCOME_REFUSED] = "refused",
	    [OUTCOME_REJECTED] = "rejected by a router or firewall",
	    [OUTCOME_DECLINED] = "declined",
	    [OUTCOME_UNANSWERED] = "not answered at all",
	    [OUTCOME_GARBLED] = "answered without an address",
	    [OUTCOME_DENIED] = "connected, and not taken",
	    [OUTCOME_NO_CALL] = "nobody called",
	    [OUTCOME_STALLED] = "connected, and no byte came",
	};
	const struct attempt *a = &t->a;
	enum outcome outcome = attempt_outcome(a);
	bool active = attempt_is_active(a);
	unsigned port = address_port(active ? &a->told : &a->used);
	bool said = outcome == OUTCOME_DECLINED || outcome == OUTCOME_DENIED ||
		    outcome == OUTCOME_GARBLED ||
		    (outcome == OUTCOME_NO_CALL && a->answer != 0);
	char place[16] = "";

	if (port != 0)
		snprintf(place, sizeof place, " port %u", port);
	doctor_tell(d, "%s%s%s: %s%s%s", doctor_mode_name(a->mode), place,
	    t->kind == TRIAL_BIG ? ", a larger file" : "", words[outcome],
	    said ? ": " : "", said ? a->words : "");
}

/* The address that PORT named, if it was not our own. */
static void
note_told(struct doctor *d, struct attempt *a)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a->told;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->told;

	if (!d->c.outer_given)
		return;
	if (a->told.ss_family == AF_INET)
		(void)inet_pton(AF_INET, d->given->active_address, &v4->sin_addr);
	else if (a->told.ss_family == AF_INET6)
		(void)inet_pton(AF_INET6, d->given->active_address, &v6->sin6_addr);
}

/* One attempt at a data connection. NULL: there was no time, or it came to none. */
static const struct trial *
try(struct doctor *d, enum ferry_mode mode, enum trial_kind kind, double seconds)
{
	struct trial *t = &d->c.trials[d->c.n_trials];
	int rc;

	if (!doctor_is_in(d) || d->c.n_trials == TRIALS_MAX ||
	    doctor_time_left(d) < seconds + 1)
		return NULL;
	d->s.mode = mode;
	session_apply(&d->s);
	ferry_set_timer(d->s.h, FERRY_TIMER_DATA_CONNECT,
	    doctor_at_most(d, (unsigned)(seconds * 1000)));
	witness_forget(&d->witness);
	doctor_limit(d, seconds + GRACE + (kind == TRIAL_BIG ? STALL_MS / 1000.0 : 0));
	rc = run_trial(d, kind);
	if (d->witness.n == 0) {
		doctor_note_trouble(d, doctor_visit_now(d), rc);
		return NULL;
	}
	*t = (struct trial){.visit = d->c.n_visits - 1, .kind = kind};
	t->a = *witness_attempt(&d->witness);
	t->a.result = rc;
	note_told(d, &t->a);
	tell_trial(d, t);
	d->c.n_trials++;
	doctor_ask_why(d, t);
	return t;
}

void
doctor_try_series(struct doctor *d, enum ferry_mode mode, unsigned max,
    unsigned max_silent, struct score *score)
{
	unsigned silent = 0;

	for (unsigned i = 0; i < max; i++) {
		const struct trial *t = try(d, mode, TRIAL_LISTING,
		    i == 0 && score->shut == 0 ? FIRST_DIAL : NEXT_DIAL);
		enum outcome o = t == NULL ? OUTCOME_UNKNOWN : attempt_outcome(&t->a);

		if (o == OUTCOME_SILENT || o == OUTCOME_REFUSED ||
		    o == OUTCOME_REJECTED) {
			score->shut++;
			silent += t->a.seconds > 1;
			score->port = address_port(&t->a.used);
		} else if (o == OUTCOME_WORKS) {
			score->through++;
		} else {
			score->other++;
			break;
		}
		if (silent >= (score->through > 0 ? 4 : max_silent))
			break;
	}
}

static bool
is_measured(const struct doctor *d, const struct visit *v)
{
	for (size_t i = 0; i < d->c.n_visits; i++)
		if (d->c.visits[i].hops.measured && d->c.visits[i].family == v->family &&
		    d->c.visits[i].port == v->port)
			return true;
	return false;
}

static void
measure_hops(struct doctor *d, unsigned port)
{
	struct visit *v = doctor_visit_now(d);
	double left = doctor_time_left(d) - CALL_WAIT;

	if (!doctor_is_in(d) || left < 2 || is_measured(d, v))
		return;
	doctor_tell(d, "looking where on the way the calls end");
	hops_measure(&v->own, &v->peer, (uint16_t)port,
	    left < HOPS_SECONDS ? left : HOPS_SECONDS, &v->hops);
}

void
doctor_try_passive(struct doctor *d, bool thorough)
{
	struct score epsv = {.through = 0}, pasv = {.through = 0};
	bool v4 = doctor_visit_now(d)->family == AF_INET;
	/* a session in clear may follow, and needs its time too */
	unsigned silent = !thorough ? 2 : doctor_visit_now(d)->tls ? 3 : 4;
	unsigned many = thorough ? SERIES_MAX : 3;

	doctor_try_series(d, FERRY_MODE_EPSV, many, silent, &epsv);
	if (v4 && doctor_is_in(d))
		doctor_try_series(d, FERRY_MODE_PASV,
		    epsv.through + epsv.shut == 0 ? many
		    : epsv.shut > 0               ? 2
						  : 1,
		    epsv.shut > 0 ? 1 : 2, &pasv);
	/* once more, where EPSV works and PASV seems not to */
	if (pasv.through == 0 && pasv.shut > 0 && epsv.through > 0)
		doctor_try_series(d, FERRY_MODE_PASV, 1, 2, &pasv);
	if (epsv.shut + pasv.shut > 0)
		measure_hops(d, epsv.shut > 0 ? epsv.port : pasv.port);
}

/* ---------------------------------------------------------------- full packets */

struct choice {
	char *name;
	int64_t size;
	unsigned left;
};

/* The smallest that will do. */
static int
choose(struct ferry_entry *e, void *user)
{
	struct choice *c = user;

	if (c->left-- == 0)
		return -1;
	if (e->type != FERRY_ENTRY_FILE || e->size < BIG_MIN || e->name == NULL ||
	    !ferry_name_is_plain(e->name) || (c->name != NULL && e->size >= c->size))
		return 0;
	free(c->name);
	c->name = strdup(e->name);
	c->size = e->size;
	return 0;
}

/* A file of the directory that was named, or the file itself. */
static void
find_big(struct doctor *d)
{
	struct choice c = {.left = 10000};
	const char *dir = directory(d);

	if (!d->t.is_directory) {
		d->big = strdup(d->t.path);
		return;
	}
	doctor_limit(d, GRACE);
	(void)doctor_run(d, ferry_list(d->s.h, dir, choose, &c));
	if (c.name == NULL ||
	    asprintf(&d->big, "%s%s", dir == NULL ? "" : dir, c.name) < 0)
		d->big = NULL;
	free(c.name);
}

static enum ferry_mode
working_mode(const struct doctor *d)
{
	for (size_t i = d->c.n_trials; i-- > 0;)
		if (d->c.trials[i].visit + 1 == d->c.n_visits &&
		    attempt_outcome(&d->c.trials[i].a) == OUTCOME_WORKS)
			return d->c.trials[i].a.mode;
	return FERRY_MODE_AUTO;
}

void
doctor_try_big(struct doctor *d)
{
	enum ferry_mode mode = working_mode(d);

	if (mode == FERRY_MODE_AUTO || !doctor_is_in(d) ||
	    doctor_time_left(d) < 2 * GRACE)
		return;
	d->s.mode = mode;
	session_apply(&d->s);
	find_big(d);
	if (d->big == NULL && !doctor_can_ask(d))
		doctor_untested(
		    d, "large packets: there is no file of 4 kB or more here to read");
	else
		(void)try(d, mode, TRIAL_BIG, NEXT_DIAL);
}

/* ---------------------------------------------------------------- active mode */

void
doctor_try_active(struct doctor *d)
{
	double wait;
	bool v6;

	if (!d->may_listen || !doctor_is_in(d))
		return;
	v6 = doctor_visit_now(d)->family == AF_INET6;
	wait = d->c.n_visits == 1 ? CALL_WAIT : NEXT_CALL_WAIT;
	ferry_set_timer(d->s.h, FERRY_TIMER_ACCEPT, (unsigned)(wait * 1000));
	if (doctor_time_left(d) < wait + 2)
		doctor_untested(
		    d, "active mode in one of the sessions: there was no time left");
	else
		(void)try(d, v6 ? FERRY_MODE_EPRT : FERRY_MODE_PORT, TRIAL_LISTING, wait);
}
