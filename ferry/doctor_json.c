/*
 * The doctor's result as JSON: one object. Names are not renamed; new ones may come. A
 * server's words pass safe_string() first, and all that is not ASCII is a number: a
 * result may be shown on a terminal.
 */
#include "doctor.h"

#include "address.h"
#include "own.h"
#include "remedy.h"
#include "safe.h"

#include <jansson.h>

static void
put_text(json_t *o, const char *name, const char *text)
{
	_cleanup_free_ char *safe = safe_string(text);

	json_object_set_new(o, name, json_string(safe == NULL ? "" : safe));
}

static void
put_number(json_t *o, const char *name, uint64_t n)
{
	json_object_set_new(o, name, json_integer((json_int_t)n));
}

static void
put_seconds(json_t *o, const char *name, double s)
{
	json_object_set_new(o, name, json_real(s));
}

static void
put_bool(json_t *o, const char *name, bool value)
{
	json_object_set_new(o, name, json_boolean(value));
}

/* "name": "192.0.2.1", "name_port": 21; nothing if there is none. */
static void
put_address(json_t *o, const char *name, const struct sockaddr_storage *a)
{
	char text[ADDRESS_TEXT_MAX], port[32];

	if (a->ss_family == AF_UNSPEC)
		return;
	snprintf(port, sizeof port, "%s_port", name);
	put_text(o, name, address_text(a, text));
	put_number(o, port, address_port(a));
}

static json_t *
finding_of(const struct finding *f)
{
	json_t *o = json_object();

	put_text(o, "code", verdict_name(f->code));
	put_text(o, "certainty", verdict_certainty_name(f->certainty));
	put_text(o, "headline", verdict_headline(f->code));
	put_text(o, "evidence", f->evidence);
	return o;
}

/* What a ferryd said of the session. */
static json_t *
told_of_session(const struct visit *v)
{
	json_t *o = json_object();

	put_address(o, "client", &v->who.peer);
	put_address(o, "server", &v->who.local);
	put_bool(o, "proxied", v->who.proxied);
	if (v->ports.known) {
		put_number(o, "low_port", v->ports.low);
		put_number(o, "high_port", v->ports.high);
		put_number(o, "source_port", v->ports.source);
	}
	put_seconds(o, "round_trip", v->round_trip);
	return o;
}

static json_t *
session_of(const struct visit *v)
{
	static const char *const stages[] = {"nowhere", "connected", "logged in"};
	json_t *o = json_object();

	put_text(o, "stage", stages[v->stage]);
	put_bool(o, "tls", v->tls);
	put_address(o, "own", &v->own);
	put_address(o, "server", &v->peer);
	if (v->hops.distance > 0)
		put_number(o, "hops", v->hops.distance);
	if (v->idle > 0)
		put_number(o, "idle", v->idle);
	if (v->words[0] != '\0')
		put_text(o, "said", v->words);
	if (v->who.known)
		json_object_set_new(o, "server_says", told_of_session(v));
	return o;
}

static const char *
outcome_name(enum outcome outcome)
{
	static const char *const names[] = {
	    [OUTCOME_UNKNOWN] = "unknown",
	    [OUTCOME_WORKS] = "works",
	    [OUTCOME_SILENT] = "silent",
	    [OUTCOME_REFUSED] = "refused",
	    [OUTCOME_REJECTED] = "rejected",
	    [OUTCOME_DECLINED] = "declined",
	    [OUTCOME_UNANSWERED] = "unanswered",
	    [OUTCOME_GARBLED] = "garbled",
	    [OUTCOME_DENIED] = "denied",
	    [OUTCOME_NO_CALL] = "no call",
	    [OUTCOME_STALLED] = "stalled",
	};

	return names[outcome];
}

static void
put_probe(json_t *o, const char *name, const struct told_probe *p)
{
	json_t *probe;

	if (!p->known)
		return;
	probe = json_object();
	put_text(probe, "result", told_error_name(p->error));
	put_number(probe, "milliseconds", p->ms);
	put_address(probe, "source", &p->source);
	json_object_set_new(o, name, probe);
}

