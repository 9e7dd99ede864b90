/*
 * One option's value, from text. For the parser, the command line and the children.
 * Follows vsftpd's parseconf where that is harmless; where vsftpd would silently take
 * something else than what is written, the operator is told. A string may hold any byte
 * but NUL: the master hands its children the lines of banner_file as ftpd_banner. Lines
 * of a file are checked before they come here.
 */
#include <ferry/ferry.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "log.h"
#include "option.h"

#define SHOWN_MAX 160

/* A value being set: trimmed text, and how to show it. */
struct setting {
	const struct option *o;
	const char *text;
	size_t n;
	char shown[SHOWN_MAX];
};

/* Options whose 0 is not the number it seems. value: what is taken instead. */
static const struct zero_meaning {
	const char *name;
	uint64_t value;
	const char *meaning;
} zero_meanings[] = {
    {"max_clients", 0, "no limit"},
    {"max_per_ip", 0, "no limit"},
    {"anon_max_rate", 0, "no limit"},
    {"local_max_rate", 0, "no limit"},
    {"max_login_fails", 1, "the end after the first wrong password"},
    {"pasv_min_port", 1024, "any port"},
    {"pasv_max_port", 65535, "any port"},
    {"accept_timeout", 604800, "no limit"},
    {"connect_timeout", 604800, "no limit"},
    {"idle_session_timeout", 604800, "no limit"},
    {"data_connection_timeout", 604800, "no limit"},
};

static const struct zero_meaning *
zero_meaning(const struct option *o)
{
	for (size_t i = 0; i < ARRAY_LEN(zero_meanings); i++)
		if (strcmp(zero_meanings[i].name, o->name) == 0)
			return &zero_meanings[i];
	return NULL;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Digits 0..base-1 only? */
static bool
all_digits(const struct setting *s, int base)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->text[i] < '0' || s->text[i] >= '0' + base)
			return false;
	return s->n > 0;
}

static bool
in_quotes(const struct setting *s)
{
	return s->n >= 2 && (s->text[0] == '"' || s->text[0] == '\'') &&
	       s->text[s->n - 1] == s->text[0];
}

/* The commonest reasons why a switch or a number is neither. "" if it is none of them. */
static const char *
usual_mistake(const struct setting *s)
{
	if (in_quotes(s))
		return "; write it without quotes";
	if (memchr(s->text, '#', s->n) != NULL)
		return "; a comment needs a line of its own, with # in column 1";
	return "";
}

static int
set_bool(struct conf *c, const struct setting *s, struct conf_teller *t)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {{"YES", true}, {"TRUE", true}, {"1", true}, {"NO", false},
	    {"FALSE", false}, {"0", false}};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strlen(words[i].word) != s->n ||
		    strncasecmp(words[i].word, s->text, s->n) != 0)
			continue;
		*option_bool(c, s->o) = words[i].value;
		return 0;
	}
	if (s->n == 0)
		conf_tell(t, CONF_ERROR, "%s has no value; write YES or NO", s->o->name);
	else
		conf_tell(t, CONF_ERROR, "%s=%s is neither YES nor NO%s", s->o->name,
		    s->shown, usual_mistake(s));
	return -FERRY_EINVAL;
}

/* Not a number: vsftpd's atoi() would take what it can read, 0 if nothing. */
static int
refuse_non_number(const struct setting *s, struct conf_teller *t)
{
	const struct option *o = s->o;

	if (s->n == 0) {
		conf_tell(t, CONF_ERROR,
		    "%s has no value; write a number from %" PRIu64 " to %" PRIu64,
		    o->name, o->min, o->max);
		return -FERRY_EINVAL;
	}
	if (strspn(s->text, "0123456789") > 0 || s->text[0] == '-' || s->text[0] == '+') {
		conf_tell(t, CONF_ERROR,
		    "%s=%s is not a number%s; write digits only, without a sign or a "
		    "unit. The option means: %s",
		    o->name, s->shown, usual_mistake(s), o->help);
		return -FERRY_EINVAL;
	}

	const struct zero_meaning *zero = zero_meaning(o);
	conf_tell(t, CONF_ERROR,
	    "%s=%s is not a number%s; vsftpd would read it as 0%s%s. Write a number from "
	    "%" PRIu64 " to %" PRIu64,
	    o->name, s->shown, usual_mistake(s), zero != NULL ? ", which means " : "",
	    zero != NULL ? zero->meaning : "", o->min, o->max);
	return -FERRY_EINVAL;
}

