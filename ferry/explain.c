/*
 * One event becomes one line and one sentence that says why. The state kept here is what
 * the sentences speak of: addresses, ports, the last command, and the attempts for the
 * verdict.
 */
#include "explain_state.h"

#include "address.h"
#include "own.h"
#include "safe.h"
#include "story.h"

int
explain_new(FILE *out, bool colour, struct explain **ret)
{
	struct explain *x = calloc(1, sizeof *x);

	if (x == NULL)
		return -FERRY_ENOMEM;
	x->draw = (struct draw){.out = out, .colour = colour};
	*ret = x;
	return 0;
}

int
explain_to_story(struct story *story, struct explain **ret)
{
	int rc = explain_new(NULL, false, ret);

	if (rc < 0)
		return rc;
	(*ret)->draw.story = story;
	(*ret)->whole = true;
	return 0;
}

void
explain_free(struct explain *x)
{
	if (x == NULL)
		return;
	free(x->host);
	free(x->verb);
	free(x->path);
	free(x->line);
	free(x->reply);
	free(x->held);
	free(x);
}

void
explain_join(struct explain *x, const struct ferry *h)
{
	if (!ferry_is_connected(h))
		return;
	witness_join(&x->witness, h);
	x->connected = ferry_local_address(h, &x->own) == 0 &&
		       ferry_remote_address(h, &x->peer) == 0;
}

void
explain_replace(char **field, const char *text)
{
	free(*field);
	*field = text == NULL ? NULL : strdup(text);
}

bool
explain_is_open(const struct explain *x)
{
	return x->titled || x->whole;
}

struct draw_arrow
explain_control_arrow(const struct explain *x, bool inward)
{
	return (struct draw_arrow){.ours = address_port(&x->own),
	    .theirs = address_port(&x->peer),
	    .inward = inward};
}

struct draw_arrow
explain_data_arrow(const struct explain *x, bool inward)
{
	return (struct draw_arrow){
	    .ours = x->data_own, .theirs = x->data_peer, .inward = inward, .data = true};
}

void
explain_note_router(struct explain *x, const char *address)
{
	snprintf(x->router, sizeof x->router, "%s", address);
	if (x->draw.story != NULL)
		story_name_router(x->draw.story, address);
}

static bool
mode_is_active(enum ferry_mode mode)
{
	return mode == FERRY_MODE_ACTIVE || mode == FERRY_MODE_EPRT ||
	       mode == FERRY_MODE_PORT;
}

static const char *
mode_word(enum ferry_mode mode)
{
	static const char *const words[] = {
	    [FERRY_MODE_AUTO] = "Passive mode",
	    [FERRY_MODE_PASSIVE] = "Passive mode",
	    [FERRY_MODE_EPSV] = "EPSV",
	    [FERRY_MODE_PASV] = "PASV",
	    [FERRY_MODE_ACTIVE] = "Active mode",
	    [FERRY_MODE_EPRT] = "EPRT",
	    [FERRY_MODE_PORT] = "PORT",
	};

	return (size_t)mode < ARRAY_LEN(words) ? words[mode] : "This mode";
}

/* -------------------------------------------------------------- titles and columns */

static void
tell_title(struct explain *x, enum ferry_mode mode)
{
	const char *kind = explain_is_listing(x->verb)  ? "listing"
			   : explain_is_upload(x->verb) ? "upload"
							: "transfer";
	_cleanup_free_ char *path = safe_string(x->path == NULL ? "" : x->path);

	x->active = mode_is_active(mode);
	x->titled = true;
	draw_paragraph(&x->draw, DRAW_TITLE, 8, "%s %s%s%s: %s.",
	    x->active ? "ACTIVE" : "PASSIVE", kind,
	    path != NULL && *path != '\0' ? " of " : "", path == NULL ? "" : path,
	    x->active                         ? "the server will call you back"
	    : x->connected && !x->dial_untold ? "you make the call"
					      : "you make both calls");
	draw_gap(&x->draw);
}

