/*
 * The clocks of a session: every state that waits has a limit, and this is the one place
 * that knows which. For session.c. What data connections wait for (data.due) is in
 * data.c, timers of bytes that move in pump.c.
 */
#include <ferry/ferry.h>

#include "diagnosis.h"
#include "log.h"
#include "session.h"
#include "transfer.h"

/* A connection that has not logged in by then makes room for another. */
#define LOGIN_SECONDS 120
/* How long last words may take, and how long we wait for the peer to close behind them.
 */
#define CLOSING_SECONDS 5
/* How much longer a file is hashed or copied for a client that will say nothing more: it
 * may only have finished its side, or it may be gone. */
#define LEFT_SECONDS 10
/* How long the data connection may still take to come then: it would have been on its way
 * already, and a port is not kept open for nobody. */
#define COMING_SECONDS 2
/* An agent whose disk does not answer for so long ends the session, not the user's
 * patience. */
#define ANSWER_SECONDS 900
/* A proxy sends its header with the connection. */
#define HEADER_SECONDS 5
/* SITE FERRY PROBE. */
#define PROBE_SECONDS 5

/* Milliseconds of the loop at which the state ends by itself; 0: never. */
static uint64_t
deadline_of(const struct session *s)
{
	uint64_t idle = s->last_active + s->idle_seconds * 1000;
	uint64_t login = s->begun + LOGIN_SECONDS * 1000;

	switch (s->state) {
	case SESSION_ARRIVING:
		return s->last_active + HEADER_SECONDS * 1000;
	case SESSION_READY:
		return session_logged_in(s) || idle < login ? idle : login;
	case SESSION_SECURING:
		return s->last_active + s->conf->ssl_handshake_timeout * 1000;
	case SESSION_CHECKING:
		return login;
	case SESSION_ASKING:
		return s->last_active + ANSWER_SECONDS * 1000;
	case SESSION_PORTLESS:
		return s->last_active +
		       (s->in_line ? PORTQUEUE_SECONDS : PORTQUEUE_TURN_SECONDS) * 1000;
	case SESSION_PROBING:
		return s->last_active + PROBE_SECONDS * 1000;
	case SESSION_CLOSING:
		return s->closing_since + CLOSING_SECONDS * 1000;
	case SESSION_LISTING:
		return s->last_active + s->conf->data_connection_timeout * 1000;
	case SESSION_WORKING:
		return s->input_ended ? s->last_active + LEFT_SECONDS * 1000 : 0;
	case SESSION_TRANSFER: /* has data.due and the timer of pump.c as well */
		return s->input_ended && data_is_awaited(&s->data)
			   ? s->last_active + COMING_SECONDS * 1000
			   : 0;
	case SESSION_PAUSED:
		return s->paused_until;
	case SESSION_ENDED:
		break;
	}
	return 0;
}

static void
time_is_up(struct session *s)
{
	switch (s->state) {
	case SESSION_ARRIVING:
		log_event(
		    LOG_NOTICE, s->id, "proxy header=missing why=\"it took too long\"");
		session_end(s, "no PROXY header in time");
		break;
	case SESSION_READY:
		if (!session_logged_in(s))
			session_close(s, 421, "No login in time. Goodbye.");
		else
			session_close(s, 421, "No command for %llu s. Goodbye.",
			    (unsigned long long)s->idle_seconds);
		break;
	case SESSION_CHECKING:
		session_close(s, 421, "No login in time. Goodbye.");
		break;
	case SESSION_ASKING:
		session_close(s, 421, "The file system does not answer. Goodbye.");
		break;
	case SESSION_PORTLESS:
		portqueue_leave(s);
		data_close(s);
		/* A row of hundreds must not keep its session for as many waits. */
		s->no_port = true;
		pasv_is_full(s);
		session_done(s);
		break;
	case SESSION_PROBING:
		probe_timeout(s);
		break;
	case SESSION_LISTING:
		session_end(s, "STAT's listing was not read");
		break;
	case SESSION_WORKING:
		s->last_active = uv_now(s->worker->loop);
		session_work_abort(s);
		break;
	case SESSION_SECURING:
		session_end(s, "the TLS handshake took too long");
		break;
	case SESSION_TRANSFER:
		transfer_failed(
		    s, "The control connection has ended, and no data connection came.");
		break;
	case SESSION_PAUSED:
		s->on_pause(s);
		break;
	case SESSION_CLOSING:
	case SESSION_ENDED:
		session_end(s, "closed");
		break;
	}
}

/* What is waited for first, or 0: nothing. */
static uint64_t
next_of(const struct session *s)
{
	uint64_t deadline = deadline_of(s), due = s->data.due;

	return deadline == 0 || (due != 0 && due < deadline) ? due : deadline;
}

static bool
is_over(const struct session *s, uint64_t at)
{
	return at != 0 && at <= uv_now(s->worker->loop);
}

static void
on_clock(uv_timer_t *timer)
{
	struct session *s = timer->data;

	s->rings_at = 0;
	if (is_over(s, s->data.due)) {
		s->data.due = 0;
		s->data.on_due(s);
		session_run(s);
	} else if (is_over(s, deadline_of(s))) {
		time_is_up(s);
		session_run(s);
	}
	if (s->state != SESSION_ENDED)
		session_watch(s);
}

/* Next to every command moves a deadline on, and next to none is reached: a clock that
 * rings too early looks again, and need not be set each time. */
void
session_watch(struct session *s)
{
	uint64_t now = uv_now(s->worker->loop), next = next_of(s);

	if (next == 0 || (s->rings_at != 0 && s->rings_at <= next))
		return;
	s->rings_at = next;
	uv_timer_start(&s->clock, on_clock, next > now ? next - now : 0, 0);
}

void
session_pause(struct session *s, uint64_t ms, void (*then)(struct session *s))
{
	s->on_pause = then;
	s->paused_until = ms > 0 ? uv_now(s->worker->loop) + ms : 0;
	session_enter(s, SESSION_PAUSED);
	if (ms == 0)
		then(s);
}
