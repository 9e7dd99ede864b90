/*
 * The store that fails on purpose: the directory store, with single steps that report an
 * error without doing anything. For tests of everything above; the agent itself never
 * uses it.
 */
#include "store.h"

#include <stdatomic.h>

/* One table for the process: the uploads under test run in the agent's threads. */
static _Atomic int step_error[STEP_COUNT];

void
store_fail_set(enum store_step step, int error)
{
	step_error[step] = error;
}

static int
fail_open(int root, const char *path, int *ret_fd, struct stat *ret_st)
{
	int error = step_error[STEP_OPEN];

	return error ? -error : store_dir.open(root, path, ret_fd, ret_st);
}

static int
fail_part_find(int root, const char *path, struct part *p)
{
	int error = step_error[STEP_FIND];

	return error ? -error : store_dir.part_find(root, path, p);
}

static int
fail_part_create(struct part *p, mode_t mode)
{
	int error = step_error[STEP_CREATE];

	return error ? -error : store_dir.part_create(p, mode);
}

static int
fail_part_sync(struct part *p)
{
	int error = step_error[STEP_SYNC];

	return error ? -error : store_dir.part_sync(p);
}

static int
fail_part_publish(struct part *p, bool replace)
{
	int error = step_error[STEP_PUBLISH];

	return error ? -error : store_dir.part_publish(p, replace);
}

static int
fail_part_settle(struct part *p)
{
	int error = step_error[STEP_SETTLE];

	return error ? -error : store_dir.part_settle(p);
}

static int
fail_part_discard(struct part *p)
{
	int error = step_error[STEP_DISCARD];

	return error ? -error : store_dir.part_discard(p);
}

/* The rest of the table is the directory store's, taken over by the functions' names. */
static int
pass_root_open(const char *path, int *ret_root)
{
	return store_dir.root_open(path, ret_root);
}

static int
pass_stat(int root, const char *path, bool follow, struct stat *ret_st)
{
	return store_dir.stat(root, path, follow, ret_st);
}

static int
pass_access(int root, const char *path, int mode)
{
	return store_dir.access(root, path, mode);
}

static int
pass_directory(int root, const char *path, int *ret_fd)
{
	return store_dir.directory(root, path, ret_fd);
}

static int
pass_make(int root, const char *path, mode_t mode)
{
	return store_dir.make(root, path, mode);
}

static int
pass_remove(int root, const char *path, bool directory)
{
	return store_dir.remove(root, path, directory);
}

static int
pass_rename(int root, const char *from, const char *to, bool replace)
{
	return store_dir.rename(root, from, to, replace);
}

static int
pass_set_mode(int root, const char *path, mode_t mode)
{
	return store_dir.set_mode(root, path, mode);
}

static int
pass_set_mtime(int root, const char *path, int64_t mtime, struct stat *ret_st)
{
	return store_dir.set_mtime(root, path, mtime, ret_st);
}

static int
pass_link(int root, const char *path, const char *link)
{
	return store_dir.link(root, path, link);
}

static int
pass_room(int root, const char *path, uint64_t *ret_bytes)
{
	return store_dir.room(root, path, ret_bytes);
}

static int
pass_part_room(struct part *p, uint64_t *ret_bytes)
{
	return store_dir.part_room(p, ret_bytes);
}

static int
pass_part_open(struct part *p, bool append, mode_t mode)
{
	return store_dir.part_open(p, append, mode);
}

const struct store store_fail = {
    .name = "fail",
    .root_open = pass_root_open,
    .open = fail_open,
    .stat = pass_stat,
    .access = pass_access,
    .directory = pass_directory,
    .make = pass_make,
    .remove = pass_remove,
    .rename = pass_rename,
    .set_mode = pass_set_mode,
    .set_mtime = pass_set_mtime,
    .link = pass_link,
    .room = pass_room,
    .part_find = fail_part_find,
    .part_room = pass_part_room,
    .part_create = fail_part_create,
    .part_open = pass_part_open,
    .part_sync = fail_part_sync,
    .part_publish = fail_part_publish,
    .part_settle = fail_part_settle,
    .part_discard = fail_part_discard,
};
