/* The stage on which test_sandbox.c plays, and the forks in which it does. */
#include "deeds.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdpass.h"
#include "sandbox.h"

int
deed_result(long rc)
{
	return rc < 0 ? errno : 0;
}

static int
file_make(const char *dir, const char *name)
{
	static const char bytes[4096];
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd >= 0 && write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
		return -1;
	return fd;
}

static int
dir_fill(struct stage *st)
{
	if (mkdtemp(st->path) == NULL)
		return -1;
	st->dir = open(st->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	st->file = file_make(st->path, "file");
	if (st->dir < 0 || st->file < 0)
		return -1;
	if (mkdirat(st->dir, "here", 0755) < 0 || mkdirat(st->dir, "there", 0755) < 0)
		return -1;
	return symlinkat("file", st->dir, "link");
}

int
stage_setup(void **state)
{
	static struct stage st;
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	st = (struct stage){.path = "/tmp/ferryd-sandbox-XXXXXX"};
	if (dir_fill(&st) < 0 || fdpass_pair(st.channel) < 0)
		return -1;
	st.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	st.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(st.listener, (struct sockaddr *)&at, len) < 0 ||
	    listen(st.listener, 8) < 0 ||
	    getsockname(st.listener, (struct sockaddr *)&at, &len) < 0)
		return -1;
	st.port = ntohs(at.sin_port);
	*state = &st;
	return 0;
}

int
stage_teardown(void **state)
{
	struct stage *st = *state;

	close(st->file);
	close(st->socket);
	close(st->listener);
	close(st->channel[0]);
	close(st->channel[1]);
	unlinkat(st->dir, "link", 0);
	unlinkat(st->dir, "file", 0);
	unlinkat(st->dir, "here", AT_REMOVEDIR);
	unlinkat(st->dir, "there", AT_REMOVEDIR);
	close(st->dir);
	return rmdir(st->path); /* fails when a deed left something behind */
}

/* Apart from every errno. */
#define NO_LIMIT_STATUS 255

static void __attribute__((noreturn))
child_main(const struct stage *st, limit *const *limits, unsigned n, deed *act)
{
	if (sandbox_basics() < 0)
		_exit(NO_LIMIT_STATUS);
	for (unsigned i = 0; i < n; i++) {
		if (limits[i](st) < 0)
			_exit(NO_LIMIT_STATUS);
	}
	_exit(act(st));
}

int
fate_of(const struct stage *st, limit *const *limits, unsigned n, deed *act)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return NO_LIMIT;
	if (pid == 0)
		child_main(st, limits, n, act);
	if (waitpid(pid, &status, 0) != pid)
		return NO_LIMIT;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? DIES : -2 - WTERMSIG(status);
	return WEXITSTATUS(status) == NO_LIMIT_STATUS ? NO_LIMIT : WEXITSTATUS(status);
}

const char *
fate_text(int fate)
{
	if (fate == WORKS)
		return "works";
	if (fate == DIES)
		return "dies of SIGSYS";
	if (fate == NO_LIMIT)
		return "limits could not be entered";
	return fate > 0 ? strerrorname_np(fate) : strsignal(-fate - 2);
}
