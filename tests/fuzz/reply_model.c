/*
 * See reply_model.h.
 */
#include "reply_model.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch.h"
#include "input.h"

/* Longest line of a reply: a path of which every byte is escaped, and some words. */
#define REPLY_MAX (96 * 1024)

/* The positive final replies of each verb; it may be refused with any 4xx and 5xx. A verb
 * without a row may be answered with anything. */
static const struct {
	const char *verb;
	int codes[4];
} positive[] = {
    {"USER", {230, 331, 232}},
    {"PASS", {230, 202}},
    {"CWD", {250}},
    {"XCWD", {250}},
    {"CDUP", {250, 200}},
    {"XCUP", {250, 200}},
    {"REIN", {220}},
    {"QUIT", {221}},
    {"PORT", {200}},
    {"EPRT", {200}},
    {"PASV", {227}},
    {"EPSV", {229, 200}},
    {"TYPE", {200}},
    {"STRU", {200}},
    {"MODE", {200}},
    {"RETR", {226, 250}},
    {"STOR", {226, 250}},
    {"STOU", {226, 250}},
    {"APPE", {226, 250}},
    {"LIST", {226, 250}},
    {"NLST", {226, 250}},
    {"MLSD", {226, 250}},
    {"ALLO", {200, 202}},
    {"REST", {350}},
    {"RNFR", {350}},
    {"RNTO", {250}},
    {"ABOR", {225, 226}},
    {"DELE", {250}},
    {"RMD", {250}},
    {"XRMD", {250}},
    {"MKD", {257}},
    {"XMKD", {257}},
    {"PWD", {257}},
    {"XPWD", {257}},
    {"SYST", {215}},
    {"STAT", {211, 212, 213}},
    {"HELP", {211, 214}},
    {"NOOP", {200}},
    {"FEAT", {211}},
    {"OPTS", {200}},
    {"SIZE", {213}},
    {"MDTM", {213}},
    {"MFMT", {213}},
    {"MLST", {250}},
    {"AUTH", {234}},
    {"PBSZ", {200}},
    {"PROT", {200}},
    {"CCC", {200}},
};

/* Instead of a row: NOOP and nothing else, which nobody can refuse. What is left over
 * from another layer in front of it would spoil it. */
#define ROW_NOOP 255

static const char *
name_of(uint8_t row)
{
	if (row == ROW_NOOP)
		return "NOOP";
	return row > 0 ? verbs[row - 1].name : "";
}

static _Noreturn void
breach(const struct reply_model *m, const char *rule, const uint8_t *p, size_t n)
{
	fprintf(stderr, "breach: %s\nreply: \"%.*s\"\nwaiting:", rule, (int)n,
	    (const char *)p);
	for (size_t i = m->first; i < m->last && i < m->first + 8; i++)
		fprintf(stderr, " %s",
		    m->pending[i] > 0 ? name_of(m->pending[i]) : "(unknown)");
	fprintf(stderr, "%s\n", m->running ? "; the first has got its 1xx" : "");
	abort();
}

void
model_init(struct reply_model *m)
{
	*m = (struct reply_model){.got = BUF_INIT(REPLY_MAX)};
	m->pending = malloc(MODEL_PENDING_MAX);
	assert(m->pending != NULL);
	line_init(&m->sent, INPUT_LINE_MAX, LINE_STRICT);
}

void
model_free(struct reply_model *m)
{
	line_free(&m->sent);
	buf_free(&m->got);
	free(m->pending);
}

/* ---- commands ---- */

static uint8_t
row_of(struct bytes line)
{
	const uint8_t *blank = line.n > 0 ? memchr(line.p, ' ', line.n) : NULL;
	struct bytes name = {
	    .p = line.p, .n = blank != NULL ? (size_t)(blank - line.p) : line.n};
	const struct verb *v = verb_find(name);

	if (line.n == 4 && v != NULL && strcmp(v->name, "NOOP") == 0)
		return ROW_NOOP;
	return v != NULL ? (uint8_t)(v - verbs + 1) : 0;
}

void
model_sent(struct reply_model *m, const uint8_t *p, size_t n)
{
	while (n > 0) {
		enum line_event event = LINE_MORE;
		size_t used = 0;
		int r = line_feed(&m->sent, p, n, &used, &event);

		assert(r == 0);
		p += used;
		n -= used;
		if (event != LINE_READY && event != LINE_TOO_LONG)
			continue;
		assert(m->last < MODEL_PENDING_MAX);
		m->pending[m->last++] =
		    event == LINE_READY ? row_of(line_text(&m->sent)) : 0;
	}
}

void
model_sent_noise(struct reply_model *m)
{
	m->deaf_to_order = true;
}

/* ---- replies ---- */

static bool
may_answer(uint8_t row, int code)
{
	const char *name = name_of(row);

	if (code >= 400)
		return row != ROW_NOOP;
	for (size_t i = 0; i < ARRAY_LEN(positive); i++) {
		if (strcmp(positive[i].verb, name) != 0)
			continue;
		for (size_t k = 0; k < ARRAY_LEN(positive[i].codes); k++) {
			if (positive[i].codes[k] == code)
				return true;
		}
		return false;
	}
	return true;
}

