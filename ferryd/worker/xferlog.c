/*
 * Lines of the transfer log: wu-ftpd's xferlog(5) format, which other programs read, or
 * words in vsftpd's own style; and one line of the event log for each transfer that
 * failed. For transfer.c. A name can end no line and no field.
 */
#include "xferlog.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "session.h"
#include "transfer.h"

#define NAME_SHOWN_MAX 4096

/* xferlog(5) has its fields between blanks: what is no plain character becomes "_". */
static const char *
plain_name(const char *text, char *out, size_t cap)
{
	size_t n = 0;

	for (; text[n] != '\0' && n < cap - 1; n++) {
		unsigned char c = (unsigned char)text[n];

		out[n] = (char)(c > 0x20 && c < 0x7f ? c : '_');
	}
	out[n] = '\0';
	return out;
}

static void
write_standard(const struct session *s, const struct transfer *t, uint64_t ms)
{
	char date[32], peer[ENDPOINT_TEXT_MAX], name[NAME_SHOWN_MAX], user[256],
	    line[5120];
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm);
	endpoint_format_address(&s->peer, peer);
	snprintf(line, sizeof(line), "%s %llu %s %llu %s %c _ %c %c %s ftp 0 * %c", date,
	    (unsigned long long)(ms + 999) / 1000, peer, (unsigned long long)t->bytes,
	    plain_name(t->path, name, sizeof(name)), t->ascii ? 'a' : 'b',
	    t->kind == TRANSFER_UPLOAD ? 'i' : 'o', s->anonymous ? 'a' : 'r',
	    plain_name(s->user, user, sizeof(user)), t->good ? 'c' : 'i');
	log_line(LOG_KIND_TRANSFER, LOG_INFO, s->id, line);
}

static void
write_own(const struct session *s, const struct transfer *t, uint64_t ms)
{
	char peer[ENDPOINT_TEXT_MAX], name[NAME_SHOWN_MAX], user[256], line[5120];
	double kbytes = ms > 0 ? (double)t->bytes / 1024 * 1000 / (double)ms : 0;

	endpoint_format_address(&s->peer, peer);
	snprintf(line, sizeof(line),
	    "[%s] %s %s: Client \"%s\", \"%s\", %llu bytes, %.2fKbyte/sec",
	    log_escape(s->user, strlen(s->user), user, sizeof(user)),
	    t->good ? "OK" : "FAIL", t->kind == TRANSFER_UPLOAD ? "UPLOAD" : "DOWNLOAD",
	    peer, log_escape(t->path, strlen(t->path), name, sizeof(name)),
	    (unsigned long long)t->bytes, kbytes);
	log_line(LOG_KIND_TRANSFER, LOG_INFO, s->id, line);
}

static void
write_failure(const struct session *s, const struct transfer *t)
{
	char name[NAME_SHOWN_MAX];

	log_event(LOG_INFO, s->id, "transfer failed path=\"%s\" bytes=%llu: %d %s",
	    log_escape(t->path, strlen(t->path), name, sizeof(name)),
	    (unsigned long long)t->bytes, t->code, t->text);
}

void
xferlog_write(const struct session *s, const struct transfer *t)
{
	const struct conf *conf = s->conf;
	uint64_t ms = uv_now(s->worker->loop) - t->begun;

	if (!t->good)
		write_failure(s, t);
	if (!conf->xferlog_enable || t->kind == TRANSFER_LISTING)
		return;
	if (conf->xferlog_std_format)
		write_standard(s, t, ms);
	else
		write_own(s, t, ms);
}
