/*
 * The probes. One session after the other, never two at a time: with the server as the
 * user asked for it, then in clear beside encrypted, then over the other address family.
 * What is seen goes into a checkup; what it means is decided in diagnosis.c.
 *
 * Bounded: the whole takes less than a minute, whatever the server does, and a server
 * that has enough of us (421) is left alone.
 */
#include "doctor.h"

#include "address.h"
#include "interrupt.h"
#include "own.h"
#include "reader.h"
#include "safe.h"
#include "secret.h"
#include "session.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>

#define BUDGET 56.0        /* seconds for everything */
#define GRACE 8.0          /* ... for what follows a data connection, or its failure */
#define FIRST_DIAL 4.0     /* until silence is believed: five tries of the kernel */
#define NEXT_DIAL 3.2      /* ... again */
#define CALL_WAIT 10.0     /* for the server's call */
#define NEXT_CALL_WAIT 5.0 /* ... in another session */
#define HOPS_SECONDS 9.0
#define REPLY_MS 8000
#define STALL_MS 9000 /* a server that finds out about a small MTU takes so long */
#define CONNECT_MS 6000
#define LISTING_MAX (1u << 20) /* bytes of a listing that are read */
#define BIG_MIN 4096           /* a file of so many bytes needs a full packet */
#define BIG_MAX 65536          /* ... and so many are read of it */
#define SERIES_MAX 8           /* ports that are asked for, to see whether all are open */

enum security { AS_ASKED, IN_CLEAR, ENCRYPTED };

struct doctor {
	struct options opt; /* changed from visit to visit */
	const struct options *given;
	struct target t;
	struct login login;
	struct session s;
	struct witness witness;
	struct checkup c;
	double begun;
	bool may_listen, may_speak_clear;
	bool stopped; /* by ^C */
	char *big;    /* a file that needs more than one packet, or NULL */
};

/* A person's time is not counted. */
static double
time_spent(const struct doctor *d)
{
	return monotonic() - d->begun - d->s.asked_seconds;
}

static double
time_left(const struct doctor *d)
{
	return d->stopped || interrupt_seen() ? 0 : BUDGET - time_spent(d);
}

/* To its end; ^C ends everything. */
static int
run(struct doctor *d, int result)
{
	int rc = session_run(&d->s, result);

	d->stopped = d->stopped || rc == -FERRY_EABORTED;
	return rc;
}

/* The next operation ends at the latest then. */
static void
limit(struct doctor *d, double seconds)
{
	double left = BUDGET - time_spent(d);

	d->s.limit = monotonic() + (seconds < left ? seconds : left > 0.1 ? left : 0.1);
}

static void
untested(struct doctor *d, const char *what)
{
	if (d->c.n_untested < UNTESTED_MAX)
		d->c.untested[d->c.n_untested++] = what;
}

/* A line for the person who waits. Foreign text in it is made harmless. */
__attribute__((format(printf, 2, 3))) static void
tell(const struct doctor *d, const char *format, ...)
{
	_cleanup_free_ char *text = NULL, *safe = NULL;
	va_list ap;
	int n;

	if (d->given->quiet)
		return;
	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return;
	}
	safe = safe_string(text);
	fprintf(stderr, "  %s\n", safe == NULL ? "" : safe);
}

/* ---------------------------------------------------------------- visits */

static struct visit *
visit_now(struct doctor *d)
{
	return &d->c.visits[d->c.n_visits - 1];
}

static bool
is_in(const struct doctor *d)
{
	return d->c.n_visits > 0 && ferry_is_logged_in(d->s.h);
}

static void
note_words(struct visit *v, const char *text)
{
	snprintf(v->words, sizeof v->words, "%.*s", (int)strcspn(text, "\n"), text);
}

static void
note_trouble(struct doctor *d, struct visit *v, int rc)
{
	_cleanup_free_ char *why = session_error(&d->s, rc);

	v->result = rc;
	v->sys_errno = ferry_errno(d->s.h);
	v->code = ferry_reply_code(d->s.h);
	note_words(v, why == NULL ? "" : why);
}

