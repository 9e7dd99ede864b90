/*
 * The narration's part for the command connection: each command of the story with its
 * reason, each reply with what it means.
 */
#include "explain_state.h"

#include "address.h"
#include "own.h"
#include "safe.h"

bool
explain_is_upload(const char *verb)
{
	return verb != NULL && (strcmp(verb, "STOR") == 0 || strcmp(verb, "STOU") == 0 ||
				   strcmp(verb, "APPE") == 0);
}

bool
explain_is_listing(const char *verb)
{
	return verb != NULL && (strcmp(verb, "LIST") == 0 || strcmp(verb, "NLST") == 0 ||
				   strcmp(verb, "MLSD") == 0);
}

/* The commands whose lines are drawn; all others are chores and only named. */
static bool
verb_is_story(const char *verb)
{
	static const char *const story[] = {"MODE", "EPSV", "PASV", "EPRT", "PORT",
	    "REST", "RETR", "STOR", "STOU", "APPE", "LIST", "NLST", "MLSD", "ABOR"};

	for (size_t i = 0; i < ARRAY_LEN(story); i++)
		if (strcmp(verb, story[i]) == 0)
			return true;
	return false;
}

/* Is the command that runs one to draw? */
static bool
is_told(const struct explain *x)
{
	return x->whole || (x->titled && verb_is_story(x->command));
}

static bool
verb_is_transfer(const char *verb)
{
	return strcmp(verb, "RETR") == 0 || explain_is_upload(verb) ||
	       explain_is_listing(verb);
}

/* "192,168,1,100,5,67" taken apart. */
static bool
parse_port_argument(const char *line, unsigned v[6])
{
	const char *digits = strchr(line, ' ');

	return digits != NULL && sscanf(digits, " %3u,%3u,%3u,%3u,%3u,%3u", &v[0], &v[1],
				     &v[2], &v[3], &v[4], &v[5]) == 6;
}

static void
explain_port(struct explain *x, const char *line)
{
	unsigned v[6];
	char own[ADDRESS_TEXT_MAX], told[ADDRESS_TEXT_MAX];

	if (!parse_port_argument(line, v))
		return;
	snprintf(told, sizeof told, "%u.%u.%u.%u", v[0], v[1], v[2], v[3]);
	address_text(&x->own, own);
	draw_sentence(&x->draw,
	    "You tell the server where to call: the first four numbers are %s %s, the "
	    "last two are the "
	    "port: %u x 256 + %u = %u.",
	    strcmp(own, told) == 0 ? "your address" : "the address", told, v[4], v[5],
	    v[4] * 256 + v[5]);
	if (strcmp(own, told) != 0)
		explain_note_router(x, told);
	if (strcmp(own, told) != 0)
		draw_sentence(&x->draw,
		    "That is not your own address %s but the one that --active-address "
		    "names.",
		    own);
}

static void
explain_eprt(struct explain *x, const char *line)
{
	char family[4], told[ADDRESS_TEXT_MAX];
	unsigned port;

	if (sscanf(line, "%*s |%3[^|]|%63[^|]|%5u|", family, told, &port) != 3)
		return;
	draw_sentence(&x->draw,
	    "You tell the server where to call: %s is IPv%s, then the address %s, then "
	    "the port %u as it "
	    "is. No arithmetic: EPRT was made for addresses of any length.",
	    family, strcmp(family, "2") == 0 ? "6" : "4", told, port);
}

static void
explain_mode(struct explain *x, const char *line)
{
	if (strcmp(line, "MODE B") == 0)
		draw_sentence(&x->draw, "You ask for block mode: a file travels in "
					"blocks, and the last one says "
					"that it is the last. Then the data connection "
					"need not be closed to end "
					"a file, and one can carry them all.");
	else if (strcmp(line, "MODE Z") == 0)
		draw_sentence(&x->draw,
		    "You ask for compression: what travels over the data "
		    "connection is packed with zlib.");
	else
		draw_sentence(&x->draw,
		    "You ask for files as they are: one data connection "
		    "for each, and its end is the end of the file.");
}

