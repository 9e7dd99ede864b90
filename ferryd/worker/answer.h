/*
 * Replies on the control connection. Every byte a client reads there is written through
 * this file, so that no name and no cause can forge a line: text of ours by format, names
 * by answer_name() (exact, for programs) or answer_safe() (escaped, for people).
 */
#ifndef FERRYD_WORKER_ANSWER_H
#define FERRYD_WORKER_ANSWER_H

#include "buf.h"
#include "msg.h"
#include "util.h"

struct session;

/* One line: "ddd text". The arguments must be our own words or numbers. */
void answer(struct session *s, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A failure that the agent reported: code and words made from its errno and cause. usual
 * is the code for errors that say something about the name (550 or 553, or 450). */
void answer_failure(struct session *s, const struct msg_worker_answer *a, int usual);
/* The code alone. */
int answer_code(unsigned error, int usual);
/* "'a.txt': no such file or directory". Never empty, always one line. */
const char *answer_cause(const struct msg_worker_answer *a, char *out, size_t cap);

/* A reply of several parts or lines. Errors are kept until answer_send(). */
struct answer {
	struct session *s;
	int code;
	int error;
	bool begun;
	struct buf text;
};

enum answer_line {
	ANSWER_MORE,  /* "ddd-" */
	ANSWER_INNER, /* " " */
	ANSWER_LAST,  /* "ddd " */
};

void answer_begin(struct answer *a, struct session *s, int code);
/* Begins a line (and ends the one before). */
void answer_line(struct answer *a, enum answer_line kind);
void answer_text(struct answer *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void answer_name(struct answer *a, struct bytes name, bool quote);
/* A line that ends in a name which the client knows already (MLST, MFMT): as
 * answer_name(), but with an LF in it all is escaped. Only CR LF ends a line, but most
 * clients end one at any LF, and what follows would be a reply for them. */
void answer_line_of_name(struct answer *a, struct bytes line);
void answer_safe(struct answer *a, struct bytes text);
/* Text of several lines that comes from outside (a banner, a message file): all of its
 * lines as "ddd-", control bytes escaped. */
void answer_lines(struct answer *a, struct bytes text);
/* Ends the last line and sends the reply. a needs no more care afterwards. */
void answer_send(struct answer *a);

#endif
