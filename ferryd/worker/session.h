/*
 * One user's session: the control connection, what the user has set, and what is going
 * on. All files of this folder share struct session; the states change through
 * session_enter() alone.
 *
 * Life: the master hands over a socket (session_new), perhaps a proxy tells whose it is,
 * commands come one at a time out of the queue (session_run -> dispatch.c -> cmd_*.c),
 * whatever takes time leaves the state that says what is waited for, and comes back
 * through session_done(). session_end() is the one way out; the memory stays until libuv
 * has let go of the timers.
 */
#ifndef FERRYD_WORKER_SESSION_H
#define FERRYD_WORKER_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "agentlink.h"
#include "buf.h"
#include "coding.h"
#include "conn.h"
#include "data.h"
#include "digest.h"
#include "endpoint.h"
#include "input.h"
#include "line.h"
#include "listplan.h"
#include "proxyheader.h"
#include "scoreboard.h"
#include "tls.h"
#include "util.h"
#include "worker.h"

enum session_state {
	/* It is not known who it is: a trusted proxy has still to tell, or the master to
	   count the session there. Ended by: the header, the master's answer, the clock.
	 */
	SESSION_ARRIVING,
	/* No command runs. Ended by: a line in the queue, the idle timer, the login
	 * timer, the end of the control connection, the worker leaving. */
	SESSION_READY,
	/* The control connection changes to TLS or back. Ended by: the handshake, its
	   failure, the clock. */
	SESSION_SECURING,
	/* Auth has the password, or the certificate. Ended by: a grant, a refusal, a
	   denial, auth's end, the login timer. */
	SESSION_CHECKING,
	/* The reply to PASS, PASV or EPSV is held back for its delay. Ended by: the
	   clock. */
	SESSION_PAUSED,
	/* The agent was asked. Ended by: its answer, or its end. */
	SESSION_ASKING,
	/* Every passive port is taken, and PASV waits in line. Ended by: a port, the
	   clock. */
	SESSION_PORTLESS,
	/* A transfer has got its 1xx reply. Ended by: transfer.c alone, in its last
	   reply. */
	SESSION_TRANSFER,
	/* STAT sends a listing over the control connection. Ended by: the listing's end.
	 */
	SESSION_LISTING,
	/* A file is hashed or copied. Ended by: the end of that, ABOR, the clock when the
	   client has gone. */
	SESSION_WORKING,
	/* SITE FERRY PROBE dials. Ended by: the master's refusal, the client's system,
	   the clock. */
	SESSION_PROBING,
	/* The last reply is written; input is thrown away. Ended by: the peer closing,
	   the clock. */
	SESSION_CLOSING,
	/* Nothing is open any more; the memory waits for libuv. */
	SESSION_ENDED,
};

/* The last few directories that were entered, as hashes. */
struct entered {
	uint32_t hash[16];
	unsigned next;
};

struct ahead;
struct diagnosis;
struct replylist;
struct transfer;
struct verb;
struct work;
struct work_plan;

/* What the running command wants, while agents and threads are at it. */
struct aim {
	enum digest_kind digest;
	bool numbered;         /* an X command: start and end are arguments */
	bool named;            /* ... and are known not to be part of the name */
	uint64_t first, limit; /* bytes from first on, up to but without limit */
	uint64_t length;       /* what is there of them */
	uint32_t upload;       /* the copy's number */
	int code;              /* its last reply, once it is known; the text: pending */
	uint8_t facts; /* MFF: enum change_fact */
	uint32_t mode;
};

struct session {
	LIST_ENTRY(session) entry;
	struct worker *worker;
	uint32_t id;
	uint32_t slot;
	enum session_state state;
	/* Who the client is and how it has reached us: as a trusted proxy tells it, if it
	 * came through one. Set by session_meet() alone. */
	struct endpoint peer, local;
	struct endpoint own; /* our end of the control connection itself */
	bool proxied;        /* it came through a trusted proxy */
	bool told;           /* ... which has said from where */
	struct proxy_reader *preface; /* while the header comes */
	/* What counts for this session: its own host's and network's. Read it, never
	 * worker->conf. */
	const struct conf *conf;
	size_t host, network; /* numbers of sections (section.h), or 0 */

