/*
 * MFF (draft-somers-ftp-mfxx 5): several facts of a file in one command.
 *
 *   MFF <SP> <fact>=<value>;[<fact>=<value>;...] <SP> <file>     213 <facts now>; <file>
 *
 * Modify and UNIX.mode can be set; all that are named are, or none. The time of creation
 * cannot be set on this system, which is why there is no MFCT.
 */
#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "cmd_facts.h"
#include "commands.h"
#include "grant.h"
#include "listing.h"

#define PERMISSIONS 0777
#define MODE_MAX 07777

/* ---- the facts ---- */

static bool
take_modify(struct bytes value, struct msg_agent_change *m)
{
	return listing_parse_time((const char *)value.p, value.n, &m->mtime) == 0;
}

static bool
take_mode(struct bytes value, struct msg_agent_change *m)
{
	uint64_t mode;

	if (parse_octal((const char *)value.p, value.n, MODE_MAX, &mode) < 0)
		return false;
	m->mode = (uint32_t)mode & PERMISSIONS;
	return true;
}

static const struct fact {
	const char *name;
	uint8_t bit;
	bool (*take)(struct bytes value, struct msg_agent_change *m);
} facts[] = {
    {"Modify", CHANGE_FACT_MODIFY, take_modify},
    {"UNIX.mode", CHANGE_FACT_MODE, take_mode},
};

/* Does the configuration let this fact be set? */
static bool
is_on(const struct session *s, const struct fact *f)
{
	const struct conf *conf = s->conf;

	return f->bit == CHANGE_FACT_MODE ? conf->chmod_enable : conf->mfmt_enable;
}

static const struct fact *
find_fact(struct bytes name)
{
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		if (command_is(name, facts[i].name))
			return &facts[i];
	}
	return NULL;
}

/* One "name=value" without its ";". 0, or the code of the reply that refuses it. */
static int
take_fact(struct session *s, struct bytes text, struct msg_agent_change *m)
{
	const uint8_t *equals = text.n > 0 ? memchr(text.p, '=', text.n) : NULL;
	struct bytes name, value;

	if (equals == NULL || equals == text.p)
		return 501;
	name = (struct bytes){.p = text.p, .n = (size_t)(equals - text.p)};
	value = (struct bytes){.p = equals + 1, .n = text.n - name.n - 1};
	const struct fact *f = find_fact(name);
	if (f == NULL)
		return 504;
	if (!is_on(s, f))
		return 550;
	if ((m->facts & f->bit) != 0 || !f->take(value, m))
		return 501;
	m->facts |= f->bit;
	return 0;
}

/* "fact=value;fact=value;". 0, or a code. */
static int
take_facts(struct session *s, struct bytes text, struct msg_agent_change *m)
{
	if (text.n == 0)
		return 501;
	while (text.n > 0) {
		const uint8_t *end = memchr(text.p, ';', text.n);
		size_t n = end != NULL ? (size_t)(end - text.p) : 0;
		int code = end == NULL
			       ? 501
			       : take_fact(s, (struct bytes){.p = text.p, .n = n}, m);

		if (code != 0)
			return code;
		text = (struct bytes){.p = text.p + n + 1, .n = text.n - n - 1};
	}
	return 0;
}

/* ---- the command ---- */

static void
on_facts_set(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	_cleanup_free_ char *name = s->pending;
	struct answer reply;
	char text[16];

	s->pending = NULL;
	if (a->error != 0) {
		answer_failure(s, a, 550);
		return;
	}
	answer_begin(&reply, s, 213);
	answer_line(&reply, ANSWER_LAST);
	if ((s->aim.facts & CHANGE_FACT_MODIFY) != 0) {
		listing_format_time((time_t)a->mtime, text);
		answer_text(&reply, "Modify=%s;", text);
	}
	if ((s->aim.facts & CHANGE_FACT_MODE) != 0)
		answer_text(&reply, "UNIX.mode=%04o;", s->aim.mode);
	answer_text(&reply, " ");
	answer_line_of_name(&reply, bytes_of(name));
	answer_send(&reply);
}

static void
refuse(struct session *s, int code)
{
	if (code == 504)
		answer(s, 504, "That fact cannot be set. FEAT lists those that can.");
	else if (code == 550)
		answer(s, 550, "Setting that fact is switched off on this server.");
	else
		answer(s, 501, "MFF takes <fact>=<value>;... and a file.");
}

void
cmd_mff(struct session *s, struct bytes arg)
{
	struct bytes text = command_word(&arg);
	struct buf path;
	struct msg m = {.type = MSG_AGENT_CHANGE};
	int code = take_facts(s, text, &m.agent_change);

	if (code == 0 && arg.n == 0)
		code = 501;
	if (code != 0) {
		refuse(s, code);
		return;
	}
	if (!command_path(s, arg, &path))
		return;
	m.agent_change.path = bytes_of_buf(&path);
	m.agent_change.what = CHANGE_FACTS;
	s->aim = (struct aim){.facts = m.agent_change.facts, .mode = m.agent_change.mode};
	if (command_keep(s, arg))
		agent_ask(s, &m, on_facts_set);
	buf_free(&path);
}

/* ---- FEAT ---- */

/* Can this user set that fact? Before the login nobody knows: what is switched on is
 * told. */
static bool
is_feature(const struct session *s, const struct fact *f)
{
	uint32_t right = f->bit == CHANGE_FACT_MODE ? RIGHT_CHMOD : RIGHT_MTIME;

	return is_on(s, f) && (!session_logged_in(s) || (s->rights & right) != 0);
}

bool
mff_works(const struct session *s)
{
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		if (is_feature(s, &facts[i]))
			return true;
	}
	return false;
}

void
mff_feature(struct answer *a)
{
	answer_text(a, " ");
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		if (is_feature(a->s, &facts[i]))
			answer_text(a, "%s;", facts[i].name);
	}
}
