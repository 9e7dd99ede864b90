/*
 * Attempts, event by event. Texts are a server's own words: whoever shows them makes them
 * harmless first.
 */
#include "witness.h"

#include "address.h"
#include "own.h"

#include <netinet/in.h>

struct attempt *
witness_attempt(struct witness *w)
{
	return &w->attempts[w->n == 0 ? 0 : w->n - 1];
}

void
witness_forget(struct witness *w)
{
	w->n = 0;
	w->attempts[0] = (struct attempt){.mode = FERRY_MODE_AUTO};
}

void
witness_join(struct witness *w, const struct ferry *h)
{
	if (ferry_local_address(h, &w->own) < 0 || ferry_remote_address(h, &w->peer) < 0)
		w->own.ss_family = w->peer.ss_family = AF_UNSPEC;
}

static bool
is_one_of(const char *verb, const char *const *verbs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(verb, verbs[i]) == 0)
			return true;
	return false;
}

static bool
arranges(const char *verb)
{
	static const char *const verbs[] = {"EPSV", "PASV", "EPRT", "PORT"};

	return is_one_of(verb, verbs, ARRAY_LEN(verbs));
}

static bool
transfers(const char *verb)
{
	static const char *const verbs[] = {
	    "RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD"};

	return is_one_of(verb, verbs, ARRAY_LEN(verbs));
}

static void
note_verb(struct witness *w, const char *line)
{
	snprintf(
	    w->command, sizeof w->command, "%.*s", (int)strcspn(line, " \r\n"), line);
}

static void
on_connected(struct witness *w, const struct ferry_event *ev)
{
	struct attempt *a = witness_attempt(w);

	if (ev->channel == FERRY_CONTROL) {
		w->own = ev->local;
		w->peer = ev->remote;
		w->tls = false;
		return;
	}
	a->open = true;
	a->used = ev->remote;
	a->seconds = ev->seconds;
}

static void
on_connect_failed(struct witness *w, const struct ferry_event *ev)
{
	struct attempt *a = witness_attempt(w);

	if (ev->channel != FERRY_DATA) {
		w->dialled = ev->remote;
		return;
	}
	a->dial_failed = true;
	a->sys_errno = ev->sys_errno;
	a->seconds = ev->seconds;
	a->used = ev->remote;
}

static void
on_mode(struct witness *w, const struct ferry_event *ev)
{
	if (w->n < WITNESS_MAX)
		w->n++;
	*witness_attempt(w) = (struct attempt){
	    .mode = ev->mode, .tls = w->tls, .own = w->own, .peer = w->peer};
}

static void
on_address(struct witness *w, const struct ferry_event *ev)
{
	struct attempt *a = witness_attempt(w);

	a->sent = ev->remote;
	a->used = ev->used;
	if (a->mode == FERRY_MODE_EPSV || strcmp(w->command, "EPSV") == 0)
		a->sent.ss_family = AF_UNSPEC; /* EPSV announces none */
}

static void
on_listening(struct witness *w, const struct ferry_event *ev)
{
	witness_attempt(w)->told = ev->local;
}

static void
on_accepted(struct witness *w, const struct ferry_event *ev)
{
	struct attempt *a = witness_attempt(w);

	a->called = a->open = true;
	a->caller = ev->remote;
}

static void
on_stranger(struct witness *w, const struct ferry_event *ev)
{
	witness_attempt(w)->stranger = ev->remote;
}

static void
on_command(struct witness *w, const struct ferry_event *ev)
{
	note_verb(w, ev->text == NULL ? "" : ev->text);
	w->sent_at = ev->time;
}

/* What is no answer to the arrangement or the transfer is none of ours. */
static void
on_reply(struct witness *w, const struct ferry_event *ev)
{
	struct attempt *a = witness_attempt(w);

	if (ev->command != NULL)
		note_verb(w, ev->command);
	if (!arranges(w->command) && !transfers(w->command))
		return;
	snprintf(a->words, sizeof a->words, "%s", ev->text == NULL ? "" : ev->text);
	a->answered_after = ev->time - w->sent_at;
	if (arranges(w->command) && ev->code >= 400)
		a->refused = ev->code;
	else if (arranges(w->command) && attempt_is_active(a))
		a->agreed = true;
	else if (transfers(w->command) && ev->code >= 400)
		a->answer = ev->code;
}

static void
on_progress(struct witness *w, const struct ferry_event *ev)
{
	witness_attempt(w)->bytes = ev->bytes;
}

static void
on_data_end(struct witness *w, const struct ferry_event *ev)
{
	witness_attempt(w)->done = true;
	witness_attempt(w)->bytes = ev->bytes;
}

static void
on_tls(struct witness *w, const struct ferry_event *ev)
{
	w->tls = w->tls || ev->channel == FERRY_CONTROL;
}

void
witness_event(struct witness *w, const struct ferry_event *ev)
{
	static void (*const handlers[])(struct witness *, const struct ferry_event *) = {
	    [FERRY_EV_CONNECTED] = on_connected,
	    [FERRY_EV_CONNECT_FAILED] = on_connect_failed,
	    [FERRY_EV_COMMAND] = on_command,
	    [FERRY_EV_REPLY] = on_reply,
	    [FERRY_EV_MODE] = on_mode,
	    [FERRY_EV_ADDRESS] = on_address,
	    [FERRY_EV_LISTENING] = on_listening,
	    [FERRY_EV_ACCEPTED] = on_accepted,
	    [FERRY_EV_STRANGER] = on_stranger,
	    [FERRY_EV_PROGRESS] = on_progress,
	    [FERRY_EV_DATA_END] = on_data_end,
	    [FERRY_EV_TLS] = on_tls,
	};

	if ((size_t)ev->kind < ARRAY_LEN(handlers) && handlers[ev->kind] != NULL)
		handlers[ev->kind](w, ev);
}
