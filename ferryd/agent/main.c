/*
 * ferryd-agent: acts as one Unix identity, below the roots that the master grants.
 * Started by the master with its channel as descriptor 3. Never uses the network, never
 * runs a program, and opens nothing but through the jail once its sandbox is up.
 */
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "agent.h"
#include "become.h"
#include "child.h"
#include "jail.h"
#include "log.h"
#include "sandbox.h"

/* Told to end: as if the master had gone, so that uploads end as they should. */
static void
on_terminate(int sig)
{
	shutdown(WIRE_CHILD_FD, SHUT_RD);
}

static void
agent_signals(void)
{
	struct sigaction terminate = {.sa_handler = on_terminate, .sa_flags = SA_RESTART};

	/* A terminal's Ctrl-C goes to everybody; the master says when it is over. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &terminate, NULL);
}

/* A descriptor per grant and a few per upload: as many as we may have. */
static void
agent_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Who to be. user "" and uid 0: who we are. */
static int
agent_become(const struct msg_start *start)
{
	_cleanup_free_ char *account = bytes_dup(start->user);

	if (!account)
		return -FERRY_ENOMEM;
	return become_user(account, start->uid, start->gid);
}

/* The directory that Landlock shuts us into: the one we were given, or what all grants
 * lie under. The second kind is opened as the user we have become; when that fails we are
 * of no use to anybody (*ret_unable, a negative errno), and the master soon starts
 * another one. */
static int
agent_sandbox(const struct msg_start *start, int root, int *ret_unable)
{
	_cleanup_free_ char *prefix = bytes_dup(start->prefix);
	_cleanup_close_ int below = -1;

	if (!prefix)
		return -FERRY_ENOMEM;
	if (root >= 0)
		return sandbox_agent(root);
	if (prefix[0] == '\0')
		return sandbox_agent(SANDBOX_EVERYWHERE);
	below = jail_open_root(prefix);
	*ret_unable = below < 0 ? below : 0;
	return sandbox_agent(below < 0 ? SANDBOX_NOWHERE : below);
}

static int
failed(const char *what)
{
	fprintf(stderr, "ferryd-agent: %s: %m\n", what);
	return 1;
}

int
main(void)
{
	static int master = WIRE_CHILD_FD;
	static struct wire_box box;
	static struct conf conf;
	static struct agent agent;
	struct names *names = NULL;
	int root = -1, unable = 0;

	if (sandbox_basics() < 0)
		return failed("cannot shed privileges");
	if (child_receive_start(ROLE_AGENT, &conf, &box, NULL, NULL) < 0)
		return failed("no orders from the master on descriptor 3 (ferryd starts "
			      "this program)");
	log_to(log_sink_socket, &master);
	if (box.msg.start.has_root && box.nfds == 1)
		root = fd_take(&box.fds[0]);
	agent_signals();
	agent_limits();
	umask(0); /* every request brings its own */
	tzset();  /* while the time zone can still be read */
	if (conf.text_userdb_names)
		names = names_load();
	if (agent_become(&box.msg.start) < 0)
		return failed("cannot become the user");
	if (agent_sandbox(&box.msg.start, root, &unable) < 0)
		return failed("cannot put up the sandbox");
	wire_box_close(&box);
	if (agent_init(&agent, &conf, &store_dir, names, master, root) < 0)
		return failed("cannot start");
	agent.unable = unable;
	/* Threads may be in the middle of something: what they do is safe to stop at any
	 * point. */
	_exit(agent_run(&agent) < 0 ? 1 : 0);
}
