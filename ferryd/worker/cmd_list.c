/*
 * Listings: RFC 959 4.1.3, RFC 1123 4.1.2.7, RFC 3659 7.
 *
 *   LIST [<SP> -options] [<SP> <path>]     as "ls -l"
 *   NLST [<SP> -options] [<SP> <path>]     names that can be used in the next command
 *   MLSD [<SP> <directory>]                facts
 *   MLST [<SP> <path>]                     the facts of one thing, on the control
 * connection STAT  <SP> <path>                      a LIST on the control connection
 * (from cmd_info.c)
 *
 * The agent writes the lines, CR LF at their ends whatever TYPE is set. Nothing is ever
 * given to a program: an option is a bit or nothing. From the first component with a
 * wildcard on it is a pattern, unless something has exactly that name.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "commands.h"
#include "cmd_list.h"
#include "grant.h"
#include "listing.h"
#include "replylist.h"
#include "transfer.h"

/* As the fields pattern and shown of AGENT_LIST in messages.def. */
#define PATTERN_MAX 255
#define SHOWN_MAX 4095

/* ---- what was asked for ---- */

static const struct {
	char letter;
	unsigned flag;
} options[] = {
    {'a', LIST_ALL},
    {'A', LIST_DOTFILES},
    {'R', LIST_RECURSIVE},
    {'d', LIST_DIRECTORY},
};

/* One word "-laR". -1 is what NLST does anyway; letters that mean something else to ls do
 * no harm. */
static void
take_options(struct list_plan *plan, struct bytes word)
{
	for (size_t i = 1; i < word.n; i++) {
		if (word.p[i] == 'l' && plan->format == LIST_NAMES)
			plan->format = LIST_LS;
		for (size_t k = 0; k < ARRAY_LEN(options); k++) {
			if (word.p[i] == (uint8_t)options[k].letter)
				plan->flags |= options[k].flag;
		}
	}
}

struct bytes
list_parse(struct bytes arg, struct list_plan *plan)
{
	while (arg.n > 0 && arg.p[0] == '-') {
		struct bytes word = command_word(&arg);

		if (command_is(word, "--"))
			break;
		take_options(plan, word);
		while (arg.n > 0 && arg.p[0] == ' ' && arg.n > 1 && arg.p[1] == '-')
			arg = (struct bytes){.p = arg.p + 1, .n = arg.n - 1};
	}
	return arg;
}

static bool
is_wildcard(uint8_t c)
{
	return c == '*' || c == '?' || c == '[';
}

/* Where the pattern in it begins, with the first component that has a wildcard; its end:
 * there is none. */
static size_t
pattern_of(struct bytes arg)
{
	size_t component = 0;

	for (size_t i = 0; i < arg.n; i++) {
		if (is_wildcard(arg.p[i]))
			return component;
		if (arg.p[i] == '/')
			component = i + 1;
	}
	return arg.n;
}

bool
list_has_pattern(struct bytes arg)
{
	return pattern_of(arg) < arg.n;
}

/* ---- asking the agent ---- */

/* LIST and NLST of nothing: 450, which clients take for an empty listing (RFC 959 5.4).
 * MLSD of what is no directory is a wrong argument (RFC 3659 7.2.1). */
static int
refusal_code(const struct session *s, int error)
{
	bool mlsd = s->list.format == LIST_MLSD;

	if (mlsd && error == ENOTDIR)
		return 501;
	return !mlsd && error == ENOENT ? 450 : 550;
}

static void
on_listing(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error != 0 || *fd < 0) {
		answer_failure(s, a, refusal_code(s, (int)a->error));
		transfer_drop(s);
		return;
	}
	if (s->list.stat) {
		replylist_begin(s, a->type == TYPE_DIRECTORY ? 212 : 213, fd);
		return;
	}
	s->transfer->fd = fd_take(fd);
	answer(s, transfer_opening(s), "Here comes the listing.");
	transfer_begin(s);
}

