/*
 * A whole configuration file: lines, comments, sections, NAME=VALUE. vsftpd's format:
 *
 *   line     = blanks | "#" anything | *blank NAME "=" VALUE
 *   NAME     = a name of options.def
 *   section  = "[host NAME]" | "[network CIDR]"   (ours: options below it count for some
 * clients)
 *
 * Pure and bounded: takes text from the operator, or from a fuzzer.
 */
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "option.h"
#include "section.h"
#include "util.h"

#define SHOWN_MAX 160
/* Longest NAME=VALUE that is looked at: room for blanks around the longest of both. */
#define LINE_MAX_BYTES (OPTION_NAME_MAX + OPTION_VALUE_MAX + 256)

struct parser {
	struct conf *conf;
	struct conf_teller tell;
	struct section *section; /* that the lines belong to; NULL: none yet */
	bool lost; /* in a section that could not be taken: its lines belong nowhere */
	unsigned *seen; /* for each row of the table: the line that set it here, or 0 */
	int result;     /* -FERRY_ENOMEM ends it */
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Length of the option's name at the head of a line. */
static size_t
name_length(const char *line, size_t n)
{
	size_t i = 0;

	while (i < n && ((line[i] >= 'a' && line[i] <= 'z') || line[i] == '_' ||
			    (line[i] >= 'A' && line[i] <= 'Z') ||
			    (line[i] >= '0' && line[i] <= '9')))
		i++;
	return i;
}

/* "[kind NAME]" with that kind: the name in out, without blanks around it. */
static bool
section_name(const char *line, size_t n, const char *kind, char out[SECTION_NAME_MAX + 1])
{
	size_t k = strlen(kind), at = k + 1, end = n - 1;

	if (n < k + 3 || memcmp(line + 1, kind, k) != 0 || !is_blank(line[at]) ||
	    line[end] != ']')
		return false;
	while (at < end && is_blank(line[at]))
		at++;
	while (end > at && is_blank(line[end - 1]))
		end--;
	if (at == end || end - at > SECTION_NAME_MAX)
		return false;
	memcpy(out, line + at, end - at);
	out[end - at] = '\0';
	return true;
}

/* "[host ...]": what follows counts for some clients only. If the head is wrong, it
 * counts for nobody: taking it for all of them would be another configuration than the
 * one that is written. */
static void
parse_section(struct parser *p, const char *line, size_t n)
{
	char name[SECTION_NAME_MAX + 1], shown[SHOWN_MAX];

	while (n > 0 && is_blank(line[n - 1]))
		n--;
	memset(p->seen, 0, option_count * sizeof(*p->seen));
	p->lost = true;
	for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
		if (!section_name(line, n, section_kind_name(kind), name))
			continue;
		int r = section_add(p->conf, kind, name, &p->tell, &p->section);
		p->lost = r < 0;
		p->result = r == -FERRY_ENOMEM ? r : p->result;
		return;
	}
	conf_tell(&p->tell, CONF_ERROR,
	    "%s is not a section; those are [host NAME] and [network CIDR]",
	    log_escape(line, n, shown, sizeof(shown)));
}

/* A line that is no setting. The most likely reason is told. */
static void
refuse_line(struct parser *p, const char *line, size_t n)
{
	char name[OPTION_NAME_MAX + 1] = "", shown[SHOWN_MAX];
	size_t len = name_length(line, n);

	log_escape(line, n, shown, sizeof(shown));
	if (len < sizeof(name))
		memcpy(name, line, len);
	const char *nearest = option_nearest(name);
	if (option_find(name) != NULL)
		conf_tell(
		    &p->tell, CONF_ERROR, "%s has no =; write %s=VALUE", name, name);
	else if (line[0] == ';' || line[0] == '/')
		conf_tell(&p->tell, CONF_ERROR,
		    "%s is not a setting; a comment begins with # in column 1", shown);
	else if (nearest != NULL)
		conf_tell(&p->tell, CONF_ERROR,
		    "%s is not a setting; did you mean %s=VALUE?", shown, nearest);
	else
		conf_tell(
		    &p->tell, CONF_ERROR, "%s is not a setting; write NAME=VALUE", shown);
}

/* vsftpd lets the later line win, silently: someone who edits the earlier one wonders why
 * nothing happens. */
