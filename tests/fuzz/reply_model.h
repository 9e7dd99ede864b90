/*
 * What a client may conclude from a conversation: every command has one final reply, in
 * order; every reply has the form of RFC 959 4.2; nothing that was not asked for is
 * answered. For fuzz_session.c, which tells it every byte that went either way. It ends
 * the program on the first breach.
 */
#ifndef FERRY_TESTS_FUZZ_REPLY_MODEL_H
#define FERRY_TESTS_FUZZ_REPLY_MODEL_H

#include "buf.h"
#include "line.h"

#define MODEL_PENDING_MAX 65536

enum telnet { TELNET_NONE, TELNET_IAC, TELNET_REFUSAL };

struct reply_model {
	struct line_reader sent;
	uint8_t *pending;   /* rows of verbs.def, plus one; 0: a verb that nobody knows */
	size_t first, last; /* the commands that wait for a final reply */
	bool greeted;
	bool running; /* the first of them has got its 1xx */
	bool bye;     /* 421 or 221: nothing may come any more */
	bool secured; /* 234: what comes next comes under TLS */
	bool deaf_to_order; /* what no client says was sent too, and may be answered */
	/* Told of every final reply; NULL: nobody is. */
	void (*on_final)(void *user, const char *verb, int code);
	void *user;
	enum telnet telnet;
	struct buf got; /* bytes of the unfinished line */
	int inside;     /* the code of the reply of several lines that has begun, or 0 */
};

void model_init(struct reply_model *m);
void model_free(struct reply_model *m);
/* The client has sent these bytes. */
void model_sent(struct reply_model *m, const uint8_t *p, size_t n);
/* Bytes were sent in clear that are no commands (a handshake that begins too early): from
 * here on only the form of replies counts, and what must be secret. */
void model_sent_noise(struct reply_model *m);
/* The client has read these. After 234 they must have come through TLS. */
void model_got(struct reply_model *m, const uint8_t *p, size_t n);
/* Has every command that is whole its final reply? */
bool model_is_answered(const struct reply_model *m);
/* The server has closed, after having had its time: nothing may be left open. */
void model_check_end(const struct reply_model *m);

#endif
