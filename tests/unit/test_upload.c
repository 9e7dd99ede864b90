/*
 * The upload promise: an old file is whole until the new one is, what was acknowledged is
 * there, and a part is kept or removed as configured. Over a real channel and through the
 * agent's own loop, on a store whose steps can be made to fail.
 */
#include "agent_world.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define ALL 1
#define CREATOR 2 /* may create, not change */
#define CHANGER 3 /* may change, not create */

static int
setup(void **state)
{
	world_make_tree();
	put("old", "old content", 0640);
	assert_int_equal(mkdirat(world.root, "d", 0755), 0);
	assert_int_equal(mkdirat(world.root, "shut", 0755), 0);
	put("shut/old", "old content", 0644);
	assert_int_equal(fchmodat(world.root, "shut", 0555, 0), 0);
	put("d/old", "old", 0604);
	put("readonly", "fixed", 0444);
	assert_int_equal(symlinkat("d/old", world.root, "link"), 0);
	assert_int_equal(symlinkat("nothing", world.root, "dangling"), 0);
	assert_int_equal(symlinkat("../outside/file", world.root, "out"), 0);
	assert_int_equal(mkfifoat(world.root, "fifo", 0666), 0);
	world_start(&store_fail);
	assert_int_equal(world_grant(1, "", "/", RIGHT_CREATE), 0);
	assert_int_equal(world_grant(1, "", "/", RIGHT_REPLACE), 0);
	return 0;
}

/* Options and steps as they are by default, and no temporary file left over by the last
 * test. */
static int
each(void **state)
{
	world.conf.keep_partial = true;
	world.conf.delete_failed_uploads = false;
	world.conf.durable_uploads = true;
	for (int i = 0; i < STEP_COUNT; i++)
		store_fail_set(i, 0);
	assert_int_equal(count_names(".ferry-"), 0);
	return 0;
}

/* Begins an upload and sends content. Its number; *ret_fd stays open (as a worker's
 * would). */
static uint32_t
begin(enum store_how how, const char *path, uint64_t offset, const char *content,
    int *ret_fd)
{
	assert_int_equal(ask_store(ALL, how, path, offset, 0), 0);
	uint32_t number = world.answer.upload;
	assert_int_not_equal(number, 0);
	*ret_fd = answer_take_fd();
	assert_int_equal(write(*ret_fd, content, strlen(content)), strlen(content));
	return number;
}

/* A whole upload. The errno of its end. */
static uint32_t
upload(enum store_how how, const char *path, uint64_t offset, const char *content,
    bool complete)
{
	_cleanup_close_ int fd = -1;
	uint32_t number = begin(how, path, offset, content, &fd);

	return ask_commit(ALL, number, complete);
}

