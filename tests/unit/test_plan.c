/*
 * The plan of a tree: what a listing may add to it.
 */
#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum plan_verdict
add(struct plan *p, const char *directory, enum ferry_entry_type type, const char *name)
{
	struct ferry_entry e = {
	    .type = type, .size = 5, .mtime = 7, .exact = true, .name = (char *)name};

	return plan_add(p, &(struct plan_item){.path = (char *)directory}, &e);
}

static void
takes_files_and_directories(void **state)
{
	struct plan p = {.files = {.at = NULL}};
	struct plan_item item;

	assert_int_equal(add(&p, "", FERRY_ENTRY_DIRECTORY, "a"), PLAN_TAKEN);
	assert_int_equal(add(&p, "a", FERRY_ENTRY_FILE, "b c"), PLAN_TAKEN);
	assert_int_equal(add(&p, "a/b", FERRY_ENTRY_UNKNOWN, "-d"), PLAN_TAKEN);
	assert_true(plan_take(&p.directories, &item));
	assert_string_equal(item.path, "a");
	plan_item_clear(&item);
	assert_false(plan_take(&p.directories, &item));
	assert_true(plan_take(&p.files, &item));
	assert_string_equal(item.path, "a/b c");
	assert_int_equal(item.size, 5);
	assert_int_equal(item.mtime, 7);
	plan_item_clear(&item);
	assert_true(plan_take_last(&p.files, &item));
	assert_string_equal(item.path, "a/b/-d");
	plan_item_clear(&item);
	plan_clear(&p);
}

/* A time from LIST is no fact. */
static void
rounded_times_are_not_known(void **state)
{
	struct plan p = {.files = {.at = NULL}};
	struct plan_item item;
	struct ferry_entry e = {
	    .type = FERRY_ENTRY_FILE, .size = 5, .mtime = 7, .name = (char *)"a"};

	assert_int_equal(
	    plan_add(&p, &(struct plan_item){.path = (char *)""}, &e), PLAN_TAKEN);
	assert_true(plan_take(&p.files, &item));
	assert_true(item.mtime == INT64_MIN);
	plan_item_clear(&item);
	plan_clear(&p);
}

static void
refuses(void **state)
{
	static const struct {
		enum ferry_entry_type type;
		const char *name;
		enum plan_verdict want;
	} rows[] = {
	    {FERRY_ENTRY_FILE, "..", PLAN_NAME},
	    {FERRY_ENTRY_DIRECTORY, "..", PLAN_NAME},
	    {FERRY_ENTRY_FILE, ".", PLAN_NAME},
	    {FERRY_ENTRY_FILE, "", PLAN_NAME},
	    {FERRY_ENTRY_FILE, "/etc/passwd", PLAN_NAME},
	    {FERRY_ENTRY_FILE, "../x", PLAN_NAME},
	    {FERRY_ENTRY_DIRECTORY, "a/b", PLAN_NAME},
	    {FERRY_ENTRY_FILE, "a\nb", PLAN_NAME},
	    {FERRY_ENTRY_FILE, "a\033b", PLAN_NAME},
	    {FERRY_ENTRY_FILE, "a\177", PLAN_NAME},
	    {FERRY_ENTRY_FILE, NULL, PLAN_NAME},
	    {FERRY_ENTRY_LINK, "a", PLAN_LINK},
	    {FERRY_ENTRY_LINK, "..", PLAN_LINK},
	    {FERRY_ENTRY_OTHER, "a", PLAN_SPECIAL},
	};
	struct plan p = {.files = {.at = NULL}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(add(&p, "d", rows[i].type, rows[i].name), rows[i].want);
		assert_non_null(plan_why(rows[i].want));
	}
	assert_int_equal(p.files.count + p.directories.count, 0);
	plan_clear(&p);
}

/* A directory that is in itself. */
static void
ends_in_the_depth(void **state)
{
	struct plan p = {.files = {.at = NULL}};
	char path[8192] = "";
	unsigned depth = 0;

	while (add(&p, path, FERRY_ENTRY_DIRECTORY, "a") == PLAN_TAKEN) {
		strcat(path, *path == '\0' ? "a" : "/a");
		assert_true(++depth <= PLAN_DEPTH_MAX);
	}
	assert_int_equal(depth, PLAN_DEPTH_MAX);
	assert_int_equal(add(&p, path, FERRY_ENTRY_FILE, "a"), PLAN_DEEP);
	memset(path, 'x', PLAN_PATH_MAX);
	path[PLAN_PATH_MAX] = '\0';
	assert_int_equal(add(&p, path, FERRY_ENTRY_FILE, "a"), PLAN_DEEP);
	plan_clear(&p);
}

/* A directory that has the mark of one above it. */
static void
leaves_loops_out(void **state)
{
	struct plan p = {.files = {.at = NULL}};
	struct plan_item top = {.path = (char *)""}, a, b;
	struct ferry_entry e = {.type = FERRY_ENTRY_DIRECTORY, .name = (char *)"a"};

	assert_true(plan_mark(&top, NULL, "0:1"));
	e.unique = (char *)"0:12";
	assert_int_equal(plan_add(&p, &top, &e), PLAN_TAKEN);
	assert_true(plan_take(&p.directories, &a));
	e.unique = NULL; /* not told */
	assert_int_equal(plan_add(&p, &a, &e), PLAN_TAKEN);
	assert_true(plan_take(&p.directories, &b));
	e.unique = (char *)"0:1";
	assert_int_equal(plan_add(&p, &b, &e), PLAN_LOOP);
	e.unique = (char *)"0:12";
	assert_int_equal(plan_add(&p, &b, &e), PLAN_LOOP);
	assert_int_equal(plan_add(&p, &top, &e), PLAN_TAKEN);
	e.unique = (char *)"0:2";
	assert_int_equal(plan_add(&p, &b, &e), PLAN_TAKEN);
	/* files may have several names */
	e.unique = (char *)"0:1";
	e.type = FERRY_ENTRY_FILE;
	assert_int_equal(plan_add(&p, &b, &e), PLAN_TAKEN);
	free(top.trail);
	plan_item_clear(&a);
	plan_item_clear(&b);
	plan_clear(&p);
}

static void
keeps_the_order(void **state)
{
	struct plan from = {.files = {.at = NULL}}, to = from;
	struct plan_item item;
	char name[24];
	int next = 0;

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "%d", i);
		assert_int_equal(add(&from, "", FERRY_ENTRY_FILE, name), PLAN_TAKEN);
		/* what is taken in between makes room */
		if (i % 3 != 0)
			continue;
		assert_true(plan_take(&from.files, &item));
		assert_int_equal(atoi(item.path), next++);
		plan_item_clear(&item);
	}
	assert_true(plan_move(&to, &from));
	assert_int_equal(from.files.count, 0);
	while (plan_take(&to.files, &item)) {
		assert_int_equal(atoi(item.path), next++);
		plan_item_clear(&item);
	}
	assert_int_equal(next, 1000);
	plan_clear(&from);
	plan_clear(&to);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_files_and_directories),
	    cmocka_unit_test(rounded_times_are_not_known),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(ends_in_the_depth),
	    cmocka_unit_test(leaves_loops_out),
	    cmocka_unit_test(keeps_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
