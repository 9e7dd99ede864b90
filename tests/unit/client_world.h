/*
 * What a test of the client engine needs: a handle, a scripted server, a log of events,
 * and every case run twice, with blocking calls and event-driven.
 */
#ifndef FERRY_TESTS_CLIENT_WORLD_H
#define FERRY_TESTS_CLIENT_WORLD_H

#include <ferry/ferry.h>
#include <pthread.h>

/* cmocka.h wants these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_server.h"

#define LOG_MAX 65536

struct world {
	struct ferry *h;
	struct fake *f;
	bool event_driven;
	bool has_thread;
	pthread_t thread;
	char log[LOG_MAX]; /* events, one per line; addresses without the ports that vary
			    */
	size_t log_len;
	unsigned
	    abort_at; /* ferry_abort() at this progress event, counted from 1; 0: never */
	unsigned progress;
};

/* What a download delivers. */
struct sink {
	uint64_t bytes;
	uint64_t from;    /* offset of the first byte in the pattern */
	bool wrong;       /* not the pattern of "fill" */
	uint64_t stop_at; /* return 1 from here on; 0: never */
	char text[8192];  /* the first bytes */
};

/* What an upload sends: the pattern, or text. */
struct source {
	uint64_t total, at;
	const char *text;
	uint64_t fail_at; /* return -1 from here on; 0: never */
	size_t piece;     /* bytes per call; 0: as many as fit */
};

/* A handle and a server on 127.0.0.1 that plays the script. Timers are long. */
void world_start(struct world *w, void **state, const char *script);
void world_start_on(struct world *w, void **state, const char *host, const char *script);
/* Frees the handle, lets the script end, and fails if the client left it. */
void world_end(struct world *w);
/* The result of a call, driven to its end: go(&w, ferry_login(w.h, ...)). */
int go(struct world *w, int r);
/* Connects; login too, with the script lines of LOGIN_SCRIPT. */
void world_connect(struct world *w);
void world_login(struct world *w);
/* Is text in the log of events? */
bool logged(const struct world *w, const char *text);
#define assert_logged(w, text)                                                           \
	do {                                                                             \
		if (!logged(w, text))                                                    \
			fail_msg("no \"%s\" in:\n%s", text, (w)->log);                   \
	} while (0)
#define assert_error(w, text)                                                            \
	do {                                                                             \
		if (!strstr(ferry_error_text((w)->h), text))                             \
			fail_msg("no \"%s\" in: %s", text, ferry_error_text((w)->h));    \
	} while (0)

int sink_write(const void *data, size_t n, void *user);
int64_t source_read(void *data, size_t max, void *user);

#define LOGIN_SCRIPT                                                                     \
	"S: 220 ready\n"                                                                 \
	"C: USER anonymous\n"                                                            \
	"S: 331 password\n"                                                              \
	"C: PASS ferry@\n"                                                               \
	"S: 230 in\n"                                                                    \
	"C: FEAT\n"                                                                      \
	"S: 211-Features:\n"                                                             \
	"S:  SIZE\n"                                                                     \
	"S:  MLST type*;size*;\n"                                                        \
	"S:  REST STREAM\n"                                                              \
	"S: 211 End\n"
/* Without features. */
#define PLAIN_SCRIPT                                                                     \
	"S: 220 ready\n"                                                                 \
	"C: USER anonymous\n"                                                            \
	"S: 230 in\n"                                                                    \
	"C: FEAT\n"                                                                      \
	"S: 500 what?\n"

extern bool world_blocking, world_events;
#define BOTH(fn)                                                                         \
	{#fn " blocking", fn, NULL, NULL, &world_blocking},                              \
	{                                                                                \
#fn " event-driven", fn, NULL, NULL, &world_events                       \
	}

#endif
