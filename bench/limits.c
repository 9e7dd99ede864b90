/*
 * bench-limits: what the kernel alone can do, measured without any FTP. One mechanism a
 * run, its rate as one number on standard output. For bench.py; leaves nothing behind.
 *
 *   send FILE SECONDS      MB/s of sendfile(FILE) over one loopback connection
 *   write FILE SECONDS     MB/s of recv + write into FILE, 256 KiB at a time
 *   splice FILE SECONDS    MB/s of splice from the socket into FILE
 *   connect - SECONDS      connections a second, made, accepted and closed
 *   tls-send - SECONDS     MB/s of SSL_write, a record of 16 KiB at a time
 *   tls-batch - SECONDS    the same, 256 KiB of records sent at once
 *   tls-write FILE SECONDS MB/s of SSL_read + write into FILE
 *   handshakes - SECONDS   full TLS handshakes a second; resumed: of resumed ones
 *   gcm - SECONDS          MB/s of AES-128-GCM on one core
 *   getdents DIR SECONDS   seconds to read the names in DIR; statx: and to look at each
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

#include "bare.h"
#include "tally.h"
#include "util.h"

/* Uploads begin their file again after so much. */
#define FILE_SIZE (256 * 1024 * 1024)

void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- connections ---- */

void
link_listen(struct link *l)
{
	socklen_t n = sizeof(l->at);

	l->at = (struct sockaddr_in){
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	l->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->listener < 0 || bind(l->listener, (struct sockaddr *)&l->at, n) < 0 ||
	    listen(l->listener, 1024) < 0 ||
	    getsockname(l->listener, (struct sockaddr *)&l->at, &n) < 0)
		die("listen");
}

int
link_call(const struct link *l)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&l->at, sizeof(l->at)) < 0)
		die("connect");
	return fd;
}

int
link_accept(const struct link *l)
{
	int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		die("accept");
	return fd;
}

static void
link_open(struct link *l)
{
	link_listen(l);
	l->far = link_call(l);
	l->near = link_accept(l);
}

void
link_begin(struct link *l)
{
	l->began = now_ns();
	l->until = l->began + l->time;
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

pid_t
help(struct link *l, void (*fn)(struct link *l))
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		fd_closep(&l->near);
		fn(l);
		_exit(0);
	}
	fd_closep(&l->far);
	return pid;
}

void
help_end(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
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
	while (moved == 0 || now_ns() < l->until) {
		ssize_t n = sendfile(l->near, file, &at, BLOCK);
		if (n < 0)
			die("sendfile");
		if (n == 0)
			at = 0;
		moved += (uint64_t)n;
	}
	return moved;
}

int
open_target(const struct link *l)
{
	int file = open(l->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (file < 0)
		die(l->path);
	return file;
}

void
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

	while (moved == 0 || now_ns() < l->until) {
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
	while (moved == 0 || now_ns() < l->until) {
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

double
rate_of_bytes(struct link *l, double seconds, uint64_t (*run)(struct link *l),
    void (*helper)(struct link *l))
{
	link_open(l);
	l->time = (uint64_t)(seconds * 1e9);
	pid_t pid = help(l, helper);
	link_begin(l);
	uint64_t moved = run(l);
	double took = (double)(now_ns() - l->began) / 1e9;
	close(l->near);
	help_end(pid);
	return (double)moved / took / 1e6;
}

/* ---- the list ---- */

static double
limit_send(struct link *l, double seconds)
{
	return rate_of_bytes(l, seconds, run_send, throw_away);
}

static double
limit_write(struct link *l, double seconds)
{
	return rate_of_bytes(l, seconds, run_write, feed);
}

static double
limit_splice(struct link *l, double seconds)
{
	return rate_of_bytes(l, seconds, run_splice, feed);
}

static double
limit_connect(struct link *l, double seconds)
{
	uint64_t began = now_ns(), made = 0;

	link_listen(l);
	l->until = began + (uint64_t)(seconds * 1e9);
	while (made == 0 || now_ns() < l->until) {
		int far = link_call(l), near = link_accept(l);

		close(near);
		close(far);
		made++;
	}
	return (double)made / ((double)(now_ns() - began) / 1e9);
}

static const struct {
	const char *word;
	double (*measure)(struct link *l, double seconds);
} limits[] = {
    {"send", limit_send},
    {"write", limit_write},
    {"splice", limit_splice},
    {"connect", limit_connect},
    {"tls-send", limit_tls_send},
    {"tls-batch", limit_tls_batch},
    {"tls-write", limit_tls_write},
    {"handshakes", limit_handshakes},
    {"resumed", limit_resumed},
    {"gcm", limit_gcm},
    {"getdents", limit_getdents},
    {"statx", limit_statx},
};

static int
usage(void)
{
	fputs("usage: bench-limits WHAT PATH SECONDS\nWHAT is one of", stderr);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		fprintf(stderr, " %s", limits[i].word);
	fputs("\n", stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	struct link l = {.listener = -1, .near = -1, .far = -1};
	double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;

	if (seconds <= 0)
		return usage();
	l.path = argv[2];
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		if (strcmp(argv[1], limits[i].word) != 0)
			continue;
		printf("%.6g\n", limits[i].measure(&l, seconds));
		return 0;
	}
	return usage();
}
