/*
 * bench-limits: what the kernel alone can do, measured without any FTP. One mechanism a
 * run, its rate as one number on standard output. For bench.py; leaves nothing behind.
 *
 *   send FILE SECONDS      MB/s of sendfile(FILE) over one loopback connection
 *   write FILE SECONDS     MB/s of recv + write into FILE, 256 KiB at a time
 *   splice FILE SECONDS    MB/s of splice from the socket into FILE
 *   connect - SECONDS      connections a second, made, accepted and closed
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tally.h"
#include "util.h"

#define PIECE (1024 * 1024)
#define BLOCK (256 * 1024)
/* Uploads begin their file again after so much. */
#define FILE_SIZE (256 * 1024 * 1024)

struct link {
	int listener, near, far; /* far: the end of the process that helps */
	const char *path;
	uint64_t until;
};

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
link_listen(struct link *l, struct sockaddr_in *at)
{
	socklen_t n = sizeof(*at);

	*at = (struct sockaddr_in){
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	l->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->listener < 0 || bind(l->listener, (struct sockaddr *)at, n) < 0 ||
	    listen(l->listener, 1024) < 0 ||
	    getsockname(l->listener, (struct sockaddr *)at, &n) < 0)
		die("listen");
}

static void
link_open(struct link *l)
{
	struct sockaddr_in at;

	link_listen(l, &at);
	l->far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->far < 0 || connect(l->far, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("connect");
	l->near = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC);
	if (l->near < 0)
		die("accept");
}

/* ---- the helping process ---- */

static void
throw_away(struct link *l)
{
	while (recv(l->far, NULL, PIECE, MSG_TRUNC) > 0)
		continue;
}

static void
feed(struct link *l)
{
	int source = memfd_create("limits", MFD_CLOEXEC);

	if (source < 0 || ftruncate(source, PIECE) < 0)
		die("memfd");
	for (;;) {
		off_t at = 0;
		if (sendfile(l->far, source, &at, PIECE) < 0)
			return;
	}
}

static pid_t
help(struct link *l, void (*fn)(struct link *l))
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		signal(SIGPIPE, SIG_IGN);
		close(l->near);
		fn(l);
		_exit(0);
	}
	close(l->far);
	return pid;
}

/* ---- the mechanisms: bytes moved until the time is over ---- */

static uint64_t
run_send(struct link *l)
{
	int file = open(l->path, O_RDONLY | O_CLOEXEC);
	uint64_t moved = 0;
	off_t at = 0;

	if (file < 0)
		die(l->path);
	while (now_ns() < l->until) {
		ssize_t n = sendfile(l->near, file, &at, BLOCK);
		if (n < 0)
			die("sendfile");
		if (n == 0)
			at = 0;
		moved += (uint64_t)n;
	}
	return moved;
}

static int
open_target(const struct link *l)
{
	int file = open(l->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (file < 0)
		die(l->path);
	return file;
}

/* Begins the file again when it is full. */
static void
again(int file)
{
	if (lseek(file, 0, SEEK_CUR) < FILE_SIZE)
		return;
	if (lseek(file, 0, SEEK_SET) < 0 || ftruncate(file, 0) < 0)
		die("truncate");
}

static uint64_t
run_write(struct link *l)
{
	static uint8_t block[BLOCK];
	int file = open_target(l);
	uint64_t moved = 0;

	while (now_ns() < l->until) {
		ssize_t n = recv(l->near, block, sizeof(block), 0);
		if (n <= 0 || write(file, block, (size_t)n) != n)
			die("recv and write");
		moved += (uint64_t)n;
		again(file);
	}
	return moved;
}

static uint64_t
run_splice(struct link *l)
{
	int file = open_target(l), pipes[2];
	uint64_t moved = 0;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		die("pipe");
	fcntl(pipes[1], F_SETPIPE_SZ, PIECE);
	while (now_ns() < l->until) {
		ssize_t n = splice(l->near, NULL, pipes[1], NULL, PIECE, SPLICE_F_MOVE);
		for (ssize_t left = n; left > 0;) {
			ssize_t out = splice(
			    pipes[0], NULL, file, NULL, (size_t)left, SPLICE_F_MOVE);
			if (out <= 0)
				die("splice to the file");
			left -= out;
		}
		if (n <= 0)
			die("splice from the socket");
		moved += (uint64_t)n;
		again(file);
	}
	return moved;
}

static double
rate_of_bytes(struct link *l, double seconds, uint64_t (*run)(struct link *l),
    void (*helper)(struct link *l))
{
	uint64_t began;

	link_open(l);
	pid_t pid = help(l, helper);
	began = now_ns();
	l->until = began + (uint64_t)(seconds * 1e9);
	uint64_t moved = run(l);
	double took = (double)(now_ns() - began) / 1e9;
	close(l->near);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return (double)moved / took / 1e6;
}

static double
rate_of_connections(struct link *l, double seconds)
{
	uint64_t began = now_ns(), made = 0;
	struct sockaddr_in at;

	link_listen(l, &at);
	l->until = began + (uint64_t)(seconds * 1e9);
	while (now_ns() < l->until) {
		int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (far < 0 || connect(far, (struct sockaddr *)&at, sizeof(at)) < 0)
			die("connect");
		int near = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC);
		if (near < 0)
			die("accept");
		close(near);
		close(far);
		made++;
	}
	return (double)made / ((double)(now_ns() - began) / 1e9);
}

int
main(int argc, char **argv)
{
	struct link l = {.near = -1, .far = -1};
	double seconds = argc == 4 ? strtod(argv[3], NULL) : 0, rate;

	if (seconds <= 0) {
		fputs("usage: bench-limits send|write|splice|connect FILE SECONDS\n",
		    stderr);
		return 2;
	}
	l.path = argv[2];
	if (strcmp(argv[1], "send") == 0)
		rate = rate_of_bytes(&l, seconds, run_send, throw_away);
	else if (strcmp(argv[1], "write") == 0)
		rate = rate_of_bytes(&l, seconds, run_write, feed);
	else if (strcmp(argv[1], "splice") == 0)
		rate = rate_of_bytes(&l, seconds, run_splice, feed);
	else
		rate = rate_of_connections(&l, seconds);
	printf("%.1f\n", rate);
	return 0;
}
