/*
 * Paths as text: what a name means from where one stands, which names may become files,
 * patterns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "path.h"
#include "util.h"

static void
joins(void **state)
{
	static const struct {
		const char *cwd, *arg;
		const char *out; /* NULL: -FERRY_EINVAL */
	} rows[] = {
	    {"/", "a", "/a"},
	    {"/", "/", "/"},
	    {"/", ".", "/"},
	    {"/", "..", "/"},
	    {"/", "../../etc/passwd", "/etc/passwd"},
	    {"/", "//", "/"},
	    {"/a", "b", "/a/b"},
	    {"/a", "/b", "/b"},
	    {"/a", "//b//c//", "/b/c"},
	    {"/a/b", "..", "/a"},
	    {"/a/b", "../..", "/"},
	    {"/a/b", "../../..", "/"},
	    {"/a/b", "../../../c", "/c"},
	    {"/a/b", "./././c/.", "/a/b/c"},
	    {"/a/b", "c/../d/", "/a/b/d"},
	    {"/a/b", "/../x", "/x"},
	    {"/a/b", "...", "/a/b/..."},
	    {"/a/b", "..c", "/a/b/..c"},
	    {"/a/b", ".c.", "/a/b/.c."},
	    {"/a/b", ". ", "/a/b/. "},
	    {"/a/b", " ", "/a/b/ "},
	    {"/a/b", "-la", "/a/b/-la"},
	    {"/a/b", "x\r\ny\"\xff", "/a/b/x\r\ny\"\xff"},
	    {"/a/b", "\\..\\..", "/a/b/\\..\\.."},
	    {"/a//b/../", "c", "/a/c"},
	    {"/a", "", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = BUF_INIT(PATH_TEXT_MAX);
		int r = path_join(
		    rows[i].cwd, (const uint8_t *)rows[i].arg, strlen(rows[i].arg), &out);

		assert_int_equal(r, rows[i].out ? 0 : -FERRY_EINVAL);
		assert_string_equal(buf_cstr(&out), rows[i].out ? rows[i].out : "");
		buf_free(&out);
	}
}

static int
join_n(const char *cwd, const char *arg, size_t n, size_t *ret_len)
{
	struct buf out = BUF_INIT(2 * PATH_TEXT_MAX);
	int r = path_join(cwd, (const uint8_t *)arg, n, &out);

	*ret_len = buf_len(&out);
	assert_true(r == 0 || *ret_len == 0);
	buf_free(&out);
	return r;
}

static void
join_has_limits(void **state)
{
	char name[PATH_TEXT_MAX + 2];
	size_t len;

	assert_int_equal(join_n("/", "a\0b", 3, &len), -FERRY_EINVAL);
	assert_int_equal(join_n("/", "\0", 1, &len), -FERRY_EINVAL);
	memset(name, 'x', sizeof(name));
	assert_int_equal(join_n("/", name, PATH_NAME_MAX, &len), 0);
	assert_int_equal(len, PATH_NAME_MAX + 1);
	assert_int_equal(join_n("/", name, PATH_NAME_MAX + 1, &len), -FERRY_ETOOBIG);
	for (size_t i = 0; i < sizeof(name); i += 2)
		name[i] = '/';
	assert_int_equal(join_n("/", name, PATH_TEXT_MAX + 1, &len), -FERRY_ETOOBIG);
	assert_int_equal(join_n("/", name, PATH_TEXT_MAX - 1, &len), 0);
	assert_int_equal(len, PATH_TEXT_MAX - 1);
	/* From a deep directory even a short name is too much. */
	name[PATH_TEXT_MAX - 1] = '\0';
	assert_int_equal(join_n(name, "a", 1, &len), -FERRY_ETOOBIG);
	assert_int_equal(join_n(name, "..", 2, &len), 0);
}

static void
bases(void **state)
{
	assert_string_equal(path_base("/"), "");
	assert_string_equal(path_base("/a"), "a");
	assert_string_equal(path_base("/a/b c"), "b c");
	assert_string_equal(path_base("a"), "a");
	assert_string_equal(path_base(""), "");
}

static void
plain_names(void **state)
{
	static const struct {
		const char *name;
		size_t n;
		bool plain;
	} rows[] = {
	    {"a", 1, true},
	    {"...", 3, true},
	    {"..a", 3, true},
	    {" ", 1, true},
	    {"-rf", 3, true},
	    {"C:\\x", 4, true},
	    {"a\r\nb\xff", 5, true},
	    {"", 0, false},
	    {".", 1, false},
	    {"..", 2, false},
	    {"/", 1, false},
	    {"a/", 2, false},
	    {"../x", 4, false},
	    {"/etc/passwd", 11, false},
	    {"a\0b", 3, false},
	    {"..\0", 3, false},
	};
	char name[PATH_NAME_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(
		    path_name_is_plain((const uint8_t *)rows[i].name, rows[i].n),
		    rows[i].plain);
		if (strlen(rows[i].name) == rows[i].n)
			assert_int_equal(
			    ferry_name_is_plain(rows[i].name), rows[i].plain);
	}
	memset(name, 'x', sizeof(name));
	assert_true(path_name_is_plain((const uint8_t *)name, PATH_NAME_MAX));
	assert_false(path_name_is_plain((const uint8_t *)name, PATH_NAME_MAX + 1));
}

