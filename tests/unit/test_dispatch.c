/*
 * Every row of verbs.def against the dispatcher's check: before login, with an argument
 * missing, with one too many; lists of permitted commands; lines that are no commands.
 */
#include "worker_world.h"

#include "cmd_list.h"
#include "dispatch.h"
#include "session.h"

static struct bytes
text(const char *s)
{
	return bytes_of(s);
}

static int
check(const struct session *s, const char *line)
{
	struct command cmd;
	const char *words = NULL;
	int code = dispatch_check(s, text(line), &cmd, &words);

	if (code != 0)
		assert_non_null(words);
	return code;
}

static const struct session *
session_of(struct world *w)
{
	return worker_session(&w->worker, w->sessions);
}

static void
test_rows_before_login(void **state)
{
	struct world *w = *state;
	char line[64];

	world_connect(w);
	world_expect(w, "220 ");
	for (size_t i = 0; i < verbs_count; i++) {
		bool needs =
		    verbs[i].argument == VERB_PATH || verbs[i].argument == VERB_TEXT;

		snprintf(line, sizeof(line), "%s%s", verbs[i].name, needs ? " x" : "");
		assert_int_equal(
		    check(session_of(w), line), verbs[i].state == VERB_ANY ? 0 : 530);
	}
}

/* The same through the wire: every one of them is answered 530, once, and nothing
 * listens. */
static void
test_rows_before_login_are_answered(void **state)
{
	struct world *w = *state;
	char line[64];

	world_connect(w);
	world_expect(w, "220 ");
	for (size_t i = 0; i < verbs_count; i++) {
		if (verbs[i].state != VERB_USER)
			continue;
		snprintf(line, sizeof(line), "%s x", verbs[i].name);
		world_ask(w, line, "530 ");
	}
	assert_int_equal(session_of(w)->data.state, DATA_NONE);
	world_ask(w, "NOOP", "200 ");
}

static void
test_rows_argument_missing(void **state)
{
	struct world *w = *state;
	char line[64];

	world_login(w);
	for (size_t i = 0; i < verbs_count; i++) {
		bool needs =
		    verbs[i].argument == VERB_PATH || verbs[i].argument == VERB_TEXT;

		assert_int_equal(check(session_of(w), verbs[i].name), needs ? 501 : 0);
		snprintf(line, sizeof(line), "%s ", verbs[i].name);
		assert_int_equal(check(session_of(w), line), needs ? 501 : 0);
	}
}

static void
test_rows_argument_surplus(void **state)
{
	struct world *w = *state;
	char line[64];

	world_login(w);
	for (size_t i = 0; i < verbs_count; i++) {
		snprintf(line, sizeof(line), "%s x", verbs[i].name);
		assert_int_equal(
		    check(session_of(w), line), verbs[i].argument == VERB_NONE ? 501 : 0);
	}
}

static void
test_rows_argument_with_nul(void **state)
{
	struct world *w = *state;
	uint8_t line[16];
	struct command cmd;
	const char *words;

	world_login(w);
	for (size_t i = 0; i < verbs_count; i++) {
		size_t n = strlen(verbs[i].name);

		memcpy(line, verbs[i].name, n);
		memcpy(line + n, " a\0b", 4);
		assert_int_equal(dispatch_check(session_of(w),
				     (struct bytes){line, n + 4}, &cmd, &words),
		    501);
	}
}

static void
test_rows_have_help_in_any_case_of_letters(void **state)
{
	struct world *w = *state;
	char lower[16];

	world_login(w);
	for (size_t i = 0; i < verbs_count; i++) {
		size_t n = 0;

		for (; verbs[i].name[n] != '\0'; n++)
			lower[n] = (char)(verbs[i].name[n] | 0x20);
		assert_ptr_equal(
		    verb_find((struct bytes){(uint8_t *)lower, n}), &verbs[i]);
		assert_non_null(verbs[i].run);
		/* Rows that share a handler (XPWD, PWD) may share their words. */
		assert_true(strlen(verbs[i].help) >= 3);
	}
}

static void
test_argument_is_what_follows_one_blank(void **state)
{
	struct world *w = *state;
	struct command cmd;
	const char *words;

	world_login(w);
	assert_int_equal(
	    dispatch_check(session_of(w), text("RETR  a b "), &cmd, &words), 0);
	assert_int_equal(cmd.arg.n, 5);
	assert_memory_equal(cmd.arg.p, " a b ", 5);
}

