/*
 * The log's last station. Lines are written whole, in one write each, so that rotation
 * and concurrent readers see no halves. The senders have escaped foreign text; control
 * bytes that come all the same (from a child that has been taken over) are blotted out.
 */
#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "util.h"

/* The process has one log: a global, as stderr is. */
static struct {
	int event;    /* standard error or vsftpd_log_file; -1 for syslog */
	int transfer; /* xferlog_file, or -1: with the events */
	bool own_event, own_transfer;
	bool stamped; /* standard error of a person: short time stamps */
} log_file = {.event = STDERR_FILENO, .transfer = -1};

static void
write_line(int fd, const char *stamp, const char *text)
{
	char line[8192 + 256];
	int n = snprintf(line, sizeof(line) - 1, "%s%s", stamp, text);

	n = n < (int)sizeof(line) - 1 ? n : (int)sizeof(line) - 2;
	for (int i = 0; i < n; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[n++] = '\n';
	/* A full disk must not end the service; there is nobody left to tell. */
	while (n > 0 && write(fd, line, (size_t)n) < 0 && errno == EINTR)
		;
}

static void
file_sink(enum log_kind kind, int level, uint32_t session, const char *text, void *user)
{
	char stamp[64], line[8192 + 64];
	struct timespec now;
	struct tm tm;

	if (level >= LOG_DEBUG)
		return;
	if (kind == LOG_KIND_TRANSFER && log_file.transfer >= 0) {
		write_line(log_file.transfer, "", text); /* xferlog has its own date */
		return;
	}
	if (session != 0)
		snprintf(line, sizeof(line), "session=%u %s", session, text);
	else
		snprintf(line, sizeof(line), "%s", text);
	if (log_file.event < 0) {
		syslog(level, "%s", line);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp),
	    log_file.stamped ? "%H:%M:%S " : "%Y-%m-%dT%H:%M:%S%z ", &tm);
	write_line(log_file.event, stamp, line);
}

static int
open_append(const char *path)
{
	return open(path,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
}

static void
close_own(void)
{
	if (log_file.own_event)
		close(log_file.event);
	if (log_file.own_transfer)
		close(log_file.transfer);
	log_file.own_event = log_file.own_transfer = false;
	log_file.transfer = -1;
	log_file.event = STDERR_FILENO;
}

int
logfile_open(const struct conf *conf, bool daemon, const char **ret_what)
{
	int event = STDERR_FILENO, transfer = -1;

	if (conf->syslog_enable)
		event = -1;
	else if (daemon)
		event = open_append(*ret_what = conf->vsftpd_log_file);
	if (event < 0 && !conf->syslog_enable)
		return -FERRY_ESYS;
	if (conf->xferlog_enable && conf->xferlog_std_format) {
		transfer = open_append(*ret_what = conf->xferlog_file);
		if (transfer < 0)
			return -FERRY_ESYS;
	}
	close_own();
	log_file.event = event;
	log_file.own_event = event > STDERR_FILENO;
	log_file.transfer = transfer;
	log_file.own_transfer = transfer >= 0;
	log_file.stamped = event == STDERR_FILENO && isatty(STDERR_FILENO);
	if (event < 0)
		openlog("ferryd", LOG_PID | LOG_NDELAY, LOG_FTP);
	log_to(file_sink, NULL);
	return 0;
}
