/*
 * The load generator's parts: what is to be done (struct plan), who does it (struct
 * session, all of them in one struct load) and what came of it (struct tally). For
 * load*.c only.
 */
#ifndef FERRY_BENCH_LOAD_H
#define FERRY_BENCH_LOAD_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

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
	bool tls;       /* control and data connections, after AUTH TLS */
	bool resume;    /* logins resume the TLS session of the login before */
	unsigned depth; /* RETR in block mode, so many of them asked for ahead; 0: no */
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
	STATE_AUTH,     /* AUTH TLS was sent; behind 234 comes the handshake */
	STATE_USER,
	STATE_PASS,
	STATE_SETTING, /* PROT, TYPE or their like was sent */
	STATE_IN,      /* logged in, nothing is awaited */
	STATE_PLACE,   /* PASV, PORT or their like was sent */
	STATE_BEGIN,   /* RETR or its like was sent, 1xx is awaited */
	STATE_MOVING,  /* 1xx came; the last reply is awaited */
	STATE_BLOCK,   /* many RETR may have been sent: load_block.c counts */
	STATE_QUIT,
	STATE_NOOP,
};

/* What epoll hands back: a descriptor, in clear or under TLS. */
struct watch {
	struct session *session;
	int fd;
	uint32_t events; /* what its owner waits for */
	bool added;      /* epoll knows it */
	bool shaking;    /* the TLS handshake is under way, its owner waits */
	SSL *ssl;        /* NULL: in clear */
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
	SSL_SESSION *ticket; /* of the control connection; NULL: none came */
	struct block *block; /* load_block.c's, once it has begun */
	unsigned calls;      /* control connections that it has made */
	unsigned settings;   /* commands of the settings that were sent */
	int open;      /* the code of a reply whose last line has not come; 0: none */
	uint64_t done; /* operations */
	uint64_t moved;
	uint64_t began, first; /* ns; first: when its first byte came, or 0 */
	size_t n;              /* bytes in line */
	char line[256];
};

/* RETR that may be under way in one session. */
#define DEPTH_MAX 1024
/* What is read at once, by whoever reads. */
#define SCRATCH_SIZE (256 * 1024)

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
	int source;           /* a memfd that uploads are sent from */
	const uint8_t *bytes; /* the same, mapped, for uploads under TLS */
	SSL_CTX *tls;         /* NULL: all is in clear */
	uint8_t scratch[SCRATCH_SIZE];
};

/* ---- load_options.c ---- */

/* The command line; ends the program if it makes no sense. */
void plan_parse(struct plan *p, int argc, char **argv);

/* ---- load_session.c: the control connection ---- */

/* Connects; on -FERRY_ESYS the session is counted as failed. */
void session_connect(struct session *s);
/* The next operation, or, when it is time, the end of this session's part. */
void session_next(struct session *s);
/* Is another operation to be begun, by the clock and by the number of those begun? */
bool session_goes_on(const struct session *s, uint64_t begun);
void session_send(struct session *s, const char *verb, const char *arg);
/* Whole lines, as they are. */
void session_send_text(struct session *s, const char *text, size_t n);
/* The plan's path with this session's number in the place of '#'. */
void session_path(const struct session *s, const char *path, char *ret, size_t size);
/* Counts an error and ends the session. */
void session_fail(struct session *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void session_close(struct session *s);
/* The handshake of the control connection is over. */
void session_secured(struct session *s);
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
/* Bytes of the operation came or went. */
void data_moved(struct session *s, size_t n);
void data_close(struct session *s);

/* ---- load_block.c: block mode, many files over one data connection ---- */

/* The data connection was dialled: asks for the first files. */
void block_begin(struct session *s);
void block_reply(struct session *s, int code, const char *text);
/* The data connection has bytes. */
void block_ready(struct session *s);
void block_free(struct block *b);

/* ---- load_tls.c ---- */

/* The context of all connections. 0 or -FERRY_ESYS. */
int tls_init(struct load *l);
void tls_free(struct load *l);
/* Begins a handshake as the client on an open descriptor; with_ticket: to resume the
 * session's. Whoever waits for it hears of it when the handshake is over. */
void tls_start(struct watch *w, bool with_ticket);
/* Goes on with it. True: it is over, and the watch is as good as one in clear. */
bool tls_shake(struct watch *w);
/* As recv() and send(), for watches with ssl. 0: the peer has sent close_notify. */
ssize_t tls_recv(struct watch *w, void *p, size_t n);
ssize_t tls_send(struct watch *w, const void *p, size_t n);
/* Sends what is still kept and close_notify. 0, or -1 and errno. */
int tls_finish(struct watch *w);

/* ---- load.c ---- */

void watch_start(struct session *s, struct watch *w, int fd, uint32_t events,
    void (*ready)(struct session *s));
/* From now on its owner waits for something else. */
void watch_want(struct watch *w, uint32_t events, void (*ready)(struct session *s));
/* What epoll waits for, whatever the owner wants. */
void watch_poll(struct watch *w, uint32_t events);
void watch_stop(struct watch *w);
/* In clear or under TLS, without waiting: as recv() and send(). */
ssize_t watch_recv(struct watch *w, void *p, size_t n);
ssize_t watch_send(struct watch *w, const void *p, size_t n);
/* This session has done what the phase is about. */
void load_arrived(struct load *l);

#endif
