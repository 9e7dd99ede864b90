/*
 * Lines of a control connection, and the Telnet commands between their bytes (RFC 854),
 * for both ends. Must give the same events however the input is cut, and must never hold
 * more of a line than its maximum.
 */
#include "line.h"

#include <string.h>

#include <ferry/ferry.h>

/* RFC 854 and RFC 1184: the bytes that can follow an IAC. Below 236 none is defined. */
enum {
	TELNET_FIRST = 236,
	TELNET_ABORT = 238,
	TELNET_SE = 240,
	TELNET_DM = 242,
	TELNET_IP = 244,
	TELNET_AO = 245,
	TELNET_SB = 250,
	TELNET_WILL = 251,
	TELNET_WONT = 252,
	TELNET_DO = 253,
	TELNET_DONT = 254,
	TELNET_IAC = 255,
};

enum state {
	STATE_TEXT,    /* outside of Telnet commands */
	STATE_IAC,     /* an IAC came */
	STATE_OPTION,  /* IAC and WILL, WONT, DO or DONT (reader->verb) came */
	STATE_SUB,     /* inside a subnegotiation */
	STATE_SUB_IAC, /* an IAC came inside it */
};

void
line_init(struct line_reader *lr, size_t max, enum line_flags flags)
{
	*lr = (struct line_reader){
	    .text = BUF_INIT(max),
	    .lenient = flags & LINE_LENIENT,
	};
}

void
line_free(struct line_reader *lr)
{
	if (!lr)
		return;
	/* PASS went through here. */
	buf_wipe(&lr->text);
	line_init(lr, lr->text.max, lr->lenient ? LINE_LENIENT : LINE_STRICT);
}

static int
add_text(struct line_reader *lr, const uint8_t *p, size_t n)
{
	if (lr->discarding)
		return 0;
	if (n > buf_room(&lr->text)) {
		lr->discarding = true;
		buf_clear(&lr->text);
		return 0;
	}
	return buf_append(&lr->text, p, n);
}

/* The line has ended. */
static enum line_event
finish(struct line_reader *lr)
{
	bool too_long = lr->discarding;

	lr->cr = false;
	lr->discarding = false;
	lr->delivered = true;
	return too_long ? LINE_TOO_LONG : LINE_READY;
}

/* One byte that is not part of a Telnet command. */
static int
take_text(struct line_reader *lr, uint8_t byte, enum line_event *ret_event)
{
	int r;

	if (byte == '\n' && (lr->cr || lr->lenient)) {
		*ret_event = finish(lr);
		return 0;
	}
	if (lr->cr) {
		/* CR NUL is a CR; CR and anything else is both. */
		lr->cr = false;
		r = add_text(lr, (const uint8_t *)"\r", 1);
		if (r < 0 || byte == '\0')
			return r;
	}
	if (byte == '\r') {
		lr->cr = true;
		return 0;
	}
	return add_text(lr, &byte, 1);
}

/* The byte behind an IAC. */
static int
take_command(struct line_reader *lr, uint8_t byte, enum line_event *ret_event)
{
	int r;

	lr->state = STATE_TEXT;
	switch (byte) {
	case TELNET_IAC:
		return take_text(lr, TELNET_IAC, ret_event);
	case TELNET_WILL:
	case TELNET_WONT:
	case TELNET_DO:
	case TELNET_DONT:
		lr->verb = byte;
		lr->state = STATE_OPTION;
		return 0;
	case TELNET_SB:
		lr->state = STATE_SUB;
		return 0;
	case TELNET_IP:
	case TELNET_AO:
	case TELNET_ABORT:
	case TELNET_DM:
		*ret_event = LINE_SYNCH;
		return 0;
	default:
		if (byte >= TELNET_FIRST)
			return 0;
		/* Not Telnet at all: a name with 0xFF from somebody who does not double
		 * it. Taking the second byte for a command could swallow the CR that ends
		 * the line. */
		r = take_text(lr, TELNET_IAC, ret_event);
		return r < 0 ? r : take_text(lr, byte, ret_event);
	}
}

/* The byte behind IAC WILL, WONT, DO or DONT. We have no option, so the answer is always
 * no; to a no there is none (RFC 854, "General considerations": no acknowledgement
 * loops). */