/* ... and of the attempt. */
static json_t *
told_of_attempt(const struct trial *t)
{
	const struct told_call *call = &t->call;
	char text[ADDRESS_TEXT_MAX];
	json_t *o = json_object();

	if (call->way == TOLD_PASSIVE) {
		put_number(o, "port", call->port);
		put_seconds(o, "listened", call->listened);
		put_number(o, "accepted", call->accepted);
		put_number(o, "rejected", call->rejected);
		put_address(o, "from", &call->from);
	} else if (call->way == TOLD_ACTIVE) {
		put_address(o, "called", &call->to);
		put_address(o, "source", &call->source);
		put_text(o, "result", call->over ? told_error_name(call->error) : "none");
	}
	if (call->stalled_full)
		put_bool(o, "full_packets_lost", true);
	if (t->arrived.known)
		put_text(o, "arrived", address_text(&t->arrived.address, text));
	put_probe(o, "probe", &t->probe);
	put_probe(o, "unlocked", &t->unlocked);
	if (t->unlocked.known)
		put_number(o, "unlocked_hops", t->hops);
	return o;
}

static json_t *
attempt_of(const struct trial *t)
{
	const struct attempt *a = &t->a;
	json_t *o = json_object();

	put_text(o, "mode", doctor_mode_name(a->mode));
	put_number(o, "session", t->visit);
	put_bool(o, "tls", a->tls);
	put_bool(o, "large", t->kind == TRIAL_BIG);
	put_text(o, "outcome", outcome_name(attempt_outcome(a)));
	put_seconds(o, "seconds", a->seconds);
	put_address(o, "announced", &a->sent);
	put_address(o, "called", &a->used);
	put_address(o, "told", &a->told);
	put_address(o, "caller", &a->caller);
	if (a->words[0] != '\0')
		put_text(o, "reply", a->words);
	if (a->sys_errno != 0)
		put_text(o, "error", strerror(a->sys_errno));
	if (t->call.way != TOLD_NONE || t->arrived.known)
		json_object_set_new(o, "server_says", told_of_attempt(t));
	return o;
}

static json_t *
lines_of(const char *text)
{
	json_t *lines = json_array();

	while (*text != '\0') {
		size_t n = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, n);

		json_array_append_new(lines, json_string(line == NULL ? "" : line));
		text += n + (text[n] == '\n');
	}
	return lines;
}

static void
add_remedy(const struct remedy *r, void *user)
{
	json_t *list = user, *o = json_object();

	put_text(o, "code", verdict_name(r->code));
	put_text(o, "who", r->who);
	if (*r->tool == '\0') {
		put_text(o, "text", r->text);
	} else {
		put_text(o, "place", r->place);
		put_text(o, "tool", r->tool);
		put_bool(o, "nat", r->nat);
		json_object_set_new(o, "lines", lines_of(r->text));
	}
	json_array_append_new(list, o);
}

static void
put_lists(json_t *top, const struct checkup *c, const struct diagnosis *d)
{
	json_t *findings = json_array(), *sessions = json_array(),
	       *attempts = json_array(), *untested = json_array(),
	       *remedies = json_array();

	for (size_t i = 0; i < d->n; i++) {
		json_array_append_new(findings, finding_of(&d->findings[i]));
		remedy_each(c, d, &d->findings[i], add_remedy, remedies);
	}
	for (size_t i = 0; i < c->n_visits; i++)
		json_array_append_new(sessions, session_of(&c->visits[i]));
	for (size_t i = 0; i < c->n_trials; i++)
		json_array_append_new(attempts, attempt_of(&c->trials[i]));
	for (size_t i = 0; i < c->n_untested; i++)
		json_array_append_new(untested, json_string(c->untested[i]));
	json_object_set_new(top, "findings", findings);
	json_object_set_new(top, "sessions", sessions);
	json_object_set_new(top, "attempts", attempts);
	json_object_set_new(top, "not_tested", untested);
	json_object_set_new(top, "remedies", remedies);
}

int
doctor_json(FILE *out, const struct checkup *c, const struct diagnosis *d,
    enum exitcode exit_code)
{
	json_t *top = json_object();
	int rc;

	put_text(top, "host", c->host);
	put_number(top, "port", c->port);
	put_seconds(top, "seconds", c->seconds);
	put_number(top, "exit", exit_code);
	put_bool(top, "passive_works", d->passive_works);
	if (d->active_tested)
		put_bool(top, "active_works", d->active_works);
	json_object_set_new(
	    top, "verdict", d->n > 0 ? finding_of(&d->findings[0]) : json_null());
	put_lists(top, c, d);
	rc = json_dumpf(
	    top, out, JSON_INDENT(1) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
	json_decref(top);
	if (rc < 0)
		return -FERRY_ENOMEM;
	putc('\n', out);
	return 0;
}
