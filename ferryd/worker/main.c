/*
 * ferryd-worker: speaks FTP with clients. Started by the master, with the channel to it
 * as descriptor 3; everything it may do it gets from there. See worker.c.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "become.h"
#include "child.h"
#include "digest.h"
#include "log.h"
#include "sandbox.h"
#include "tls_identity.h"
#include "worker.h"

/* Without its master a worker is of no use, and one that has drained is done. */
static void
on_end(struct worker *w, const char *why, void *user)
{
	uv_stop(w->loop);
}

static int
die(const char *what)
{
	log_event(LOG_ERR, 0, "worker: %s failed: %s", what, strerror(errno));
	return EXIT_FAILURE;
}

/* A terminal's Ctrl-C goes to everybody; the master says when it is over. */
static void
worker_signals(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

/* As many descriptors as we may have. */
static size_t
worker_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 0;
}

/* user "" and uid 0: who we are. The empty root comes first: it needs a right that
 * becoming gives up. */
static int
worker_become(const struct msg_start *start, int empty_root)
{
	_cleanup_free_ char *user = bytes_dup(start->user);
	int r = 0;

	if (user == NULL)
		return -FERRY_ENOMEM;
	if (start->empty_root)
		r = become_rootless(empty_root);
	if (r == 0)
		r = become_user(user, start->uid, start->gid);
	return r;
}

/* The scoreboard is the last descriptor that START brings. */
static int
worker_board(const struct wire_box *box, struct scoreboard *ret)
{
	if (box->msg.start.slots == 0)
		return 0;
	if (box->nfds == 0)
		return -FERRY_EPROTO;
	return scoreboard_map(box->fds[box->nfds - 1], box->msg.start.slots, 1, ret);
}

int
main(void)
{
	static struct wire_box box;
	struct scoreboard board = {0};
	struct worker worker;
	unsigned processors;
	size_t descriptors;
	struct conf conf;
	uv_loop_t loop;

	if (sandbox_basics() < 0)
		return die("sandbox");
	worker_signals();
	descriptors = worker_limits();
	if (child_receive_start(ROLE_WORKER, &conf, &box, NULL, NULL) < 0)
		return die("start");
	if (tls_library_init() < 0)
		return die("OpenSSL");
	processors = uv_available_parallelism(); /* one worker each */
	tzset(); /* for the transfer log: soon there is no file any more */
	if (uv_loop_init(&loop) < 0)
		return die("event loop");
	if (worker_board(&box, &board) < 0)
		return die("scoreboard");
	if (worker_become(&box.msg.start, box.nfds > 0 ? box.fds[0] : -1) < 0)
		return die("becoming an unprivileged user");
	digest_prepare(); /* libcrypto looks around at first use */
	if (sandbox_worker() < 0)
		return die("sandbox");
	wire_box_close(&box);
	if (worker_init(&worker, &loop, &conf, &board, WIRE_CHILD_FD, on_end, NULL) < 0)
		return die("channel to the master");
	worker_may_use(&worker, processors, descriptors);
	uv_run(&loop, UV_RUN_DEFAULT);
	return EXIT_SUCCESS;
}