/* 022 is 18 to vsftpd, and 22 to whoever wrote it. There is no safe guess. */
static int
refuse_leading_zero(const struct setting *s, uint64_t decimal, struct conf_teller *t)
{
	const char *name = s->o->name;
	uint64_t octal;

	if (parse_octal(s->text, s->n, UINT64_MAX, &octal) < 0) {
		conf_tell(t, CONF_ERROR,
		    "%s=%s begins with 0, so vsftpd would read it as octal, which it is "
		    "not; write %" PRIu64,
		    name, s->shown, decimal);
		return -FERRY_EINVAL;
	}
	conf_tell(t, CONF_ERROR,
	    "%s=%s begins with 0, so vsftpd would read it as octal, which is %" PRIu64
	    "; write %" PRIu64 " or %" PRIu64 ", whichever is meant",
	    name, s->shown, octal, decimal, octal);
	return -FERRY_EINVAL;
}

/* Both readings of a number with a leading 0 agree: 0, 00, 07. */
static bool
reads_the_same(const struct setting *s, uint64_t decimal)
{
	uint64_t octal;

	return parse_octal(s->text, s->n, UINT64_MAX, &octal) == 0 && octal == decimal;
}

static int
set_number(struct conf *c, const struct setting *s, struct conf_teller *t)
{
	const struct option *o = s->o;
	uint64_t v;

	if (!all_digits(s, 10))
		return refuse_non_number(s, t);
	bool fits = parse_uint(s->text, s->n, UINT64_MAX, &v) == 0;
	if (fits && s->text[0] == '0' && !reads_the_same(s, v))
		return refuse_leading_zero(s, v, t);

	const struct zero_meaning *zero = zero_meaning(o);
	if (fits && v == 0 && zero != NULL && v < o->min) {
		conf_tell(t, CONF_WARNING,
		    "%s=0 means %s in vsftpd; %" PRIu64 " is taken", o->name,
		    zero->meaning, zero->value);
		v = zero->value;
	}
	if (!fits || v < o->min || v > o->max) {
		conf_tell(t, CONF_ERROR,
		    "%s=%s is out of range; write a number from %" PRIu64 " to %" PRIu64,
		    o->name, s->shown, o->min, o->max);
		return -FERRY_EINVAL;
	}
	*option_number(c, o) = v;
	return 0;
}

/* Without its leading 0 a mode is decimal to vsftpd. Nobody means that, so it stays octal
 * here. */
static void
warn_missing_zero(const struct setting *s, uint64_t octal, struct conf_teller *t)
{
	uint64_t decimal;

	if (parse_uint(s->text, s->n, UINT64_MAX, &decimal) < 0 || decimal == octal)
		return;
	conf_tell(t, CONF_WARNING,
	    "%s=%s has no leading 0, so vsftpd would read it as decimal, which is octal "
	    "%#" PRIo64 "; %#" PRIo64 " is taken. Write %#" PRIo64,
	    s->o->name, s->shown, decimal, octal, octal);
}

static int
set_octal(struct conf *c, const struct setting *s, struct conf_teller *t)
{
	const struct option *o = s->o;
	uint64_t v;

	if (!all_digits(s, 8)) {
		conf_tell(t, CONF_ERROR,
		    "%s%s%s is not an octal number%s; write permission bits with the "
		    "digits 0 to 7, such as 022",
		    o->name, s->n > 0 ? "=" : "", s->shown, usual_mistake(s));
		return -FERRY_EINVAL;
	}
	if (parse_octal(s->text, s->n, UINT64_MAX, &v) < 0 || v < o->min || v > o->max) {
		conf_tell(t, CONF_ERROR,
		    "%s=%s is out of range; write an octal number from %#" PRIo64
		    " to %#" PRIo64,
		    o->name, s->shown, o->min, o->max);
		return -FERRY_EINVAL;
	}
	if (s->text[0] != '0')
		warn_missing_zero(s, v, t);
	*option_number(c, o) = v;
	return 0;
}