/* What is only named, unless everything is told. */
static bool
explain_chore(struct explain *x)
{
	static const struct {
		const char *verb, *sentence;
	} chores[] = {
	    {"USER", "You say who you are."},
	    {"PASS", "The password itself is not recorded."},
	    {"ACCT", "The account itself is not recorded."},
	    {"AUTH", "You ask for encryption before anything is told."},
	    {"PBSZ", "A formality before PROT (RFC 4217)."},
	    {"PROT", "The data connections shall be encrypted too."},
	    {"FEAT", "You ask what the server can do besides the basics."},
	    {"TYPE", "How bytes are to be taken: I as they are, A as text."},
	    {"SIZE", "You ask how long the file is, to know whether all of it came."},
	    {"MDTM", "You ask when the file was changed."},
	    {"QUIT", "You say goodbye."},
	};

	for (size_t i = 0; i < ARRAY_LEN(chores); i++)
		if (strcmp(x->command, chores[i].verb) == 0)
			draw_sentence(&x->draw, "%s", chores[i].sentence);
	return !verb_is_story(x->command);
}

static void
explain_command(struct explain *x, const char *line)
{
	if (x->whole && explain_chore(x))
		return;
	if (strcmp(x->command, "MODE") == 0)
		explain_mode(x, line);
	else if (strcmp(x->command, "EPSV") == 0 || strcmp(x->command, "PASV") == 0)
		draw_sentence(&x->draw, "You ask: \"open a port and tell me which\".");
	else if (strcmp(x->command, "PORT") == 0)
		explain_port(x, line);
	else if (strcmp(x->command, "EPRT") == 0)
		explain_eprt(x, line);
	else if (strcmp(x->command, "REST") == 0)
		draw_sentence(&x->draw, "The part that is there already is left out: the "
					"transfer starts behind it.");
	else if (strcmp(x->command, "ABOR") == 0)
		draw_sentence(&x->draw, "You tell the server to stop.");
	else if (explain_is_upload(x->command))
		draw_sentence(&x->draw, "You announce the file%s.",
		    x->active ? "; now the server has to call you"
			      : "; it will travel over the data connection");
	else
		draw_sentence(&x->draw, "You ask for the %s%s.",
		    explain_is_listing(x->command) ? "listing" : "file",
		    x->active ? "; now the server has to call you"
			      : "; it will come over the data connection");
}

static void
add_chore(struct explain *x, const char *verb)
{
	size_t n = strlen(x->chores);

	if (strcmp(verb, "USER") == 0)
		x->has_login = true;
	if (n + strlen(verb) + 3 < CHORES_MAX)
		snprintf(x->chores + n, CHORES_MAX - n, "%s%s", n > 0 ? ", " : "", verb);
}

/* Files after the first are asked for before it has come: said once. */
static bool
sent_ahead(struct explain *x)
{
	if (!x->blocks || x->n_planned < 2 || strcmp(x->command, "RETR") != 0)
		return false;
	if (x->ahead)
		return true;
	x->ahead = true;
	draw_sentence(&x->draw,
	    "You ask for the files without waiting for each other: the "
	    "server sends them in this order.");
	return true;
}

void
explain_on_command(struct explain *x, const struct ferry_event *ev)
{
	const char *line = ev->text == NULL ? "" : ev->text;

	snprintf(
	    x->command, sizeof x->command, "%.*s", (int)strcspn(line, " \r\n"), line);
	explain_replace(&x->line, line);
	x->in_story = is_told(x);
	if (!x->in_story) {
		add_chore(x, x->command);
		return;
	}
	explain_open_story(x);
	draw_message(&x->draw, explain_control_arrow(x, false), line);
	if (!sent_ahead(x))
		explain_command(x, line);
}

/* An outer address in a refusal of PORT is the one that the server sees us come from:
 * "500 PORT names 192.168.1.50 but you come from 198.51.100.7". */
static bool
find_seen_address(const struct explain *x, const char *text, char *ret)
{
	struct sockaddr_storage all[4];
	size_t n = address_find(text, all, ARRAY_LEN(all));

	for (size_t i = 0; i < n; i++) {
		if (address_is_inner(&all[i]) || address_same(&all[i], &x->own) ||
		    address_same(&all[i], &x->peer))
			continue;
		address_text(&all[i], ret);
		return true;
	}
	return false;
}

/* PORT or EPRT named an address of our inner network. */
static void
explain_inner_address(struct explain *x, const char *text)
{
	char own[ADDRESS_TEXT_MAX], seen[ADDRESS_TEXT_MAX];

	address_text(&x->own, own);
	if (!find_seen_address(x, text, seen)) {
		draw_sentence(&x->draw,
		    "The server is told to call %s, but that address exists only inside "
		    "your own network, and the server most likely sees you coming from "
		    "another one. It calls nobody but the caller: otherwise FTP servers "
		    "could be used to attack third parties.",
		    own);
		return;
	}
	explain_note_router(x, seen);
	draw_sentence(&x->draw,
	    "The server sees you coming from %s but is told to call %s. It calls nobody "
	    "but the caller: otherwise FTP servers could be used to attack third "
	    "parties. Your router did not translate the command.",
	    seen, own);
}

