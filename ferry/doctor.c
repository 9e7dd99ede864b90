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
#include "doctor_state.h"
#include "interrupt.h"
#include "own.h"
#include "reader.h"
#include "secret.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

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
	const struct visit *v = doctor_visit_now(d);

	if (!was_unanswered(d) || doctor_is_in(d) || v->family != AF_INET ||
	    !doctor_visit_begin(d, security, v->family, v->port))
		return;
	doctor_try_series(d, FERRY_MODE_PASV, 2, 1, &score);
	doctor_visit_end(d);
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
	if (doctor_visit_now(d)->stage == VISIT_LOGGED_IN)
		return;
	if (d->c.n_visits > 1)
		d->c.n_visits--;
	doctor_untested(d, why);
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

	if (!doctor_visit_begin(d, security, first->family, first->port)) {
		forget_visit(d, why);
		return false;
	}
	doctor_try_passive(d, false);
	if (active_failed(d))
		doctor_try_active(d);
	doctor_visit_end(d);
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
		doctor_untested(d,
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

static const char *
family_name(int family)
{
	return family == AF_INET6 ? "IPv6" : "IPv4";
}

static void
compare_families(struct doctor *d)
{
	int now = d->c.visits[0].family;
	int other = now == AF_INET ? AF_INET6 : AF_INET;
	if (had_enough(d) || d->given->family != AF_UNSPEC || d->given->source != NULL ||
	    is_numeric(d->t.host))
		return;
	if (doctor_time_left(d) < 2 * GRACE) {
		doctor_untested(d, "the other address family: there was no time left");
		return;
	}
	if (!doctor_visit_begin(d, home_security(d), other, d->c.port)) {
		d->c.away = *doctor_visit_now(d);
		d->c.has_away = d->c.away.result != -FERRY_ERESOLVE;
		if (!d->c.has_away)
			d->c.n_visits--;
		else
			forget_visit(d, other == AF_INET6
					    ? "IPv6: no session with its address"
					    : "IPv4: no session with its address");
		return;
	}
	doctor_tell(d, "the same over %s", family_name(other));
	doctor_try_passive(d, false);
	doctor_visit_end(d);
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
	    !doctor_visit_begin(d, home_security(d), d->c.visits[0].family, d->c.port))
		return;
	v = doctor_visit_now(d);
	doctor_tell(d, "leaving the command connection alone for %u seconds",
	    d->given->idle_seconds);
	begun = monotonic();
	(void)interrupt_poll(NULL, 0, (int)d->given->idle_seconds * 1000);
	session_asked(&d->s, begun);
	v->idle = (unsigned)(monotonic() - begun);
	doctor_limit(d, GRACE + 2);
	rc = doctor_run(d, ferry_command(d->s.h, "NOOP"));
	if (rc < 0)
		doctor_note_trouble(d, v, rc);
	doctor_tell(d, "it is %s", rc < 0 ? "dead" : "alive");
	doctor_visit_end(d);
}

/* A helper may know FTP at its usual port only. The name and password of a person are not
 * shown to whatever else is there. */
static void
compare_ports(struct doctor *d)
{
	if (d->c.port == 21 || d->t.tls == FERRY_TLS_IMPLICIT || had_enough(d) ||
	    passive_count(d, false) == 0 || passive_count(d, true) > 0 ||
	    !is_anonymous(&d->login) || doctor_time_left(d) < 2 * GRACE)
		return;
	if (!doctor_visit_begin(d, AS_ASKED, d->c.visits[0].family, 21)) {
		d->c.n_visits--;
		return;
	}
	doctor_try_passive(d, false);
	doctor_visit_end(d);
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
	bool in = doctor_visit_begin(d, AS_ASKED, d->given->family, d->c.port);

	if (!in && d->may_speak_clear && d->c.n_visits > 0 &&
	    failed_in_tls(&d->c.visits[0]))
		in = doctor_visit_begin(d, IN_CLEAR, d->given->family, d->c.port);
	if (!in)
		return;
	doctor_ask_system(d, doctor_visit_now(d));
	doctor_try_passive(d, true);
	doctor_try_big(d);
	if (d->may_listen && !doctor_is_in(d))
		doctor_untested(d, "active mode: the session had ended before");
	doctor_try_active(d);
	doctor_visit_end(d);
	ask_otherwise(d, AS_ASKED);
	if (d->c.visits[0].stage == VISIT_LOGGED_IN)
		compare_security(d);
	compare_families(d);
	compare_ports(d);
	leave_alone(d);
	compare_announced(d);
}

/* ---------------------------------------------------------------- the program */

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
settle_consent(struct doctor *d)
{
	bool wants_tls =
	    d->given->tls == FERRY_TLS_EXPLICIT || d->t.tls != FERRY_TLS_AUTO;

	d->may_speak_clear =
	    d->given->allow_plaintext || (is_anonymous(&d->login) && !wants_tls);
	d->may_listen = d->given->active_allowed || ask_consent(d);
	d->c.outer_given = d->given->active_address != NULL;
	d->c.clear_wanted = d->given->tls == FERRY_TLS_NEVER;
	d->c.active_low = d->given->active_low;
	d->c.active_high = d->given->active_high;
	if (!d->may_listen)
		doctor_untested(d,
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
	d->c.seconds = doctor_time_spent(d);
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
		doctor_tell(d, "%s port %u: this takes up to a minute", d->t.host,
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