/* Nobody answered at the command port: is the machine there at all? */
static void
look_for_web(struct doctor *d, struct visit *v)
{
	struct sockaddr_storage any = {.ss_family = d->witness.dialled.ss_family};

	if (v->sys_errno != ETIMEDOUT || any.ss_family == AF_UNSPEC || time_left(d) < 3)
		return;
	v->web = hops_call(&any, &d->witness.dialled, 443, 2).kind == HOP_OPEN;
}

static void
visit_failed(struct doctor *d, struct visit *v, int rc)
{
	note_trouble(d, v, rc);
	if (v->stage == VISIT_NOWHERE)
		look_for_web(d, v);
	tell(d, "%s", v->words);
	if (ferry_is_connected(d->s.h))
		session_drop(&d->s);
}

/* --timeout makes it shorter. */
static unsigned
at_most(const struct doctor *d, unsigned ms)
{
	unsigned given = d->given->timeout_ms;

	return given != 0 && given < ms ? given : ms;
}

/* The person's settings, but for how the connections are to be made this time. */
static void
prepare(struct doctor *d, enum security security, int family)
{
	struct ferry *h = d->s.h;

	d->opt.tls = security == IN_CLEAR    ? FERRY_TLS_NEVER
		     : security == ENCRYPTED ? FERRY_TLS_EXPLICIT
					     : d->given->tls;
	d->opt.family = family;
	ferry_set_family(h, family);
	ferry_set_timer(h, FERRY_TIMER_CONNECT, at_most(d, CONNECT_MS));
	ferry_set_timer(h, FERRY_TIMER_REPLY, at_most(d, REPLY_MS));
	ferry_set_timer(h, FERRY_TIMER_STALL, at_most(d, STALL_MS));
	d->witness.own = d->witness.peer = (struct sockaddr_storage){.ss_family = 0};
	d->witness.tls = false;
}

static int
log_in(struct doctor *d, struct visit *v)
{
	int rc;

	limit(d, 2 * GRACE);
	rc = session_login(&d->s, d->login.user, d->login.password, d->login.account);
	if (rc < 0)
		return rc;
	v->stage = VISIT_LOGGED_IN;
	v->tls_offered = v->tls || ferry_has_feature(d->s.h, "AUTH");
	return 0;
}

/* "215 XXXX XXXX": what a firewall of one maker does to it. */
static void
ask_system(struct doctor *d, struct visit *v)
{
	const char *text;
	int rc;

	limit(d, GRACE);
	rc = run(d, ferry_command(d->s.h, "SYST"));
	if (rc < 0) {
		note_trouble(d, v, rc);
		return;
	}
	text = ferry_reply_text(d->s.h);
	text += strspn(text, "0123456789 ");
	v->masked = ferry_reply_code(d->s.h) == 215 && *text != '\0' &&
		    text[strspn(text, "X ")] == '\0';
}

static const char *
family_name(int family)
{
	return family == AF_INET6 ? "IPv6" : "IPv4";
}

/* Is there a session now? Whatever was seen is the last visit. */
static bool
visit_begin(struct doctor *d, enum security security, int family, uint16_t port)
{
	struct visit *v;
	char peer[ADDRESS_TEXT_MAX];
	int rc;

	if (d->c.n_visits == VISITS_MAX || time_left(d) < GRACE)
		return false;
	v = &d->c.visits[d->c.n_visits++];
	*v = (struct visit){.port = port};
	prepare(d, security, family);
	limit(d, 3 * GRACE);
	rc = session_connect(
	    &d->s, d->t.host, port, security == IN_CLEAR ? FERRY_TLS_AUTO : d->t.tls);
	v->own = d->witness.own;
	v->peer = d->witness.peer;
	v->family = v->peer.ss_family;
	v->tls = d->witness.tls;
	v->stage = v->family != AF_UNSPEC ? VISIT_CONNECTED : VISIT_NOWHERE;
	if (rc == 0)
		rc = log_in(d, v);
	d->stopped = d->stopped || rc == -FERRY_EABORTED;
	if (rc < 0) {
		visit_failed(d, v, rc);
		return false;
	}
	tell(d, "logged in at %s port %u, %s", address_text(&v->peer, peer), port,
	    v->tls ? "encrypted" : "in clear");
	return true;
}

