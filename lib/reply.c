/*
 * Replies of a server, gathered line by line, for the client. Must never take an inner
 * line of a long reply for its end, nor grow past REPLY_MAX_BYTES and REPLY_MAX_LINES.
 */
#include "reply.h"

#include <string.h>

#include <ferry/ferry.h>

#define CODE_DIGITS 3

void
reply_init(struct reply *r)
{
	*r = (struct reply){.text = BUF_INIT(REPLY_MAX_BYTES)};
}

void
reply_free(struct reply *r)
{
	if (!r)
		return;
	buf_free(&r->text);
	reply_init(r);
}

/* The code a line begins with, or 0: three digits, then a blank, a minus or the end. */
static int
line_code(const uint8_t *line, size_t n)
{
	if (n < CODE_DIGITS || line[0] < '1' || line[0] > '5')
		return 0;
	for (size_t i = 1; i < CODE_DIGITS; i++)
		if (line[i] < '0' || line[i] > '9')
			return 0;
	if (n > CODE_DIGITS && line[CODE_DIGITS] != ' ' && line[CODE_DIGITS] != '-')
		return 0;
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

/* A code alone ends a reply too: some servers cut trailing blanks off their lines. */
static bool
says_more(const uint8_t *line, size_t n)
{
	return n > CODE_DIGITS && line[CODE_DIGITS] == '-';
}

static void
begin(struct reply *r)
{
	buf_clear(&r->text);
	r->code = 0;
	r->lines = 0;
	r->last = 0;
}

static int
add_line(struct reply *r, const uint8_t *line, size_t n)
{
	size_t separator = r->lines > 0 ? 1 : 0;
	int e;

	if (r->lines == REPLY_MAX_LINES || n > buf_room(&r->text) ||
	    buf_room(&r->text) - n < separator)
		return -FERRY_ETOOBIG;
	e = buf_append(&r->text, "\n", separator);
	if (e < 0)
		return e;
	r->last = buf_len(&r->text);
	r->lines++;
	return buf_append(&r->text, line, n);
}

int
reply_feed(struct reply *r, const uint8_t *line, size_t n)
{
	int code = line_code(line, n), e;
	bool last;

	if (!r->open) {
		begin(r);
		if (code == 0)
			return -FERRY_EPROTO;
		last = !says_more(line, n);
	} else {
		/* RFC 959 4.2: the same code, then a blank. Anything else is text, codes
		 * included. */
		last = code != 0 && !says_more(line, n) &&
		       memcmp(line, buf_data(&r->text), CODE_DIGITS) == 0;
	}
	e = add_line(r, line, n);
	if (e < 0)
		return e;
	r->open = !last;
	r->code = last ? code : 0;
	return last;
}

const char *
reply_text(struct reply *r)
{
	const char *text = buf_cstr(&r->text);
	size_t skip = r->last + CODE_DIGITS + 1;

	if (!text || r->code == 0 || buf_len(&r->text) < skip)
		return "";
	return text + skip;
}
