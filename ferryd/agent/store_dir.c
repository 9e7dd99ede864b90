/*
 * The directory store: files are files. Paths become descriptors in jail.c; here the
 * descriptors are used, and names only as one component below a directory that came from
 * the jail.
 */
#include "store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>

#include "buf.h"
#include "jail.h"
#include "path.h"
#include "quota.h"
#include "util.h"

/* How far off a time may be kept: FAT has two seconds. */
#define MTIME_GRAIN 2

static int
result(int r)
{
	return r < 0 ? -errno : 0;
}

/* A regular file whose opening cannot hang: refuses what is something else. */
static int
check_regular(const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	return S_ISREG(st->st_mode) ? 0 : -EOPNOTSUPP;
}

static int
dir_root_open(const char *path, int *ret_root)
{
	int fd = jail_open_root(path);

	if (fd < 0)
		return fd;
	*ret_root = fd;
	return 0;
}

/* Looks with O_PATH first, since opening a device can do something; what was opened is
 * looked at again, since the name can mean something else by then. */
static int
dir_open(int root, const char *path, int *ret_fd, struct stat *ret_st)
{
	struct stat st;
	_cleanup_close_ int look = jail_open(root, path, O_PATH);
	int r;

	if (look < 0)
		return look;
	if (fstat(look, &st) < 0)
		return -errno;
	r = check_regular(&st);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = jail_open(root, path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = check_regular(&st);
	if (r < 0)
		return r;
	if (fcntl(fd, F_SETFL, 0) < 0)
		return -errno;
	*ret_fd = fd_take(&fd);
	*ret_st = st;
	return 0;
}

static int
dir_stat(int root, const char *path, bool follow, struct stat *ret_st)
{
	_cleanup_close_ int fd =
	    jail_open(root, path, O_PATH | (follow ? 0 : O_NOFOLLOW));

	if (fd < 0)
		return fd;
	return result(fstat(fd, ret_st));
}

static int
dir_access(int root, const char *path, int mode)
{
	_cleanup_close_ int fd = jail_open(root, path, O_PATH);

	if (fd < 0)
		return fd;
	return result(faccessat(fd, "", mode, AT_EACCESS | AT_EMPTY_PATH));
}

static int
dir_directory(int root, const char *path, int *ret_fd)
{
	int fd = jail_open(root, path, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int
dir_make(int root, const char *path, mode_t mode)
{
	char name[NAME_MAX + 1];
	_cleanup_close_ int dir = jail_open_parent(root, path, name);

	if (dir < 0)
		return dir == -EBUSY ? -EEXIST : dir;
	return result(mkdirat(dir, name, mode & 0777));
}

static int
dir_remove(int root, const char *path, bool directory)
{
	char name[NAME_MAX + 1];
	_cleanup_close_ int dir = jail_open_parent(root, path, name);

	if (dir < 0)
		return dir;
	return result(unlinkat(dir, name, directory ? AT_REMOVEDIR : 0));
}

/* Renames without overwriting, also on file systems that do not know RENAME_NOREPLACE (a
 * directory cannot be linked: there it stays refused). */
static int
rename_new(int from_dir, const char *from, int to_dir, const char *to)
{
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	if (linkat(from_dir, from, to_dir, to, 0) < 0)
		return errno == EPERM ? -EINVAL : -errno;
	return result(unlinkat(from_dir, from, 0));
}

static int
dir_rename(int root, const char *from, const char *to, bool replace)
{
	char from_name[NAME_MAX + 1], to_name[NAME_MAX + 1];
	_cleanup_close_ int from_dir = jail_open_parent(root, from, from_name);
	_cleanup_close_ int to_dir = jail_open_parent(root, to, to_name);

	if (from_dir < 0)
		return from_dir;
	if (to_dir < 0)
		return to_dir;
	if (replace)
		return result(renameat(from_dir, from_name, to_dir, to_name));
	return rename_new(from_dir, from_name, to_dir, to_name);
}

/* By the descriptor's name in /proc, since an O_PATH descriptor cannot be given to
 * fchmod() and a file that we may not read cannot be opened otherwise. The name is ours,
 * not the client's. */
static int
dir_set_mode(int root, const char *path, mode_t mode)
{
	_cleanup_close_ int fd = jail_open(root, path, O_PATH);
	char name[32];
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return -EOPNOTSUPP;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return result(fchmodat(AT_FDCWD, name, mode & 0777, 0));
}

static int
set_mtime(int fd, struct timespec mtime, struct stat *ret_st)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, mtime};

	if (utimensat(fd, "", times, AT_EMPTY_PATH) < 0)
		return -errno;
	return result(fstat(fd, ret_st));
}

/* A file system that cannot keep a time (ext4: one before 1901 or after 2446) silently
 * takes the nearest that it can: decades away, that is a lie and not a rounding. */
static int
dir_set_mtime(int root, const char *path, int64_t mtime, struct stat *ret_st)
{
	_cleanup_close_ int fd = jail_open(root, path, O_PATH);
	struct stat before, after;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &before) < 0)
		return -errno;
	r = set_mtime(fd, (struct timespec){.tv_sec = mtime}, &after);
	if (r < 0)
		return r;
	if (llabs((long long)after.st_mtim.tv_sec - mtime) > MTIME_GRAIN) {
		(void)set_mtime(fd, before.st_mtim, &after);
		return -ERANGE;
	}
	*ret_st = after;
	return 0;
}

