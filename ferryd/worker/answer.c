/*
 * Replies: RFC 959 4.2, names as RFC 2640 3.1 and RFC 854 want them. For every cmd_*.c.
 * Must never send a byte of a name, a path or another process's words that has not been
 * through line_append_name or line_append_safe.
 */
#include "answer.h"

#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

#include "line.h"
#include "log.h"
#include "session.h"

/* The longest reply: 8 KiB of empty lines from a message file, each with its code, and a
 * path of which every byte is escaped. */
#define ANSWER_MAX (80 * 1024)

static void
log_reply(const struct session *s, const struct buf *text)
{
	char peer[ENDPOINT_TEXT_MAX], shown[1024], line[1280];
	size_t n = buf_len(text) >= 2 ? buf_len(text) - 2 : 0;

	if (!s->conf->log_ftp_protocol)
		return;
	endpoint_format_address(&s->peer, peer);
	snprintf(line, sizeof(line), "FTP response: Client \"%s\", \"%s\"", peer,
	    log_escape(buf_data(text), n, shown, sizeof(shown)));
	log_line(LOG_KIND_PROTOCOL, LOG_INFO, s->id, line);
}

static void
keep(struct answer *a, int r)
{
	if (r < 0 && a->error == 0)
		a->error = r;
}

void
answer_begin(struct answer *a, struct session *s, int code)
{
	*a = (struct answer){.s = s, .code = code};
	buf_init(&a->text, ANSWER_MAX);
}

void
answer_line(struct answer *a, enum answer_line kind)
{
	if (a->begun)
		keep(a, buf_append_str(&a->text, "\r\n"));
	a->begun = true;
	const char head[] = {
	    (char)('0' + a->code / 100),
	    (char)('0' + a->code / 10 % 10),
	    (char)('0' + a->code % 10),
	    kind == ANSWER_MORE ? '-' : ' ',
	};
	if (kind == ANSWER_INNER)
		keep(a, buf_append_byte(&a->text, ' '));
	else
		keep(a, buf_append(&a->text, head, sizeof(head)));
}

/* printf is a good part of what a reply costs, and most are words as they are. */
static void
append(struct answer *a, const char *fmt, va_list ap)
{
	if (strcmp(fmt, "%s") == 0)
		keep(a, buf_append_str(&a->text, va_arg(ap, const char *)));
	else if (strchr(fmt, '%') == NULL)
		keep(a, buf_append_str(&a->text, fmt));
	else
		keep(a, buf_vprintf(&a->text, fmt, ap));
}

void
answer_text(struct answer *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append(a, fmt, ap);
	va_end(ap);
}

void
answer_name(struct answer *a, struct bytes name, bool quote)
{
	keep(a, line_append_name(&a->text, name.p, name.n, quote));
}

void
answer_line_of_name(struct answer *a, struct bytes line)
{
	if (line.n > 0 && memchr(line.p, '\n', line.n) != NULL)
		answer_safe(a, line);
	else
		answer_name(a, line, false);
}

void
answer_safe(struct answer *a, struct bytes text)
{
	keep(a, line_append_safe(&a->text, text.p, text.n));
}

void
answer_lines(struct answer *a, struct bytes text)
{
	while (text.n > 0) {
		const uint8_t *lf = memchr(text.p, '\n', text.n);
		size_t n = lf != NULL ? (size_t)(lf - text.p) : text.n;
		size_t shown = n > 0 && text.p[n - 1] == '\r' ? n - 1 : n;

		answer_line(a, ANSWER_MORE);
		answer_safe(a, (struct bytes){.p = text.p, .n = shown});
		if (lf != NULL)
			n++;
		text = (struct bytes){.p = text.p + n, .n = text.n - n};
	}
}

void
answer_send(struct answer *a)
{
	struct session *s = a->s;

	keep(a, buf_append_str(&a->text, "\r\n"));
	/* A client that reads no reply cannot be served: session_run() ends it. */
	if (s->state == SESSION_ENDED)
		a->error = -FERRY_EOF;
	else if (a->error == 0)
		keep(a, conn_write(s->control, buf_data(&a->text), buf_len(&a->text)));
	if (a->error == 0)
		log_reply(s, &a->text);
	else
		s->doomed = true;
	buf_free(&a->text);
}

void
answer(struct session *s, int code, const char *fmt, ...)
{
	struct answer a;
	va_list ap;

	answer_begin(&a, s, code);
	answer_line(&a, ANSWER_LAST);
	va_start(ap, fmt);
	append(&a, fmt, ap);
	va_end(ap);
	answer_send(&a);
}

/* ---- failures that an agent reports ---- */

/* Errors that say nothing about the name: trying again, or another disk, may help. */
static const struct {
	unsigned error;
	int code;
} codes[] = {
    {0, 451}, /* it claims success and gives nothing */
    {EAGAIN, 450},
    {EBUSY, 450},
    {ETXTBSY, 450},
    {EINTR, 451},
    {EIO, 451},
    {ENOMEM, 451},
    {EMFILE, 451},
    {ENFILE, 451},
    {ENOSYS, 451},
    {EPROTO, 451},
    {ESTALE, 451},
    {EBADF, 451},
    {ETIMEDOUT, 451},
    {ECANCELED, 451},
    {ENOSPC, 452},
    {EDQUOT, 452},
    {EFBIG, 552},
};

int
answer_code(unsigned error, int usual)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (codes[i].error == error)
			return codes[i].code;
	}
	return usual;
}

/* The agent has escaped the names in its words; that it has left nothing that could end a
 * line or begin a Telnet command is not believed but made so. */
const char *
answer_cause(const struct msg_worker_answer *a, char *out, size_t cap)
{
	size_t n = a->text.n < cap - 1 ? a->text.n : cap - 1;

	if (n == 0) {
		snprintf(out, cap, "%s",
		    a->error != 0 ? strerror((int)a->error) : "nothing came back");
		return out;
	}
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = a->text.p[i];

		out[i] = (char)(byte < 0x20 || byte == 0x7f || byte == 0xff ? '?' : byte);
	}
	out[n] = '\0';
	return out;
}

void
answer_failure(struct session *s, const struct msg_worker_answer *a, int usual)
{
	char cause[1024];

	answer(s, answer_code(a->error, usual), "%s.",
	    answer_cause(a, cause, sizeof(cause)));
}