static void
tell_columns(struct explain *x)
{
	char own[ADDRESS_TEXT_MAX], peer[ADDRESS_TEXT_MAX];
	bool router;

	if (x->has_columns || x->peer.ss_family == AF_UNSPEC)
		return;
	x->has_columns = true;
	/* an inner address that talks to an outer one is translated on the way */
	router = address_is_inner(&x->own) && !address_is_inner(&x->peer);
	draw_columns(&x->draw,
	    x->own.ss_family == AF_UNSPEC ? "" : address_text(&x->own, own),
	    router || *x->router != '\0' ? x->router : NULL,
	    address_text(&x->peer, peer));
}

static void
tell_dial(struct explain *x)
{
	char own[ADDRESS_TEXT_MAX], peer[ADDRESS_TEXT_MAX];
	_cleanup_free_ char *host = safe_string(x->host == NULL ? "" : x->host);

	x->dial_untold = false;
	tell_columns(x);
	draw_call(
	    &x->draw, explain_control_arrow(x, false), "you dial: command connection");
	draw_sentence(&x->draw, "Commands and answers travel here. Files never do: FTP "
				"opens a second connection for each file.");
	address_text(&x->peer, peer);
	if (host != NULL && *host != '\0' && strcmp(host, peer) != 0)
		draw_sentence(
		    &x->draw, "The name %s leads to the address %s.", host, peer);
	if (address_is_inner(&x->own) && !address_is_inner(&x->peer))
		draw_sentence(&x->draw,
		    "Your address %s is private and the server's is not: a router "
		    "between you most likely "
		    "puts its own address in place of yours, and that is what the server "
		    "sees.",
		    address_text(&x->own, own));
}

/* Whatever is drawn next needs the columns above it, and the call that came before. */
void
explain_open_story(struct explain *x)
{
	if (x->dial_untold)
		tell_dial(x);
	tell_columns(x);
	explain_tell_tls(x);
	if (x->chores[0] == '\0')
		return;
	draw_sentence(&x->draw, "(Here you %s: %s.)",
	    x->has_login ? "log in and prepare" : "prepare", x->chores);
	x->chores[0] = '\0';
	x->has_login = false;
}

void
explain_plan(struct explain *x, enum ferry_mode mode, const char *verb, const char *path)
{
	if (x->planned)
		return;
	explain_replace(&x->verb, verb);
	explain_replace(&x->path, path);
	if (x->draw.story != NULL)
		story_name_subject(x->draw.story, verb, path);
	x->planned = true;
	x->calls_by_you = x->dial_untold || !x->connected ? x->calls_by_you : 0;
	x->calls_by_server = 0;
	witness_forget(&x->witness);
	x->n_files = x->n_planned = 0;
	x->ahead = false;
	x->has_columns = false;
	x->chores[0] = '\0';
	x->has_login = false;
	x->draw.step = 0;
	explain_replace(&x->reply, NULL);
	tell_title(x, mode);
}

void
explain_many(struct explain *x, size_t n)
{
	x->n_planned = n;
	if (n < 2)
		return;
	explain_open_story(x);
	draw_sentence(&x->draw,
	    "This server does block mode: one data connection can carry this file and "
	    "the "
	    "%zu others.",
	    n - 1);
}

/* -------------------------------------------------------------- attempts */

struct attempt *
explain_attempt(struct explain *x)
{
	return witness_attempt(&x->witness);
}

/* Not the usual order: what was remembered. */
static void
tell_why_first(struct explain *x, const struct ferry_event *ev)
{
	_cleanup_free_ char *why = safe_string(ev->text == NULL ? "" : ev->text);

	if (why != NULL && *why != '\0')
		draw_sentence(
		    &x->draw, "%s comes first: %s.", mode_word(ev->mode), why);
}

