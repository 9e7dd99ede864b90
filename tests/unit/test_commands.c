/*
 * The prompt's words and commands: splitting, prefixes, and the table itself.
 */
#include "commands.h"
#include "exitcode.h"
#include "words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
splits(void **state)
{
	static const struct {
		const char *line;
		const char *words[5];
	} rows[] = {
	    {"get a b", {"get", "a", "b"}},
	    {"  get\t a  ", {"get", "a"}},
	    {"", {NULL}},
	    {"get \"two words\" x", {"get", "two words", "x"}},
	    {"get two\\ words", {"get", "two words"}},
	    {"get \"a\\\"b\"", {"get", "a\"b"}},
	    {"put \"\" x", {"put", "", "x"}},
	    {"get a |more", {"get", "a", "|more"}},
	    {"get pre\"mid dle\"post", {"get", "premid dlepost"}},
	};
	const char *why;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct words w = {.n = 0};
		size_t n = 0;
		assert_int_equal(words_split(rows[i].line, &w, &why), 0);
		for (; rows[i].words[n] != NULL; n++) {
			assert_true(n < w.n);
			assert_string_equal(w.word[n], rows[i].words[n]);
		}
		assert_int_equal(w.n, n);
		assert_null(w.word[n]);
		words_clear(&w);
	}
	struct words w = {.n = 0};
	assert_int_equal(words_split("get \"open", &w, &why), -FERRY_EINVAL);
}

static void
quotes(void **state)
{
	static const char *const words[] = {
	    "plain", "two words", "a\"b", "back\\slash", "tab\tbed"};
	const char *why;

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		struct words w = {.n = 0};
		char *quoted = words_quote(words[i]);
		assert_int_equal(words_split(quoted, &w, &why), 0);
		assert_int_equal(w.n, 1);
		assert_string_equal(w.word[0], words[i]);
		words_clear(&w);
		free(quoted);
	}
}

static void
finds_prefixes(void **state)
{
	static const struct {
		const char *word, *name;
		bool ambiguous;
	} rows[] = {
	    {"get", "get", false},
	    {"ge", "get", false},
	    {"pa", NULL, true}, /* passive, page */
	    {"pas", "passive", false},
	    {"q", NULL, true}, /* quit, quote */
	    {"qui", "quit", false},
	    {"ls", "ls", false},
	    {"l", NULL, true},
	    {"by", "bye", false},
	    {"ex", NULL, true}, /* exit, explain */
	    {"dis", "disconnect", false},
	    {"?", "?", false},
	    {"!", "!", false},
	    {"zzz", NULL, false},
	    {"", NULL, false},
	    {"GET", NULL, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bool ambiguous;
		const struct command *c = commands_find(rows[i].word, &ambiguous);
		if ((c == NULL) != (rows[i].name == NULL))
			fail_msg("%s", rows[i].word);
		if (c != NULL)
			assert_string_equal(c->name, rows[i].name);
		assert_int_equal(ambiguous, rows[i].ambiguous);
	}
}

/* Every row: unique name, sane counts, a help line, known letters for completion. */
static void
table_is_sane(void **state)
{
	static const char *const required[] = {"open", "user", "close", "ls", "dir",
	    "nlist", "cd", "cdup", "pwd", "lcd", "lpwd", "get", "put", "mget", "mput",
	    "delete", "mdelete", "mkdir", "rmdir", "rename", "size", "modtime", "binary",
	    "ascii", "type", "passive", "epsv", "sendport", "hash", "prompt", "glob",
	    "verbose", "status", "quote", "site", "rhelp", "help", "!", "bye"};

	for (size_t i = 0; i < commands_count; i++) {
		const struct command *c = &commands[i];
		bool ambiguous;
		assert_ptr_equal(commands_find(c->name, &ambiguous), c);
		assert_non_null(c->run);
		assert_true(c->max == -1 || c->max >= c->min);
		assert_true(*c->help != '\0' && *c->complete != '\0');
		assert_int_equal(strspn(c->complete, "rlc-"), strlen(c->complete));
		assert_true(c->min == 0 || *c->arguments != '\0');
	}
	for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
		bool ambiguous;
		const struct command *c = commands_find(required[i], &ambiguous);
		assert_non_null(c);
		assert_string_equal(c->name, required[i]);
	}
}

static void
every_error_has_a_code(void **state)
{
	assert_int_equal(exitcode_of(0), EXITCODE_OK);
	for (int e = FERRY_EINVAL; e < FERRY_EOF; e++) {
		assert_int_not_equal(exitcode_of(-e), EXITCODE_OK);
		assert_int_equal(exitcode_of(-e), exitcode_of(e));
	}
	assert_int_equal(exitcode_of(-FERRY_EDATA), EXITCODE_DATA);
	assert_int_equal(exitcode_of(-FERRY_ELOGIN), EXITCODE_LOGIN);
	assert_int_equal(exitcode_of(-9999), EXITCODE_PROTOCOL);
}

/* A server may list names without end: they are kept up to a limit. */
static void
candidates_are_bounded(void **state)
{
	static char name[1 << 20];
	struct candidates c = {.n = 0};
	size_t n = 0;

	memset(name, 'x', sizeof name - 1);
	for (; !c.out_of_memory && n < 1000; n++)
		candidates_add(&c, name);
	assert_true(c.out_of_memory);
	assert_in_range(n, 32, 128);
	assert_int_equal(c.n, n - 1);
	candidates_keep(&c, 2);
	assert_int_equal(c.n, 2);
	assert_string_equal(c.word[1], name);
	candidates_clear(&c);
	assert_false(c.out_of_memory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(splits),
	    cmocka_unit_test(quotes),
	    cmocka_unit_test(finds_prefixes),
	    cmocka_unit_test(table_is_sane),
	    cmocka_unit_test(every_error_has_a_code),
	    cmocka_unit_test(candidates_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
