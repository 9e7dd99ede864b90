/*
 * Starting the other processes. Between fork and exec only async-signal-safe calls are
 * made.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fdpass.h"
#include "util.h"

const char *
role_name(enum role role)
{
	switch (role) {
	case ROLE_WORKER:
		return "worker";
	case ROLE_AGENT:
		return "agent";
	case ROLE_AUTH:
		return "auth";
	default:
		return "master";
	}
}

static int
program_open(const char *beside, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", beside, name);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), LIBEXECDIR "/%s", name);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		fprintf(stderr,
		    "ferryd: %s is neither in %s nor in " LIBEXECDIR
		    ": the installation is not complete\n",
		    name, beside);
	return fd;
}

int
programs_open(struct programs *ret)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0) {
		perror("ferryd: /proc/self/exe");
		return -FERRY_ESYS;
	}
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0';
	*ret = (struct programs){
	    .worker = program_open(self, "ferryd-worker"),
	    .agent = program_open(self, "ferryd-agent"),
	    .auth = program_open(self, "ferryd-auth"),
	};
	return ret->worker >= 0 && ret->agent >= 0 && ret->auth >= 0 ? 0 : -FERRY_ESYS;
}

/* The child's side; does not return. The channel becomes descriptor 3, all else but
 * standard error is closed. Its own process group keeps a terminal's ^C away: the master
 * tells it when to end. */
static void
child_exec(int program, int sock, const char *name)
{
	const char *zone = getenv("TZ");
	const char *const argv[] = {name, NULL};
	/* TZ stands right before its value in our own environment. */
	const char *const envp[] = {
	    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
	    zone != NULL ? zone - strlen("TZ=") : NULL,
	    NULL,
	};
	sigset_t none;
	int null, high;

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* Out of the way of 0 to 3 before those are filled. */
	high = fcntl(sock, F_DUPFD_CLOEXEC, 10);
	program = fcntl(program, F_DUPFD_CLOEXEC, 10);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (high < 0 || program < 0 || null < 0)
		_exit(126);
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(high, WIRE_CHILD_FD) < 0)
		_exit(126);
	close_range(4, (unsigned)program - 1, 0);
	close_range((unsigned)program + 1, ~0U, 0);
	/* By descriptor, see struct programs. */
	syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
	_exit(127);
}

int
spawn_child(
    const struct programs *programs, enum role role, pid_t *ret_pid, int *ret_sock)
{
	static const char *const names[] = {
	    "ferryd-worker", "ferryd-agent", "ferryd-auth"};
	int which = role == ROLE_WORKER ? 0 : role == ROLE_AGENT ? 1 : 2;
	const int fds[] = {programs->worker, programs->agent, programs->auth};
	int pair[2];
	pid_t pid;

	if (fdpass_pair(pair) < 0)
		return -FERRY_ESYS;
	pid = fork();
	if (pid == 0)
		child_exec(fds[which], pair[1], names[which]);
	close(pair[1]);
	if (pid < 0) {
		fd_closep(&pair[0]);
		return -FERRY_ESYS;
	}
	*ret_pid = pid;
	*ret_sock = pair[0];
	return 0;
}