static void
visit_end(struct doctor *d)
{
	limit(d, 3);
	if (ferry_is_connected(d->s.h) && run(d, ferry_quit(d->s.h)) < 0)
		session_drop(&d->s);
}

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

	if (kind == TRIAL_BIG)
		return run(d, ferry_get(h, d->big, 0, count_bytes, &left));
	return run(d, ferry_list_raw(h, "NLST", directory(d), count_bytes, &left));
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
	tell(d, "%s%s%s: %s%s%s", doctor_mode_name(a->mode), place,
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

	if (!is_in(d) || d->c.n_trials == TRIALS_MAX || time_left(d) < seconds + 1)
		return NULL;
	d->s.mode = mode;
	session_apply(&d->s);
	ferry_set_timer(
	    d->s.h, FERRY_TIMER_DATA_CONNECT, at_most(d, (unsigned)(seconds * 1000)));
	witness_forget(&d->witness);
	limit(d, seconds + GRACE + (kind == TRIAL_BIG ? STALL_MS / 1000.0 : 0));
	rc = run_trial(d, kind);
	if (d->witness.n == 0) {
		note_trouble(d, visit_now(d), rc);
		return NULL;
	}
	*t = (struct trial){.visit = d->c.n_visits - 1, .kind = kind};
	t->a = *witness_attempt(&d->witness);
	t->a.result = rc;
	note_told(d, &t->a);
	tell_trial(d, t);
	d->c.n_trials++;
	return t;
}

struct score {
	unsigned through, shut, other;
	unsigned port; /* the last that was shut */
};

/* Some ports in one way, until it is clear that none is open. max_silent: of those that
 * cost time; a refusal costs none. */
static void
try_series(struct doctor *d, enum ferry_mode mode, unsigned max, unsigned max_silent,
    struct score *score)
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
	struct visit *v = visit_now(d);
	double left = time_left(d) - CALL_WAIT;

	if (!is_in(d) || left < 2 || is_measured(d, v))
		return;
	tell(d, "looking where on the way the calls end");
	hops_measure(&v->own, &v->peer, (uint16_t)port,
	    left < HOPS_SECONDS ? left : HOPS_SECONDS, &v->hops);
}

