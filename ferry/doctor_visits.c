/*
 * One session of the examination after the other: connecting, logging in, and the limits
 * of time that hold for everything that is done in them.
 */
#include "doctor_state.h"

#include "address.h"
#include "interrupt.h"
#include "own.h"
#include "safe.h"

#include <stdarg.h>

#define CONNECT_MS 6000
#define REPLY_MS 8000

double
doctor_time_spent(const struct doctor *d)
{
	return monotonic() - d->begun - d->s.asked_seconds;
}

double
doctor_time_left(const struct doctor *d)
{
	return d->stopped || interrupt_seen() ? 0 : BUDGET - doctor_time_spent(d);
}

int
doctor_run(struct doctor *d, int result)
{
	int rc = session_run(&d->s, result);

	d->stopped = d->stopped || rc == -FERRY_EABORTED;
	return rc;
}

void
doctor_limit(struct doctor *d, double seconds)
{
	double left = BUDGET - doctor_time_spent(d);

	d->s.limit = monotonic() + (seconds < left ? seconds : left > 0.1 ? left : 0.1);
}

void
doctor_untested(struct doctor *d, const char *what)
{
	if (d->c.n_untested < UNTESTED_MAX)
		d->c.untested[d->c.n_untested++] = what;
}

void
doctor_tell(const struct doctor *d, const char *format, ...)
{
	_cleanup_free_ char *text = NULL, *safe = NULL;
	va_list ap;

	if (d->given->quiet)
		return;
	va_start(ap, format);
	text = text_of(format, ap);
	va_end(ap);
	if (text == NULL)
		return;
	safe = safe_string(text);
	fprintf(stderr, "  %s\n", safe == NULL ? "" : safe);
}

/* ---------------------------------------------------------------- visits */

struct visit *
doctor_visit_now(struct doctor *d)
{
	return &d->c.visits[d->c.n_visits - 1];
}

bool
doctor_is_in(const struct doctor *d)
{
	return d->c.n_visits > 0 && ferry_is_logged_in(d->s.h);
}

static void
note_words(struct visit *v, const char *text)
{
	snprintf(v->words, sizeof v->words, "%.*s", (int)strcspn(text, "\n"), text);
}

void
doctor_note_trouble(struct doctor *d, struct visit *v, int rc)
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

	if (v->sys_errno != ETIMEDOUT || any.ss_family == AF_UNSPEC ||
	    doctor_time_left(d) < 3)
		return;
	v->web = hops_call(&any, &d->witness.dialled, 443, 2).kind == HOP_OPEN;
}

static void
visit_failed(struct doctor *d, struct visit *v, int rc)
{
	doctor_note_trouble(d, v, rc);
	if (v->stage == VISIT_NOWHERE)
		look_for_web(d, v);
	doctor_tell(d, "%s", v->words);
	if (ferry_is_connected(d->s.h))
		session_drop(&d->s);
}

unsigned
doctor_at_most(const struct doctor *d, unsigned ms)
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
	ferry_set_timer(h, FERRY_TIMER_CONNECT, doctor_at_most(d, CONNECT_MS));
	ferry_set_timer(h, FERRY_TIMER_REPLY, doctor_at_most(d, REPLY_MS));
	ferry_set_timer(h, FERRY_TIMER_STALL, doctor_at_most(d, STALL_MS));
	d->witness.own = d->witness.peer = (struct sockaddr_storage){.ss_family = 0};
	d->witness.tls = false;
}

static int
log_in(struct doctor *d, struct visit *v)
{
	int rc;

	doctor_limit(d, 2 * GRACE);
	rc = session_login(&d->s, d->login.user, d->login.password, d->login.account);
	if (rc < 0)
		return rc;
	v->stage = VISIT_LOGGED_IN;
	v->tls_offered = v->tls || ferry_has_feature(d->s.h, "AUTH");
	return 0;
}

/* "215 XXXX XXXX": what a firewall of one maker does to it. */
void
doctor_ask_system(struct doctor *d, struct visit *v)
{
	const char *text;
	int rc;

	doctor_limit(d, GRACE);
	rc = doctor_run(d, ferry_command(d->s.h, "SYST"));
	if (rc < 0) {
		doctor_note_trouble(d, v, rc);
		return;
	}
	text = ferry_reply_text(d->s.h);
	text += strspn(text, "0123456789 ");
	v->masked = ferry_reply_code(d->s.h) == 215 && *text != '\0' &&
		    text[strspn(text, "X ")] == '\0';
}

bool
doctor_visit_begin(struct doctor *d, enum security security, int family, uint16_t port)
{
	struct visit *v;
	char peer[ADDRESS_TEXT_MAX];
	int rc;

	if (d->c.n_visits == VISITS_MAX || doctor_time_left(d) < GRACE)
		return false;
	v = &d->c.visits[d->c.n_visits++];
	*v = (struct visit){.port = port};
	prepare(d, security, family);
	doctor_limit(d, 3 * GRACE);
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
	doctor_tell(d, "logged in at %s port %u, %s", address_text(&v->peer, peer), port,
	    v->tls ? "encrypted" : "in clear");
	doctor_ask_who(d, v);
	return doctor_is_in(d);
}

void
doctor_visit_end(struct doctor *d)
{
	doctor_limit(d, 3);
	if (ferry_is_connected(d->s.h) && doctor_run(d, ferry_quit(d->s.h)) < 0)
		session_drop(&d->s);
}
