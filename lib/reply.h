/*
 * Replies of a server, RFC 959 4.2: ddd SP text, or ddd- ... ddd SP text. Lines in, whole
 * replies out. Tolerates any inner line (RFC 1123 4.1.2.11) and never grows past its
 * limits.
 */
#ifndef FERRY_LIB_REPLY_H
#define FERRY_LIB_REPLY_H

#include "buf.h"
#include "util.h"

#define REPLY_MAX_BYTES (256 * 1024)
#define REPLY_MAX_LINES 8192

struct reply {
	int code; /* 100..599; 0 while none is complete */
	unsigned lines;
	size_t last;     /* where the last line begins in text */
	bool open;       /* a first line "ddd-" came, its last one has not */
	struct buf text; /* the lines as they came, joined by LF, codes included */
};

void reply_init(struct reply *r);
void reply_free(struct reply *r);

/* Adds a line (without CR LF). 1: r is complete; the next call begins a new one. 0: more
 * lines belong to it. -FERRY_EPROTO: not a reply (first line has no code);
 * -FERRY_ETOOBIG: over the limits; -FERRY_ENOMEM. After an error the connection is of no
 * use any more. */
int reply_feed(struct reply *r, const uint8_t *line, size_t n);

/* Text behind the code of the last line, for people; "" if there is none. */
const char *reply_text(struct reply *r);

#endif