	/* control connection */
	struct conn *control;
	struct line_reader reader;
	struct input input;
	const struct verb *verb; /* row of the last command that was run in its turn */
	bool running;            /* session_run() or the reader is on the stack */
	bool input_ended;        /* the client will send nothing more */
	bool quitting;           /* ... and has said so: QUIT has come */
	bool doomed;             /* the control connection cannot be written to */
	bool finished;           /* our side is shut down after the last reply */
	uv_timer_t clock;        /* the one timer: session_watch() */
	uint64_t rings_at;       /* ... or 0: it does not */
	void (*on_pause)(struct session *s);        /* set in SESSION_PAUSED */
	uint64_t begun, last_active, closing_since; /* milliseconds of the loop */
	uint64_t paused_until;                      /* ... 0: no longer */
	uint64_t idle_seconds; /* idle_session_timeout, or what SITE IDLE made it */
	unsigned unknown;      /* commands that nobody knows */

	/* login */
	char *user; /* what USER said, then what the grant says; NULL: nobody */
	unsigned failures;
	bool anonymous;
	bool certified;         /* the login is by certificate: asked for, then granted */
	bool certificate_spent; /* it was refused: not tried again on this connection */
	uint64_t asked_at;      /* when PASS came, for replies that take equally long */
	struct agent *agent;    /* set exactly while logged in */
	uint32_t grant;
	uint32_t rights; /* of the grant; the agent enforces them */
	uint32_t question; /* id of what the agent was asked, or 0 */
	char *cwd;         /* absolute, as the user sees it */
	agent_answer_cb *on_answer;
	struct entered *entered; /* directories whose message was shown; NULL: none */
	struct aim aim;
	char *pending; /* a name or text that the command needs when the answer comes */

	/* TLS: RFC 4217. Whether the control connection is under it, conn_tls() tells */
	bool implicit; /* from the first byte, without AUTH */
	bool greeted;
	bool pbsz;    /* PBSZ was said: PROT may follow */
	bool private; /* PROT P */
	uint8_t tls_number[TLS_NUMBER]; /* of its session, also behind CCC */

	/* what the user has set */
	bool ascii;            /* TYPE A; false: TYPE I and L 8 */
	bool epsv_all;
	bool ranged;           /* RANG, for the next transfer or HASH */
	enum coding_mode mode; /* MODE */
	int level;             /* OPTS MODE Z LEVEL */
	uint32_t umask;
	unsigned facts;                   /* OPTS MLST */
	enum digest_kind digest;          /* OPTS HASH */
	uint64_t rest;                    /* REST, for the next transfer */
	uint64_t allo;                    /* ALLO, for the next upload */
	char *rename_from;                /* RNFR, for the next command */
	char *copy_from;                  /* SITE CPFR, for the next command */
	uint64_t range_first, range_last; /* RANG: both are wanted */

	/* work over whole files */
	int copy_source;     /* what SITE CPTO copies, until the work has it; or -1 */
	struct work *work;   /* set exactly in SESSION_WORKING */
	struct digest *hash; /* the work's */

	/* transfers */
	struct data data;
	struct diagnosis *diagnosis; /* of the last one; NULL: nobody may ask, or has yet */
	void (*on_port)(struct session *s); /* set exactly while it waits for a port */
	TAILQ_ENTRY(session) port_entry;
	LIST_ENTRY(session) expecting; /* while data.call is not 0 */
	bool in_line;                  /* for a port of a range that is full */
	bool no_port; /* has waited in vain: what was sent until then waits no more */
	bool aborted; /* an ABOR has ended a transfer */
	bool after_transfer; /* the last command was one: an ABOR is about that */
	unsigned aborts;     /* ABOR in the queue: transfers before them must end */
	struct transfer *transfer;   /* NULL: none */
	struct ahead *ahead;         /* files of the RETRs behind it; NULL: none */
	struct list_plan list;       /* of the listing that was asked for last */
	struct replylist *replylist; /* NULL: none */
	unsigned failures_told; /* data connections that failed, to the master */
	uint64_t bytes_in, bytes_out;
};

