/*
 * Data connections that did not come about, or stood still: what the server saw, the
 * verdict that follows (a pure function), and the line that a failures file has for each.
 * For the worker, which saw it, the master, which keeps it, and ferryd failures, which
 * shows it.
 */
#ifndef FERRYD_WIRE_FAILURE_H
#define FERRYD_WIRE_FAILURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"

enum failure_cause {
	FAILURE_NOBODY,    /* passive: no call came in time */
	FAILURE_STRANGERS, /* ... but calls from `other` did */
	FAILURE_TURN, /* one passive port: no call in this session's turn, or no turn */
	FAILURE_UNPROVED, /* one passive port: calls that could be for several sessions */
	FAILURE_FULL,     /* no passive port was free */
	FAILURE_DIALLED,  /* active: our call failed with `error` */
	FAILURE_BIND,     /* active: the source port could not be had: `error` */
	FAILURE_NAMED,    /* PORT or EPRT named `other` */
	FAILURE_NOT_RESUMED, /* the data connection did not resume the TLS session */
	FAILURE_HANDSHAKE,   /* its TLS handshake failed */
	FAILURE_SWALLOWED,   /* open: small packets arrive, full ones never did */
	FAILURE_LOST,        /* open: ours are confirmed no more */
	FAILURE_UNREAD,      /* open: the client takes no more */
	FAILURE_SILENT,      /* open: the client sends no more */
	FAILURE_HEADERLESS,  /* passive: trusted proxies called without a PROXY header */
	FAILURE_FORBIDDEN, /* passive: the system lets the server open no port: `error` */
	FAILURE_FORGOTTEN, /* the control connection died in a transfer or behind it */
	FAILURE_CAUSES,
};

struct failure {
	enum failure_cause cause;
	int error;             /* errno, where the cause says so; else 0 */
	uint16_t port;         /* where we listened, or what we called */
	struct endpoint peer;  /* the client */
	struct endpoint other; /* family 0: none */
};

enum failure_code {
	CODE_P11,
	CODE_P15,
	CODE_A01,
	CODE_A02,
	CODE_A03,
	CODE_A06,
	CODE_A07,
	CODE_A08,
	CODE_A11,
	CODE_A13,
	CODE_A18,
	CODE_H03,
	CODE_H09,
	CODE_H11,
	CODE_L01,
	CODE_L03,
	CODE_L07,
	CODE_L08,
	CODE_L09,
	CODE_S01,
	CODE_T03,
	CODE_T07,
	CODES,
};

struct failure_verdict {
	enum failure_code code;
	bool certain; /* else likely */
};

/* What it was: from what was seen, no more. */
struct failure_verdict failure_judge(const struct failure *f);
/* Which connection: "active" and "passive" are calls that failed, "open" a data
 * connection that stood still, "control" the control connection. */
const char *failure_way(enum failure_cause cause);

/* "P11"; what it means; what to do. Static text. */
const char *failure_code_name(enum failure_code code);
const char *failure_code_means(enum failure_code code);
const char *failure_code_advice(enum failure_code code);

/* ---- what is kept ---- */

struct failure_record {
	int64_t last;           /* seconds since 1970 */
	uint32_t count;         /* so often, 1 or more */
	struct failure failure; /* the last one */
	struct failure_verdict verdict;
};

/* A failures file begins with this line. */
#define FAILURE_FILE_HEAD "ferryd-failures 1\n"
/* More lines than this are not written, nor read. */
#define FAILURE_RECORDS 256
/* Longest line, LF and NUL included. */
#define FAILURE_LINE_MAX 256

/* One line with its LF, as a C string. Returns its length. */
size_t failure_format(const struct failure_record *r, char out[FAILURE_LINE_MAX]);
/* A line without its LF, from a file that anybody may have written: 0 or -FERRY_EPROTO.
 * The verdict is made anew, not read. */
int failure_parse(const char *line, size_t n, struct failure_record *ret);

#endif