/* Appends the way from the directory that holds link to path: "../" for each directory
 * that only link is in, then what only path is in. Both are absolute and plain. */
static int
way_between(const char *link, const char *path, struct buf *out)
{
	size_t same = 0;
	int r = 0;

	for (size_t i = 0; link[i] == path[i] && link[i] != '\0'; i++)
		if (link[i] == '/')
			same = i + 1;
	for (const char *p = link + same; *p != '\0' && r == 0; p++)
		if (*p == '/')
			r = buf_append_str(out, "../");
	if (r == 0)
		r = buf_append_str(out, path[same] != '\0' ? path + same : ".");
	return r < 0 ? -ENOMEM : 0;
}

/* Is every component of an absolute path a name, none of them ".."? Then its text says
 * how deep it is. */
static bool
is_plain(const char *path)
{
	while (*path == '/') {
		size_t n = strcspn(++path, "/");

		if (!path_name_is_plain((const uint8_t *)path, n))
			return false;
		path += n;
	}
	return true;
}

/* The link is relative, so that it leads to the same file for those who see the whole
 * file system, and never out of the root. For that the directories on the way must be
 * what their names say, not links. */
static int
dir_link(int root, const char *path, const char *link)
{
	_cleanup_(buf_free)
	struct buf way = BUF_INIT(PATH_MAX);
	_cleanup_close_ int target = jail_open(root, path, O_PATH | O_NOFOLLOW);
	_cleanup_close_ int dir = -1;

	if (target < 0)
		return target;
	if (link[strspn(link, "/")] == '\0')
		return -EEXIST;
	if (!is_plain(link) || (path[1] != '\0' && !is_plain(path)))
		return -EINVAL;
	_cleanup_free_ char *parent = strndup(link, (size_t)(strrchr(link, '/') - link));
	if (!parent)
		return -ENOMEM;
	dir = jail_open_below(
	    root, parent[0] != '\0' ? parent + 1 : ".", O_PATH | O_DIRECTORY);
	if (dir < 0)
		return dir;
	if (way_between(link, path, &way) < 0)
		return -ENAMETOOLONG;
	return result(symlinkat(buf_cstr(&way), dir, path_base(link)));
}

/* In a sticky directory only the owners of the file and of the directory may rename over
 * a file: to be known before the bytes are sent, not after. The kernel decides again at
 * the end. */
static int
check_sticky(const struct part *p)
{
	struct stat at;
	uid_t me = geteuid();

	if (fstat(p->dir, &at) < 0)
		return -errno;
	if ((at.st_mode & S_ISVTX) && me != 0 && me != at.st_uid && me != p->st.st_uid)
		return -EPERM;
	return 0;
}

static int
dir_part_find(int root, const char *path, struct part *p)
{
	int r;

	p->dir = jail_open_target(root, path, p->name, &p->entry, &p->st, &p->linked);
	if (p->dir < 0)
		return p->dir == -EBUSY ? -EISDIR : p->dir;
	if (p->entry < 0)
		return p->linked ? -ENOENT : 0;
	r = check_regular(&p->st);
	if (r < 0)
		return r;
	/* A file that may not be written is not to be replaced either, though a rename
	 * could. */
	return result(faccessat(p->entry, "", W_OK, AT_EACCESS | AT_EMPTY_PATH));
}

