/*
 * A crew: one checked configuration and the processes that work by it: auth, workers,
 * agents. A reload hires a new crew and lets the old one finish its sessions. For the
 * master alone.
 *
 * Who owns what: the master its crews; a crew its workers, agents and auth; a worker its
 * sessions.
 */
#ifndef FERRYD_MASTER_CREW_H
#define FERRYD_MASTER_CREW_H

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uv.h>

#include "calls.h"
#include "chan.h"
#include "conf.h"
#include "endpoint.h"
#include "scoreboard.h"
#include "served.h"
#include "spawn.h"

struct agent;
struct crew;
struct keychain;
struct lookup;

/* Every process of a crew begins with this. */
struct child {
	LIST_ENTRY(child) next; /* of all the crew's children, found by pid */
	struct crew *crew;
	enum role role;
	/* tells workers (from 0) and agents (from 1) apart, in the log too */
	unsigned index;
	pid_t pid;
	struct chan *chan; /* NULL once it has ended */
	uint64_t started;  /* uv_now, ms */
	bool wanted;       /* to be started again when it dies */
};

enum grant_state {
	GRANT_NONE,    /* not logged in, as far as the master knows */
	GRANT_PENDING, /* the agent was asked to make it; its answer or the session's end
			  comes */
	GRANT_GIVEN,   /* the worker has it */
};

/* What a verdict of auth and the agent's grant need to remember between two messages. */
struct grant {
	enum grant_state state : 8;
	bool anonymous;
	uint32_t id;
	struct agent *agent;
	char *user; /* while it is pending */
	uint32_t rights, umask;
	unsigned auth_life; /* of the auth that keeps a session for it; 0: none */
};

struct session {
	TAILQ_ENTRY(session) by_agent; /* while grant.agent is set */
	uint32_t id; /* one of its kind in the crew; id % worker->slots is its slot */
	int fd; /* the client, until the worker has said that it has it (MASTER_TAKEN);
		   then -1 */
	struct worker *worker;
	struct endpoint peer, local;
	struct peer *who;
	struct call call;
	struct grant grant;
	bool told;       /* peer is what a trusted proxy has told, by way of the worker */
	bool implicit;   /* it begins with a TLS handshake */
	bool logout_due; /* the worker's MASTER_LOGOUT is still on its way: see
			    login_verdict() */
};

/* Descriptors of a session in its worker at most: the control connection, the data
 * connection or the listener for it, a file or listing. What makes uploads and rows of
 * small files quicker comes out of the sixteenth (worker_may_use()). */
#define SESSION_DESCRIPTORS 3

struct worker {
	struct child child;
	struct scoreboard board;
	int board_fd;
	size_t descriptors; /* what sessions and channels to agents may use in all */
	size_t links;       /* such channels */
	size_t slots;
	struct session **session; /* by slot */
	size_t sessions;
	size_t called; /* of them, those whose turn it is at the passive port for all */
	uint32_t turn; /* how often ids went round the slots */
	size_t search; /* where to look for a free slot */
	unsigned load; /* thousandths of a processor: as last seen, and who came since */
	uint64_t used; /* ns of processor time, when that was seen */
};

/* Of a worker and an agent. */
enum link {
	LINK_MADE = -1, /* both have their end of the channel */
	LINK_NONE = -2, /* they do not know each other */
};

struct agent {
	struct child child;
	LIST_ENTRY(agent) next;
	uid_t uid;
	gid_t gid;
	char *account; /* "" for none */
	char *prefix;
	int *link; /* by worker index: its end of their channel while it waits to be sent,
		      or enum link */
	uint32_t last_grant;
	TAILQ_HEAD(agent_sessions, session) sessions;
	uv_timer_t idle; /* runs while no session needs it */
};

struct auth {
	struct child child;
	unsigned life; /* how often it was started: a new one knows nothing of the last
			  one's logins */
};

struct crew {
	LIST_ENTRY(crew) next;
	uv_loop_t *loop;
	const struct programs *programs;
	const struct served *served; /* the one directory of `ferryd DIR`, or NULL */
	struct peers *peers;
	struct conf conf;
	struct keychain *keys;       /* NULL: TLS is off */
	LIST_HEAD(, lookup) lookups; /* of pasv_address, on their way */
	struct auth auth;
	struct worker *worker;
	size_t workers;
	uint64_t looked_at; /* uv_hrtime: at the workers' load */
	LIST_HEAD(, agent) agents;
	LIST_HEAD(, child) children;
	unsigned last_agent;
	bool retired;       /* no new sessions; it ends with the last one */
	uv_timer_t restart; /* starts again what died too often, a little later */
	void (*on_closed)(struct crew *crew, const struct session *s, void *user);
	void *user;
};

/* Starts auth and the workers, each with so many descriptors for its sessions; conf is
 * copied. on_closed is told of every session that
 * ends, for the counts. 0, or a negative code after logging why. */
int crew_start(struct crew *crew, uv_loop_t *loop, const struct programs *programs,
    const struct served *served, struct peers *peers, const struct conf *conf,
    size_t workers, size_t descriptors,
    void (*on_closed)(struct crew *, const struct session *, void *), void *user);