/* NOOP and STAT are answered at once while a transfer runs and nothing waits before them.
 */
static bool
answers_in_between(struct reply_model *m, int code)
{
	if (!m->running || m->last - m->first < 2 || (code != 200 && code != 211))
		return false;
	uint8_t row = m->pending[m->first + 1];
	const char *name = name_of(row);
	if (strcmp(name, code == 200 ? "NOOP" : "STAT") != 0)
		return false;
	m->pending[m->first + 1] = m->pending[m->first];
	m->first++;
	return true;
}

static bool
is_transfer(uint8_t row)
{
	return row == 0 || may_answer(row, 226);
}

/* What was sent in clear behind AUTH, and not answered yet, never is. */
static void
begin_secret(struct reply_model *m)
{
	m->secured = true;
	m->first = m->last;
	line_free(&m->sent);
	line_init(&m->sent, INPUT_LINE_MAX, LINE_STRICT);
}

static void
take_final(struct reply_model *m, int code, const uint8_t *p, size_t n)
{
	uint8_t row = m->pending[m->first++];

	if (!may_answer(row, code))
		breach(m, "not a reply to the first command that waits", p, n);
	m->bye = code == 221;
	m->running = false;
	if (m->on_final != NULL && row > 0)
		m->on_final(m->user, name_of(row), code);
	if (code == 234)
		begin_secret(m);
}

static void
take_reply(struct reply_model *m, int code, const uint8_t *p, size_t n)
{
	if (m->bye)
		breach(m, "a reply after goodbye", p, n);
	if (code == 421) {
		m->bye = true;
		return;
	}
	if (m->deaf_to_order) {
		m->secured |= code == 234;
		return;
	}
	if (!m->greeted) {
		if (code != 220)
			breach(m, "no greeting", p, n);
		m->greeted = true;
		return;
	}
	if (m->first == m->last)
		breach(m, "nothing was asked", p, n);
	if (code < 200) {
		if (m->running || !is_transfer(m->pending[m->first]))
			breach(m, "a 1xx out of its place", p, n);
		m->running = true;
		return;
	}
	if (!answers_in_between(m, code))
		take_final(m, code, p, n);
}

static int
code_of(const uint8_t *p, size_t n)
{
	if (n < 4 || p[0] < '1' || p[0] > '5')
		return 0;
	for (size_t i = 1; i < 3; i++) {
		if (p[i] < '0' || p[i] > '9')
			return 0;
	}
	return (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
}

static void
take_line(struct reply_model *m, const uint8_t *p, size_t n)
{
	int code = code_of(p, n);

	if (m->inside != 0) {
		if (code == m->inside && p[3] == ' ') {
			m->inside = 0;
			take_reply(m, code, p, n);
		} else if (n == 0 ||
			   (p[0] != ' ' && !(code == m->inside && p[3] == '-'))) {
			breach(m, "an inner line that looks like none", p, n);
		}
		return;
	}
	if (code == 0 || (p[3] != ' ' && p[3] != '-'))
		breach(m, "no reply", p, n);
	if (p[3] == '-')
		m->inside = code;
	else
		take_reply(m, code, p, n);
}

/* Takes the Telnet layer away: true if the byte is text. The server sends nothing but
 * refusals of options, and 0xFF doubled. */
static bool
is_text(struct reply_model *m, uint8_t byte)
{
	enum telnet before = m->telnet;

	m->telnet = TELNET_NONE;
	if (before == TELNET_REFUSAL)
		return false;
	if (before == TELNET_NONE && byte == 0xff)
		m->telnet = TELNET_IAC;
	else if (before == TELNET_IAC && (byte == 0xfc || byte == 0xfe))
		m->telnet = TELNET_REFUSAL;
	else if (before == TELNET_IAC && byte != 0xff)
		breach(m, "a Telnet command that is no refusal", &byte, 1);
	return m->telnet == TELNET_NONE;
}

static void
take_byte(struct reply_model *m, uint8_t byte)
{
	int r = buf_append_byte(&m->got, byte);

	assert(r == 0);
	const uint8_t *p = buf_data(&m->got);
	size_t n = buf_len(&m->got);
	if (n < 2 || p[n - 2] != '\r')
		return;
	if (byte == '\n') {
		take_line(m, p, n - 2);
		buf_clear(&m->got);
	} else if (byte != 0) {
		breach(m, "a CR in front of neither LF nor NUL", p, n);
	}
}

void
model_got(struct reply_model *m, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is_text(m, p[i]))
			take_byte(m, p[i]);
	}
}

bool
model_is_answered(const struct reply_model *m)
{
	return m->first == m->last || m->bye || m->deaf_to_order;
}

void
model_check_end(const struct reply_model *m)
{
	if (m->bye || m->deaf_to_order)
		return;
	if (m->inside != 0 || m->first < m->last || !m->greeted)
		breach(m, "the end, before all replies", buf_data(&m->got),
		    buf_len(&m->got));
}
