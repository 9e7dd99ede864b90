/*
 * Local files: an interrupted download never harms the old one, and a server's name never
 * leads out of the directory.
 */
#include "local.h"

#include <fcntl.h>
#include <ferry/ferry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
put_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
file_is(const char *name, const char *text)
{
	char buf[64] = "";
	FILE *f = fopen(name, "r");

	assert_non_null(f);
	assert_int_equal(fread(buf, 1, sizeof buf - 1, f), strlen(text));
	assert_string_equal(buf, text);
	fclose(f);
}

static int
enter(void **state)
{
	char dir[] = "/tmp/ferry-local-XXXXXX";

	return mkdtemp(dir) == NULL || chdir(dir) < 0 || (*state = strdup(dir)) == NULL;
}

static int
leave(void **state)
{
	char command[64];

	snprintf(command, sizeof command, "rm -r %s", (char *)*state);
	free(*state);
	return chdir("/") < 0 || system(command) != 0;
}

static void
fetch(const char *name, enum local_name who, bool resume, const char *text, bool complete)
{
	struct local_sink s;
	uint64_t offset;

	assert_int_equal(local_sink_open(&s, name, who, resume, &offset), 0);
	assert_int_equal(local_sink_write(text, strlen(text), &s), 0);
	assert_int_equal(local_sink_close(&s, complete), 0);
}

static void
replaces_when_complete(void **state)
{
	struct stat st;

	put_file("a", "old");
	assert_int_equal(chmod("a", 0640), 0);
	fetch("a", LOCAL_FOREIGN, false, "new", true);
	file_is("a", "new");
	assert_int_equal(access(".a.ferry-part", F_OK), -1);
	assert_int_equal(stat("a", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void
keeps_the_old_one(void **state)
{
	put_file("a", "old");
	fetch("a", LOCAL_LITERAL, false, "ne", false);
	file_is("a", "old");
	file_is(".a.ferry-part", "ne");
	fetch("a", LOCAL_LITERAL, true, "w", true);
	file_is("a", "new");
}

static void
leaves_no_empty_part(void **state)
{
	fetch("a", LOCAL_LITERAL, false, "", false);
	assert_int_equal(access(".a.ferry-part", F_OK), -1);
	assert_int_equal(access("a", F_OK), -1);
}

static void
resumes_in_place(void **state)
{
	struct local_sink s;
	uint64_t offset;

	put_file("a", "12345");
	assert_int_equal(local_sink_open(&s, "a", LOCAL_LITERAL, true, &offset), 0);
	assert_int_equal(offset, 5);
	assert_int_equal(local_sink_write("6", 1, &s), 0);
	assert_int_equal(local_sink_close(&s, false), 0);
	file_is("a", "123456");
}

static void
refuses_foreign_paths(void **state)
{
	static const char *const names[] = {"../x", "/tmp/x", "a/b", "..", ".", "", "x/"};
	struct local_sink s;
	uint64_t offset;

	assert_int_equal(mkdir("a", 0700), 0);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_int_equal(
		    local_sink_open(&s, names[i], LOCAL_FOREIGN, false, &offset),
		    -FERRY_EINVAL);
		assert_true(*s.error != '\0');
	}
	assert_int_equal(access("a/b", F_OK), -1);
}

/* A link that waits in the directory is replaced, never written through. */
static void
follows_no_link(void **state)
{
	struct stat st;

	put_file("victim", "safe");
	assert_int_equal(symlink("victim", "a"), 0);
	assert_int_equal(symlink("victim", ".b.ferry-part"), 0);
	fetch("a", LOCAL_FOREIGN, false, "new", true);
	file_is("victim", "safe");
	assert_int_equal(lstat("a", &st), 0);
	assert_true(S_ISREG(st.st_mode));

	struct local_sink s;
	uint64_t offset;
	assert_int_equal(
	    local_sink_open(&s, "b", LOCAL_FOREIGN, false, &offset), -FERRY_ELOCAL);
	file_is("victim", "safe");
}

/* What the user typed is meant: the link stays, its file is new. */
static void
follows_a_typed_link(void **state)
{
	struct stat st;

	put_file("file", "old");
	assert_int_equal(symlink("file", "a"), 0);
	fetch("a", LOCAL_TYPED, false, "new", true);
	assert_int_equal(lstat("a", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	file_is("file", "new");
}

static void
runs_nothing_for_the_server(void **state)
{
	fetch("|touch owned", LOCAL_FOREIGN, false, "x", true);
	assert_int_equal(access("owned", F_OK), -1);
	file_is("|touch owned", "x");
	fetch("-", LOCAL_FOREIGN, false, "y", true);
	file_is("-", "y");
	fetch("|cat > piped", LOCAL_TYPED, false, "z", true);
	file_is("piped", "z");
}

static void
takes_long_names(void **state)
{
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	fetch(name, LOCAL_FOREIGN, false, "x", true);
	file_is(name, "x");
}

static void
one_at_a_time(void **state)
{
	struct local_sink a, b;
	uint64_t offset;

	assert_int_equal(local_sink_open(&a, "a", LOCAL_LITERAL, false, &offset), 0);
	assert_int_equal(
	    local_sink_open(&b, "a", LOCAL_LITERAL, false, &offset), -FERRY_ELOCAL);
	assert_int_equal(local_sink_close(&a, true), 0);
}

static void
reads(void **state)
{
	struct local_source s;
	char buf[8];

	put_file("a", "12345");
	assert_int_equal(local_source_open(&s, "a", LOCAL_LITERAL), 0);
	assert_int_equal(s.size, 5);
	assert_int_equal(local_source_skip(&s, 3), 0);
	assert_int_equal(local_source_read(buf, sizeof buf, &s), 2);
	assert_memory_equal(buf, "45", 2);
	assert_int_equal(local_source_read(buf, sizeof buf, &s), 0);
	local_source_close(&s);
	assert_int_equal(local_source_open(&s, ".", LOCAL_LITERAL), -FERRY_ELOCAL);
	assert_int_equal(local_source_open(&s, "|echo", LOCAL_LITERAL), -FERRY_ELOCAL);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, enter, leave)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_DIR(replaces_when_complete),
	    IN_DIR(keeps_the_old_one),
	    IN_DIR(leaves_no_empty_part),
	    IN_DIR(resumes_in_place),
	    IN_DIR(refuses_foreign_paths),
	    IN_DIR(follows_no_link),
	    IN_DIR(follows_a_typed_link),
	    IN_DIR(runs_nothing_for_the_server),
	    IN_DIR(takes_long_names),
	    IN_DIR(one_at_a_time),
	    IN_DIR(reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