/* Session numbers go on behind those of `last`, the crew before: no two live sessions
 * share one, nor two lines of the log that are near each other. Before the first client.
 */
void crew_continue(struct crew *crew, const struct crew *last);

/* Hands a client to the first worker that is not busy, or, where one passive port serves
 * all, to the one that has the others of its address: it can tell their calls apart. A
 * worker that dies before it has taken it does not take it along. 0, and fd is the crew's
 * from here on; -FERRY_ESTATE when no worker can take it now, or -FERRY_ENOMEM, and *fd
 * is still the caller's. */
int crew_take(struct crew *crew, int *fd, const struct endpoint *peer, struct peer *who,
    bool implicit);

/* A call to the passive port from an address that does not tell whose it is: a worker
 * finds out, by TLS where data_peer=resumed (then one worker has all sessions), or by the
 * PROXY header of a trusted proxy (then one has all that come through proxies). False: it
 * is nobody's, and fd still the caller's. */
bool crew_offer_call(struct crew *crew, const struct endpoint *from, int fd);
/* ... and a session of that worker has been told the port. */
bool crew_awaits_call(const struct crew *crew, const struct endpoint *from);

/* Has that address more sessions than it may? */
bool crew_is_crowded(const struct crew *crew, const struct peer *who);

/* Certificates that have changed on disk go to the workers, for new connections; ones
 * that cannot be used are told to the log, and the old ones stay. */
void crew_renew_keys(struct crew *crew);

/* Looks the host names in pasv_address up again; if one leads elsewhere now, the workers
 * hear of it. */
void crew_look_up(struct crew *crew);
/* In advertise.c: answers that are still to come are thrown away. */
void advertise_forget(struct crew *crew);

/* No new sessions; idle ones end after `seconds`. */
void crew_retire(struct crew *crew, unsigned seconds);
/* A child of this crew with that pid died: release what hung on it, start it again if
 * wanted. False if it is none of ours. */
bool crew_reap(struct crew *crew, pid_t pid, int status);
/* Retired, and every process of it is gone. */
bool crew_is_gone(const struct crew *crew);
size_t crew_sessions(const struct crew *crew);
/* Kills what still runs; it is reaped as ever. */
void crew_kill(struct crew *crew);
/* Of a crew that is gone and whose timer `restart` is closed: all but the struct. */
void crew_free(struct crew *crew);

/* ---- between crew.c, child.c, placing.c, requests.c and login.c ---- */

/* NULL: it is over, or not this worker's. */
struct session *worker_session(struct worker *w, uint32_t id);
/* Are there descriptors in it for so many more sessions and channels to agents? */
bool worker_can_take(const struct worker *w, size_t sessions, size_t links);
/* The session is over: what it held is released, and who counts is told. */
void session_free(struct session *s);
/* Numbers are 32 bits wide: after the last turn that fits comes the first one. */
uint32_t worker_turn_after(const struct worker *w, uint32_t turn);
/* Everything that hung on a worker that died. What it had not taken yet is left in
 * orphans... */
void worker_died(struct worker *w, struct agent_sessions *orphans);
/* ... and goes to other workers. */
void crew_place_orphans(struct crew *crew, struct agent_sessions *orphans);
/* The worker (user) says something: the chan_msg_cb of its channel. */
void worker_message(
    struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user);
/* The verdict of auth: find or start the agent, ask it for the grant. */
void login_verdict(struct crew *crew, const struct msg_master_verdict *v);
/* The agent's answer: tell the worker. */
void login_granted(struct agent *agent, const struct msg_master_granted *g);
/* The login of s has ended (REIN, QUIT, crash): release its grant and its PAM session. */
void login_end(struct session *s);
/* The worker says that the user of s has logged out. */
void login_logout(struct session *s);
/* The agent died: sessions that wait for it hear so; the others' worker has noticed by
 * itself. */
void agent_died(struct agent *agent);
void agent_free(struct agent *agent);
/* That worker has died: the next one of its index needs a channel of its own. */
void agent_unlink(struct agent *agent, unsigned worker);

/* Sends a child what it must hear; fd (or -1) is the child's from here on. One that does
 * not take it is ended, as if it had died: with a message lost, the two would disagree
 * about who is logged in. 0 or a negative code; -FERRY_EOF: it has died already. */
int child_tell(struct child *child, const struct msg *m, int fd);

/* It has broken a rule, or its channel has ended: it is killed, and reaped as ever. */
void child_end(struct child *child, const char *why);

/* Starts a process and sends it its options and START with nfds descriptors, which are
 * the child's from here on. */
int child_start(struct child *child, const struct msg_start *start, const int *fds,
    size_t nfds, chan_msg_cb *on_msg);

void child_close_all(const int *fds, size_t nfds);

/* A child's line for the log. The child escaped foreign text; the log file escapes what
 * is left, since a child that has been taken over may send anything. */
void child_log(const struct msg_master_log *m);

#endif
