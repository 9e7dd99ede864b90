/*
 * The upload promise. See upload.h.
 */
#include "upload.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent.h"
#include "path.h"
#include "store.h"

/* ".<16 hex>" behind the name that STOU began with. */
#define UNIQUE_TAIL 17

/* Whoever took an upload off its grant's list ends it: nobody else can reach it any
 * more. */
struct upload {
	struct upload *next;
	uint32_t number;
	bool in_place;
	bool whole;   /* a part of it is of no use to anybody */
	bool patch;   /* what lies behind the new bytes stays */
	bool over;    /* from its beginning, for want of a temporary name */
	bool replace; /* may take the place of a file that came meanwhile */
	uint64_t offset;
	struct part part;
};

static struct upload *
upload_new(void)
{
	struct upload *u = calloc(1, sizeof(*u));

	if (u)
		u->part = PART_INIT;
	return u;
}

static void
upload_freep(struct upload **u)
{
	if (!*u)
		return;
	part_close(&(*u)->part);
	free(*u);
	*u = NULL;
}

/* ---- ending ---- */

/* New bytes written at an offset end the file: what the old one had behind them is cut,
 * so that a resumed file is never longer than what was sent, and one whose resumption
 * failed can be resumed again at its size. RFC 3659 5.3 leaves this open. Where no byte
 * came, nothing is cut, unless that is the whole new content; nor by STORE_PATCH. */
static int
upload_cut(struct upload *u, bool complete)
{
	off_t end = lseek(u->part.fd, 0, SEEK_CUR);

	if (end < 0)
		return -errno;
	if (!u->in_place || u->patch || (u->offset == 0 && !u->over))
		return 0;
	if ((uint64_t)end <= u->offset && !(u->over && complete))
		return 0;
	return ftruncate(u->part.fd, end) < 0 ? -errno : 0;
}

static bool
upload_is_empty(const struct upload *u)
{
	struct stat st;

	return fstat(u->part.fd, &st) == 0 && st.st_size == 0;
}

/* A failed upload. What was there before stays; of a new file the part that arrived gets
 * the real name, if that is wanted, there is any, the name is still free, and the user
 * could go on with it: without RIGHT_REPLACE the part would only stand in the way of the
 * next try. */
static void
upload_abandon(const struct grant *g, struct upload *u)
{
	const struct store *store = g->agent->store;
	bool fresh = u->in_place ? u->part.created : u->part.entry < 0;
	bool keep = fresh && !u->whole && g->agent->conf->keep_partial &&
		    !g->agent->conf->delete_failed_uploads &&
		    grant_has(g, RIGHT_REPLACE) && !upload_is_empty(u);

	if (u->in_place)
		upload_cut(u, false);
	if (keep && u->in_place)
		return;
	if (keep && store->part_publish(&u->part, false) == 0)
		return;
	store->part_discard(&u->part);
}

static int
upload_commit(const struct grant *g, struct upload *u)
{
	const struct store *store = g->agent->store;
	bool durable = g->agent->conf->durable_uploads;
	int r = upload_cut(u, true);

	if (r == 0 && durable)
		r = store->part_sync(&u->part);
	if (r == 0 && !u->in_place)
		r = store->part_publish(&u->part, u->replace);
	if (r == 0 && durable && (!u->in_place || u->part.created))
		r = store->part_settle(&u->part);
	return r;
}

/* Takes an upload off the list, so that it is the caller's. NULL: it is not there (any
 * more). */
static struct upload *
upload_take(struct grant *g, uint32_t number, bool *ret_known)
{
	struct upload **at, *u;

	pthread_mutex_lock(&g->lock);
	*ret_known = number <= g->upload_last;
	for (at = &g->uploads; *at && (*at)->number != number;)
		at = &(*at)->next;
	u = *at;
	if (u) {
		*at = u->next;
		g->upload_count--;
	}
	pthread_mutex_unlock(&g->lock);
	return u;
}