static void
explain_refusal(struct explain *x, const char *text, int code)
{
	char peer[ADDRESS_TEXT_MAX];

	if (strcmp(x->command, "MODE") == 0)
		draw_sentence(&x->draw,
		    "The server does not do that: files travel as they "
		    "are, each over a data connection of its own.");
	else if (strcmp(x->command, "EPSV") == 0 || strcmp(x->command, "PASV") == 0) {
		draw_sentence(
		    &x->draw, "The server will not, or cannot, open a port this way.");
	} else if (strcmp(x->command, "PORT") == 0 || strcmp(x->command, "EPRT") == 0) {
		if (address_is_inner(&x->own) && !address_is_inner(&x->peer))
			explain_inner_address(x, text);
		else
			draw_sentence(&x->draw, "The server %s will not call you.",
			    address_text(&x->peer, peer));
	} else if (verb_is_transfer(x->command) && (code == 425 || code == 426)) {
		draw_sentence(&x->draw,
		    x->active ? "The server says that its call to you did not succeed."
			      : "The server says that the data connection failed.");
	} else if (verb_is_transfer(x->command)) {
		draw_sentence(&x->draw,
		    "The server refuses this %s. The connections are not the cause.",
		    explain_is_listing(x->command) ? "listing" : "file");
	}
}

static void
explain_reply(struct explain *x, const char *text, int code)
{
	if (code >= 400) {
		explain_refusal(x, text, code);
	} else if (strcmp(x->command, "PORT") == 0 || strcmp(x->command, "EPRT") == 0) {
		draw_sentence(&x->draw, "The server has noted your port; it calls when "
					"it is asked for something.");
	} else if (strcmp(x->command, "MODE") == 0) {
		draw_sentence(&x->draw, "The server agrees.");
	} else if (!verb_is_transfer(x->command)) {
		return; /* 227 and 229 are explained with the address that was found in
			   them */
	} else if (code < 200) {
		draw_sentence(&x->draw, explain_is_upload(x->command)
					    ? "The server is ready to receive."
					    : "The server starts to send.");
	} else if (explain_is_upload(x->command)) {
		draw_sentence(
		    &x->draw, "The server confirms that it has the whole file.");
	} else {
		draw_sentence(&x->draw,
		    "The server confirms that it has sent everything: without "
		    "this line, what came could be cut short.");
	}
}

static void
tell_reply(struct explain *x, const char *text, int code)
{
	const char *lf = strrchr(text, '\n');

	explain_open_story(x);
	/* The cause stands at the end of a refusal: it must be seen. */
	if (draw_message(&x->draw, explain_control_arrow(x, true), text) && code >= 400) {
		_cleanup_free_ char *whole = safe_string(lf == NULL ? text : lf + 1);

		if (whole != NULL)
			draw_sentence(&x->draw, "In full: %s", whole);
	}
	explain_reply(x, text, code);
}

void
explain_tell_held(struct explain *x)
{
	if (x->held == NULL)
		return;
	x->draw.time = x->held_at;
	tell_reply(x, x->held, x->held_code);
	explain_replace(&x->held, NULL);
}

/* The command that this reply answers: others may have been sent behind it. */
static void
note_answered(struct explain *x, const char *line, int code)
{
	snprintf(
	    x->command, sizeof x->command, "%.*s", (int)strcspn(line, " \r\n"), line);
	x->in_story = is_told(x);
	if (strcmp(x->command, "MODE") == 0 && code >= 200 && code < 300)
		x->blocks = strcmp(line, "MODE B") == 0;
}

void
explain_on_reply(struct explain *x, const struct ferry_event *ev)
{
	const char *text = ev->text == NULL ? "" : ev->text;

	explain_replace(&x->reply, text);
	x->reply_code = ev->code;
	if (ev->command != NULL)
		note_answered(x, ev->command, ev->code);
	if (!x->in_story)
		return;
	explain_replace(&x->reply, NULL);
	if (x->data_open && verb_is_transfer(x->command) && ev->code >= 200 &&
	    ev->code < 300) {
		explain_replace(&x->held, text);
		x->held_code = ev->code;
		x->held_at = ev->time;
		return;
	}
	if (verb_is_transfer(x->command) && (ev->code == 425 || ev->code == 426))
		explain_missed_call(x);
	tell_reply(x, text, ev->code);
}