/* The witness has noted the attempt that begins; before is the one that failed. */
static void
on_mode(struct explain *x, const struct ferry_event *ev)
{
	const struct witness *w = &x->witness;
	enum ferry_mode before = w->n > 1 ? w->attempts[w->n - 2].mode : FERRY_MODE_AUTO;
	bool again = w->n > 1 && x->titled && x->active == mode_is_active(ev->mode);

	if (again && before == ev->mode)
		draw_sentence(&x->draw,
		    "So %s did not work here; it is tried once more, because another "
		    "port may be open.",
		    mode_word(before));
	else if (again)
		draw_sentence(&x->draw, "So %s did not work here; %s is tried next.",
		    mode_word(before), mode_word(ev->mode));
	x->missed = false;
	if (!x->titled) {
		tell_title(x, ev->mode);
	} else if (x->active != mode_is_active(ev->mode)) {
		x->active = !x->active;
		draw_paragraph(&x->draw, DRAW_TITLE, 8, "Now %s mode: %s.",
		    x->active ? "ACTIVE" : "PASSIVE",
		    x->active ? "the server will call you back" : "you make the call");
	}
	tell_why_first(x, ev);
}

/* What was drawn already, a call or a reply, is not said twice. */
static void
on_mode_failed(struct explain *x, const struct ferry_event *ev)
{
	const struct attempt *a = explain_attempt(x);
	_cleanup_free_ char *why = safe_string(ev->text == NULL ? "" : ev->text);

	if (a->dial_failed || a->refused != 0 || a->answer != 0 || why == NULL ||
	    *why == '\0')
		return;
	explain_open_story(x);
	if (explain_missed_call(x))
		return;
	draw_sentence(&x->draw, "%s did not work: %s.", mode_word(ev->mode), why);
}

/* -------------------------------------------------------------- events */

static void
on_resolved(struct explain *x, const struct ferry_event *ev)
{
	explain_replace(&x->host, ev->text);
	if (x->draw.story != NULL && x->host != NULL)
		story_name_host(x->draw.story, x->host);
}

static void
on_connected(struct explain *x, const struct ferry_event *ev)
{
	if (ev->channel != FERRY_CONTROL) {
		explain_on_called(x, ev);
		return;
	}
	x->own = ev->local;
	x->peer = ev->remote;
	x->connected = true;
	x->encrypted = x->tls_untold = false;
	x->calls_by_you = 1;
	x->has_columns = x->has_columns && !x->whole; /* it may be another server */
	if (explain_is_open(x))
		tell_dial(x);
	else
		x->dial_untold = true;
}

static void
on_warning(struct explain *x, const struct ferry_event *ev)
{
	_cleanup_free_ char *text = safe_string(ev->text == NULL ? "" : ev->text);

	if (text == NULL || !explain_is_open(x))
		return;
	explain_open_story(x);
	if (x->whole)
		draw_step(&x->draw, "Note: %s", text);
	else
		draw_sentence(&x->draw, "Note: %s", text);
}

static void
on_transfer(struct explain *x, const struct ferry_event *ev)
{
	/* MODE B: open since the file before */
	x->data_open = x->data_open || x->blocks;
	x->upload = ev->upload;
	if (x->titled)
		return;
	explain_replace(&x->verb, ev->text);
	explain_replace(&x->path, ev->path);
}

bool
explain_is_telling(const struct explain *x)
{
	return x != NULL && x->planned;
}

void
explain_event(struct explain *x, const struct ferry_event *ev)
{
	static void (*const handlers[])(struct explain *, const struct ferry_event *) = {
	    [FERRY_EV_CONNECTED] = on_connected,
	    [FERRY_EV_CONNECT_FAILED] = explain_on_connect_failed,
	    [FERRY_EV_COMMAND] = explain_on_command,
	    [FERRY_EV_REPLY] = explain_on_reply,
	    [FERRY_EV_MODE] = on_mode,
	    [FERRY_EV_MODE_FAILED] = on_mode_failed,
	    [FERRY_EV_ADDRESS] = explain_on_address,
	    [FERRY_EV_LISTENING] = explain_on_listening,
	    [FERRY_EV_ACCEPTED] = explain_on_accepted,
	    [FERRY_EV_STRANGER] = explain_on_stranger,
	    [FERRY_EV_TRANSFER] = on_transfer,
	    [FERRY_EV_DATA_END] = explain_on_data_end,
	    [FERRY_EV_WARNING] = on_warning,
	    [FERRY_EV_REUSED] = explain_on_reused,
	    [FERRY_EV_TLS] = explain_on_tls,
	    [FERRY_EV_CLOSED] = explain_on_closed,
	};

	witness_event(&x->witness, ev);
	x->draw.time = ev->time;
	if (ev->kind == FERRY_EV_RESOLVED)
		on_resolved(x, ev);
	if ((size_t)ev->kind < ARRAY_LEN(handlers) && handlers[ev->kind] != NULL)
		handlers[ev->kind](x, ev);
	if (x->draw.out != NULL)
		fflush(x->draw.out);
}