static int
upload_write(struct upload *u, struct bytes rest)
{
	while (rest.n > 0) {
		ssize_t n = write(u->part.fd, rest.p, rest.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		rest.p += n;
		rest.n -= (size_t)n;
	}
	return 0;
}

int
upload_end(
    struct grant *g, uint32_t number, bool complete, struct bytes rest, struct answer *a)
{
	bool known;
	_cleanup_(upload_freep)
	struct upload *u = upload_take(g, number, &known);
	struct stat st;
	int r;

	if (!u)
		return known ? answer_fail(a, EBADF, "the upload has ended already")
			     : -EPROTO;
	r = upload_write(u, rest);
	if (!complete) {
		upload_abandon(g, u);
		return 0;
	}
	if (r < 0) {
		upload_abandon(g, u);
		return answer_fail(a, r, "%s", answer_cause(-r));
	}
	r = upload_commit(g, u);
	if (r < 0) {
		/* After a write error what is there cannot be relied on, not even as a
		 * part. */
		if (u->part.unnamed || u->part.created)
			g->agent->store->part_discard(&u->part);
		if (r == -EEXIST)
			return answer_fail(a, r,
			    "another file has taken the name '%s' meanwhile",
			    u->part.name);
		return answer_fail(a, r,
		    "the file could not be made safe on the disk: %s", answer_cause(-r));
	}
	if (fstat(u->part.fd, &st) == 0)
		answer_stat(a, &st);
	return 0;
}

void
upload_end_all(struct grant *g)
{
	pthread_mutex_lock(&g->lock);
	struct upload *list = g->uploads;
	g->uploads = NULL;
	g->upload_count = 0;
	g->revoked = true;
	pthread_mutex_unlock(&g->lock);
	while (list) {
		_cleanup_(upload_freep)
		struct upload *u = list;
		list = u->next;
		upload_abandon(g, u);
	}
}

/* ---- beginning ---- */

/* From here on the grant owns the upload: 0 and its number, or -EBADF, -EMFILE. */
static int
upload_add(struct grant *g, struct upload *u, uint32_t *ret_number)
{
	int r = 0;

	pthread_mutex_lock(&g->lock);
	if (g->revoked)
		r = -EBADF;
	else if (g->upload_count >= UPLOADS_MAX || g->upload_last == UINT32_MAX)
		r = -EMFILE;
	if (r == 0) {
		u->number = *ret_number = ++g->upload_last;
		u->next = g->uploads;
		g->uploads = u;
		g->upload_count++;
	}
	pthread_mutex_unlock(&g->lock);
	return r;
}

/* A name that nobody can guess, in the directory that path is, or, when it is none,
 * beginning as path does. */
static char *
unique_path(struct grant *g, const char *path)
{
	struct stat st;
	bool dir =
	    g->agent->store->stat(g->root, path, true, &st) == 0 && S_ISDIR(st.st_mode);
	const char *base = dir ? "file" : path_base(path);
	size_t n = strlen(base), before = dir ? strlen(path) : (size_t)(base - path);
	uint64_t random;
	char *full;

	/* A cut name must not end within a character. */
	if (n > NAME_MAX - UNIQUE_TAIL)
		for (n = NAME_MAX - UNIQUE_TAIL; n > 0 && (base[n] & 0xc0) == 0x80;)
			n--;
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return NULL;
	if (asprintf(&full, "%.*s%s%.*s.%016" PRIx64, (int)before, path, dir ? "/" : "",
		(int)n, base, random) < 0)
		return NULL;
	return full;
}

/* Does the grant allow what this upload is going to do? */
static int
check_rights(const struct grant *g, const struct upload *u, struct answer *a)
{
	bool exists = u->part.entry >= 0;

	if (exists && !grant_has(g, RIGHT_REPLACE))
		return answer_fail(a, EACCES,
		    "'%s' exists, and changing files is not allowed for this account",
		    u->part.name);
	if (!exists && !grant_has(g, RIGHT_CREATE))
		return answer_fail(
		    a, EACCES, "creating files is not allowed for this account");
	return 0;
}

/* What can be known to be wrong before any byte is sent. The answer tells. */
static int
check_size(const struct grant *g, struct upload *u, const struct msg_agent_store *m,
    struct answer *a)
{
	uint64_t size = u->part.entry >= 0 ? (uint64_t)u->part.st.st_size : 0, room;
	uint64_t needed = m->size > m->offset ? m->size - m->offset : 0;

	if (m->offset > size)
		return answer_fail(a, EINVAL,
		    "offset %" PRIu64 " is past the end (%" PRIu64 " bytes)", m->offset,
		    size);
	if (needed > 0 && g->agent->store->part_room(&u->part, &room) == 0 &&
	    room < needed)
		return answer_fail(a, ENOSPC,
		    "%" PRIu64 " bytes announced, %" PRIu64 " available", m->size, room);
	return 0;
}

static int
upload_open(const struct grant *g, struct upload *u, const struct msg_agent_store *m)
{
	const struct store *store = g->agent->store;
	mode_t mode = (mode_t)(g->agent->conf->file_open_mode & 0777 & ~m->umask);
	int r;

	if (!u->in_place) {
		r = store->part_create(&u->part, mode);
		/* A file that may be written, in a directory where it cannot be replaced
		 * (not writable: EACCES; sticky and another's: EPERM): no place for a
		 * temporary name, so the old content goes as the new one comes. */
		u->over =
		    (r == -EACCES || r == -EPERM) && u->part.entry >= 0 && !u->whole;
		u->in_place = u->over;
		if (!u->over)
			return r;
	}
	r = store->part_open(&u->part, m->how == STORE_APPEND, mode);
	if (r == 0 && u->offset > 0 && lseek(u->part.fd, (off_t)u->offset, SEEK_SET) < 0)
		r = -errno;
	return r;
}

/* What part_find said, for the user. */
static int
fail_find(struct answer *a, int r, const struct grant *g, const struct upload *u,
    const char *path)
{
	if (r == -ENOENT && u->part.linked)
		return answer_fail(
		    a, r, "'%s' is a link that leads nowhere", path_base(path));
	if (r == -EACCES && u->part.entry >= 0)
		return answer_fail(a, r, "'%s' is write-protected", u->part.name);
	return answer_fail_path(a, r, g->root, path);
}

/* Nothing has been changed before this is called; after a failure nothing is. */
static int
upload_start(
    struct grant *g, struct upload *u, const struct msg_agent_store *m, struct answer *a)
{
	int r = upload_open(g, u, m);

	if (r == -EACCES && !u->in_place)
		return answer_fail(a, r, "the directory does not allow new files");
	if (r == 0)
		a->fd = fcntl(u->part.fd, F_DUPFD_CLOEXEC, 3);
	if (r == 0 && a->fd < 0)
		r = -errno;
	if (r == 0)
		r = upload_add(g, u, &a->body.upload);
	if (r == 0)
		return 0;
	g->agent->store->part_discard(&u->part);
	if (r == -EMFILE)
		return answer_fail(a, r, "too many uploads at once");
	return answer_fail(a, r, "'%s': %s", u->part.name, answer_cause(-r));
}

int
upload_begin(
    struct grant *g, const struct msg_agent_store *m, const char *path, struct answer *a)
{
	_cleanup_(upload_freep)
	struct upload *u = upload_new();
	bool unique = m->how == STORE_UNIQUE;
	_cleanup_free_ char *made = unique ? unique_path(g, path) : NULL;
	const char *target = unique ? made : path;
	int r;

	if (!u || !target)
		return answer_fail(a, ENOMEM, "%s", answer_cause(ENOMEM));
	if (m->offset > 0 && m->how != STORE_REPLACE && m->how != STORE_PATCH)
		return answer_fail(a, EINVAL, "an offset goes with STOR only");
	u->in_place = m->how == STORE_APPEND || m->offset > 0;
	u->offset = m->offset;
	u->whole = m->how == STORE_COPY;
	u->replace = !unique && grant_has(g, RIGHT_REPLACE);
	r = g->agent->store->part_find(g->root, target, &u->part);
	if (r < 0)
		return fail_find(a, r, g, u, target);
	/* A patch at the beginning of nothing is a new file like any other. */
	u->patch = m->how == STORE_PATCH && u->part.entry >= 0;
	u->in_place |= u->patch;
	check_rights(g, u, a);
	if (a->body.error == 0)
		check_size(g, u, m, a);
	if (a->body.error == 0 && unique)
		buf_append_str(&a->text, path_base(target));
	if (a->body.error == 0)
		upload_start(g, u, m, a);
	if (a->body.error == 0)
		u = NULL; /* the grant's */
	return 0;
}