static mode_t
mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(world.root, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

static void
test_refused(void **state)
{
	static const struct {
		uint32_t grant;
		enum store_how how;
		const char *path;
		uint64_t offset, size;
		uint32_t error;
		const char *text;
	} table[] = {
	    {ALL, STORE_REPLACE, "/d", 0, 0, EISDIR, "'d': is a directory"},
	    {ALL, STORE_REPLACE, "/", 0, 0, EISDIR, "is a directory"},
	    {ALL, STORE_REPLACE, "/fifo", 0, 0, EOPNOTSUPP,
		"'fifo': is not a regular file"},
	    {ALL, STORE_APPEND, "/fifo", 0, 0, EOPNOTSUPP,
		"'fifo': is not a regular file"},
	    {ALL, STORE_REPLACE, "/dangling", 0, 0, ENOENT,
		"'dangling' is a link that leads nowhere"},
	    {ALL, STORE_APPEND, "/dangling", 0, 0, ENOENT,
		"'dangling' is a link that leads nowhere"},
	    {ALL, STORE_REPLACE, "/out", 0, 0, ENOENT,
		"'out': no such file or directory"},
	    {ALL, STORE_REPLACE, "/no/x", 0, 0, ENOENT,
		"part of the path, 'no', does not exist"},
	    {ALL, STORE_REPLACE, "/shut/x", 0, 0, EACCES,
		"the directory does not allow new files"},
	    {ALL, STORE_APPEND, "/shut/x", 0, 0, EACCES, "'x': permission denied"},
	    {ALL, STORE_REPLACE, "/readonly", 0, 0, EACCES,
		"'readonly' is write-protected"},
	    {ALL, STORE_APPEND, "/readonly", 0, 0, EACCES,
		"'readonly' is write-protected"},
	    {ALL, STORE_REPLACE, "/old", 12, 0, EINVAL,
		"offset 12 is past the end (11 bytes)"},
	    {ALL, STORE_REPLACE, "/new", 1, 0, EINVAL,
		"offset 1 is past the end (0 bytes)"},
	    {ALL, STORE_APPEND, "/old", 1, 0, EINVAL, "an offset goes with STOR only"},
	    {CREATOR, STORE_REPLACE, "/old", 0, 0, EACCES,
		"'old' exists, and changing files is not allowed for this account"},
	    {CREATOR, STORE_APPEND, "/old", 0, 0, EACCES,
		"'old' exists, and changing files is not allowed for this account"},
	    {CHANGER, STORE_REPLACE, "/new", 0, 0, EACCES,
		"creating files is not allowed for this account"},
	    {CHANGER, STORE_APPEND, "/new", 0, 0, EACCES,
		"creating files is not allowed for this account"},
	    {CHANGER, STORE_UNIQUE, "/", 0, 0, EACCES,
		"creating files is not allowed for this account"},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		uint32_t e = ask_store(table[i].grant, table[i].how, table[i].path,
		    table[i].offset, table[i].size);
		if (e != table[i].error || strcmp(world.text, table[i].text) != 0)
			fail_msg("%zu %s: %u \"%s\"", i, table[i].path, e, world.text);
	}
	assert_int_equal(ask_store(ALL, STORE_REPLACE, "/new", 0, INT64_MAX), ENOSPC);
	assert_non_null(strstr(world.text, "9223372036854775807 bytes announced, "));
	assert_true(holds("old", "old content") && holds("new", NULL));
}

static void
test_new_file(void **state)
{
	_cleanup_close_ int fd = -1;
	uint32_t number = begin(STORE_REPLACE, "/new", 0, "new", &fd);

	assert_true(holds("new", NULL));
	assert_int_equal(count_names(".ferry-"), 1);
	assert_int_equal(ask_commit(ALL, number, true), 0);
	assert_int_equal(world.answer.size, 3);
	assert_true(holds("new", "new"));
	assert_int_equal(mode_of("new"), S_IFREG | 0644);
	assert_int_equal(ask_commit(ALL, number, true), EBADF);
	assert_int_equal(ask_commit(ALL, number, false), EBADF);
	assert_true(holds("new", "new"));
	unlinkat(world.root, "new", 0);
	world.conf.file_open_mode = 0777;
	assert_int_equal(upload(STORE_REPLACE, "/new", 0, "", true), 0);
	world.conf.file_open_mode = 0666;
	assert_int_equal(mode_of("new"), S_IFREG | 0755);
	unlinkat(world.root, "new", 0);
}

static void
test_replace(void **state)
{
	_cleanup_close_ int fd = -1;
	uint32_t number = begin(STORE_REPLACE, "/old", 0, "new", &fd);

	assert_true(holds("old", "old content"));
	assert_int_equal(ask_commit(ALL, number, true), 0);
	assert_true(holds("old", "new"));
	assert_int_equal(mode_of("old"), S_IFREG | 0640);
	assert_int_equal(upload(STORE_REPLACE, "/link", 0, "through", true), 0);
	assert_true(holds("d/old", "through"));
	assert_int_equal(mode_of("d/old"), S_IFREG | 0604);
	assert_int_equal(mode_of("link") & S_IFMT, S_IFLNK);
	put("old", "old content", 0640);
}

/* An interrupted upload: old files stay, of new ones the part is kept when that is wanted
 * and useful. */
static void
test_interrupted(void **state)
{
	assert_int_equal(upload(STORE_REPLACE, "/old", 0, "half", false), 0);
	assert_true(holds("old", "old content"));
	assert_int_equal(upload(STORE_REPLACE, "/part", 0, "half", false), 0);
	assert_true(holds("part", "half"));
	assert_int_equal(upload(STORE_REPLACE, "/part", 4, " and half", true), 0);
	assert_true(holds("part", "half and half"));
	unlinkat(world.root, "part", 0);
	assert_int_equal(upload(STORE_REPLACE, "/part", 0, "", false), 0);
	assert_true(holds("part", NULL));
	world.conf.keep_partial = false;
	assert_int_equal(upload(STORE_REPLACE, "/part", 0, "half", false), 0);
	assert_true(holds("part", NULL));
	assert_int_equal(upload(STORE_APPEND, "/part", 0, "half", false), 0);
	assert_true(holds("part", NULL));
	world.conf.keep_partial = true;
	world.conf.delete_failed_uploads = true;
	assert_int_equal(upload(STORE_REPLACE, "/part", 0, "half", false), 0);
	assert_true(holds("part", NULL));
	assert_int_equal(upload(STORE_APPEND, "/old", 0, "!", false), 0);
	assert_true(holds("old", "old content!"));
	put("old", "old content", 0640);
}

/* With durable_uploads=NO nothing is synced, and an upload is all or nothing still. */
static void
test_not_durable(void **state)
{
	store_fail_set(STEP_SYNC, EIO);
	store_fail_set(STEP_SETTLE, EIO);
	assert_int_equal(upload(STORE_REPLACE, "/old", 0, "new content", true), EIO);
	assert_true(holds("old", "old content"));
	world.conf.durable_uploads = false;
	assert_int_equal(upload(STORE_REPLACE, "/old", 0, "new content", true), 0);
	assert_true(holds("old", "new content"));
	assert_int_equal(upload(STORE_REPLACE, "/fresh", 0, "content", true), 0);
	assert_true(holds("fresh", "content"));
	assert_int_equal(upload(STORE_APPEND, "/fresh", 0, "!", true), 0);
	assert_true(holds("fresh", "content!"));
	assert_int_equal(upload(STORE_REPLACE, "/old", 0, "half", false), 0);
	assert_true(holds("old", "new content"));
	unlinkat(world.root, "fresh", 0);
	put("old", "old content", 0640);
}

/* Who may not change files could not go on with a part: it would only be in the way. */
static void
test_interrupted_creator(void **state)
{
	assert_int_equal(ask_store(CREATOR, STORE_REPLACE, "/part", 0, 0), 0);
	uint32_t number = world.answer.upload;
	_cleanup_close_ int fd = answer_take_fd();
	assert_int_equal(write(fd, "half", 4), 4);
	assert_int_equal(ask_commit(CREATOR, number, false), 0);
	assert_true(holds("part", NULL));
	/* A file that came meanwhile is not replaced. */
	assert_int_equal(ask_store(CREATOR, STORE_REPLACE, "/part", 0, 0), 0);
	number = world.answer.upload;
	_cleanup_close_ int fd2 = answer_take_fd();
	assert_int_equal(write(fd2, "half", 4), 4);
	put("part", "another's", 0644);
	assert_int_equal(ask_commit(CREATOR, number, true), EEXIST);
	assert_true(holds("part", "another's"));
	unlinkat(world.root, "part", 0);
}

/* A part never takes the place of a file that came meanwhile. */
static void
test_interrupted_late(void **state)
{
	_cleanup_close_ int fd = -1;
	uint32_t number = begin(STORE_REPLACE, "/part", 0, "half", &fd);

	put("part", "another's", 0644);
	assert_int_equal(ask_commit(ALL, number, false), 0);
	assert_true(holds("part", "another's"));
	unlinkat(world.root, "part", 0);
}

/* A file that may be written in a directory that may not. */
static void
test_no_temporary_name(void **state)
{
	assert_int_equal(upload(STORE_REPLACE, "/shut/old", 0, "", false), 0);
	assert_true(holds("shut/old", "old content"));
	assert_int_equal(upload(STORE_REPLACE, "/shut/old", 0, "new", true), 0);
	assert_true(holds("shut/old", "new"));
	assert_int_equal(mode_of("shut/old"), S_IFREG | 0644);
	assert_int_equal(upload(STORE_REPLACE, "/shut/old", 0, "longer content", true), 0);
	assert_true(holds("shut/old", "longer content"));
	assert_int_equal(upload(STORE_REPLACE, "/shut/old", 0, "part", false), 0);
	assert_true(holds("shut/old", "part"));
	assert_int_equal(upload(STORE_REPLACE, "/shut/old", 0, "", true), 0);
	assert_true(holds("shut/old", ""));
	/* A copy is whole or none: it is not begun. */
	assert_int_equal(ask_store(ALL, STORE_COPY, "/shut/old", 0, 0), EACCES);
}

static void
test_append(void **state)
{
	assert_int_equal(upload(STORE_APPEND, "/log", 0, "a", true), 0);
	assert_int_equal(mode_of("log"), S_IFREG | 0644);
	assert_int_equal(upload(STORE_APPEND, "/log", 0, "b", true), 0);
	assert_int_equal(upload(STORE_APPEND, "/log", 0, "c", false), 0);
	assert_true(holds("log", "abc"));
	unlinkat(world.root, "log", 0);
	assert_int_equal(upload(STORE_APPEND, "/log", 0, "part", false), 0);
	assert_true(holds("log", "part"));
	unlinkat(world.root, "log", 0);
	/* Two at once: each line is there. */
	_cleanup_close_ int a = -1, b = -1;
	uint32_t first = begin(STORE_APPEND, "/log", 0, "a1 ", &a);
	uint32_t second = begin(STORE_APPEND, "/log", 0, "b1 ", &b);
	assert_int_equal(write(a, "a2 ", 3), 3);
	assert_int_equal(ask_commit(ALL, first, true), 0);
	assert_int_equal(ask_commit(ALL, second, true), 0);
	assert_true(holds("log", "a1 b1 a2 "));
	unlinkat(world.root, "log", 0);
}

/* REST + STOR: what is before the offset stays, what follows the new bytes is cut, at the
 * end and not before. */
static void
test_resume(void **state)
{
	static const struct {
		uint64_t offset;
		const char *sent;
		bool complete;
		const char *then;
	} table[] = {
	    {10, "xyz", true, "0123456789xyz"},
	    {4, "xy", true, "0123xy"},
	    {4, "xy", false, "0123xy"},
	    {4, "", false, "0123456789"},
	    {4, "", true, "0123456789"},
	    {4, "a longer end", true, "0123a longer end"},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		_cleanup_close_ int fd = -1;
		put("resumed", "0123456789", 0600);
		uint32_t number =
		    begin(STORE_REPLACE, "/resumed", table[i].offset, table[i].sent, &fd);
		assert_int_equal(ask_commit(ALL, number, table[i].complete), 0);
		if (!holds("resumed", table[i].then))
			fail_msg("row %zu", i);
		assert_int_equal(mode_of("resumed"), S_IFREG | 0600);
	}
	unlinkat(world.root, "resumed", 0);
}

/* RANG: what lies behind the new bytes stays; where there was nothing it is an upload. */
static void
test_patch(void **state)
{
	put("patched", "0123456789", 0644);
	assert_int_equal(upload(STORE_PATCH, "/patched", 2, "abc", true), 0);
	assert_true(holds("patched", "01abc56789"));
	assert_int_equal(upload(STORE_PATCH, "/patched", 0, "AB", true), 0);
	assert_true(holds("patched", "ABabc56789"));
	assert_int_equal(upload(STORE_PATCH, "/patched", 9, "xyz", true), 0);
	assert_true(holds("patched", "ABabc5678xyz"));
	assert_int_equal(upload(STORE_PATCH, "/patched", 1, "-", false), 0);
	assert_true(holds("patched", "A-abc5678xyz"));
	assert_int_equal(ask_store(ALL, STORE_PATCH, "/patched", 13, 0), EINVAL);
	assert_int_equal(upload(STORE_PATCH, "/patch-new", 0, "new", true), 0);
	assert_true(holds("patch-new", "new"));
	assert_int_equal(ask_store(CREATOR, STORE_PATCH, "/patched", 0, 0), EACCES);
	assert_int_equal(unlinkat(world.root, "patched", 0), 0);
	assert_int_equal(unlinkat(world.root, "patch-new", 0), 0);
}

/* A copy is there as a whole or not at all. */
static void
test_copy(void **state)
{
	assert_int_equal(upload(STORE_COPY, "/copy", 0, "part", false), 0);
	assert_int_equal(faccessat(world.root, "copy", F_OK, 0), -1);
	assert_int_equal(upload(STORE_COPY, "/copy", 0, "whole", true), 0);
	assert_true(holds("copy", "whole"));
	assert_int_equal(upload(STORE_COPY, "/copy", 0, "part", false), 0);
	assert_true(holds("copy", "whole"));
	assert_int_equal(ask_store(ALL, STORE_COPY, "/copy", 1, 0), EINVAL);
	assert_int_equal(unlinkat(world.root, "copy", 0), 0);
}

static void
test_unique(void **state)
{
	char name[64], long_path[300] = "/";
	_cleanup_close_ int fd = -1;
	uint32_t number = begin(STORE_UNIQUE, "/", 0, "u", &fd);

	snprintf(name, sizeof(name), "%.63s", world.text);
	assert_int_equal(strncmp(name, "file.", 5), 0);
	assert_int_equal(strlen(name), 5 + 16);
	assert_true(holds(name, NULL));
	assert_int_equal(ask_commit(ALL, number, true), 0);
	assert_true(holds(name, "u"));
	unlinkat(world.root, name, 0);

	assert_int_equal(upload(STORE_UNIQUE, "/report.txt", 0, "u", true), 0);
	assert_int_equal(count_names("report.txt."), 1);
	assert_int_equal(ask_store(ALL, STORE_UNIQUE, "/report.txt", 0, 0), 0);
	assert_int_equal(strncmp(world.text, "report.txt.", 11), 0);
	assert_int_equal(ask_commit(ALL, world.answer.upload, false), 0);
	assert_int_equal(count_names("report.txt."), 1);
	/* A name that is as long as names can be is cut, between two characters. */
	for (int i = 0; i < 127; i++)
		strcat(long_path, "\xc3\xa9");
	assert_int_equal(ask_store(ALL, STORE_UNIQUE, long_path, 0, 0), 0);
	assert_int_equal(strlen(world.text), 238 + 17);
	assert_int_equal(ask_commit(ALL, world.answer.upload, false), 0);
}

/* Each is whole, and the last one to end wins. */
static void
test_two_at_once(void **state)
{
	_cleanup_close_ int a = -1, b = -1;
	uint32_t first = begin(STORE_REPLACE, "/old", 0, "first ", &a);
	uint32_t second = begin(STORE_REPLACE, "/old", 0, "second ", &b);

	assert_int_equal(write(a, "upload", 6), 6);
	assert_int_equal(write(b, "upload", 6), 6);
	assert_int_equal(ask_commit(ALL, second, true), 0);
	assert_true(holds("old", "second upload"));
	assert_int_equal(ask_commit(ALL, first, true), 0);
	assert_true(holds("old", "first upload"));
	put("old", "old content", 0640);
}

/* Whatever step fails, it is told, and the old file is as it was; nothing is left
 * over. */
static void
test_failing_steps(void **state)
{
	static const struct {
		enum store_step step;
		int error;
		bool begins;
		const char *text;
	} table[] = {
	    {STEP_FIND, EIO, false, "'old': the disk reports an error"},
	    {STEP_CREATE, ENOSPC, false, "'old': no space is left"},
	    {STEP_SYNC, EIO, true,
		"the file could not be made safe on the disk: the disk reports an error"},
	    {STEP_SYNC, ENOSPC, true,
		"the file could not be made safe on the disk: no space is left"},
	    {STEP_PUBLISH, EDQUOT, true,
		"the file could not be made safe on the disk: the disk quota is used up"},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		_cleanup_close_ int fd = -1;
		uint32_t number = 0, e;
		if (table[i].begins)
			number = begin(STORE_REPLACE, "/old", 0, "new", &fd);
		store_fail_set(table[i].step, table[i].error);
		e = table[i].begins ? ask_commit(ALL, number, true)
				    : ask_store(ALL, STORE_REPLACE, "/old", 0, 0);
		store_fail_set(table[i].step, 0);
		assert_int_equal(e, table[i].error);
		assert_string_equal(world.text, table[i].text);
		assert_true(holds("old", "old content"));
		assert_int_equal(count_names(".ferry-"), 0);
	}
	/* The name is there, but whether it would survive a crash is unknown: not
	 * acknowledged. */
	_cleanup_close_ int fd = -1;
	uint32_t number = begin(STORE_REPLACE, "/old", 0, "new", &fd);
	store_fail_set(STEP_SETTLE, EIO);
	assert_int_equal(ask_commit(ALL, number, true), EIO);
	put("old", "old content", 0640);
}

static void
test_bounded(void **state)
{
	uint32_t first = 0;

	for (int i = 0; i < 64; i++) {
		assert_int_equal(ask_store(ALL, STORE_REPLACE, "/old", 0, 0), 0);
		first = first ? first : world.answer.upload;
	}
	assert_int_equal(ask_store(ALL, STORE_REPLACE, "/old", 0, 0), EMFILE);
	assert_string_equal(world.text, "too many uploads at once");
	assert_int_equal(ask_store(ALL, STORE_APPEND, "/fresh", 0, 0), EMFILE);
	assert_true(holds("fresh", NULL));
	assert_int_equal(count_names(".ferry-"), 64);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(ask_commit(ALL, first + i, false), 0);
	assert_true(holds("old", "old content"));
}

/* ---- grants and workers that end ---- */

static uint32_t
begin_for(int sock, uint32_t grant, const char *path)
{
	struct msg m = {.type = MSG_AGENT_STORE,
	    .agent_store = {
		.grant = grant, PATH(path), .how = STORE_REPLACE, .umask = 022}};

	assert_int_equal(ask_over(sock, &m), 0);
	_cleanup_close_ int fd = answer_take_fd();
	assert_int_equal(write(fd, "half", 4), 4);
	return world.answer.upload;
}

static void
test_revoked(void **state)
{
	assert_int_equal(world_grant(1, "", "/", RIGHT_ALL), 0);
	uint32_t grant = world.grant;
	begin_for(world.worker, grant, "/old");
	uint32_t last = begin_for(world.worker, grant, "/part");
	world_revoke(grant);
	assert_true(holds("old", "old content") && holds("part", "half"));
	assert_int_equal(count_names(".ferry-"), 0);
	assert_int_equal(ask_commit(grant, last, true), EBADF);
	assert_int_equal(ask_store(grant, STORE_REPLACE, "/old", 0, 0), EBADF);
	unlinkat(world.root, "part", 0);
}

/* A worker that dies: the agent has cleaned up by the time that its end of the channel is
 * closed. */
static void
test_worker_gone(void **state)
{
	int other = world_new_worker(2);

	assert_int_equal(world_grant(2, "", "/", RIGHT_ALL), 0);
	begin_for(other, world.grant, "/old");
	begin_for(other, world.grant, "/part");
	shutdown(other, SHUT_WR);
	while (count_names(".ferry-") > 0)
		sched_yield();
	assert_true(holds("old", "old content") && holds("part", "half"));
	close(other);
	unlinkat(world.root, "part", 0);
}

/* COMMIT and REVOKE at the same time: the upload ends once, either way, and the answer
 * says which. */
static void
test_commit_against_revoke(void **state)
{
	unsigned done = 0;

	for (int i = 0; i < 500; i++) {
		int other = world_new_worker(4);
		assert_int_equal(world_grant(4, "", "/", RIGHT_ALL), 0);
		uint32_t grant = world.grant;
		put("raced", "old", 0644);
		uint32_t number = begin_for(other, grant, "/raced");
		struct msg commit = {.type = MSG_AGENT_COMMIT,
		    .agent_commit = {.grant = grant, .upload = number, .complete = true}};
		struct msg revoke = {
		    .type = MSG_AGENT_REVOKE, .agent_revoke = {.grant = grant}};
		/* In turns, the one or the other first; they run side by side. */
		if (i % 2)
			wire_send(
			    world.master, ROLE_MASTER, ROLE_AGENT, &revoke, NULL, 0);
		wire_send(other, ROLE_WORKER, ROLE_AGENT, &commit, NULL, 0);
		if (i % 2 == 0)
			wire_send(
			    world.master, ROLE_MASTER, ROLE_AGENT, &revoke, NULL, 0);
		assert_int_equal(
		    wire_recv(other, ROLE_WORKER, ROLE_AGENT, &world.box), 0);
		uint32_t e = world.box.msg.worker_answer.error;
		assert_true(e == 0 || e == EBADF);
		assert_true(holds("raced", e == 0 ? "half" : "old"));
		done += e == 0;
		close(other);
	}
	/* The order after them all is done when it is answered. */
	world_grant(1, "", "/", 0);
	assert_int_equal(count_names(".ferry-"), 0);
	assert_true(done > 0);
	unlinkat(world.root, "raced", 0);
}

/* ---- a full disk ---- */

/* In a child with a mount namespace of its own: a tiny file system. */
static void
test_tiny_disk(void **state)
{
	char small[128];
	static char chunk[65536];

	snprintf(small, sizeof(small), "%s/root/d", world.dir);
	assert_int_equal(mount("tiny", small, "tmpfs", 0, "size=256k,mode=777"), 0);
	/* Descriptors from before see the tree without the mount. */
	snprintf(small, sizeof(small), "%s/root", world.dir);
	world.root = jail_open_root(small);
	world_become_nobody();
	world_start(&store_dir);
	put("d/old", "old", 0644);
	assert_int_equal(ask_store(ALL, STORE_REPLACE, "/d/old", 0, 1 << 20), ENOSPC);
	assert_non_null(strstr(world.text, "1048576 bytes announced, "));
	assert_int_equal(ask_store(ALL, STORE_REPLACE, "/d/old", 0, 1000), 0);
	uint32_t number = world.answer.upload;
	_cleanup_close_ int fd = answer_take_fd();
	memset(chunk, 'x', sizeof(chunk));
	while (write(fd, chunk, sizeof(chunk)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(ask_commit(ALL, number, false), 0);
	assert_true(holds("d/old", "old"));
	fd_closep(&fd);
	/* The thread that gave the descriptor out may be about to close its own one: as long as
	 * that is open the blocks are in use. */
	int r = ENOSPC;
	for (int tries = 0; tries < 1000 && r == ENOSPC; tries++)
		r = ask_store(ALL, STORE_REPLACE, "/d/old", 0, 200000);
	assert_int_equal(r, 0);
}

static bool
write_proc(const char *file, const char *fmt, unsigned id)
{
	/* "%u %u 1": an id here and the same one outside */
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && dprintf(fd, fmt, id, id) > 0;
}

/* A place of our own for mounts; without root in a user namespace where we are who we
 * are. */
static bool
own_mounts(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)) < 0)
		return false;
	if (uid != 0 && !(write_proc("/proc/self/uid_map", "%u %u 1", uid) &&
			    write_proc("/proc/self/setgroups", "deny", 0) &&
			    write_proc("/proc/self/gid_map", "%u %u 1", gid)))
		return false;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("try", "/mnt", "tmpfs", 0, NULL) == 0;
}