static void
test_lines_that_are_no_commands(void **state)
{
	struct world *w = *state;

	world_login(w);
	static const struct {
		const char *line;
		int code;
	} rows[] = {
	    {"", 500},
	    {" ", 500},
	    {" NOOP", 500},
	    {"NOO", 500},
	    {"NOOPS", 500},
	    {"RETR\tx", 500},
	    {"\xff\xf4", 500},
	    {"ADAT x", 502},
	    {"SMNT x", 502},
	    {"LPSV", 502},
	    {"GET / HTTP/1.1", 421},
	    {"EHLO x", 421},
	    {"Host: x", 421},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(check(session_of(w), rows[i].line), rows[i].code);
}

static void
test_foreign_protocols_are_shown_out(void **state)
{
	struct world *w = *state;

	world_connect(w);
	world_expect(w, "220 ");
	world_send(w, "GET / HTTP/1.1\r\nHost: x\r\nUSER somebody\r\n\r\n", 43);
	world_expect(w, "421 ");
	WORLD_UNTIL(w, w->client_eof);
	assert_int_equal(buf_len(&w->got), 0);
	assert_int_equal(w->logins, 0);
}

static void
test_too_many_unknown_commands(void **state)
{
	struct world *w = *state;

	world_connect(w);
	world_expect(w, "220 ");
	for (int i = 0; i < 10; i++)
		world_ask(w, "XYZZY", "500 ");
	world_ask(w, "XYZZY", "421 ");
	WORLD_UNTIL(w, w->client_eof);
}

static void
test_lists_of_commands(void **state)
{
	struct world *w = *state;
	char allowed[] = "PASV, RETR,quit", denied[] = "retr";

	world_login(w);
	w->conf.cmds_allowed = allowed;
	assert_int_equal(check(session_of(w), "PASV"), 0);
	assert_int_equal(check(session_of(w), "RETR x"), 0);
	assert_int_equal(check(session_of(w), "PWD"), 550);
	assert_int_equal(check(session_of(w), "QUIT"), 0);
	assert_int_equal(check(session_of(w), "RET x"), 500);
	w->conf.cmds_denied = denied;
	assert_int_equal(check(session_of(w), "RETR x"), 550);
	assert_int_equal(check(session_of(w), "PASV"), 0);
	w->conf.cmds_allowed = w->conf.cmds_denied = NULL;
}

static void
test_list_options(void **state)
{
	static const struct {
		const char *arg;
		enum list_format before, after;
		unsigned flags;
		const char *rest;
		bool pattern;
	} rows[] = {
	    {"", LIST_LS, LIST_LS, 0, "", false},
	    {"-a", LIST_LS, LIST_LS, LIST_ALL, "", false},
	    {"-la", LIST_LS, LIST_LS, LIST_ALL, "", false},
	    {"-l -a dir", LIST_LS, LIST_LS, LIST_ALL, "dir", false},
	    {"-lR  dir", LIST_LS, LIST_LS, LIST_RECURSIVE, " dir", false},
	    {"-A", LIST_LS, LIST_LS, LIST_DOTFILES, "", false},
	    {"-d x", LIST_LS, LIST_LS, LIST_DIRECTORY, "x", false},
	    {"-tSr x y", LIST_LS, LIST_LS, 0, "x y", false},
	    {"-- -x", LIST_LS, LIST_LS, 0, "-x", false},
	    {"-1", LIST_NAMES, LIST_NAMES, 0, "", false},
	    {"-l", LIST_NAMES, LIST_LS, 0, "", false},
	    {"a*/b", LIST_LS, LIST_LS, 0, "a*/b", true},
	    {"a/b/", LIST_LS, LIST_LS, 0, "a/b/", false},
	    {"a/b*", LIST_LS, LIST_LS, 0, "a/b*", true},
	    {"*.[ch]", LIST_LS, LIST_LS, 0, "*.[ch]", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct list_plan plan = {.format = rows[i].before};
		struct bytes rest = list_parse(text(rows[i].arg), &plan);

		assert_int_equal(plan.format, rows[i].after);
		assert_int_equal(plan.flags, rows[i].flags);
		assert_int_equal(rest.n, strlen(rows[i].rest));
		assert_memory_equal(rest.p, rows[i].rest, rest.n);
		assert_int_equal(list_has_pattern(rest), rows[i].pattern);
	}
}

#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WORLD_TEST(test_rows_before_login),
	    WORLD_TEST(test_rows_before_login_are_answered),
	    WORLD_TEST(test_rows_argument_missing),
	    WORLD_TEST(test_rows_argument_surplus),
	    WORLD_TEST(test_rows_argument_with_nul),
	    WORLD_TEST(test_rows_have_help_in_any_case_of_letters),
	    WORLD_TEST(test_argument_is_what_follows_one_blank),
	    WORLD_TEST(test_lines_that_are_no_commands),
	    WORLD_TEST(test_foreign_protocols_are_shown_out),
	    WORLD_TEST(test_too_many_unknown_commands),
	    WORLD_TEST(test_lists_of_commands),
	    cmocka_unit_test(test_list_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
