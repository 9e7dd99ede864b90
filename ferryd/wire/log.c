/*
 * Where a process's log lines leave it. Formats and cleans; writes no file itself: the
 * sink does.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "chan.h"

/* Longest text that MSG_MASTER_LOG carries. */
#define LOG_TEXT_MAX 8192

/* Before log_to(): the start of a process, and tests. One write, so that lines do not
 * mix. */
static void
log_sink_stderr(
    enum log_kind kind, int level, uint32_t session, const char *text, void *user)
{
	if (session != 0)
		dprintf(STDERR_FILENO, "session=%u %s\n", session, text);
	else
		dprintf(STDERR_FILENO, "%s\n", text);
}

/* The one global of this folder: a process has one log, and it is set before the first
 * thread. */
static struct {
	log_sink *sink;
	void *user;
} out = {.sink = log_sink_stderr};

void
log_to(log_sink *sink, void *user)
{
	out.sink = sink != NULL ? sink : log_sink_stderr;
	out.user = user;
}

struct msg
log_message(enum log_kind kind, int level, uint32_t session, const char *text)
{
	return (struct msg){
	    .type = MSG_MASTER_LOG,
	    .master_log =
		{
		    .kind = (uint8_t)kind,
		    .level = (uint8_t)level,
		    .session = session,
		    .text = bytes_of(text),
		},
	};
}

void
log_sink_socket(
    enum log_kind kind, int level, uint32_t session, const char *text, void *user)
{
	const int *sock = user;
	const struct msg m = log_message(kind, level, session, text);

	/* When the master is gone there is nobody to tell, and this process ends as well.
	 */
	(void)wire_send(*sock, ROLE_AGENT, ROLE_MASTER, &m, NULL, 0);
}

/* Text is to come escaped; a caller who forgot must not be able to forge a line with it.
 */
static void
text_clean(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
}

void
log_line(enum log_kind kind, int level, uint32_t session, const char *text)
{
	char line[LOG_TEXT_MAX + 1];
	int saved = errno;

	snprintf(line, sizeof(line), "%s", text);
	text_clean(line);
	if (line[0] != '\0')
		out.sink(kind, level, session, line, out.user);
	errno = saved;
}

void
log_event(int level, uint32_t session, const char *fmt, ...)
{
	char line[LOG_TEXT_MAX + 1];
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log_line(LOG_KIND_EVENT, level, session, line);
	errno = saved;
}

static const char *
escape(const void *text, size_t n, const char *not_plain, char *buf, size_t cap)
{
	const unsigned char *p = text;
	size_t len = 0;

	if (cap == 0)
		return "";
	for (size_t i = 0; i < n; i++) {
		bool plain = p[i] >= 0x20 && p[i] < 0x7f && !strchr(not_plain, p[i]);
		size_t need = plain ? 1 : 4;

		if (len + need >= cap)
			break;
		if (plain)
			buf[len] = (char)p[i];
		else
			snprintf(buf + len, need + 1, "\\%03o", p[i]);
		len += need;
	}
	buf[len] = '\0';
	return buf;
}

const char *
log_escape(const void *text, size_t n, char *buf, size_t cap)
{
	return escape(text, n, "\\", buf, cap);
}

const char *
log_quoted(const char *text, char *buf, size_t cap)
{
	return escape(text, strlen(text), "\\\"", buf, cap);
}
