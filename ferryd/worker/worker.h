/*
 * The worker process around its sessions: channels to master, auth and agents, the table
 * of sessions, the scoreboard. It never opens a file and knows no path: bytes in, bytes
 * out, and descriptors that others opened.
 */
#ifndef FERRYD_WORKER_WORKER_H
#define FERRYD_WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "chan.h"
#include "conf.h"
#include "failure.h"
#include "idtable.h"
#include "listener.h"
#include "portqueue.h"
#include "scoreboard.h"

struct caller;
struct proxied;
struct session;
struct tls_identity;
struct worker;

/* Of one session; a client that goes on failing says nothing new. */
#define FAILURES_TOLD 20

/* The worker has nothing more to do, or has lost its master: the process is to end.
 * Called once. */
typedef void worker_end_cb(struct worker *w, const char *why, void *user);

struct worker {
	uv_loop_t *loop;
	struct conf *conf;       /* all of it; sessions have a view of theirs */
	struct chan *master;     /* NULL once it has ended */
	struct chan *auth;       /* NULL while auth is down */
	struct scoreboard board; /* slots 0: none */

	LIST_HEAD(, session) all;
	struct idtable sessions; /* session id -> struct session */
	struct idtable agents;   /* agent number -> struct agent */
	struct idtable binds; /* id of MASTER_BIND, _PROBE, _PEER -> number of the session
				 that asked */
	uint32_t last_bind;
	struct portqueue ports;
	struct resting resting; /* passive ports between two transfers of a session */
	/* With one passive port for all: who waits for a call to it, or may not yet tell
	 * it, and calls of which it is not known whose they are */
	LIST_HEAD(, session) expecting;
	LIST_HEAD(, caller) callers;
	unsigned callers_count;
	/* Data connections of trusted proxies, until their header is there */
	LIST_HEAD(, proxied) proxied;
	unsigned proxied_count;
	uint64_t turns; /* so often a session began to listen for its call */
	uint32_t last_call;
	unsigned pipes; /* that uploads may still make: pump_splice.c */
	unsigned large; /* downloads of large files that run: pump_file.c */
	unsigned works; /* HASH and SITE CPTO that run: work.h */

	/* For new connections, by the number of the host; [0] NULL: there are no keys. */
	struct tls_identity **identity;

	bool trace;    /* log every change of state, for developers */
	bool draining; /* no new sessions come */
	bool leaving;  /* ... and the idle ones go now */
	bool ended;
	uv_timer_t drain;
	worker_end_cb *on_end;
	void *user;
};

/* Begins to serve on master_fd, which it takes. conf and board stay the caller's for as
 * long as w lives; board may be NULL. Lines of this process's log go to the master from
 * here on. 0 or -FERRY_ENOMEM. */
int worker_init(struct worker *w, uv_loop_t *loop, struct conf *conf,
    const struct scoreboard *board, int master_fd, worker_end_cb *on_end, void *user);
/* What there is for more than sessions need at least: how many workers share the machine,
 * and the descriptors of this one. Without it no port rests, and no upload has a pipe. */
void worker_may_use(struct worker *w, unsigned workers, size_t descriptors);
/* Ends all sessions and channels. Handles finish closing when the loop runs once more. */
void worker_free(struct worker *w);

struct session *worker_session(const struct worker *w, uint32_t id);

/* ---- for sessions ---- */

/* Can a connection begin TLS just now? */
bool worker_has_keys(const struct worker *w);
/* Asks auth who this is. 0, or a negative code when auth cannot be asked now. */
int worker_login(
    struct worker *w, const struct session *s, struct bytes user, struct bytes password);
/* The same with the certificates that the client has shown. */
int worker_login_certified(
    struct worker *w, const struct session *s, struct bytes user, struct bytes chain);
/* Tells the master that the grant is not needed any more. */
void worker_logout(struct worker *w, const struct session *s);
/* Asks the master for a socket on the active source port; data_bound() hears of it. 0 or
 * negative. */
int worker_bind(struct worker *w, const struct session *s);
/* Asks the master whether s may probe its client's port now, and for a socket to do it from;
 * probe_allowed() hears of it. 0 or negative. */
int worker_probe(struct worker *w, const struct session *s);
/* Tells the master where the client of s comes from, as a trusted proxy says;
 * session_counted() hears of it. 0 or negative. */
int worker_tell_peer(struct worker *w, const struct session *s);
/* The client of s will call the shared passive port: data_expected(), then data_called(), or
 * caller.c finds it. What it expected before is forgotten. 0 or negative. */
int worker_expect(struct worker *w, struct session *s);
/* It will not, or it has. Harmless when nothing was expected. */
void worker_unexpect(struct worker *w, struct session *s);
/* Tells the master that the client's data connection failed: cause, errno or 0, and the
 * address that came or was named, or NULL. No more than FAILURES_TOLD times in a session.
 */
void worker_failure(struct worker *w, struct session *s, enum failure_cause cause,
    int error, const struct endpoint *other);
/* The session has ended: no table knows it from here on, and the master hears of it. */
void worker_forget(struct worker *w, struct session *s);

/* Writes to the session's scoreboard slot between these two; NULL when there is no
 * scoreboard. */
struct slot_view *worker_slot_begin(struct worker *w, const struct session *s);
void worker_slot_end(struct worker *w, const struct session *s);

#endif