static void
note_repetition(struct parser *p, const char *name)
{
	const struct option *o = option_find(name);

	if (o == NULL)
		return;
	unsigned *seen = &p->seen[o - option_table];
	if (*seen != 0)
		conf_tell(&p->tell, CONF_WARNING,
		    "%s is in line %u too; this later line wins", name, *seen);
	*seen = p->tell.line;
}

/* NAME=VALUE, the = at line[eq]. */
static void
parse_setting(struct parser *p, const char *line, size_t n, size_t eq)
{
	char text[LINE_MAX_BYTES + 1];
	size_t name_len = eq, value = eq + 1;

	while (name_len > 0 && is_blank(line[name_len - 1]))
		name_len--;
	if (name_len == 0) {
		conf_tell(&p->tell, CONF_ERROR, "there is no option's name before the =");
		return;
	}
	memcpy(text, line, n);
	text[n] = '\0';
	text[name_len] = '\0';
	if (name_len < eq) {
		char shown[SHOWN_MAX];

		/* The blanks behind the = go without a second warning. */
		while (value < n && is_blank(text[value]))
			value++;
		conf_tell(&p->tell, CONF_WARNING,
		    "blanks around the = of %s are left out; vsftpd would not start",
		    log_escape(text, name_len, shown, sizeof(shown)));
	}

	if (p->lost)
		return;
	struct conf_teller *t = &p->tell;
	note_repetition(p, text);
	int r = p->section != NULL ? section_set(p->section, text, text + value, t->file,
					 t->line, t->cb, t->user)
				   : conf_set(p->conf, text, text + value, t->file,
					 t->line, t->cb, t->user);
	if (r == -FERRY_EINVAL)
		t->failed = true;
	else if (r < 0)
		p->result = r;
}

/* NUL and other control bytes: a file of another kind, or another encoding. */
static bool
is_text(struct parser *p, const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)line[i];

		if ((b >= 0x20 && b != 0x7f) || b == '\t')
			continue;
		conf_tell(&p->tell, CONF_ERROR,
		    b == 0 ? "column %zu holds a NUL byte (\\%03o): is this a text file?"
			   : "column %zu holds the control byte \\%03o: is this a text "
			     "file?",
		    i + 1, b);
		return false;
	}
	return true;
}

static void
parse_line(struct parser *p, const char *line, size_t n)
{
	size_t indent = 0;

	if (n > 0 && line[n - 1] == '\r')
		n--;
	if (n == 0 || line[0] == '#' || !is_text(p, line, n))
		return;
	while (indent < n && is_blank(line[indent]))
		indent++;
	line += indent;
	n -= indent;
	if (n == 0)
		return;
	if (line[0] == '#') {
		conf_tell(&p->tell, CONF_WARNING,
		    "this comment is indented; vsftpd takes only a # in column 1 for a "
		    "comment and would not start");
		return;
	}
	if (line[0] == '[') {
		parse_section(p, line, n);
		return;
	}
	if (n > LINE_MAX_BYTES) {
		conf_tell(&p->tell, CONF_ERROR,
		    "the line is longer than any setting: %zu bytes", n);
		return;
	}

	const char *eq = memchr(line, '=', n);
	if (eq == NULL)
		refuse_line(p, line, n);
	else
		parse_setting(p, line, n, (size_t)(eq - line));
}

/* The mark that some editors put before UTF-8 text. */
static size_t
skip_mark(struct parser *p, const char *text, size_t n)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (n < 3 || memcmp(text, mark, 3) != 0)
		return 0;
	p->tell.line = 1;
	conf_tell(&p->tell, CONF_WARNING,
	    "the file begins with a byte order mark, which is skipped; vsftpd would take "
	    "it for part of the first option's name");
	return 3;
}

int
conf_parse(struct conf *c, const char *file, const char *text, size_t n,
    conf_problem_cb *cb, void *user)
{
	_cleanup_free_ unsigned *seen = calloc(option_count, sizeof(*seen));
	struct parser p = {
	    .conf = c, .seen = seen, .tell = {.cb = cb, .user = user, .file = file}};

	if (seen == NULL)
		return -FERRY_ENOMEM;
	size_t at = skip_mark(&p, text, n);
	for (unsigned line = 1; at < n && p.result == 0; line++) {
		const char *lf = memchr(text + at, '\n', n - at);
		size_t len = lf != NULL ? (size_t)(lf - text) - at : n - at;

		p.tell.line = line;
		parse_line(&p, text + at, len);
		at += len + 1;
	}
	if (p.result < 0)
		return p.result;
	return p.tell.failed ? -FERRY_EINVAL : 0;
}
