/*
 * Events to text. Has no opinion about the protocol except which replies are
 * housekeeping.
 */
#include "view.h"

#include "own.h"
#include "safe.h"

/* Replies that only the machinery wants, at the prompt. */
static bool
is_housekeeping(const char *verb)
{
	static const char *const verbs[] = {"FEAT", "AUTH", "PBSZ", "PROT", "OPTS",
	    "TYPE", "MODE", "SIZE", "MDTM", "MLST", "NOOP", "REST"};

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verb, verbs[i]) == 0)
			return true;
	return false;
}

/* Every line of a reply by itself: a bar that is on the screen goes first. */
static void
show_lines(struct view *v, const char *mark, const char *text)
{
	progress_clear(&v->progress);
	for (const char *p = text; *p != '\0';) {
		size_t n = strcspn(p, "\n");
		fputs(mark, v->out);
		safe_write(v->out, p, n > 0 && p[n - 1] == '\r' ? n - 1 : n, 0);
		putc('\n', v->out);
		p += n + (p[n] == '\n');
	}
	fflush(v->out);
}

static void
note_verb(struct view *v, const char *line)
{
	snprintf(v->verb, sizeof v->verb, "%.*s", (int)strcspn(line, " \r\n"), line);
}

static void
on_command(struct view *v, const struct ferry_event *ev)
{
	const char *line = ev->text == NULL ? "" : ev->text;

	note_verb(v, line);
	if (v->talk == TALK_ALL)
		show_lines(v, "---> ", line);
}

static void
on_reply(struct view *v, const struct ferry_event *ev)
{
	/* commands may have been sent ahead of time */
	if (ev->command != NULL)
		note_verb(v, ev->command);
	bool wanted = v->talk == TALK_REPLIES && !is_housekeeping(v->verb) &&
		      !explain_is_telling(v->explain);

	if (v->talk == TALK_ALL || v->asked || wanted)
		show_lines(v, "", ev->text == NULL ? "" : ev->text);
}

/* The narration has a note of its own for it. */
static void
on_warning(struct view *v, const struct ferry_event *ev)
{
	if (!explain_is_telling(v->explain))
		show_lines(v, "Warning: ", ev->text == NULL ? "" : ev->text);
}

static void
on_accepted(struct view *v, const struct ferry_event *ev)
{
	v->data_opened = monotonic();
}

static void
on_connected(struct view *v, const struct ferry_event *ev)
{
	_cleanup_free_ char *host = safe_string(v->host == NULL ? "" : v->host);

	if (ev->channel != FERRY_CONTROL) {
		v->data_opened = monotonic();
		return;
	}
	v->verb[0] = '\0';
	if (v->greet)
		fprintf(v->out, "Connected to %s.\n", host == NULL ? "" : host);
}

static void
on_progress(struct view *v, const struct ferry_event *ev)
{
	v->data_bytes = ev->bytes;
	if (!v->hash) {
		progress_update(&v->progress, ev->bytes, ev->size, ev->time);
		return;
	}
	for (; ev->bytes - v->hashed >= v->hash_size; v->hashed += v->hash_size)
		putc('#', v->out);
	fflush(v->out);
}

static void
on_data_end(struct view *v, const struct ferry_event *ev)
{
	v->data_seconds = monotonic() - v->data_opened; /* finer than the event's */
	v->data_bytes = ev->bytes;
	v->moved = true;
	if (v->hash && ev->bytes > 0)
		fprintf(v->out, "%s\n", ev->bytes > v->hashed ? "#" : "");
}

/* A person at the prompt shall know; others ask with --verbose. */
static void
on_tls(struct view *v, const struct ferry_event *ev)
{
	bool wanted = v->greet && v->talk == TALK_REPLIES && ev->channel == FERRY_CONTROL;

	if (v->talk != TALK_ALL && !wanted)
		return;
	progress_clear(&v->progress);
	fprintf(v->out, "%s encrypted: %s, %s%s.\n",
	    ev->channel == FERRY_CONTROL ? "Connection" : "Data connection", ev->text,
	    ev->cipher, ev->resumed ? ", session resumed" : "");
}

/* One clock for all handles of a run. */
static void
record(struct view *v, enum record_kind kind, const struct ferry_event *ev)
{
	struct record_item item = {.kind = kind, .quiet = v->quiet, .ev = *ev};

	if (v->record == NULL)
		return;
	item.ev.time = monotonic() - v->record_began;
	record_add(v->record, &item);
}

void
view_event(const struct ferry_event *ev, void *user)
{
	static void (*const handlers[])(struct view *, const struct ferry_event *) = {
	    [FERRY_EV_CONNECTED] = on_connected,
	    [FERRY_EV_ACCEPTED] = on_accepted,
	    [FERRY_EV_COMMAND] = on_command,
	    [FERRY_EV_REPLY] = on_reply,
	    [FERRY_EV_PROGRESS] = on_progress,
	    [FERRY_EV_DATA_END] = on_data_end,
	    [FERRY_EV_WARNING] = on_warning,
	    [FERRY_EV_TLS] = on_tls,
	};
	struct view *v = user;

	v->clock = ev->time;
	waynote_event(&v->way, ev);
	if (v->witness != NULL)
		witness_event(v->witness, ev);
	record(v, RECORD_EVENT, ev);
	if (v->quiet && (v->mute || ev->kind != FERRY_EV_WARNING))
		return;
	if ((size_t)ev->kind < ARRAY_LEN(handlers) && handlers[ev->kind] != NULL)
		handlers[ev->kind](v, ev);
	if (v->explain != NULL)
		explain_event(v->explain, ev);
}

void
view_begin(struct view *v, const char *name, uint64_t offset)
{
	v->moved = false;
	v->data_opened = monotonic(); /* it may be open already */
	v->hashed = 0;
	v->data_bytes = 0;
	v->data_seconds = 0;
	progress_begin(
	    &v->progress, v->hash ? NULL : v->progress_out, name, offset, v->clock);
}

void
view_end(struct view *v)
{
	progress_end(&v->progress);
}

int
view_record(struct view *v)
{
	v->record_began = monotonic();
	return record_new(time(NULL), &v->record);
}

void
view_plan(struct view *v, enum ferry_mode mode, const char *verb, const char *path)
{
	record(v, RECORD_PLAN,
	    &(struct ferry_event){.mode = mode, .text = verb, .path = path});
	if (v->explain != NULL)
		explain_plan(v->explain, mode, verb, path);
}

void
view_many(struct view *v, size_t n)
{
	record(v, RECORD_FILES, &(struct ferry_event){.count = (unsigned)n});
	if (v->explain != NULL)
		explain_many(v->explain, n);
}

void
view_outcome(struct view *v, int result, const char *text)
{
	record(v, RECORD_END, &(struct ferry_event){.error = -result, .text = text});
	if (v->explain != NULL)
		explain_end(v->explain, result, text);
}