/* Takes fd, a connected socket, and greets; implicit: after a TLS handshake. 0;
 * -FERRY_ENOMEM: there is no session; -FERRY_ESYS: it has ended at once. */
int session_new(struct worker *w, int fd, uint32_t id, uint32_t slot, bool implicit);

/* Who the client is, and what counts for those from there. Before the greeting. False:
 * memory is out. */
bool session_meet(
    struct session *s, const struct endpoint *peer, const struct endpoint *local);
/* Greets, or begins the handshake. */
void session_begin(struct session *s);

/* ---- in session_proxy.c ---- */

/* It comes from a trusted proxy: waits for the header first. False: memory is out. */
bool session_await_header(struct session *s);
/* The control connection is readable, in SESSION_ARRIVING. */
void session_read_header(struct session *s);
/* The master's answer to worker_tell_peer(): 0; EDQUOT: the address has too many. */
void session_counted(struct session *s, int error);

/* The one way to change the state. */
void session_enter(struct session *s, enum session_state state);
const char *session_state_name(enum session_state state);

/* Sees to it that the clock rings when the state has been waited in for as long as it may
 * be, and when data.due has come. After a change of any of them. */
void session_watch(struct session *s);

/* A command that took time is over: the next one may run. */
void session_done(struct session *s);
/* Runs queued commands for as long as each is over at once, then looks after the
 * connection. To be called at the end of whatever has happened to s. */
void session_run(struct session *s);

/* Holds a reply back: then() gives it, at once for 0, and leaves SESSION_PAUSED. */
void session_pause(struct session *s, uint64_t ms, void (*then)(struct session *s));

/* Last words (421, 221), then the end. Later input is thrown away. */
void session_close(struct session *s, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The end, now: closes everything, tells the master. s stays readable until the loop goes
 * on. */
void session_end(struct session *s, const char *why);

static inline bool
session_logged_in(const struct session *s)
{
	return s->agent != NULL;
}

/* May another file be hashed or copied? Answers 450 when too many are. */
bool session_may_work(struct session *s);
/* Begins it: fills in loop, count and user of the plan. False when memory is out (the
 * plan's descriptors are gone). */
bool session_work(struct session *s, struct work_plan *plan);
void session_work_abort(struct session *s);
/* Lets go of it, whether it has ended or not. Harmless when there is none. */
void session_work_end(struct session *s);

/* The login is over, the connection stays. */
void session_logout(struct session *s);
/* Everything as after connecting but TLS (REIN; AUTH: RFC 4217 4.2). */
void session_reset(struct session *s);
/* The control connection goes under TLS behind what is written. host: whose certificate a
 * client is shown that asks for none by name (SNI). False: it cannot. */
bool session_secure(struct session *s, size_t host);
/* ... or leaves it. */
void session_clear(struct session *s);
/* Has the client sent anything that has not been run yet, as far as can be known now? */
bool session_has_input(const struct session *s);
/* Has the client gone away without QUIT? Looks at the control connection without taking
 * anything from it. */
bool session_peer_left(const struct session *s);

/* The client wants that host (0: none): its options count from here on. For before the
 * login. False: memory is out, and nothing has changed. */
bool session_choose(struct session *s, size_t host);
/* 220 with the greeting of its host. */
void session_greet(struct session *s);

/* What the scoreboard shows: state, and the running command. */
void session_show(
    struct session *s, enum slot_state state, const char *verb, struct bytes path);

/* PASV has waited in vain; in cmd_pasv.c. */
void pasv_is_full(struct session *s);

/* Answers from auth and master, by worker.c; in cmd_login.c. */
void login_denied(struct session *s, bool again);
void login_granted(
    struct session *s, struct agent *agent, const struct msg_worker_grant *g);
void login_refused(struct session *s, struct bytes why);

#endif