static enum line_event
take_option(struct line_reader *lr, uint8_t option)
{
	lr->state = STATE_TEXT;
	if (lr->verb != TELNET_DO && lr->verb != TELNET_WILL)
		return LINE_MORE;
	lr->answer[0] = TELNET_IAC;
	lr->answer[1] = lr->verb == TELNET_DO ? TELNET_WONT : TELNET_DONT;
	lr->answer[2] = option;
	return LINE_ANSWER;
}

static int
take_byte(struct line_reader *lr, uint8_t byte, enum line_event *ret_event)
{
	switch ((enum state)lr->state) {
	case STATE_TEXT:
		if (byte != TELNET_IAC)
			return take_text(lr, byte, ret_event);
		lr->state = STATE_IAC;
		return 0;
	case STATE_IAC:
		return take_command(lr, byte, ret_event);
	case STATE_OPTION:
		*ret_event = take_option(lr, byte);
		return 0;
	case STATE_SUB:
		if (byte == TELNET_IAC)
			lr->state = STATE_SUB_IAC;
		return 0;
	case STATE_SUB_IAC:
		lr->state = byte == TELNET_SE ? STATE_TEXT : STATE_SUB;
		return 0;
	}
	return 0;
}

/* Bytes at p that are plain text and can be taken in one go. */
static size_t
plain_run(const struct line_reader *lr, const uint8_t *p, size_t n)
{
	size_t i = 0;

	if (lr->state != STATE_TEXT || lr->cr)
		return 0;
	while (i < n && p[i] != '\r' && p[i] != '\n' && p[i] != TELNET_IAC)
		i++;
	return i;
}

int
line_feed(struct line_reader *lr, const uint8_t *p, size_t n, size_t *ret_used,
    enum line_event *ret_event)
{
	enum line_event event = LINE_MORE;
	size_t used = 0;
	int r;

	if (lr->delivered) {
		buf_clear(&lr->text);
		lr->delivered = false;
	}
	while (used < n && event == LINE_MORE) {
		size_t run = plain_run(lr, p + used, n - used);

		r = run > 0 ? add_text(lr, p + used, run)
			    : take_byte(lr, p[used], &event);
		if (r < 0)
			return r;
		used += run > 0 ? run : 1;
	}
	*ret_used = used;
	*ret_event = event;
	return 0;
}

struct bytes
line_text(const struct line_reader *lr)
{
	return (struct bytes){.p = buf_data(&lr->text), .n = buf_len(&lr->text)};
}

bool
line_pending(const struct line_reader *lr)
{
	return (buf_len(&lr->text) > 0 && !lr->delivered) || lr->cr || lr->discarding ||
	       lr->state != STATE_TEXT;
}

int
line_append_name(struct buf *out, const uint8_t *name, size_t n, bool quote)
{
	size_t before = buf_len(out);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = buf_append_byte(out, name[i]);
		if (r < 0)
			break;
		if (name[i] == TELNET_IAC || (quote && name[i] == '"'))
			r = buf_append_byte(out, name[i]);
		else if (name[i] == '\r')
			r = buf_append_byte(out, '\0');
	}
	if (r < 0)
		buf_truncate(out, before);
	return r;
}

/* Length of the UTF-8 sequence that this byte begins; 0: none does (Unicode table 3-7).
 */
static size_t
utf8_length(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	if (first < 0xe0)
		return 2;
	return first < 0xf0 ? 3 : 4;
}

/* The well-formed character at p and its length; 0 if there is none. */
static size_t
utf8_decode(const uint8_t *p, size_t n, uint32_t *ret_char)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = utf8_length(p[0]);
	uint32_t c = p[0];

	if (len == 0 || len > n)
		return 0;
	if (len > 1)
		c &= 0x7fu >> len;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < smallest[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret_char = c;
	return len;
}

/* Characters that move the cursor, end a line or turn the direction of what follows. */
static bool
drives_terminal(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

int
line_append_safe(struct buf *out, const uint8_t *text, size_t n)
{
	size_t before = buf_len(out), i = 0;
	int r = 0;

	while (i < n && r == 0) {
		uint32_t c = 0;
		size_t len = utf8_decode(text + i, n - i, &c);

		if (c == '\\' && len == 1) {
			r = buf_append(out, "\\\\", 2);
		} else if (len > 0 && !drives_terminal(c)) {
			r = buf_append(out, text + i, len);
		} else {
			/* One byte at a time: what follows a broken one may be good. */
			len = 1;
			r = buf_printf(out, "\\%03o", text[i]);
		}
		i += len;
	}
	if (r < 0)
		buf_truncate(out, before);
	return r;
}