/* The child's exit status: 0, 1, or 77 when a mount cannot be had here. */
static int
full_disk(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_tiny_disk)};

	if (!own_mounts())
		return 77;
	return cmocka_run_group_tests_name("tiny disk", tests, NULL, NULL) ? 1 : 0;
}

static void
test_full_disk(void **state)
{
	int status;

	world_make_tree();
	assert_int_equal(mkdirat(world.root, "d", 0777), 0);
	pid_t child = fork();
	if (child == 0)
		_exit(full_disk());
	assert_int_equal(waitpid(child, &status, 0), child);
	world_end(NULL);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: no mount namespace can be had here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/* ---- killed in the middle ---- */

#define VERSION_SIZE (256 * 1024)

/* Uploads one version after the other over the same file, and tells each acknowledged
 * one. In a child: it leaves by _exit(), never through a failed assertion. */
static void
upload_forever(int told)
{
	static char chunk[VERSION_SIZE];

	for (unsigned char version = 1;; version = version % 200 + 1) {
		memset(chunk, version, sizeof(chunk));
		ask_store(ALL, STORE_REPLACE, "/old", 0, 0);
		uint32_t number = world.answer.upload;
		_cleanup_close_ int fd = answer_take_fd();
		for (size_t n = 0; n < sizeof(chunk); n += 4096)
			if (write(fd, chunk + n, 4096) != 4096)
				_exit(1);
		if (ask_commit(ALL, number, true) != 0 || write(told, &version, 1) != 1)
			_exit(1);
	}
}

/* The file is one whole version, and not an older one than was acknowledged last. */
static void
check_version(unsigned char acknowledged)
{
	static char content[VERSION_SIZE + 1];
	_cleanup_close_ int fd = openat(world.root, "old", O_RDONLY | O_CLOEXEC);

	assert_int_equal(read(fd, content, sizeof(content)), VERSION_SIZE);
	for (size_t i = 1; i < VERSION_SIZE; i++)
		assert_int_equal(content[i], content[0]);
	unsigned char is = (unsigned char)content[0];
	assert_true(is == acknowledged || is == acknowledged % 200 + 1);
}

static void
test_killed(void **state)
{
	world_make_tree();
	put("old", "x", 0644);
	for (int round = 0; round < 20; round++) {
		unsigned char version = 0, next = 0;
		int told[2], status;
		assert_int_equal(pipe2(told, O_CLOEXEC), 0);
		pid_t child = fork();
		if (child == 0) {
			world_start(&store_dir);
			upload_forever(told[1]);
		}
		close(told[1]);
		/* After a few versions, at a moment that the round moves through an
		 * upload. */
		for (int n = 0; n < 3; n++)
			assert_int_equal(read(told[0], &version, 1), 1);
		struct timespec pause = {.tv_nsec = round * 50000};
		nanosleep(&pause, NULL);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		while (read(told[0], &next, 1) == 1)
			version = next;
		close(told[0]);
		check_version(version);
	}
	world_end(NULL);
}

int
main(void)
{
	const struct CMUnitTest alone[] = {
	    cmocka_unit_test(test_full_disk),
	    cmocka_unit_test(test_killed),
	};
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_refused, each),
	    cmocka_unit_test_setup(test_new_file, each),
	    cmocka_unit_test_setup(test_replace, each),
	    cmocka_unit_test_setup(test_interrupted, each),
	    cmocka_unit_test_setup(test_not_durable, each),
	    cmocka_unit_test_setup(test_interrupted_creator, each),
	    cmocka_unit_test_setup(test_interrupted_late, each),
	    cmocka_unit_test_setup(test_no_temporary_name, each),
	    cmocka_unit_test_setup(test_append, each),
	    cmocka_unit_test_setup(test_resume, each),
	    cmocka_unit_test_setup(test_patch, each),
	    cmocka_unit_test_setup(test_copy, each),
	    cmocka_unit_test_setup(test_unique, each),
	    cmocka_unit_test_setup(test_two_at_once, each),
	    cmocka_unit_test_setup(test_failing_steps, each),
	    cmocka_unit_test_setup(test_bounded, each),
	    cmocka_unit_test_setup(test_revoked, each),
	    cmocka_unit_test_setup(test_worker_gone, each),
	    cmocka_unit_test_setup(test_commit_against_revoke, each),
	    cmocka_unit_test_setup(test_revoked, each),
	};

	alarm(50);
	/* In children, before there are threads; the first one while a mount may still be
	 * made. */
	int failed = cmocka_run_group_tests_name("alone", alone, NULL, NULL);
	world_become_nobody();
	return failed + cmocka_run_group_tests_name("upload", tests, setup, world_end);
}
