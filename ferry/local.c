/*
 * Local files of downloads and uploads. Everything a server can influence goes through
 * openat() with O_NOFOLLOW on a plain name; nothing here runs a command or leaves the
 * directory unless the user typed it.
 */
#include "local.h"

#include "interrupt.h"
#include "own.h"
#include "safe.h"

#include <fcntl.h>
#include <ferry/ferry.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Room for the dots and the ending in a name of at most NAME_MAX bytes. */
#define PART_STEM_MAX 200

__attribute__((format(printf, 2, 3))) static int
fail(char error[512], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, 512, format, ap);
	va_end(ap);
	return -FERRY_ELOCAL;
}

const char *
local_last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* ".NAME.ferry-part"; a name too long for that is cut and told apart by a hash (FNV-1a).
 */
static char *
part_name(const char *name)
{
	char *part = NULL;
	uint64_t hash = 0xcbf29ce484222325u;

	if (strlen(name) <= PART_STEM_MAX)
		return asprintf(&part, ".%s.ferry-part", name) < 0 ? NULL : part;
	for (const char *p = name; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
	if (asprintf(&part, ".%.*s-%016llx.ferry-part", PART_STEM_MAX, name,
		(unsigned long long)hash) < 0)
		return NULL;
	return part;
}

static void
sink_free(struct local_sink *s)
{
	fd_closep(&s->fd);
	fd_closep(&s->dir);
	freep(&s->name);
	freep(&s->part);
}

/* Splits a typed path: its directory is opened, links and all, as the user means it. */
static int
sink_open_directory(struct local_sink *s, const char *path, enum local_name who)
{
	const char *last = local_last_component(path);
	_cleanup_free_ char *dir = strndup(path, (size_t)(last - path));

	s->name = strdup(last);
	if (dir == NULL || s->name == NULL)
		return fail(s->error, "out of memory");
	if (!ferry_name_is_plain(last)) {
		fail(s->error, "this is not the name of a file");
		return -FERRY_EINVAL;
	}
	if (who == LOCAL_FOREIGN && last != path) {
		fail(s->error, "the name leads out of the current directory: refused");
		return -FERRY_EINVAL;
	}
	s->dir = open(*dir == '\0' ? "." : dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return fail(
		    s->error, "%s: %s", *dir == '\0' ? "." : dir, strerror(errno));
	return 0;
}

/* Opens, empties and locks the part. With resume its length goes to *ret_offset instead.
 */
static int
sink_open_part(struct local_sink *s, bool resume, uint64_t *ret_offset)
{
	int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	struct stat st;

	s->fd = openat(s->dir, s->part, flags, 0666);
	if (s->fd < 0)
		return fail(s->error, "%s: %s", s->part, strerror(errno));
	if (flock(s->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return fail(s->error, "another download of this file is running");
	if (fstat(s->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		return fail(s->error, "%s: is not an ordinary file", s->part);
	if (!resume && ftruncate(s->fd, 0) < 0)
		return fail(s->error, "%s: %s", s->part, strerror(errno));
	if (lseek(s->fd, 0, SEEK_END) < 0)
		return fail(s->error, "%s: %s", s->part, strerror(errno));
	*ret_offset = resume ? (uint64_t)st.st_size : 0;
	return 0;
}

/* Opens what is there under the real name and appends to it. */
static int
sink_open_in_place(struct local_sink *s, uint64_t *ret_offset)
{
	struct stat st;

	s->fd = openat(
	    s->dir, s->name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return fail(s->error, "%s", strerror(errno));
	s->direct = true;
	*ret_offset = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	return 0;
}

/* A device or named pipe that the user typed is written to, not replaced. */
static int
sink_open_special(struct local_sink *s)
{
	s->fd = openat(s->dir, s->name, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (s->fd < 0)
		return fail(s->error, "%s", strerror(errno));
	s->direct = true;
	return 0;
}

/* A link that the user typed stays a link: the file it leads to is the goal. */
static int
sink_follow_link(struct local_sink *s, const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);

	if (real == NULL)
		return fail(s->error, "%s", strerror(errno));
	fd_closep(&s->dir);
	freep(&s->name);
	return sink_open_directory(s, real, LOCAL_TYPED);
}

/* Which of the ways: looks at what is there under the name. */
static int
sink_open_named(
    struct local_sink *s, enum local_name who, bool resume, uint64_t *ret_offset)
{
	struct stat st = {.st_mode = 0};
	bool exists = fstatat(s->dir, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (exists && S_ISDIR(st.st_mode))
		return fail(s->error, "is a directory");
	if (exists && who != LOCAL_FOREIGN && !S_ISREG(st.st_mode))
		return sink_open_special(s);
	s->part = part_name(s->name);
	if (s->part == NULL)
		return fail(s->error, "out of memory");
	if (resume && exists && S_ISREG(st.st_mode) &&
	    faccessat(s->dir, s->part, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		freep(&s->part);
		return sink_open_in_place(s, ret_offset);
	}
	return sink_open_part(s, resume, ret_offset);
}

static int
sink_open_file(struct local_sink *s, const char *path, enum local_name who, bool resume,
    uint64_t *ret_offset)
{
	struct stat st = {.st_mode = 0};
	int rc = sink_open_directory(s, path, who);

	if (rc < 0)
		return rc;
	if (who != LOCAL_FOREIGN &&
	    fstatat(s->dir, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode) && (rc = sink_follow_link(s, path)) < 0)
		return rc;
	return sink_open_named(s, who, resume, ret_offset);
}

static int
sink_open_stream(struct local_sink *s, const char *name)
{
	fflush(stdout);
	if (strcmp(name, "-") == 0) {
		s->stream = stdout;
		return 0;
	}
	s->stream = popen(name + 1, "we");
	s->is_pipe = true;
	return s->stream == NULL ? fail(s->error, "%s", strerror(errno)) : 0;
}

int
local_sink_open(struct local_sink *s, const char *name, enum local_name who, bool resume,
    uint64_t *ret_offset)
{
	int rc;

	*s = (struct local_sink){.dir = -1, .fd = -1, .mtime = INT64_MIN};
	*ret_offset = 0;
	if (who == LOCAL_TYPED && (strcmp(name, "-") == 0 || name[0] == '|'))
		return sink_open_stream(s, name);
	rc = sink_open_file(s, name, who, resume, ret_offset);
	if (rc < 0)
		sink_free(s);
	return rc;
}

int
local_sink_open_at(struct local_sink *s, int dir, const char *name, bool resume,
    uint64_t *ret_offset)
{
	int rc;

	*s = (struct local_sink){.dir = -1, .fd = -1, .mtime = INT64_MIN};
	*ret_offset = 0;
	if (!ferry_name_is_plain(name)) {
		fail(s->error, "this is not the name of a file");
		return -FERRY_EINVAL;
	}
	s->dir = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	s->name = strdup(name);
	if (s->dir < 0 || s->name == NULL)
		rc = fail(s->error, "%s", strerror(errno));
	else
		rc = sink_open_named(s, LOCAL_FOREIGN, resume, ret_offset);
	if (rc < 0)
		sink_free(s);
	return rc;
}

bool
local_has_part_at(int dir, const char *name)
{
	_cleanup_free_ char *part = part_name(name);

	return part != NULL && faccessat(dir, part, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* To a terminal: harmless, and a character that a chunk's end cuts waits for its rest. */
static void
terminal_write(struct local_sink *s, const char *p, size_t n)
{
	size_t used;

	while (s->n_held > 0 && n > 0) {
		s->held[s->n_held++] = *p++;
		n--;
		used = safe_stream(s->stream, s->held, s->n_held, false);
		s->n_held -= used;
		memmove(s->held, s->held + used, s->n_held);
	}
	used = safe_stream(s->stream, p, n, false);
	s->n_held += n - used;
	memcpy(s->held, p + used, n - used);
}

static int
stream_write(struct local_sink *s, const char *p, size_t n)
{
	if (isatty(fileno(s->stream)))
		terminal_write(s, p, n);
	else
		fwrite(p, 1, n, s->stream);
	return ferror(s->stream) ? -1 : 0;
}

static int
fd_write(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);
		if (done < 0 && errno == EINTR && !interrupt_seen())
			continue;
		if (done < 0)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int
local_sink_write(const void *data, size_t n, void *user)
{
	struct local_sink *s = user;
	int rc = s->stream != NULL ? stream_write(s, data, n) : fd_write(s->fd, data, n);

	return rc < 0 ? fail(s->error, "cannot write: %s", strerror(errno)) : 0;
}

bool
local_sink_rewind(struct local_sink *s, uint64_t offset)
{
	return s->stream == NULL && ftruncate(s->fd, (off_t)offset) == 0 &&
	       lseek(s->fd, (off_t)offset, SEEK_SET) >= 0;
}

bool
local_sink_has_part(const struct local_sink *s)
{
	struct stat st;

	return s->part != NULL && s->fd >= 0 && fstat(s->fd, &st) == 0 && st.st_size > 0;
}

static int
stream_close(struct local_sink *s)
{
	FILE *f = s->stream;
	int rc = 0;

	if (s->n_held > 0)
		safe_stream(f, s->held, s->n_held, true);
	s->stream = NULL;
	s->n_held = 0;
	if (s->is_pipe)
		return pclose(f) < 0 ? fail(s->error, "%s", strerror(errno)) : 0;
	if (fflush(f) != 0)
		rc = fail(s->error, "cannot write: %s", strerror(errno));
	clearerr(f);
	return rc;
}

static void
set_mtime(const struct local_sink *s)
{
	const struct timespec times[2] = {
	    {.tv_nsec = UTIME_OMIT},
	    {.tv_sec = s->mtime},
	};

	if (s->mtime != INT64_MIN)
		futimens(s->fd, times);
}

/* Is the part in the directory still the file that we wrote? */
static bool
part_is_ours(const struct local_sink *s)
{
	struct stat ours, there;

	return fstat(s->fd, &ours) == 0 &&
	       fstatat(s->dir, s->part, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* The part takes the name, with the permissions of the file that it replaces. */
static int
part_finish(struct local_sink *s)
{
	struct stat old;

	if (!part_is_ours(s))
		return fail(s->error, "%s: was replaced by somebody else", s->part);
	if (fstatat(s->dir, s->name, &old, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(old.st_mode))
		(void)!fchmod(s->fd, old.st_mode & 0777);
	set_mtime(s);
	if (renameat(s->dir, s->part, s->dir, s->name) < 0)
		return fail(s->error, "%s", strerror(errno));
	return 0;
}

int
local_sink_close(struct local_sink *s, bool complete)
{
	int rc = 0;

	if (s->stream != NULL)
		rc = stream_close(s);
	else if (s->direct && complete)
		set_mtime(s);
	else if (s->part != NULL && complete)
		rc = part_finish(s);
	else if (s->part != NULL && s->fd >= 0 && !local_sink_has_part(s) &&
		 part_is_ours(s))
		unlinkat(s->dir, s->part, 0);
	sink_free(s);
	return rc;
}

static int
source_open_file(struct local_source *src, const char *name, enum local_name who)
{
	struct stat st;
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY;

	if (who == LOCAL_FOREIGN)
		flags |= O_NOFOLLOW | O_NONBLOCK;
	src->fd = open(name, flags);
	if (src->fd < 0 || fstat(src->fd, &st) < 0)
		return fail(src->error, "%s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return fail(src->error, "is a directory");
	if (S_ISREG(st.st_mode))
		src->size = st.st_size;
	return 0;
}

int
local_source_open_at(struct local_source *src, int dir, const char *name)
{
	struct stat st;

	*src = (struct local_source){.fd = -1, .size = -1};
	src->fd = openat(
	    dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
	if (src->fd < 0 || fstat(src->fd, &st) < 0)
		fail(src->error, "%s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		fail(src->error, "is not an ordinary file");
	else
		src->size = st.st_size;
	if (src->size >= 0)
		return 0;
	local_source_close(src);
	return -FERRY_ELOCAL;
}

int
local_source_open(struct local_source *src, const char *name, enum local_name who)
{
	int rc = 0;

	*src = (struct local_source){.fd = -1, .size = -1};
	if (who == LOCAL_TYPED && strcmp(name, "-") == 0) {
		src->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	} else if (who == LOCAL_TYPED && name[0] == '|') {
		src->pipe = popen(name + 1, "re");
		src->fd =
		    src->pipe == NULL ? -1 : fcntl(fileno(src->pipe), F_DUPFD_CLOEXEC, 3);
	} else {
		rc = source_open_file(src, name, who);
	}
	if (rc == 0 && src->fd < 0)
		rc = fail(src->error, "%s", strerror(errno));
	if (rc < 0)
		local_source_close(src);
	return rc;
}

int
local_source_skip(struct local_source *src, uint64_t offset)
{
	if (lseek(src->fd, (off_t)offset, SEEK_SET) < 0)
		return fail(src->error, "cannot start at byte %llu: %s",
		    (unsigned long long)offset, strerror(errno));
	return 0;
}

int64_t
local_source_read(void *data, size_t max, void *user)
{
	struct local_source *src = user;
	struct pollfd p = {.fd = src->fd, .events = POLLIN};
	ssize_t n;

	/* a terminal or a pipe may keep us waiting; ^C ends that as a failure */
	do {
		n = interrupt_poll(&p, 1, -1);
		if (n > 0)
			n = read(src->fd, data, max);
	} while (n < 0 && errno == EINTR && !interrupt_seen());
	if (n < 0)
		fail(src->error, "cannot read: %s", strerror(errno));
	return n;
}

void
local_source_close(struct local_source *src)
{
	fd_closep(&src->fd);
	if (src->pipe != NULL)
		pclose(src->pipe);
	src->pipe = NULL;
}

/* ---------------------------------------------------------------- trees */

int
local_tree_open(const char *path, bool create, char error[512])
{
	int fd;

	if (create && mkdir(path, 0777) < 0 && errno != EEXIST)
		return fail(error, "%s", strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail(error, "%s", strerror(errno)) : fd;
}

/* One step down. */
static int
enter(int dir, const char *name, bool create, char error[512])
{
	int fd;

	if (!ferry_name_is_plain(name))
		return fail(error, "this is not the name of a directory");
	if (create && mkdirat(dir, name, 0777) < 0 && errno != EEXIST)
		return fail(error, "%s", strerror(errno));
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return fail(error, "%s: is a link or a file, no directory", name);
	return fd < 0 ? fail(error, "%s: %s", name, strerror(errno)) : fd;
}

int
local_tree_enter(int top, const char *path, bool create, char error[512])
{
	_cleanup_free_ char *names = strdup(path);
	int dir = fcntl(top, F_DUPFD_CLOEXEC, 3);
	char *rest = NULL;

	if (names == NULL || dir < 0)
		return fail(error, "%s", strerror(errno));
	for (char *name = strtok_r(names, "/", &rest); name != NULL;
	     name = strtok_r(NULL, "/", &rest)) {
		int below = enter(dir, name, create, error);
		fd_closep(&dir);
		if (below < 0)
			return below;
		dir = below;
	}
	return dir;
}
