/*
 * The agent's loop: the master's channel in the first thread, each worker's in a few of
 * its own. See agent.h.
 */
#include "agent.h"

#include <fcntl.h>
#include <ferry/ferry.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "answer.h"
#include "chan.h"
#include "inbox.h"
#include "jail.h"
#include "log.h"
#include "ops.h"

/* ---- channels ---- */

struct channel *
channel_ref(struct channel *c)
{
	c->refs++;
	return c;
}

void
channel_unref(struct channel *c)
{
	if (!c || --c->refs > 0)
		return;
	fd_closep(&c->inbox);
	fd_closep(&c->sock);
	free(c);
}

void
channel_end(struct channel *c)
{
	c->ended = true;
	/* Threads that wait for it get an end, one after the other, since each calls this
	 * when it leaves; closing it would leave them waiting. */
	shutdown(c->sock, SHUT_RDWR);
	inbox_wake(c->inbox, c->sock);
}

static void
channel_unlist(struct channel *c)
{
	struct channel **at;

	pthread_mutex_lock(&c->agent->lock);
	for (at = &c->agent->channels; *at && *at != c;)
		at = &(*at)->next;
	bool listed = *at != NULL;
	if (listed)
		*at = c->next;
	pthread_mutex_unlock(&c->agent->lock);
	if (listed)
		channel_unref(c);
}

/* The worker's channel with a reference for the caller, or NULL. */
static struct channel *
channel_find(struct agent *a, uint32_t worker)
{
	pthread_mutex_lock(&a->lock);
	struct channel *c = a->channels;
	while (c && c->worker != worker)
		c = c->next;
	if (c)
		channel_ref(c);
	pthread_mutex_unlock(&a->lock);
	return c;
}

/* Answers one request. 0, or a negative code with which the channel ends. */
static int
channel_answer(struct channel *c, const struct wire_box *box)
{
	struct msg reply = {.type = MSG_WORKER_ANSWER, .id = box->msg.id};
	_cleanup_(answer_clear)
	struct answer a;
	const char *why = "";

	answer_init(&a);
	int r = ops_serve(c, &box->msg, &a, &why);
	if (r == -FERRY_EPROTO)
		log_event(LOG_WARNING, 0,
		    "event=worker_ended worker=%u message=%s rule=\"%s\"", c->worker,
		    msg_name(box->msg.type), why);
	if (r < 0)
		return r;
	reply.worker_answer = a.body;
	reply.worker_answer.text = (struct bytes){buf_data(&a.text), buf_len(&a.text)};
	return wire_send(
	    c->sock, ROLE_AGENT, ROLE_WORKER, &reply, &a.fd, a.fd >= 0 ? 1 : 0);
}

static void
channel_serve(struct channel *c, struct wire_box *box)
{
	int r;

	do {
		r = inbox_take(c->inbox, c->sock, box);
		if (r == -FERRY_EPROTO)
			log_event(LOG_WARNING, 0,
			    "event=worker_ended worker=%u rule=\"%s\"", c->worker,
			    box->why);
		if (r < 0)
			break;
		r = channel_answer(c, box);
		wire_box_close(box);
	} while (r == 0);
}

/* One of a channel's threads. The last one to leave ends what the worker had. */
static void *
channel_thread(void *user)
{
	struct channel *c = user;
	_cleanup_free_ struct wire_box *box = calloc(1, sizeof(*box));

	if (box)
		channel_serve(c, box);
	channel_end(c);
	if (--c->threads == 0) {
		channel_unlist(c);
		grants_revoke_channel(c->agent->grants, c);
	}
	channel_unref(c);
	return NULL;
}

static int
channel_start_thread(struct channel *c)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	channel_ref(c);
	c->threads++;
	int r = pthread_create(&thread, &attr, channel_thread, c);
	pthread_attr_destroy(&attr);
	if (r == 0)
		return 0;
	c->threads--;
	channel_unref(c);
	errno = r;
	return -FERRY_ESYS;
}

static void
channel_list(struct channel *c)
{
	pthread_mutex_lock(&c->agent->lock);
	c->next = c->agent->channels;
	c->agent->channels = channel_ref(c);
	pthread_mutex_unlock(&c->agent->lock);
}

/* A worker that was replaced is dead: its channel must not stand in the way of the new
 * one's. */
static void
channel_replace(struct agent *a, uint32_t worker)
{
	struct channel *old = channel_find(a, worker);

	if (!old)
		return;
	channel_end(old);
	channel_unlist(old);
	channel_unref(old);
}

int
agent_add_worker(struct agent *a, uint32_t worker, int sock)
{
	struct channel *c = calloc(1, sizeof(*c));
	int r = 0;

	if (!c) {
		fd_closep(&sock);
		return -FERRY_ENOMEM;
	}
	*c = (struct channel){
	    .agent = a,
	    .worker = worker,
	    .sock = sock,
	    .inbox = inbox_open(sock),
	    .refs = 1,
	};
	if (c->inbox < 0) {
		channel_unref(c);
		return -FERRY_ESYS;
	}
	channel_replace(a, worker);
	channel_list(c);
	/* Counted here too, so that no thread is the last while others are still to
	 * come. */
	c->threads = 1;
	for (int i = 0; i < AGENT_THREADS && r == 0; i++)
		r = channel_start_thread(c);
	/* Fewer threads than wanted still serve. */
	bool alone = r < 0 && c->threads == 1;
	if (alone)
		channel_end(c);
	if (--c->threads == 0) {
		channel_unlist(c);
		grants_revoke_channel(a->grants, c);
	}
	channel_unref(c);
	return alone ? r : 0;
}

