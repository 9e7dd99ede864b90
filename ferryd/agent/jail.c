/*
 * Paths become descriptors: openat2 and nothing else. See jail.h.
 */
#include "jail.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "path.h"
#include "util.h"

/* A rename anywhere in the system makes the kernel give up on a path with ".."
 * (EAGAIN). */
#define JAIL_TRIES 256
/* As the kernel's own limit, MAXSYMLINKS. */
#define JAIL_LINKS_MAX 40
/* Longest path whose components are tried one by one to name the one at fault. */
#define JAIL_FAULT_DEPTH 128

static int
jail_resolve(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
	    .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
	    .mode = mode,
	    .resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};

	if (!(flags & O_PATH))
		how.flags |= O_NOCTTY;
	for (int tries = 0; tries < JAIL_TRIES; tries++) {
		long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return -errno;
}

int
jail_open_root(const char *path)
{
	/* The operator's path in the real tree; links in it are the operator's too. */
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : -errno;
}

int
jail_open(int root, const char *path, int flags)
{
	if (flags & (O_CREAT | O_TMPFILE) & ~O_DIRECTORY)
		return -EINVAL;
	return jail_resolve(root, path, flags, 0, RESOLVE_IN_ROOT);
}

int
jail_open_entry(int dir, const char *name, int flags)
{
	if (!path_name_is_plain((const uint8_t *)name, strlen(name)))
		return -EINVAL;
	return jail_open_below(dir, name, flags | O_NOFOLLOW);
}

int
jail_open_below(int dir, const char *path, int flags)
{
	return jail_resolve(dir, path, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int
jail_create(int dir, const char *name, mode_t mode)
{
	if (!path_name_is_plain((const uint8_t *)name, strlen(name)))
		return -EINVAL;
	return jail_resolve(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
	    mode & 0777, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* Splits path before its last component, which goes to name. *ret_n: length of what is
 * before. */
static int
jail_split(const char *path, size_t *ret_n, char name[NAME_MAX + 1])
{
	size_t end = strlen(path), start;

	while (end > 0 && path[end - 1] == '/')
		end--;
	if (end == 0)
		return -EBUSY;
	for (start = end; start > 0 && path[start - 1] != '/'; start--)
		;
	if (end - start > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, path + start, end - start);
	name[end - start] = '\0';
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	*ret_n = start;
	return 0;
}

int
jail_open_parent(int root, const char *path, char name[NAME_MAX + 1])
{
	size_t n;
	int r = jail_split(path, &n, name);

	if (r < 0)
		return r;
	_cleanup_free_ char *parent = n == 0 ? strdup("/") : strndup(path, n);
	if (!parent)
		return -ENOMEM;
	return jail_open(root, parent, O_PATH | O_DIRECTORY);
}

/* Puts the text of the link behind *path's directory: the kernel then resolves both as it
 * would have resolved the link, from the root again. */
static int
jail_follow(int link, char **path)
{
	char text[PATH_MAX], name[NAME_MAX + 1];
	ssize_t n = readlinkat(link, "", text, sizeof(text) - 1);
	size_t keep = 0;
	int r;

	if (n <= 0)
		return n < 0 ? -errno : -ENOENT;
	text[n] = '\0';
	r = jail_split(*path, &keep, name);
	if (r < 0)
		return r;
	if (text[0] == '/')
		keep = 0;
	if (keep + (size_t)n > PATH_TEXT_MAX)
		return -ENAMETOOLONG;
	char *joined = malloc(keep + (size_t)n + 1);
	if (!joined)
		return -ENOMEM;
	memcpy(joined, *path, keep);
	memcpy(joined + keep, text, (size_t)n + 1);
	free(*path);
	*path = joined;
	return 0;
}

/* One step: what is at path now? 0: *ret_dir, name and perhaps *ret_entry; 1: a link,
 * *path is where it leads. */
static int
jail_step(int root, char **path, char name[NAME_MAX + 1], int *ret_dir, int *ret_entry,
    struct stat *ret_st)
{
	_cleanup_close_ int dir = jail_open_parent(root, *path, name);
	struct stat st;
	int r;

	if (dir < 0)
		return dir;
	_cleanup_close_ int entry = jail_open_entry(dir, name, O_PATH);
	if (entry < 0 && entry != -ENOENT)
		return entry;
	if (entry >= 0 && fstat(entry, &st) < 0)
		return -errno;
	if (entry >= 0 && S_ISLNK(st.st_mode)) {
		r = jail_follow(entry, path);
		return r < 0 ? r : 1;
	}
	if (entry >= 0)
		*ret_st = st;
	*ret_dir = fd_take(&dir);
	*ret_entry = entry >= 0 ? fd_take(&entry) : -1;
	return 0;
}

int
jail_open_target(int root, const char *path, char name[NAME_MAX + 1], int *ret_entry,
    struct stat *ret_st, bool *ret_linked)
{
	_cleanup_free_ char *at = strdup(path);
	int dir = -1;

	if (!at)
		return -ENOMEM;
	for (int links = 0; links <= JAIL_LINKS_MAX; links++) {
		int r = jail_step(root, &at, name, &dir, ret_entry, ret_st);

		if (r == 0)
			*ret_linked = links > 0;
		if (r == 0)
			return dir;
		if (links > 0 && (r == -EBUSY || r == -EINVAL))
			return -EISDIR;
		if (r < 0)
			return r;
	}
	return -ELOOP;
}

size_t
jail_find_fault(int root, const char *path, int *ret_error)
{
	_cleanup_free_ char *prefix = strdup(path);
	size_t n = 0;

	for (int depth = 0; prefix && path[n] != '\0' && depth < JAIL_FAULT_DEPTH;
	     depth++) {
		n += strspn(path + n, "/");
		n += strcspn(path + n, "/");
		prefix[n] = '\0';
		_cleanup_close_ int fd = jail_open(root, prefix, O_PATH);
		if (fd < 0 && fd != -ENOMEM && fd != -EMFILE && fd != -ENFILE) {
			*ret_error = -fd;
			return n;
		}
		prefix[n] = path[n];
	}
	return 0;
}
