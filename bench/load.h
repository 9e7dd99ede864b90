/*
 * The load generator's parts: what is to be done (struct plan), who does it (struct
 * session, all of them in one struct load) and what came of it (struct tally). For
 * load*.c only.
 */
#ifndef FERRY_BENCH_LOAD_H
#define FERRY_BENCH_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"
#include "tally.h"
#include "util.h"

enum deed {
	DEED_RETR,
	DEED_STOR,
	DEED_LIST,
	DEED_MLSD,
	DEED_LOGIN, /* connect, log in, QUIT, again and again */
	DEED_IDLE,  /* log in and stay */
};

enum way { WAY_EPSV, WAY_PASV, WAY_EPRT, WAY_PORT };

struct plan {
	struct sockaddr_in server;
	const char *user, *password;
	const char *path; /* '#' stands for the session's number */
	enum deed deed;
	enum way way;
	unsigned sessions;
	unsigned slow; /* sessions beside them that fetch slow_path at a crawl */
	const char *slow_path;
	uint64_t size;  /* bytes of every operation */
	bool any_size;  /* they are not known */
	uint64_t most;  /* operations of a session; 0: no limit */
	double seconds; /* new operations are begun for so long */
};

enum state {
	STATE_OUT,      /* not connected */
	STATE_GREETING, /* 220 is awaited */
	STATE_USER,
	STATE_PASS,
	STATE_TYPE,
	STATE_IN,     /* logged in, nothing is awaited */
	STATE_PLACE,  /* PASV, PORT or their like was sent */
	STATE_BEGIN,  /* RETR or its like was sent, 1xx is awaited */
	STATE_MOVING, /* 1xx came; the last reply is awaited */
	STATE_QUIT,
	STATE_NOOP,
};

/* What epoll hands back. */
struct watch {
	struct session *session;
	int fd;
	void (*ready)(struct session *s);
};

struct session {
	struct load *load;
	unsigned number;
	bool slow;
	bool replied; /* the last reply of the operation came */
	bool ended;   /* its data connection has ended in order */
	bool failed;
	enum state state;
	struct watch control, data, listener;
	int open;      /* the code of a reply whose last line has not come; 0: none */
	uint64_t done; /* operations */
	uint64_t moved;
	uint64_t began, first; /* ns; first: when its first byte came, or 0 */
	size_t n;              /* bytes in line */
	char line[256];
};

struct load {
	struct plan plan;
	struct tally tally;
	struct session *sessions;
	unsigned count;
	unsigned waiting; /* sessions that have not done what this phase is about */
	unsigned next;    /* first session that has not begun to log in */
	bool running;     /* operations are begun */
	uint64_t until;   /* ns; when no operation is begun any more */
	int epoll;
	int source; /* a memfd that uploads are sent from */
};

/* ---- load_session.c: the control connection ---- */

/* Connects; on -FERRY_ESYS the session is counted as failed. */
void session_connect(struct session *s);
/* The next operation, or, when it is time, the end of this session's part. */
void session_next(struct session *s);
void session_send(struct session *s, const char *verb, const char *arg);
/* Counts an error and ends the session. */
void session_fail(struct session *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void session_close(struct session *s);
/* The operation may be over: the last reply came, or the data connection ended. */
void session_settle(struct session *s);

/* ---- load_data.c: the data connection ---- */

/* Opens what an active operation needs and tells the server. */
void data_place(struct session *s);
/* The server has said where: dials. False: the session has failed. */
bool data_dial(struct session *s, int code, const char *reply);
/* 1xx came: an upload begins to send. */
void data_begin(struct session *s);
/* A slow session takes its next sip. */
void data_sip(struct session *s);
void data_close(struct session *s);

/* ---- load.c ---- */

void watch_start(struct session *s, struct watch *w, int fd, uint32_t events,
    void (*ready)(struct session *s));
void watch_stop(struct watch *w);
/* This session has done what the phase is about. */
void load_arrived(struct load *l);

#endif