/* ---- the master's channel ---- */

/* The grant's root: the directory that came with START, or one by its path. */
static int
agent_root(struct agent *a, struct bytes root, int *ret_fd, bool *ret_shared)
{
	_cleanup_free_ char *path = bytes_dup(root);

	if (!path)
		return -ENOMEM;
	*ret_shared = path[0] == '\0';
	if (*ret_shared) {
		*ret_fd = a->root;
		return a->root >= 0 ? 0 : -ENOENT;
	}
	return a->store->root_open(path, ret_fd);
}

/* 0, or a negative errno. */
static int
agent_make_grant(
    struct agent *a, const struct msg_agent_grant *m, struct grant **ret_grant)
{
	struct channel *c = channel_find(a, m->worker);
	bool shared = true;
	int root = -1;
	int r = c && !c->ended ? a->unable : -EPIPE;

	if (r == 0)
		r = agent_root(a, m->root, &root, &shared);
	if (r == 0)
		r = a->store->access(root, "/", X_OK);
	struct grant *g = NULL;
	if (r == 0)
		g = grant_new(a, c, m->grant, root, shared, m->rights, m->anonymous);
	if (r == 0 && !g)
		r = -ENOMEM;
	if (g)
		r = grants_add(a->grants, g);
	else if (!shared)
		fd_closep(&root);
	/* The worker may have gone meanwhile, and would not come for this one again. */
	if (r == 0 && c->ended) {
		grants_revoke(a->grants, m->grant);
		r = -EPIPE;
	}
	if (r == 0)
		*ret_grant = grant_ref(g);
	grant_unref(g);
	channel_unref(c);
	return r;
}

/* Where the session begins: the wanted directory, if it can be entered. */
static bool
can_enter(const struct agent *a, const struct grant *g, const char *cwd)
{
	struct stat st;

	return cwd[0] == '/' && a->store->stat(g->root, cwd, true, &st) == 0 &&
	       S_ISDIR(st.st_mode) && a->store->access(g->root, cwd, X_OK) == 0;
}

static int
agent_grant(struct agent *a, const struct msg *m)
{
	struct msg reply = {
	    .type = MSG_MASTER_GRANTED,
	    .id = m->id,
	    .master_granted = {.grant = m->agent_grant.grant, .cwd = bytes_of("/")},
	};
	_cleanup_free_ char *cwd = bytes_dup(m->agent_grant.cwd);
	struct grant *g = NULL;
	int r = cwd ? agent_make_grant(a, &m->agent_grant, &g) : -ENOMEM;

	if (r < 0)
		reply.master_granted.error = (uint32_t)-r;
	else if (can_enter(a, g, cwd))
		reply.master_granted.cwd = bytes_of(cwd);
	grant_unref(g);
	return wire_send(a->master, ROLE_AGENT, ROLE_MASTER, &reply, NULL, 0);
}

static int
agent_take(struct agent *a, struct wire_box *box)
{
	const struct msg *m = &box->msg;

	switch (m->type) {
	case MSG_AGENT_WORKER:
		if (agent_add_worker(a, m->agent_worker.worker, fd_take(&box->fds[0])) <
		    0)
			log_event(LOG_ERR, 0, "event=no_threads worker=%u",
			    m->agent_worker.worker);
		return 0;
	case MSG_AGENT_GRANT:
		return agent_grant(a, m);
	case MSG_AGENT_REVOKE:
		grants_revoke(a->grants, m->agent_revoke.grant);
		return 0;
	default:
		return -FERRY_EPROTO;
	}
}

/* One thread for each processor that we may use works at listings, and a listing has one
 * of its own. */
static unsigned
agent_helpers(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 0;
	unsigned n = (unsigned)CPU_COUNT(&set) - 1;
	return n < AGENT_HELPERS_MAX ? n : AGENT_HELPERS_MAX;
}

int
agent_init(struct agent *a, const struct conf *conf, const struct store *store,
    const struct names *names, int master, int root)
{
	*a = (struct agent){
	    .conf = conf,
	    .store = store,
	    .names = names,
	    .master = master,
	    .root = root,
	    .me = geteuid(),
	    .spare = agent_helpers(),
	    .grants = grants_new(),
	};
	pthread_mutex_init(&a->lock, NULL);
	return a->grants ? 0 : -FERRY_ENOMEM;
}

int
agent_run(struct agent *a)
{
	_cleanup_free_ struct wire_box *box = calloc(1, sizeof(*box));
	int r = box ? 0 : -FERRY_ENOMEM;

	while (r == 0) {
		r = wire_recv(a->master, ROLE_AGENT, ROLE_MASTER, box);
		/* A worker's channel that we had no descriptor for is lost: its grants
		 * are refused, and the master makes another one for the next. */
		if (r == -FERRY_ESYS && errno == EMFILE) {
			log_event(LOG_ERR, 0, "event=no_descriptors");
			r = 0;
			continue;
		}
		if (r < 0)
			break;
		r = agent_take(a, box);
		if (r == -FERRY_EPROTO)
			log_event(LOG_ERR, 0, "event=bad_order message=%s",
			    msg_name(box->msg.type));
		wire_box_close(box);
	}
	grants_revoke_channel(a->grants, NULL);
	return r == -FERRY_EOF ? 0 : r;
}