static int
set_string(struct conf *c, const struct setting *s, struct conf_teller *t)
{
	char **field = option_string(c, s->o);
	char *value = NULL;

	if (in_quotes(s))
		conf_tell(t, CONF_WARNING,
		    "%s=%s: the quotes are part of the value, as in vsftpd; leave them "
		    "out if they are not meant",
		    s->o->name, s->shown);
	for (size_t i = 1; i < s->n; i++) {
		if (s->text[i] != '#' || !is_blank(s->text[i - 1]))
			continue;
		conf_tell(t, CONF_WARNING,
		    "%s=%s: the # and what follows it are part of the value; a comment "
		    "needs a line of its own",
		    s->o->name, s->shown);
		break;
	}
	if (s->n > 0 && (value = strndup(s->text, s->n)) == NULL)
		return -FERRY_ENOMEM;
	free(*field);
	*field = value;
	return 0;
}

static int
unknown_option(const char *name, struct conf_teller *t)
{
	const char *nearest = option_nearest(name);
	char shown[SHOWN_MAX];

	log_escape(name, strlen(name), shown, sizeof(shown));
	if (nearest == NULL)
		conf_tell(t, CONF_ERROR, "%s is not an option", shown);
	else if (strcasecmp(name, nearest) == 0)
		conf_tell(t, CONF_ERROR,
		    "%s is not an option; names are written in small letters: %s", shown,
		    nearest);
	else
		conf_tell(t, CONF_ERROR, "%s is not an option; did you mean %s?", shown,
		    nearest);
	return -FERRY_EINVAL;
}

/* Drops blanks at both ends, which vsftpd would keep or choke on. */
static void
trim(struct setting *s, struct conf_teller *t)
{
	static const char *const in_front[] = {
	    [TYPE_BOOL] = "not start",
	    [TYPE_NUMBER] = "overlook them",
	    [TYPE_OCTAL] =
		"overlook them, and the leading 0 as well, and read it as decimal",
	    [TYPE_STRING] = "make them part of it",
	};
	static const char *const behind[] = {
	    [TYPE_BOOL] = "not start",
	    [TYPE_NUMBER] = "overlook them",
	    [TYPE_OCTAL] = "overlook them",
	    [TYPE_STRING] = "make them part of it",
	};
	size_t front = 0, back = 0;

	while (front < s->n && is_blank(s->text[front]))
		front++;
	while (back < s->n - front && is_blank(s->text[s->n - back - 1]))
		back++;
	s->text += front;
	s->n -= front + back;
	if (front > 0)
		conf_tell(t, CONF_WARNING,
		    "blanks between the = and the value of %s are left out; vsftpd would "
		    "%s",
		    s->o->name, in_front[s->o->type]);
	if (back > 0)
		conf_tell(t, CONF_WARNING,
		    "blanks behind the value of %s are left out; vsftpd would %s",
		    s->o->name, behind[s->o->type]);
}

static int
set(struct conf *c, const char *name, const char *value, struct conf_teller *t)
{
	struct setting s = {.o = option_find(name), .text = value, .n = strlen(value)};

	if (s.o == NULL)
		return unknown_option(name, t);
	trim(&s, t);
	log_escape(s.text, s.n, s.shown, sizeof(s.shown));
	if (s.n > OPTION_VALUE_MAX) {
		conf_tell(t, CONF_ERROR, "the value of %s is longer than %d bytes",
		    s.o->name, OPTION_VALUE_MAX);
		return -FERRY_EINVAL;
	}
	switch (s.o->type) {
	case TYPE_BOOL:
		return set_bool(c, &s, t);
	case TYPE_NUMBER:
		return set_number(c, &s, t);
	case TYPE_OCTAL:
		return set_octal(c, &s, t);
	case TYPE_STRING:
		return set_string(c, &s, t);
	}
	return -FERRY_EINVAL;
}

int
conf_set(struct conf *c, const char *name, const char *value, const char *file,
    unsigned line, conf_problem_cb *cb, void *user)
{
	struct conf_teller t = {.cb = cb, .user = user, .file = file, .line = line};

	return set(c, name, value, &t);
}
