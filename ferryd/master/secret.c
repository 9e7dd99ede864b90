/*
 * Reading the password of --user.
 */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "util.h"

#define SECRET_MAX 1024

void
secret_free(char *password)
{
	if (password == NULL)
		return;
	explicit_bzero(password, strlen(password));
	free(password);
}

/* The signal that came while a terminal does not show what is typed: it must show it
 * again first. */
static volatile sig_atomic_t interrupted;

static void
on_interrupt(int signo)
{
	interrupted = signo;
}

static const int interrupts[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};

/* The first line, byte by byte so that nothing behind it is taken from a shared
 * descriptor. */
static int
read_line(int fd, char **ret)
{
	char *line = calloc(1, SECRET_MAX + 1);
	size_t n = 0;

	if (line == NULL)
		return -FERRY_ENOMEM;
	for (;;) {
		ssize_t got = read(fd, line + n, 1);

		if (got < 0 && errno == EINTR && !interrupted)
			continue;
		if (got < 0 || n == SECRET_MAX) {
			secret_free(line);
			return got < 0 ? -FERRY_ESYS : -FERRY_ETOOBIG;
		}
		if (got == 0 || line[n] == '\n')
			break;
		n++;
	}
	line[n] = '\0';
	if (n > 0 && line[n - 1] == '\r')
		line[n - 1] = '\0';
	*ret = line;
	return 0;
}

static int
ask(const char *user, char **ret)
{
	_cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	const struct sigaction catch = {
	    .sa_handler = on_interrupt}; /* and read() ends with EINTR */
	struct sigaction usual[ARRAY_LEN(interrupts)];
	struct termios before, quiet;
	int r;

	if (tty < 0 || tcgetattr(tty, &before) < 0) {
		fprintf(stderr, "ferryd: no terminal to ask for the password on: use "
				"--password-file FILE or "
				"--password-fd N\n");
		return -FERRY_EINVAL;
	}
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	dprintf(tty, "Password for %s (clients will log in with it): ", user);
	for (size_t i = 0; i < ARRAY_LEN(interrupts); i++)
		sigaction(interrupts[i], &catch, &usual[i]);
	tcsetattr(tty, TCSAFLUSH, &quiet);
	r = read_line(tty, ret);
	tcsetattr(tty, TCSAFLUSH, &before);
	dprintf(tty, "\n");
	for (size_t i = 0; i < ARRAY_LEN(interrupts); i++)
		sigaction(interrupts[i], &usual[i], NULL);
	if (interrupted)
		raise(interrupted);
	return r;
}

int
secret_read(const struct cmdline *cl, char **ret_password)
{
	_cleanup_close_ int file = -1;
	const char *where = "terminal";
	char *password = NULL;
	int r;

	if (cl->password_file != NULL) {
		where = cl->password_file;
		file = open(cl->password_file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		r = file < 0 ? -FERRY_ESYS : read_line(file, &password);
	} else if (cl->password_fd >= 0) {
		where = "--password-fd";
		r = read_line(cl->password_fd, &password);
		close(cl->password_fd);
	} else {
		r = ask(cl->user, &password);
		if (r == -FERRY_EINVAL)
			return r;
	}
	if (r < 0) {
		fprintf(stderr, "ferryd: the password could not be read from %s: %s\n",
		    where,
		    r == -FERRY_ESYS      ? strerror(errno)
		    : r == -FERRY_ETOOBIG ? "its line is longer than 1024 bytes"
					  : ferry_strerror(r));
		return r;
	}
	if (password[0] == '\0') {
		fprintf(stderr,
		    "ferryd: the password is empty: that would let everybody in\n");
		secret_free(password);
		return -FERRY_EINVAL;
	}
	*ret_password = password;
	return 0;
}
