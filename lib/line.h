/*
 * Lines of a control connection: RFC 959 4.1 and 4.2, with the Telnet layer of RFC 854
 * taken out. Serves the server (commands), the client (replies), the tests and the
 * fuzzer. Sans I/O: bytes in, events out, and the same events however the input is cut.
 *
 * - A line ends with CR LF and only there (RFC 1123 4.1.2.10); a bare LF belongs to the
 * line.
 * - CR NUL is a CR (RFC 854, RFC 2640 3.1). CR followed by anything else stays a CR.
 * - IAC IAC is one byte 0xFF. Other Telnet commands are removed; DO and WILL are answered
 * with WONT and DONT (LINE_ANSWER). Subnegotiations (IAC SB ... IAC SE) are removed
 * unanswered. IAC and a byte that is no Telnet command (below 236) are two bytes of text.
 * - A line longer than the maximum is thrown away up to its CR LF, costs no more memory
 * than the maximum, and is reported once.
 * - LINE_LENIENT (for replies): a bare LF ends a line too, since some servers send it.
 */
#ifndef FERRY_LIB_LINE_H
#define FERRY_LIB_LINE_H

#include "buf.h"
#include "util.h"

enum line_flags {
	LINE_STRICT = 0,
	LINE_LENIENT = 1,
};

enum line_event {
	LINE_MORE,     /* all input used, no event */
	LINE_READY,    /* a line, without its CR LF, in line_text() */
	LINE_TOO_LONG, /* a line over the maximum has just ended */
	LINE_ANSWER,   /* the three bytes of reader->answer are to be sent as they are */
	LINE_SYNCH, /* IAC IP, IAC AO, IAC ABORT or IAC DM came: the peer wants attention
		     */
};

struct line_reader {
	struct buf text;
	uint8_t answer[3];
	uint8_t state; /* enum in line.c */
	uint8_t verb;  /* Telnet verb waiting for its option byte */
	bool cr;       /* a CR came, and not yet the byte behind it */
	bool lenient;
	bool discarding; /* inside a line that was too long */
	bool delivered;  /* text is to be cleared on the next feed */
};

/* max: longest line in bytes, CR LF not counted. */
void line_init(struct line_reader *lr, size_t max, enum line_flags flags);
void line_free(struct line_reader *lr);

/* Takes bytes up to and including the next event. *ret_used tells how many of the n bytes
 * were taken; call again with the rest. 0 or -FERRY_ENOMEM. */
int line_feed(struct line_reader *lr, const uint8_t *p, size_t n, size_t *ret_used,
    enum line_event *ret_event);

/* The line of the last LINE_READY: any bytes, NUL among them. Valid until the next feed.
 */
struct bytes line_text(const struct line_reader *lr);

/* Bytes of an unfinished line are waiting. */
bool line_pending(const struct line_reader *lr);

/* Appends a name to a line as RFC 2640 3.1 and RFC 854 want it on a control connection:
 * 0xFF doubled, CR as CR NUL. With quote also a double quote is doubled (RFC 959 appendix
 * II). Errors of buf_append, and then nothing was appended. */
int line_append_name(struct buf *out, const uint8_t *name, size_t n, bool quote);

/* Appends text for people: printable ASCII and well-formed UTF-8 as they are; control
 * characters (C0, DEL, C1), those that end a line or turn the writing direction (U+2028
 * to U+202E, U+2066 to U+2069) and broken UTF-8 byte by byte as \ooo, backslash as \\. So
 * no name can forge a line or drive a terminal. Errors of buf_append, and then nothing
 * was appended. */
int line_append_safe(struct buf *out, const uint8_t *text, size_t n);

#endif