struct match {
	const char *pattern, *name;
	bool match;
};

static void
check_matches(const struct match *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (path_match(rows[i].pattern, rows[i].name) != rows[i].match)
			fail_msg("\"%s\" against \"%s\"", rows[i].pattern, rows[i].name);
}

static void
matches(void **state)
{
	static const struct match rows[] = {
	    {"", "", true},
	    {"", "a", false},
	    {"a", "", false},
	    {"a", "a", true},
	    {"a", "A", false},
	    {"a", "ab", false},
	    {"ab", "a", false},
	    {"*", "", true},
	    {"*", "abc", true},
	    {"**", "abc", true},
	    {"*c", "abc", true},
	    {"*c", "abcd", false},
	    {"a*", "abc", true},
	    {"a*c", "abbc", true},
	    {"a*c*", "abcbd", true},
	    {"*a*b*", "xxaxxbxx", true},
	    {"*ab", "aab", true},
	    {"*aab", "aaab", true},
	    {"*a?b", "aaxb", true},
	    {"*.txt", "a.txt", true},
	    {"*.txt", "a.txt.gz", false},
	    {"a*b*c", "aXbXb", false},
	    {"*/x", "a/x", true},
	    {"?", "a", true},
	    {"?", "", false},
	    {"?", "ab", false},
	    {"a?c", "abc", true},
	};

	check_matches(rows, ARRAY_LEN(rows));
}

static void
matches_hidden_names_when_asked(void **state)
{
	static const struct match rows[] = {
	    {"*", ".a", false},
	    {"?a", ".a", false},
	    {"[.]a", ".a", false},
	    {"[!x]a", ".a", false},
	    {".*", ".a", true},
	    {"\\.*", ".a", true},
	    {"*.a", "x.a", true},
	    {"a*", "a.b", true},
	    {"a?b", "a.b", true},
	};

	check_matches(rows, ARRAY_LEN(rows));
}

static void
matches_sets(void **state)
{
	static const struct match rows[] = {
	    {"[a-c]", "b", true},
	    {"[a-c]", "d", false},
	    {"[!a-c]", "d", true},
	    {"[^a-c]", "b", false},
	    {"[abc]x", "bx", true},
	    {"[]]", "]", true},
	    {"[!]]", "]", false},
	    {"[!]]", "a", true},
	    {"[]-a]", "^", true},
	    {"[a-]", "-", true},
	    {"[-a]", "-", true},
	    {"[a\\-c]", "b", false},
	    {"[a\\-c]", "-", true},
	    {"[\\]]", "]", true},
	    {"[\\!a]", "!", true},
	    {"[z-a]", "m", false},
	    {"[\x80-\xff]", "\xe9", true},
	    {"[a-c]*[0-9]", "bxx7", true},
	};

	check_matches(rows, ARRAY_LEN(rows));
}

/* A "[" without an end is itself, and so is what stands behind "\". */
static void
matches_what_is_no_pattern(void **state)
{
	static const struct match rows[] = {
	    {"[", "[", true},
	    {"[a", "[a", true},
	    {"[a", "a", false},
	    {"[]", "[]", true},
	    {"[!", "[!", true},
	    {"a[b", "a[b", true},
	    {"*[", "xx[", true},
	    {"[[[", "[[[", true},
	    {"[[]", "[", true},
	    {"[\\", "[\\", true},
	    {"[a\\]", "[a]", true},
	    {"\\*", "*", true},
	    {"\\*", "a", false},
	    {"\\?", "?", true},
	    {"\\\\", "\\", true},
	    {"\\[a]", "[a]", true},
	    {"a\\", "a\\", true},
	    {"\\a", "a", true},
	    {"*\xc3\xa9*", "caf\xc3\xa9s", true},
	};

	check_matches(rows, ARRAY_LEN(rows));
}

/* Patterns that keep a naive matcher busy for ages; here each is some million steps. */
static void
match_is_bounded(void **state)
{
	static const struct {
		const char *begin, *unit;
	} rows[] = {
	    {"", "*a"},
	    {"", "*"},
	    {"", "*[a"},
	    {"", "*?"},
	    {"", "*[!b]"},
	    {"", "a*["},
	    {"", "["},
	    {"*", "["},
	    {"*", "a"},
	    {"*", "[a]"},
	    {"*", "\\["},
	};
	static char pattern[2000], name[8000];
	clock_t begin = clock();

	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		const char *unit = rows[i / 2].unit;
		size_t at = strlen(rows[i / 2].begin), len = strlen(unit);

		memcpy(pattern, rows[i / 2].begin, at);
		for (; at + len + 2 < sizeof(pattern); at += len)
			memcpy(pattern + at, unit, len);
		memcpy(pattern + at, "b", 2);
		memset(name, i % 2 ? 'a' : '[', sizeof(name) - 1);
		assert_false(path_match(pattern, name));
	}
	assert_true(clock() - begin < 5 * CLOCKS_PER_SEC);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(joins),
	    cmocka_unit_test(join_has_limits),
	    cmocka_unit_test(bases),
	    cmocka_unit_test(plain_names),
	    cmocka_unit_test(matches),
	    cmocka_unit_test(matches_hidden_names_when_asked),
	    cmocka_unit_test(matches_sets),
	    cmocka_unit_test(matches_what_is_no_pattern),
	    cmocka_unit_test(match_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