/* -------------------------------------------------------------- the end */

/* "Two calls: one made by you, one by the server (192.0.2.1 port 20)." */
static void
tell_calls(struct explain *x, const char *more)
{
	char one[96] = "", caller[ADDRESS_TEXT_MAX], text[160] = "No call was needed.";
	unsigned you = x->calls_by_you, server = x->calls_by_server;

	address_text(&x->caller, caller);
	if (server > 0 && you > 0)
		snprintf(text, sizeof text,
		    "%u calls: %u made by you, %u by the server (from %s port %u).",
		    you + server, you, server, caller,
		    (unsigned)address_port(&x->caller));
	else if (server > 0)
		snprintf(text, sizeof text,
		    "One call, made by the server (from %s port %u).", caller,
		    (unsigned)address_port(&x->caller));
	else if (you == 1)
		snprintf(text, sizeof text, "One call, made by you.");
	else if (you == 2)
		snprintf(text, sizeof text, "Two calls, both made by you.");
	else if (you > 2)
		snprintf(text, sizeof text, "%u calls, all made by you.", you);
	if (you == 1 && server == 1)
		snprintf(text, sizeof text,
		    "Two calls: one made by you, one by the server (from %s port %u).",
		    caller, (unsigned)address_port(&x->caller));
	if (x->blocks && x->n_files > 1)
		snprintf(one, sizeof one, " One data connection carried %zu files.",
		    x->n_files);
	draw_paragraph(&x->draw, DRAW_GOOD, 0, "Done. %s%s%s", text, one, more);
}

static bool
may_be_the_network(int result)
{
	return result == -FERRY_EDATA || result == -FERRY_EABORTED ||
	       result == -FERRY_ETIMEOUT || result == -FERRY_ECLOSED ||
	       result == -FERRY_ESTALLED;
}

/* A reply to a chore was the end of it: show it, then the sentence of the library. */
static void
tell_failure(struct explain *x, int result, const char *text)
{
	_cleanup_free_ char *safe =
	    safe_string(text == NULL || *text == '\0' ? ferry_strerror(result) : text);
	struct verdict verdict;

	if (x->reply != NULL && x->reply_code >= 400 && x->line != NULL) {
		x->chores[0] = '\0';
		explain_open_story(x);
		draw_message(&x->draw, explain_control_arrow(x, false), x->line);
		draw_message(&x->draw, explain_control_arrow(x, true), x->reply);
	}
	explain_attempt(x)->result = result;
	verdict_judge(x->witness.attempts, x->witness.n, &verdict);
	if (may_be_the_network(result) && verdict_has_cause(&verdict)) {
		verdict_draw(&verdict, &x->draw);
		return;
	}
	draw_paragraph(&x->draw, DRAW_BAD, 8, "FAILED: %s", safe == NULL ? "" : safe);
}

void
explain_end(struct explain *x, int result, const char *text)
{
	if (!x->planned && !(x->whole && result < 0))
		return;
	explain_tell_held(x);
	x->data_open = false;
	if (result < 0)
		tell_failure(x, result, text);
	else if (x->active)
		tell_calls(x, " Passive mode would have had you dial a port of the "
			      "server instead.");
	else
		tell_calls(x, "");
	draw_gap(&x->draw);
	if (x->draw.out != NULL)
		fflush(x->draw.out);
	x->planned = x->titled = false;
}
