/*
 * The files themselves; what is in them is the business of others.
 */
#include "userfile.h"

#include "own.h"

#include <fcntl.h>
#include <ferry/ferry.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Could it have been written by us? */
static bool
is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* -1 with errno, or the count of bytes. */
static ssize_t
read_text(const struct userfile *f, int fd, char *text)
{
	size_t have = 0;
	ssize_t n = 0;

	while (have < f->max && (n = read(fd, text + have, f->max - have)) > 0)
		have += (size_t)n;
	if (n < 0)
		return -1;
	text[have] = '\0';
	if (have < f->max && strlen(text) == have)
		return (ssize_t)have;
	errno = EFBIG;
	return -1;
}

int
userfile_read(const struct userfile *f, char **ret)
{
	_cleanup_close_ int fd =
	    open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_cleanup_free_ char *text = malloc(f->max + 1);
	bool missing = fd < 0 && (errno == ENOENT || errno == ENOTDIR);

	if (text == NULL)
		return -FERRY_ENOMEM;
	*text = '\0';
	if (fd < 0 && !missing)
		return -FERRY_ESYS;
	if (fd >= 0 && f->disposable && !is_ours(fd))
		fd_closep(&fd);
	if (fd >= 0 && read_text(f, fd, text) < 0) {
		if (!f->disposable)
			return -FERRY_ESYS;
		*text = '\0';
	}
	*ret = text;
	text = NULL;
	return 0;
}

/* All directories above the file, for the user alone. */
static void
make_directories(char *path)
{
	for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		(void)mkdir(path, 0700); /* what is there stays; the file will tell */
		*slash = '/';
	}
}

/* A file beside it that takes its place when it is whole. */
static int
replace_file(int dir, const char *name, const char *text)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;
	size_t n = strlen(text);
	bool good;

	if (asprintf(&temporary, ".%s.%ld.new", name, (long)getpid()) < 0) {
		temporary = NULL;
		return -FERRY_ENOMEM;
	}
	fd = openat(
	    dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -FERRY_ESYS;
	good = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0 &&
	       renameat(dir, temporary, dir, name) == 0;
	if (!good) {
		int saved = errno;
		unlinkat(dir, temporary, 0);
		errno = saved;
	}
	return good ? 0 : -FERRY_ESYS;
}

int
userfile_edit(const struct userfile *f, userfile_edit_fn *edit, void *user)
{
	_cleanup_free_ char *copy = strdup(f->path), *old = NULL, *text = NULL;
	_cleanup_close_ int dir = -1;
	char *name;
	int rc;

	if (copy == NULL)
		return -FERRY_ENOMEM;
	make_directories(copy);
	name = strrchr(copy, '/');
	if (name != NULL)
		*name++ = '\0';
	dir = open(name == NULL    ? "."
		   : *copy == '\0' ? "/"
				   : copy,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || flock(dir, LOCK_EX) < 0)
		return -FERRY_ESYS;
	rc = userfile_read(f, &old);
	if (rc == 0)
		rc = edit(old, user, &text);
	if (rc < 0 || text == NULL)
		return rc;
	return replace_file(dir, name == NULL ? copy : name, text);
}

char *
userfile_path(const char *variable, const char *fallback, const char *name)
{
	const char *given = getenv(variable), *home = getenv("HOME");
	char *path = NULL;

	if (given != NULL && *given == '/')
		return asprintf(&path, "%s/ferry/%s", given, name) < 0 ? NULL : path;
	if (home == NULL || *home != '/')
		return NULL;
	return asprintf(&path, "%s/%s/ferry/%s", home, fallback, name) < 0 ? NULL : path;
}
