/*
 * Deeds with files: what an agent does for a living, and what nobody else may.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "deeds.h"
#include "util.h"

int
open_passwd(const struct stage *st)
{
	return deed_result(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int
open2(int dir, const char *path, uint64_t flags)
{
	struct open_how how = {
	    .flags = flags | O_CLOEXEC, .mode = flags & O_CREAT ? 0644 : 0};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

int
openat2_passwd(const struct stage *st)
{
	return deed_result(open2(AT_FDCWD, "/etc/passwd", O_RDONLY));
}

int
openat2_file(const struct stage *st)
{
	return deed_result(open2(st->dir, "file", O_RDWR));
}

int
open_root(const struct stage *st)
{
	return deed_result(open(st->path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

int
create_file(const struct stage *st)
{
	return deed_result(
	    open("/tmp/ferryd-sandbox-forbidden", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

int
stat_path(const struct stage *st)
{
	struct stat s;

	return deed_result(stat("/etc/passwd", &s));
}

int
unlink_file(const struct stage *st)
{
	return deed_result(unlink("/nonexistent/file"));
}

int
unlinkat_file(const struct stage *st)
{
	return deed_result(unlinkat(st->dir, "file", 0));
}

int
rename_file(const struct stage *st)
{
	return deed_result(renameat(st->dir, "file", st->dir, "other"));
}

int
make_dir(const struct stage *st)
{
	return deed_result(mkdirat(st->dir, "forbidden", 0755));
}

int
list_dir(const struct stage *st)
{
	DIR *d = opendir("/");

	return d == NULL ? errno : 0;
}

int
list_dir_by_fd(const struct stage *st)
{
	int fd = open2(st->dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	unsigned entries = 0;

	if (d == NULL)
		return errno;
	while (readdir(d) != NULL)
		entries++;
	closedir(d);
	return entries == 6 ? 0 : ERANGE;
}

int
make_fifo(const struct stage *st)
{
	return deed_result(mkfifoat(st->dir, "fifo", 0644));
}

int
chown_file(const struct stage *st)
{
	return deed_result(fchownat(st->dir, "file", getuid(), getgid(), 0));
}

int
truncate_file(const struct stage *st)
{
	return deed_result(truncate("/nonexistent/file", 0));
}

/* An upload, as the agent does it: hidden name, bytes, fsync, rename, fsync of the
 * directory. */
int
upload(const struct stage *st)
{
	_cleanup_close_ int fd =
	    open2(st->dir, "here/.part", O_WRONLY | O_CREAT | O_EXCL);
	_cleanup_close_ int here = open2(st->dir, "here", O_RDONLY | O_DIRECTORY);
	_cleanup_close_ int there = open2(st->dir, "there", O_PATH | O_DIRECTORY);
	struct timespec when[2] = {{.tv_sec = 1}, {.tv_sec = 2}};
	struct stat s;

	if (fd < 0 || here < 0 || there < 0)
		return errno;
	if (write(fd, "bytes", 5) != 5 || ftruncate(fd, 3) < 0 || fchmod(fd, 0600) < 0)
		return errno;
	if (fsync(fd) < 0 || fstat(fd, &s) < 0 || futimens(fd, when) < 0)
		return errno;
	if (renameat2(here, ".part", here, "whole", RENAME_NOREPLACE) < 0 ||
	    fsync(here) < 0)
		return errno;
	/* from one directory to another: Landlock's REFER */
	if (renameat(here, "whole", there, "moved") < 0)
		return errno;
	if (fstatat(there, "moved", &s, AT_SYMLINK_NOFOLLOW) < 0 || s.st_size != 3)
		return errno;
	return deed_result(unlinkat(there, "moved", 0));
}

int
directories(const struct stage *st)
{
	char text[64];

	if (mkdirat(st->dir, "new", 0755) < 0 || fchmodat(st->dir, "new", 0700, 0) < 0)
		return errno;
	if (unlinkat(st->dir, "new", AT_REMOVEDIR) < 0)
		return errno;
	return readlinkat(st->dir, "link", text, sizeof(text)) == 4 ? 0 : errno;
}

int
create_in_etc(const struct stage *st)
{
	return deed_result(
	    open("/etc/ferryd-sandbox-forbidden", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

int
create_in_tmp(const struct stage *st)
{
	char path[] = "/tmp/ferryd-sandbox-XXXXXX";
	int fd = mkstemp(path);

	return fd < 0 ? errno : deed_result(unlink(path));
}