/* arg is what the user wrote without options: a path, or a path and a pattern. */
static void
ask_listing(struct session *s, struct bytes arg, bool pattern)
{
	size_t base = pattern ? pattern_of(arg) : arg.n;
	struct bytes shown = {.p = arg.p, .n = base};
	struct bytes dir = shown;
	struct msg m = {.type = MSG_AGENT_LIST};
	struct buf path;

	/* The "/" between belongs to neither, unless it is all there is. */
	while (shown.n > 1 && shown.p[shown.n - 1] == '/')
		shown.n--;
	/* "././././" is a short path, but long words for the lines of NLST. */
	if (shown.n > SHOWN_MAX) {
		answer(s, 550, "The name is too long.");
		return;
	}
	if (!command_path_or_cwd(s, dir, &path))
		return;
	m.agent_list.path = bytes_of_buf(&path);
	m.agent_list.format = (uint8_t)s->list.format;
	m.agent_list.flags = s->list.flags;
	m.agent_list.facts = s->facts;
	m.agent_list.shown = shown;
	if (pattern)
		m.agent_list.pattern =
		    (struct bytes){.p = arg.p + base, .n = arg.n - base};
	if (s->list.stat || transfer_prepare(s, TRANSFER_LISTING, &path))
		agent_ask(s, &m, on_listing);
	buf_free(&path);
}

/* Whether the name with the wildcard exists is known now. */
static void
on_literal(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	char *arg = s->pending;

	s->pending = NULL;
	ask_listing(s, bytes_of(arg), a->error != 0);
	free(arg);
}

static void
ask_literal(struct session *s, struct bytes arg)
{
	struct msg m = {.type = MSG_AGENT_STAT};
	struct buf path;

	if (!command_path(s, arg, &path))
		return;
	m.agent_stat.path = bytes_of_buf(&path);
	m.agent_stat.nofollow = 1;
	if (command_keep(s, arg))
		agent_ask(s, &m, on_literal);
	buf_free(&path);
}

static void
list(struct session *s, struct bytes arg, const struct list_plan *plan)
{
	s->list = *plan;
	if (!s->conf->dirlist_enable) {
		answer(s, 550, "Listings are switched off on this server.");
		return;
	}
	if (!plan->stat) {
		s->rest = 0;
		s->ranged = false;
		if (!transfer_is_possible(s))
			return;
	}
	if (plan->format == LIST_MLSD || !list_has_pattern(arg))
		ask_listing(s, arg, false);
	else if (arg.n - pattern_of(arg) > PATTERN_MAX)
		answer(s, 501, "The pattern is too long.");
	else
		ask_literal(s, arg);
}

void
cmd_list(struct session *s, struct bytes arg)
{
	struct list_plan plan = {.format = LIST_LS};

	arg = list_parse(arg, &plan);
	list(s, arg, &plan);
}

void
cmd_nlst(struct session *s, struct bytes arg)
{
	struct list_plan plan = {.format = LIST_NAMES};

	arg = list_parse(arg, &plan);
	list(s, arg, &plan);
}

void
list_on_control(struct session *s, struct bytes arg)
{
	struct list_plan plan = {.format = LIST_LS, .stat = true};

	arg = list_parse(arg, &plan);
	list(s, arg, &plan);
}

/* No options and no wildcards: a name is a name (RFC 3659 2.2.2). */
void
cmd_mlsd(struct session *s, struct bytes arg)
{
	const struct list_plan plan = {.format = LIST_MLSD, .flags = LIST_ALL};

	list(s, arg, &plan);
}

/* ---- MLST ---- */

static void
on_facts(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	struct answer reply;

	if (a->error != 0) {
		answer_failure(s, a, 550);
		return;
	}
	answer_begin(&reply, s, 250);
	answer_line(&reply, ANSWER_MORE);
	answer_text(&reply, "Facts:");
	answer_line(&reply, ANSWER_INNER);
	answer_line_of_name(&reply, a->text);
	answer_line(&reply, ANSWER_LAST);
	answer_text(&reply, "End");
	answer_send(&reply);
}

void
cmd_mlst(struct session *s, struct bytes arg)
{
	struct buf path;
	struct msg m = {.type = MSG_AGENT_FACTS};

	if (!command_path_or_cwd(s, arg, &path))
		return;
	m.agent_facts.path = bytes_of_buf(&path);
	m.agent_facts.facts = s->facts;
	agent_ask(s, &m, on_facts);
	buf_free(&path);
}
