/*
 * The server's side of it: a ferryd that offers to tell (FERRY-DIAG in FEAT) is asked
 * what it saw. Each question is one command of a few bytes; only a call to a port of
 * ours can take time, five seconds, and is asked for with consent only.
 */
#include "doctor_state.h"

#include "address.h"
#include "door.h"
#include "own.h"

#define INQUIRIES_MAX 4 /* about passive ports, in one session */
#define PROBE_SECONDS 6.0
#define DISTANCE_SECONDS 4.0
#define OUR_HOPS 2 /* our own machine and the first router */

bool
doctor_can_ask(const struct doctor *d)
{
	return doctor_is_in(d) && ferry_has_feature(d->s.h, "FERRY-DIAG");
}

/* The reply, if it is a good one; else NULL. */
static const char *
ask(struct doctor *d, const char *question)
{
	struct visit *v = doctor_visit_now(d);
	double begun = monotonic(), seconds;
	char line[64];
	int rc;

	snprintf(line, sizeof line, "SITE FERRY %s", question);
	doctor_limit(d, GRACE);
	rc = doctor_run(d, ferry_command(d->s.h, line));
	seconds = monotonic() - begun;
	if (rc < 0) {
		doctor_note_trouble(d, v, rc);
		return NULL;
	}
	if (v->round_trip <= 0 || seconds < v->round_trip)
		v->round_trip = seconds;
	return ferry_reply_code(d->s.h) == 200 ? ferry_reply_text(d->s.h) : NULL;
}

void
doctor_ask_who(struct doctor *d, struct visit *v)
{
	char text[ADDRESS_TEXT_MAX];
	const char *reply;

	d->inquired = 0;
	if (!doctor_can_ask(d))
		return;
	reply = ask(d, "WHOAMI");
	if (reply != NULL)
		v->who = told_who(reply);
	if (v->who.known && !address_same(&v->who.peer, &v->own))
		doctor_tell(
		    d, "the server sees you as %s", address_text(&v->who.peer, text));
	reply = v->who.known && doctor_is_in(d) ? ask(d, "INFO") : NULL;
	if (reply != NULL)
		v->ports = told_ports(reply);
}

static void
ask_call(struct doctor *d, struct trial *t)
{
	const char *reply = ask(d, "LASTDATA");

	if (reply != NULL)
		t->call = told_call(reply);
}

static void
ask_arrived(struct doctor *d, struct trial *t)
{
	const char *reply = doctor_is_in(d) ? ask(d, "LASTPORT") : NULL;

	if (reply != NULL)
		t->arrived = told_address(reply);
}

/* ---------------------------------------------------------------- calls to us */

/* Of the very port whose call failed, so that nothing but the unlocking differs. */
static struct told_probe
probe(struct doctor *d, const struct trial *t, const struct sockaddr_storage *unlock,
    unsigned hops)
{
	struct told_probe none = {.known = false}, p = none;
	struct sockaddr_storage own = doctor_visit_now(d)->own;
	struct door door;
	char question[32];
	const char *reply;

	address_set_port(&own, address_port(&t->a.told));
	if (!doctor_is_in(d) || doctor_time_left(d) < PROBE_SECONDS + 1 ||
	    door_open(&own, unlock, hops, &door) < 0)
		return none;
	snprintf(question, sizeof question, "PROBE %u", (unsigned)door.port);
	reply = ask(d, question);
	if (reply != NULL)
		p = told_probe(reply);
	door_close(&door);
	return p.port == door.port ? p : none;
}

static unsigned
distance(struct doctor *d)
{
	struct visit *v = doctor_visit_now(d);

	if (v->hops.distance == 0 && !v->hops.measured &&
	    doctor_time_left(d) > 2 * PROBE_SECONDS)
		hops_find_distance(&v->own, &v->peer, DISTANCE_SECONDS, &v->hops);
	return v->hops.distance;
}

/* How far our own network goes, as far as we know: the first router, and those behind it
 * that have inner addresses, unless the server has one too. No further: if a firewall of
 * the server's let the call through, that would say nothing of ours. */
static unsigned
own_hops(const struct visit *v)
{
	unsigned n = OUR_HOPS;

	while (n + 1 < v->hops.distance && !address_is_inner(&v->peer) &&
	       v->hops.command[n].kind == HOP_PASSED &&
	       address_is_inner(&v->hops.command[n].who))
		n++;
	return n;
}

/* First our own network, and if that does not help, all but the last router: what arrived
 * at the server would be refused there, and all accounts closed. */
static void
unlock(struct doctor *d, struct trial *t, uint16_t source)
{
	const struct visit *v = doctor_visit_now(d);
	struct sockaddr_storage from = v->peer;
	unsigned far = distance(d), own = own_hops(v);

	if (far == 1)
		return;
	own = far != 0 && own > far - 1 ? far - 1 : own;
	address_set_port(&from, source);
	for (t->hops = own;; t->hops = far - 1) {
		t->own_hops = t->hops == own;
		t->all_hops = t->hops + 1 == far && t->hops >= OUR_HOPS;
		t->unlocked = probe(d, t, &from, t->hops);
		if (!t->unlocked.known || t->unlocked.error == 0 || far == 0 ||
		    t->hops + 1 == far)
			break;
	}
	if (t->unlocked.known && address_port(&t->unlocked.source) != source)
		t->unlocked = (struct told_probe){.known = false};
}

static void
ask_for_call(struct doctor *d, struct trial *t)
{
	uint16_t source = address_port(&t->call.source);
	bool refused = t->call.over && t->call.error != ETIMEDOUT;

	if (!d->may_listen || t->call.way != TOLD_ACTIVE)
		return;
	doctor_tell(d, "the server calls again, to see what keeps it away");
	/* how quickly it is refused, or where it comes from */
	if (refused || source == 0) {
		t->probe = probe(d, t, NULL, 0);
		source = t->probe.known ? address_port(&t->probe.source) : source;
	}
	if (source != 0 && !(t->probe.known && t->probe.error == 0))
		unlock(d, t, source);
}

void
doctor_ask_why(struct doctor *d, struct trial *t)
{
	enum outcome outcome = attempt_outcome(&t->a);
	bool active = attempt_is_active(&t->a);

	if (!doctor_can_ask(d) || outcome == OUTCOME_WORKS)
		return;
	if (!active && d->inquired++ < INQUIRIES_MAX) {
		ask_call(d, t);
	} else if (active) {
		if (outcome == OUTCOME_NO_CALL)
			ask_call(d, t);
		ask_arrived(d, t);
		if (outcome == OUTCOME_NO_CALL && doctor_is_in(d))
			ask_for_call(d, t);
	}
}
