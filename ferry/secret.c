/*
 * Reads passwords from people, descriptors and files. A password is never printed, never
 * in a message, never in the environment, and every buffer it passed through is
 * overwritten.
 */
#include "secret.h"

#include "interrupt.h"
#include "own.h"

#include <fcntl.h>
#include <ferry/ferry.h>
#include <sys/stat.h>
#include <termios.h>

/* One line of at most SECRET_MAX - 1 bytes, byte by byte so that nothing behind it is
 * taken. The length, -1 with errno. */
static ssize_t
read_line(int fd, char *buf)
{
	size_t n = 0;
	ssize_t got = 0;
	char c;

	while ((got = read(fd, &c, 1)) == 1 && c != '\n') {
		if (n == SECRET_MAX - 1) {
			errno = EFBIG;
			return -1;
		}
		buf[n++] = c;
	}
	if (got < 0)
		return -1;
	if (got == 0 && n == 0) {
		errno = ENODATA;
		return -1;
	}
	if (n > 0 && buf[n - 1] == '\r')
		n--;
	buf[n] = '\0';
	return (ssize_t)n;
}

int
secret_from_fd(int fd, char **ret)
{
	char buf[SECRET_MAX];
	ssize_t n = read_line(fd, buf);
	char *copy = n < 0 ? NULL : strdup(buf);
	int saved = errno;

	explicit_bzero(buf, sizeof buf);
	errno = saved;
	if (n < 0)
		return -FERRY_ESYS;
	if (copy == NULL)
		return -FERRY_ENOMEM;
	*ret = copy;
	return 0;
}

int
secret_from_file(const char *path, char **ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -FERRY_ESYS;
	if (S_ISREG(st.st_mode) && (st.st_mode & 077) != 0) {
		errno = EPERM;
		return -FERRY_ESYS;
	}
	return secret_from_fd(fd, ret);
}

static int
open_terminal(void)
{
	if (isatty(STDIN_FILENO))
		return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	return open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

static void
say(int fd, const char *text)
{
	/* standard input may be a terminal that cannot be written to: standard output
	 * then */
	if (write(fd, text, strlen(text)) < 0 &&
	    write(STDOUT_FILENO, text, strlen(text)) < 0)
		return;
}

/* Waits until a line was typed; ^C ends it with EINTR. */
static int
await_line(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (interrupt_poll(&p, 1, -1) < 0)
		if (errno != EINTR || interrupt_seen())
			return -FERRY_ESYS;
	return 0;
}

static int
ask(const char *prompt, bool echo, char **ret)
{
	_cleanup_close_ int fd = open_terminal();
	struct termios old, quiet;
	int rc;

	if (fd < 0 || tcgetattr(fd, &old) < 0)
		return -FERRY_ESYS;
	quiet = old;
	if (!echo)
		quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_lflag |= ICANON | ECHONL;
	fflush(stdout);
	interrupt_clear();
	tcsetattr(fd, TCSAFLUSH, &quiet);
	say(fd, prompt);
	rc = await_line(fd);
	if (rc == 0)
		rc = secret_from_fd(fd, ret);
	int saved = errno;
	tcsetattr(fd, TCSANOW, &old);
	if (rc == -FERRY_ESYS && (saved == EINTR || saved == ENODATA)) {
		say(fd, "\n");
		rc = -FERRY_EABORTED;
	}
	errno = saved;
	return rc;
}

int
secret_ask(const char *prompt, char **ret)
{
	return ask(prompt, false, ret);
}

int
secret_ask_echoed(const char *prompt, char **ret)
{
	return ask(prompt, true, ret);
}

void
secret_scrub_url(char *arg)
{
	char *start = strstr(arg, "://");
	char *end, *colon, *at;

	if (start == NULL)
		return;
	start += 3;
	end = start + strcspn(start, "/?#");
	at = memrchr(start, '@', (size_t)(end - start));
	colon = at == NULL ? NULL : memchr(start, ':', (size_t)(at - start));
	if (colon != NULL)
		memset(colon + 1, '*', (size_t)(at - colon - 1));
}