/* The smaller of what the file system has left, and the quota. */
static int
room_at(int fd, uint64_t *ret_bytes)
{
	struct statvfs vfs;
	uint64_t quota;

	if (fstatvfs(fd, &vfs) < 0)
		return -errno;
	if (__builtin_mul_overflow(
		(uint64_t)vfs.f_bavail, (uint64_t)vfs.f_frsize, ret_bytes))
		*ret_bytes = UINT64_MAX;
	quota = quota_room(fd);
	if (quota < *ret_bytes)
		*ret_bytes = quota;
	return 0;
}

static int
dir_part_room(struct part *p, uint64_t *ret_bytes)
{
	return room_at(p->dir, ret_bytes);
}

static int
dir_room(int root, const char *path, uint64_t *ret_bytes)
{
	_cleanup_close_ int fd = jail_open(root, path, O_PATH);

	return fd < 0 ? fd : room_at(fd, ret_bytes);
}

/* New files take mode (the umask has been applied; the process has none). A file that
 * will replace another gets that one's permission bits, which never include set-id. */
static int
dir_part_create(struct part *p, mode_t mode)
{
	uint64_t random;
	int r = p->entry >= 0 ? check_sticky(p) : 0;

	if (r < 0)
		return r;
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	snprintf(p->temp, sizeof(p->temp), ".ferry-%016" PRIx64, random);
	p->fd = jail_create(p->dir, p->temp, mode);
	if (p->fd < 0)
		return p->fd;
	p->unnamed = true;
	if (p->entry >= 0 && fchmod(p->fd, p->st.st_mode & 0777) < 0) {
		int error = errno;
		unlinkat(p->dir, p->temp, 0);
		p->unnamed = false;
		return -error;
	}
	return 0;
}

static int
dir_part_open(struct part *p, bool append, mode_t mode)
{
	struct stat st;
	int r;

	if (p->entry < 0) {
		if (!append)
			return -ENOENT;
		p->fd = jail_create(p->dir, p->name, mode);
		p->created = p->fd >= 0;
	} else {
		p->fd = jail_open_entry(p->dir, p->name, O_WRONLY | O_NONBLOCK);
	}
	if (p->fd < 0)
		return p->fd;
	if (fstat(p->fd, &st) < 0)
		return -errno;
	r = check_regular(&st);
	if (r < 0)
		return r;
	p->st = st;
	return result(fcntl(p->fd, F_SETFL, append ? O_APPEND : 0));
}

static int
dir_part_sync(struct part *p)
{
	return result(fsync(p->fd));
}

static int
dir_part_publish(struct part *p, bool replace)
{
	int r;

	if (replace)
		r = result(renameat(p->dir, p->temp, p->dir, p->name));
	else
		r = rename_new(p->dir, p->temp, p->dir, p->name);
	if (r == 0)
		p->unnamed = false;
	return r;
}

/* A directory that may be written but not read (a drop box) cannot be opened for fsync:
 * then the whole file system is synced through the file. */
static int
dir_part_settle(struct part *p)
{
	_cleanup_close_ int dir = jail_open_below(p->dir, ".", O_RDONLY | O_DIRECTORY);

	if (dir == -EACCES)
		return result(syncfs(p->fd));
	if (dir < 0)
		return dir;
	return result(fsync(dir));
}

static int
dir_part_discard(struct part *p)
{
	int r = 0;

	if (p->unnamed)
		r = result(unlinkat(p->dir, p->temp, 0));
	else if (p->created)
		r = result(unlinkat(p->dir, p->name, 0));
	p->unnamed = p->created = false;
	return r;
}

void
part_close(struct part *p)
{
	fd_closep(&p->fd);
	fd_closep(&p->entry);
	fd_closep(&p->dir);
}

const struct store store_dir = {
    .name = "directory",
    .root_open = dir_root_open,
    .open = dir_open,
    .stat = dir_stat,
    .access = dir_access,
    .directory = dir_directory,
    .make = dir_make,
    .remove = dir_remove,
    .rename = dir_rename,
    .set_mode = dir_set_mode,
    .set_mtime = dir_set_mtime,
    .link = dir_link,
    .room = dir_room,
    .part_find = dir_part_find,
    .part_room = dir_part_room,
    .part_create = dir_part_create,
    .part_open = dir_part_open,
    .part_sync = dir_part_sync,
    .part_publish = dir_part_publish,
    .part_settle = dir_part_settle,
    .part_discard = dir_part_discard,
};