/* Passive mode. thorough: are all ports open, or only some? */
static void
try_passive(struct doctor *d, bool thorough)
{
	struct score epsv = {.through = 0}, pasv = {.through = 0};
	bool v4 = visit_now(d)->family == AF_INET;
	/* a session in clear may follow, and needs its time too */
	unsigned silent = !thorough ? 2 : visit_now(d)->tls ? 3 : 4;
	unsigned many = thorough ? SERIES_MAX : 3;

	try_series(d, FERRY_MODE_EPSV, many, silent, &epsv);
	if (v4 && is_in(d))
		try_series(d, FERRY_MODE_PASV,
		    epsv.through + epsv.shut == 0 ? many
		    : epsv.shut > 0               ? 2
						  : 1,
		    epsv.shut > 0 ? 1 : 2, &pasv);
	/* once more, where EPSV works and PASV seems not to */
	if (pasv.through == 0 && pasv.shut > 0 && epsv.through > 0)
		try_series(d, FERRY_MODE_PASV, 1, 2, &pasv);
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
	limit(d, GRACE);
	(void)run(d, ferry_list(d->s.h, dir, choose, &c));
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

static void
try_big(struct doctor *d)
{
	enum ferry_mode mode = working_mode(d);

	if (mode == FERRY_MODE_AUTO || !is_in(d) || time_left(d) < 2 * GRACE)
		return;
	d->s.mode = mode;
	session_apply(&d->s);
	find_big(d);
	if (d->big == NULL)
		untested(
		    d, "large packets: there is no file of 4 kB or more here to read");
	else
		(void)try(d, mode, TRIAL_BIG, NEXT_DIAL);
}

/* ---------------------------------------------------------------- active mode */

/* Does the person agree that the server calls this machine? */
static bool
ask_consent(const struct doctor *d)
{
	_cleanup_free_ char *answer = NULL;

	if (d->given->quiet || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return false;
	return reader_ask("For the test of active mode the server calls this machine, at "
			  "a port that is opened for that one call. Test it? [y/n] ",
		   &answer) == 0 &&
	       (*answer == 'y' || *answer == 'Y');
}

static void
try_active(struct doctor *d)
{
	double wait;
	bool v6;

	if (!d->may_listen || !is_in(d))
		return;
	v6 = visit_now(d)->family == AF_INET6;
	wait = d->c.n_visits == 1 ? CALL_WAIT : NEXT_CALL_WAIT;
	ferry_set_timer(d->s.h, FERRY_TIMER_ACCEPT, (unsigned)(wait * 1000));
	if (time_left(d) < wait + 2)
		untested(d, "active mode in one of the sessions: there was no time left");
	else
		(void)try(d, v6 ? FERRY_MODE_EPRT : FERRY_MODE_PORT, TRIAL_LISTING, wait);
}

static bool
active_failed(const struct doctor *d)
{
	for (size_t i = 0; i < d->c.n_trials; i++)
		if (attempt_is_active(&d->c.trials[i].a) &&
		    attempt_outcome(&d->c.trials[i].a) != OUTCOME_WORKS)
			return true;
	return false;
}

/* ---------------------------------------------------------------- the tree */

static bool
was_unanswered(const struct doctor *d)
{
	const struct trial *t =
	    d->c.n_trials > 0 ? &d->c.trials[d->c.n_trials - 1] : NULL;

	return t != NULL && attempt_outcome(&t->a) == OUTCOME_UNANSWERED;
}

/* The command connection froze at EPSV: is it that command alone? */
static void
ask_otherwise(struct doctor *d, enum security security)
{
	struct score score = {.through = 0};
	const struct visit *v = visit_now(d);

	if (!was_unanswered(d) || is_in(d) || v->family != AF_INET ||
	    !visit_begin(d, security, v->family, v->port))
		return;
	try_series(d, FERRY_MODE_PASV, 2, 1, &score);
	visit_end(d);
}

static bool
had_enough(const struct doctor *d)
{
	for (size_t i = 0; i < d->c.n_visits; i++)
		if (d->c.visits[i].code == 421)
			return true;
	return false;
}

/* A later session that does not come about says nothing of the others. */
static void
forget_visit(struct doctor *d, const char *why)
{
	if (visit_now(d)->stage == VISIT_LOGGED_IN)
		return;
	if (d->c.n_visits > 1)
		d->c.n_visits--;
	untested(d, why);
}

/* How many attempts in passive mode so far came to this? */
static unsigned
passive_count(const struct doctor *d, bool works)
{
	unsigned n = 0;

	for (size_t i = 0; i < d->c.n_trials; i++) {
		enum outcome o = attempt_outcome(&d->c.trials[i].a);

		if (!attempt_is_active(&d->c.trials[i].a) && o != OUTCOME_DECLINED)
			n += (o == OUTCOME_WORKS) == works;
	}
	return n;
}

static bool
visit_other_security(struct doctor *d, enum security security, const char *why)
{
	const struct visit *first = &d->c.visits[0];

	if (!visit_begin(d, security, first->family, first->port)) {
		forget_visit(d, why);
		return false;
	}
	try_passive(d, false);
	if (active_failed(d))
		try_active(d);
	visit_end(d);
	ask_otherwise(d, security);
	return true;
}

static void
compare_security(struct doctor *d)
{
	const struct visit *first = &d->c.visits[0];

	if (had_enough(d) || d->t.tls == FERRY_TLS_IMPLICIT)
		return;
	if (first->tls && d->may_speak_clear)
		visit_other_security(d, IN_CLEAR, "unencrypted sessions: there was none");
	else if (first->tls && (passive_count(d, false) > 0 ||
				   passive_count(d, true) == 0 || active_failed(d)))
		untested(d,
		    "unencrypted FTP, to compare: your password would travel in clear; "
		    "--allow-plaintext does it");
	else if (!first->tls && first->tls_offered && d->given->tls == FERRY_TLS_NEVER)
		visit_other_security(d, ENCRYPTED, "encrypted sessions: there was none");
}

/* Not again in a way that was not possible. */
static enum security
home_security(const struct doctor *d)
{
	return d->c.visits[0].stage == VISIT_LOGGED_IN ? AS_ASKED : IN_CLEAR;
}

static bool
is_numeric(const char *host)
{
	struct in6_addr a;

	return inet_pton(AF_INET, host, &a) == 1 || inet_pton(AF_INET6, host, &a) == 1 ||
	       strchr(host, ':') != NULL;
}

static void
compare_families(struct doctor *d)
{
	int now = d->c.visits[0].family;
	int other = now == AF_INET ? AF_INET6 : AF_INET;
	if (had_enough(d) || d->given->family != AF_UNSPEC || d->given->source != NULL ||
	    is_numeric(d->t.host))
		return;
	if (time_left(d) < 2 * GRACE) {
		untested(d, "the other address family: there was no time left");
		return;
	}
	if (!visit_begin(d, home_security(d), other, d->c.port)) {
		if (visit_now(d)->result == -FERRY_ERESOLVE)
			d->c.n_visits--;
		else
			forget_visit(d, other == AF_INET6
					    ? "IPv6: no session with its address"
					    : "IPv4: no session with its address");
		return;
	}
	tell(d, "the same over %s", family_name(other));
	try_passive(d, false);
	visit_end(d);
}

static bool
is_anonymous(const struct login *l)
{
	return l->user == NULL || strcmp(l->user, "anonymous") == 0 ||
	       strcmp(l->user, "ftp") == 0;
}

/* Is a command connection that is left alone still there afterwards? That time is the
 * person's wish, and no part of the limits. */
static void
leave_alone(struct doctor *d)
{
	double begun;
	struct visit *v;
	int rc;

	if (d->given->idle_seconds == 0 || had_enough(d) ||
	    !visit_begin(d, home_security(d), d->c.visits[0].family, d->c.port))
		return;
	v = visit_now(d);
	tell(d, "leaving the command connection alone for %u seconds",
	    d->given->idle_seconds);
	begun = monotonic();
	(void)interrupt_poll(NULL, 0, (int)d->given->idle_seconds * 1000);
	session_asked(&d->s, begun);
	v->idle = (unsigned)(monotonic() - begun);
	limit(d, GRACE + 2);
	rc = run(d, ferry_command(d->s.h, "NOOP"));
	if (rc < 0)
		note_trouble(d, v, rc);
	tell(d, "it is %s", rc < 0 ? "dead" : "alive");
	visit_end(d);
}

/* A helper may know FTP at its usual port only. The name and password of a person are not
 * shown to whatever else is there. */
static void
compare_ports(struct doctor *d)
{
	if (d->c.port == 21 || d->t.tls == FERRY_TLS_IMPLICIT || had_enough(d) ||
	    passive_count(d, false) == 0 || passive_count(d, true) > 0 ||
	    !is_anonymous(&d->login) || time_left(d) < 2 * GRACE)
		return;
	if (!visit_begin(d, AS_ASKED, d->c.visits[0].family, 21)) {
		d->c.n_visits--;
		return;
	}
	try_passive(d, false);
	visit_end(d);
}

/* Does another address of the server's name stand in an answer to PASV? */
static void
compare_announced(struct doctor *d)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;

	for (size_t i = 0; i < d->c.n_trials; i++) {
		const struct attempt *a = &d->c.trials[i].a;

		if (address_kind(&a->sent) != ADDRESS_PUBLIC ||
		    address_same(&a->sent, &a->peer))
			continue;
		if (list == NULL && (is_numeric(d->t.host) ||
					getaddrinfo(d->t.host, NULL, &hints, &list) != 0))
			return;
		for (struct addrinfo *r = list; r != NULL; r = r->ai_next) {
			struct sockaddr_storage one = {0};

			memcpy(&one, r->ai_addr, r->ai_addrlen);
			if (address_same(&one, &a->sent))
				d->c.announced_is_his = true;
		}
	}
	if (list != NULL)
		freeaddrinfo(list);
}

/* It was the encryption that failed, as far as one can see. */
static bool
failed_in_tls(const struct visit *v)
{
	return v->stage == VISIT_CONNECTED &&
	       (v->result == -FERRY_ETLS || v->result == -FERRY_ETLSCERT ||
		   v->result == -FERRY_ETLSNONE || v->code == 220);
}

static void
examine(struct doctor *d)
{
	bool in = visit_begin(d, AS_ASKED, d->given->family, d->c.port);

	if (!in && d->may_speak_clear && d->c.n_visits > 0 &&
	    failed_in_tls(&d->c.visits[0]))
		in = visit_begin(d, IN_CLEAR, d->given->family, d->c.port);
	if (!in)
		return;
	ask_system(d, visit_now(d));
	try_passive(d, true);
	try_big(d);
	if (d->may_listen && !is_in(d))
		untested(d, "active mode: the session had ended before");
	try_active(d);
	visit_end(d);
	ask_otherwise(d, AS_ASKED);
	if (d->c.visits[0].stage == VISIT_LOGGED_IN)
		compare_security(d);
	compare_families(d);
	compare_ports(d);
	leave_alone(d);
	compare_announced(d);
}

/* ---------------------------------------------------------------- the program */

static void
settle_consent(struct doctor *d)
{
	bool wants_tls =
	    d->given->tls == FERRY_TLS_EXPLICIT || d->t.tls != FERRY_TLS_AUTO;

	d->may_speak_clear =
	    d->given->allow_plaintext || (is_anonymous(&d->login) && !wants_tls);
	d->may_listen = d->given->active_allowed || ask_consent(d);
	d->c.outer_given = d->given->active_address != NULL;
	if (!d->may_listen)
		untested(d,
		    "active mode: it opens a port on this machine for the server's call; "
		    "--allow-active does it");
}

static int
begin(struct doctor *d, char *text)
{
	const char *why = "out of memory";
	int rc = target_parse(text, &d->t, &why);

	secret_scrub_url(text);
	if (rc < 0)
		goto complain;
	d->c.host = d->t.host;
	d->c.port = d->t.port != 0                   ? d->t.port
		    : d->t.tls == FERRY_TLS_IMPLICIT ? 990
						     : 21;
	d->opt = *d->given;
	d->opt.no_memory = true; /* what is now is the question */
	rc = session_init(&d->s, &d->opt);
	d->s.may_ask = d->s.keeps_password = d->s.drops_at_once = true;
	d->s.view.talk = d->given->verbose ? TALK_ALL : TALK_NONE;
	d->s.view.quiet = d->s.view.mute = !d->given->verbose;
	d->s.view.witness = &d->witness;
	if (rc == 0)
		rc = session_find_login(&d->s, &d->t, &d->login);
	why = d->s.message[0] != '\0' ? d->s.message : ferry_strerror(rc);
	if (rc == 0)
		return 0;
complain:
	fprintf(stderr, "ferry: doctor: %s\n", why);
	return rc;
}

static enum exitcode
exit_code_of(const struct checkup *c, const struct diagnosis *g)
{
	if (g->n > 0 && g->findings[0].weight == WEIGHT_CONTROL &&
	    c->visits[0].result < 0)
		return exitcode_of(c->visits[0].result);
	if (!g->passive_works)
		return EXITCODE_DATA;
	return g->n > 0 ? EXITCODE_FINDINGS : EXITCODE_OK;
}

static enum exitcode
report(struct doctor *d)
{
	const struct options *o = d->given;
	struct diagnosis g;
	enum exitcode code;

	if (d->stopped || interrupt_seen()) {
		fprintf(stderr, "ferry: doctor: interrupted\n");
		return EXITCODE_INTERRUPTED;
	}
	d->c.seconds = time_spent(d);
	diagnose(&d->c, &g);
	code = exit_code_of(&d->c, &g);
	if (o->json && doctor_json(stdout, &d->c, &g, code) < 0)
		return EXITCODE_LOCAL;
	if (!o->json)
		doctor_page(stdout, options_colour(o, stdout), &d->c, &g);
	return code;
}

enum exitcode
doctor_main(const struct options *opt, int n, char **args)
{
	struct doctor *d = calloc(1, sizeof *d);
	enum exitcode code = EXITCODE_LOCAL;
	int rc;

	if (d == NULL)
		return code;
	d->given = opt;
	rc = begin(d, args[0]);
	if (rc == 0) {
		settle_consent(d);
		d->begun = monotonic();
		tell(d, "%s port %u: this takes up to a minute", d->t.host,
		    (unsigned)d->c.port);
		examine(d);
		code = report(d);
	} else {
		code = exitcode_of(rc);
	}
	if (d->s.h != NULL && session_save_trace(&d->s) < 0 && code == EXITCODE_OK)
		code = EXITCODE_LOCAL;
	if (d->s.h != NULL)
		session_free(&d->s);
	login_clear(&d->login);
	target_clear(&d->t);
	free(d->big);
	free(d);
	return code;
}
