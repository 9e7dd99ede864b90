/*
 * Log lines: nothing that a user sends may begin a line of its own, or be cut where it
 * would mislead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chan.h"
#include "fdpass.h"
#include "log.h"
#include "util.h"

static void
test_escape(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		size_t cap;
		const char *out;
	} rows[] = {
	    {.in = "plain text", .n = 10, .cap = 64, .out = "plain text"},
	    {.in = "", .n = 0, .cap = 64, .out = ""},
	    {.in = "a\r\nsession=1", .n = 12, .cap = 64, .out = "a\\015\\012session=1"},
	    {.in = "nul\0inside", .n = 10, .cap = 64, .out = "nul\\000inside"},
	    {.in = "back\\slash", .n = 10, .cap = 64, .out = "back\\134slash"},
	    {.in = "\x1b[31m", .n = 5, .cap = 64, .out = "\\033[31m"},
	    {.in = "caf\xc3\xa9", .n = 5, .cap = 64, .out = "caf\\303\\251"},
	    {.in = "\x7f\xff", .n = 2, .cap = 64, .out = "\\177\\377"},
	    {.in = "~", .n = 1, .cap = 64, .out = "~"},
	    {.in = "cut here", .n = 8, .cap = 5, .out = "cut "},
	    /* an escape is never cut in two: \01 would be read as something else */
	    {.in = "ab\n", .n = 3, .cap = 6, .out = "ab"},
	    {.in = "ab\n", .n = 3, .cap = 7, .out = "ab\\012"},
	    {.in = "x", .n = 1, .cap = 1, .out = ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[64];

		memset(out, 'Z', sizeof(out));
		assert_string_equal(
		    log_escape(rows[i].in, rows[i].n, out, rows[i].cap), rows[i].out);
		assert_true(rows[i].cap == sizeof(out) || out[rows[i].cap] == 'Z');
	}
	assert_string_equal(log_escape("x", 1, NULL, 0), "");
}

/* user="a" peer="b" must be two fields, whatever a is. */
static void
test_quoted(void **state)
{
	char out[64];

	assert_string_equal(log_quoted("a\" peer=\"1.2.3.4\\\n", out, sizeof(out)),
	    "a\\042 peer=\\0421.2.3.4\\134\\012");
	assert_string_equal(log_escape("\"", 1, out, sizeof(out)), "\"");
	assert_string_equal(log_quoted("a\"", out, 5), "a");
}

/* ---- sinks ---- */

struct line {
	enum log_kind kind;
	int level;
	uint32_t session;
	unsigned count;
	char text[16384];
};

static void
line_sink(enum log_kind kind, int level, uint32_t session, const char *text, void *user)
{
	struct line *l = user;

	l->kind = kind;
	l->level = level;
	l->session = session;
	l->count++;
	snprintf(l->text, sizeof(l->text), "%s", text);
	errno = EBADMSG;
}

static void
test_event(void **state)
{
	struct line l = {0};

	log_to(line_sink, &l);
	errno = ENOENT;
	log_event(LOG_NOTICE, 7, "event=%s n=%d", "login", 12);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(l.kind, LOG_KIND_EVENT);
	assert_int_equal(l.level, LOG_NOTICE);
	assert_int_equal(l.session, 7);
	assert_string_equal(l.text, "event=login n=12");
	log_line(LOG_KIND_TRANSFER, LOG_INFO, 8, "RETR");
	assert_int_equal(l.kind, LOG_KIND_TRANSFER);
	assert_string_equal(l.text, "RETR");
	log_line(LOG_KIND_EVENT, LOG_INFO, 8, "");
	assert_int_equal(l.count, 2);
	log_to(NULL, NULL);
}

/* A caller who forgot to escape. */
static void
test_unescaped_line_stays_one(void **state)
{
	struct line l = {0};

	log_to(line_sink, &l);
	log_event(LOG_INFO, 0, "user=%s", "x\nevent=login\r\x1b[0m");
	assert_string_equal(l.text, "user=x?event=login??[0m");
	log_to(NULL, NULL);
}

static void
test_long_line_is_cut(void **state)
{
	struct line l = {0};
	char text[10000];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_to(line_sink, &l);
	log_event(LOG_INFO, 0, "%s", text);
	assert_int_equal(strlen(l.text), 8192);
	log_to(NULL, NULL);
}

/* What a child says over its channel is what the master gets, the longest line too. */
static void
test_socket_sink(void **state)
{
	static struct wire_box box;
	char text[9000];
	int pair[2];

	assert_int_equal(fdpass_pair(pair), 0);
	log_to(log_sink_socket, &pair[1]);
	log_event(LOG_WARNING, 3, "event=refused");
	memset(text, 'b', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_line(LOG_KIND_PROTOCOL, LOG_DEBUG, 4, text);
	log_to(NULL, NULL);
	assert_int_equal(wire_recv(pair[0], ROLE_MASTER, ROLE_AGENT, &box), 0);
	assert_int_equal(box.msg.type, MSG_MASTER_LOG);
	assert_int_equal(box.msg.master_log.kind, LOG_KIND_EVENT);
	assert_int_equal(box.msg.master_log.level, LOG_WARNING);
	assert_int_equal(box.msg.master_log.session, 3);
	assert_int_equal(box.msg.master_log.text.n, strlen("event=refused"));
	assert_memory_equal(
	    box.msg.master_log.text.p, "event=refused", strlen("event=refused"));
	assert_int_equal(wire_recv(pair[0], ROLE_MASTER, ROLE_AGENT, &box), 0);
	assert_int_equal(box.msg.master_log.kind, LOG_KIND_PROTOCOL);
	assert_int_equal(box.msg.master_log.text.n, 8192);
	close(pair[0]);
	/* The master is gone: a line is lost, and nothing else happens. */
	log_to(log_sink_socket, &pair[1]);
	log_event(LOG_INFO, 0, "event=late");
	log_to(NULL, NULL);
	close(pair[1]);
}

/* Before log_to(): standard error, one line per event. */
static void
test_default_sink(void **state)
{
	char got[256] = "";
	int pipefd[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(pipefd), 0);
	dup2(pipefd[1], STDERR_FILENO);
	log_event(LOG_ERR, 0, "event=start");
	log_event(LOG_ERR, 12, "event=login");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipefd[1]);
	n = read(pipefd[0], got, sizeof(got) - 1);
	close(pipefd[0]);
	assert_true(n > 0);
	assert_string_equal(got, "event=start\nsession=12 event=login\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_escape),
	    cmocka_unit_test(test_quoted),
	    cmocka_unit_test(test_event),
	    cmocka_unit_test(test_unescaped_line_stays_one),
	    cmocka_unit_test(test_long_line_is_cut),
	    cmocka_unit_test(test_socket_sink),
	    cmocka_unit_test(test_default_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
