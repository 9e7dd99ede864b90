/*
 * Log lines. One event is one line: session first, then key=value, foreign text escaped.
 * Children send their lines to the master over their channel; the master writes them
 * (ferryd/master/logfile.c).
 */
#ifndef FERRYD_WIRE_LOG_H
#define FERRYD_WIRE_LOG_H

#include <stdint.h>
#include <syslog.h>

#include "msg.h"

enum log_kind {
	LOG_KIND_EVENT,    /* for the operator: ferryd's own log */
	LOG_KIND_TRANSFER, /* a line of the transfer log (xferlog) */
	LOG_KIND_PROTOCOL, /* log_ftp_protocol: a command or reply; never a password */
};

/* Where lines of this process go; set once at the start. text is already escaped and has
 * no LF. */
typedef void log_sink(
    enum log_kind kind, int level, uint32_t session, const char *text, void *user);
void log_to(log_sink *sink, void *user);
/* A sink for children that block (agents' threads: user is a pointer to the channel's
 * socket, an int). */
log_sink log_sink_socket;

/* Such a line as a message to the master; borrows text. For sinks. */
struct msg log_message(enum log_kind kind, int level, uint32_t session, const char *text);

void log_event(int level, uint32_t session, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void log_line(enum log_kind kind, int level, uint32_t session, const char *text);

/* Copies text for a log line into buf (always terminated): printable bytes as they are,
 * blank as it is, all others and the backslash as \ooo. Returns buf, for use as an
 * argument. */
const char *log_escape(const void *text, size_t n, char *buf, size_t cap);
/* The same for what a line shows between double quotes, which it cannot end: the double
 * quote is escaped as well. */
const char *log_quoted(const char *text, char *buf, size_t cap);

#endif
