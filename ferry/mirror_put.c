/*
 * A tree to a server: a directory is made there, its files are sent, and when all of them
 * are there the server's listing of it must agree on their sizes. Links are left out:
 * what they lead to may be anywhere.
 */
#include "mirror_way.h"

#include "interrupt.h"
#include "own.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

/* A file here, and what the server has of it. */
struct parcel {
	char *name;
	int64_t size, mtime;
	int64_t there; /* bytes, or -1: nothing */
	int64_t there_mtime;
	bool sent;
};

/* A directory whose files are under way. */
struct folder {
	char *path;
	struct parcel *parcel; /* by name */
	size_t n, room;
	size_t left; /* that are not done yet */
	bool any_sent;
};

enum ship_kind {
	SHIP_NOTHING,
	SHIP_MAKE,  /* MKD */
	SHIP_STAT,  /* it was refused: is the directory there already? */
	SHIP_LOOK,  /* --continue: what is there */
	SHIP_REST,  /* one file, from where the server's part of it ends */
	SHIP_MANY,  /* files, from their beginning */
	SHIP_CHECK, /* a listing, for the sizes */
};

#define NO_FILE SIZE_MAX

/* What one session does. */
struct ship {
	struct mirror *m;
	struct lane *lane;
	enum ship_kind kind;
	bool go_on;            /* the operation of kind is to be begun */
	struct plan_item item; /* of a directory */
	struct folder *folder;
	struct plan_item file[MIRROR_BATCH_MAX]; /* SHIP_MANY: a ring */
	bool ended[MIRROR_BATCH_MAX];
	size_t n;    /* that were taken */
	size_t live; /* of these are not ended */
	int64_t live_bytes;
	char *remote; /* of the last one taken */
	struct local_source source[FERRY_PUT_OPEN_MAX];
	size_t open[FERRY_PUT_OPEN_MAX]; /* the file that a source is of, or NO_FILE */
	struct ferry_entry entry;        /* of SHIP_STAT */
	int refused;                     /* result of MKD */
	char *why;                       /* and its sentence */
	struct mirror_place place;
};

static struct ship *
ship_of(struct mirror *m, struct lane *l)
{
	struct ship *s = m->job[l->number];

	if (s != NULL)
		return s;
	s = calloc(1, sizeof *s);
	if (s == NULL)
		return NULL;
	s->m = m;
	s->lane = l;
	s->place.fd = -1;
	for (size_t k = 0; k < FERRY_PUT_OPEN_MAX; k++)
		s->open[k] = NO_FILE;
	m->job[l->number] = s;
	return s;
}

static void
folder_free(struct folder *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n; i++)
		free(f->parcel[i].name);
	free(f->parcel);
	free(f->path);
	free(f);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct parcel *)a)->name, ((const struct parcel *)b)->name);
}

static struct parcel *
find(struct folder *f, const char *name)
{
	struct parcel key = {.name = (char *)name};

	if (f->n == 0 || name == NULL)
		return NULL;
	return bsearch(&key, f->parcel, f->n, sizeof key, by_name);
}

/* ---------------------------------------------------------------- a directory here */

static bool
folder_add(struct folder *f, const char *name, const struct stat *st)
{
	if (f->n == f->room) {
		size_t room = f->room == 0 ? 16 : 2 * f->room;
		struct parcel *more = reallocarray(f->parcel, room, sizeof *more);
		if (more == NULL)
			return false;
		f->parcel = more;
		f->room = room;
	}
	f->parcel[f->n] = (struct parcel){.name = strdup(name),
	    .size = st->st_size,
	    .mtime = st->st_mtime,
	    .there = -1,
	    .there_mtime = INT64_MIN};
	return f->parcel[f->n++].name != NULL;
}

/* The plan's rules for trees from a server hold for ours, too: depth and number. */
static enum plan_verdict
take_name(struct ship *s, struct folder *f, const char *name, const struct stat *st)
{
	struct ferry_entry e = {.type = FERRY_ENTRY_DIRECTORY, .name = (char *)name};

	if (S_ISLNK(st->st_mode))
		return PLAN_LINK;
	if (S_ISDIR(st->st_mode))
		return plan_add(&s->m->plan, &s->item, &e);
	if (!S_ISREG(st->st_mode))
		return PLAN_SPECIAL;
	if (f->n + s->m->plan.files.count >= PLAN_COUNT_MAX)
		return PLAN_MANY;
	return folder_add(f, name, st) ? PLAN_TAKEN : PLAN_MEMORY;
}

static void
read_name(struct ship *s, struct folder *f, int dir, const char *name)
{
	_cleanup_free_ char *path = plan_join(f->path, name);
	struct stat st;
	enum plan_verdict v;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		mirror_fail(
		    s->m, path == NULL ? "" : path, -FERRY_ELOCAL, strerror(errno));
		return;
	}
	v = take_name(s, f, name, &st);
	if (plan_is_left_out(v))
		mirror_leave_out(s->m, path == NULL ? "" : path, plan_why(v));
	else if (v != PLAN_TAKEN)
		mirror_fail(s->m, path == NULL ? "" : path, -FERRY_ELOCAL,
		    v == PLAN_NAME ? "a name with control characters cannot be sent"
				   : plan_why(v));
}

static void
closedirp(DIR **d)
{
	if (*d != NULL)
		closedir(*d);
}

static int
read_directory(struct ship *s, struct folder *f, char error[512])
{
	_cleanup_close_ int fd = local_tree_enter(s->m->top, f->path, false, error);
	_cleanup_(closedirp)
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (fd < 0)
		return -FERRY_ELOCAL;
	if (d == NULL) {
		snprintf(error, 512, "%s", strerror(errno));
		return -FERRY_ELOCAL;
	}
	fd = -1; /* the stream's */
	while ((errno = 0, e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			read_name(s, f, dirfd(d), e->d_name);
	if (f->n > 0)
		qsort(f->parcel, f->n, sizeof *f->parcel, by_name);
	return 0;
}

/* ---------------------------------------------------------------- a directory there */

/* All its files are done: what does the server say of them? */
static void
folder_done(struct mirror *m, struct folder *f)
{
	struct plan_item check = {.folder = f};

	if (f->any_sent && m->binary && !mirror_stops(m)) {
		check.path = strdup(f->path);
		if (check.path != NULL && plan_push(&m->plan.directories, check))
			return;
	}
	folder_free(f);
}

static bool
is_there(const struct parcel *p)
{
	return p->there == p->size &&
	       (p->there_mtime == INT64_MIN || p->there_mtime >= p->mtime);
}

/* Its files wait from now on for a session that takes them. */
static void
queue_files(struct ship *s)
{
	struct mirror *m = s->m;
	struct folder *f = s->folder;

	s->folder = NULL;
	f->left = 1; /* ours, until all are in the queue */
	for (size_t i = 0; i < f->n; i++) {
		struct plan_item item = {
		    .folder = f, .index = i, .size = f->parcel[i].size};
		if (m->opt->resume && is_there(&f->parcel[i])) {
			m->skipped++;
			continue;
		}
		item.path = plan_join(f->path, f->parcel[i].name);
		if (item.path != NULL && plan_push(&m->plan.files, item))
			f->left++;
		else
			mirror_fail(m, f->path, -FERRY_ENOMEM, "out of memory");
	}
	if (--f->left == 0)
		folder_done(m, f);
}

/* The directory is there: what is to be sent? */
static void
fill_directory(struct ship *s)
{
	struct folder *f = calloc(1, sizeof *f);
	char error[512] = "out of memory";

	if (f != NULL)
		f->path = strdup(s->item.path);
	if (f == NULL || f->path == NULL || read_directory(s, f, error) < 0) {
		mirror_fail(s->m, s->item.path, -FERRY_ELOCAL, error);
		folder_free(f);
		return;
	}
	s->folder = f;
	if (s->m->opt->resume && f->n > 0) {
		s->kind = SHIP_LOOK;
		s->go_on = true;
	} else {
		queue_files(s);
	}
}

static int
look_entry(struct ferry_entry *e, void *user)
{
	struct ship *s = user;
	struct parcel *p = find(s->folder, e->name);

	if (p != NULL && e->type == FERRY_ENTRY_FILE) {
		p->there = e->size;
		p->there_mtime = e->exact ? e->mtime : INT64_MIN;
	}
	return 0;
}

/* A server that hides what was uploaded proves nothing; another size does. */
static int
check_entry(struct ferry_entry *e, void *user)
{
	struct ship *s = user;
	struct parcel *p = find(s->folder, e->name);
	_cleanup_free_ char *path = NULL;
	char why[120];

	if (p == NULL || !p->sent || e->size < 0 || e->size == p->size)
		return 0;
	p->sent = false;
	path = plan_join(s->folder->path, p->name);
	snprintf(why, sizeof why, "%lld bytes were sent, but the server has %lld",
	    (long long)p->size, (long long)e->size);
	s->m->files--;
	mirror_fail(s->m, path == NULL ? "" : path, -FERRY_ESHORT, why);
	return 0;
}

static int
list_folder(struct ship *s, ferry_entry_cb *cb)
{
	_cleanup_free_ char *remote = mirror_remote(s->m, s->folder->path);

	if (remote == NULL)
		return -FERRY_ENOMEM;
	return ferry_list(s->lane->s.h, *remote == '\0' ? NULL : remote, cb, s);
}

static int
begin_directory(struct ship *s)
{
	_cleanup_free_ char *remote = NULL;

	s->folder = s->item.folder;
	if (s->folder != NULL) {
		s->kind = SHIP_CHECK;
		return list_folder(s, check_entry);
	}
	s->kind = SHIP_MAKE;
	remote = mirror_remote(s->m, s->item.path);
	if (remote == NULL)
		return -FERRY_ENOMEM;
	if (*remote == '\0' || strcmp(remote, "/") == 0)
		return 0; /* where the login leads is there */
	return ferry_mkdir(s->lane->s.h, remote, NULL);
}

static int
begin_stat(struct ship *s)
{
	_cleanup_free_ char *remote = mirror_remote(s->m, s->item.path);

	return remote == NULL ? -FERRY_ENOMEM
			      : ferry_stat(s->lane->s.h, remote, &s->entry);
}

static void
end_make(struct ship *s, int result)
{
	if (result == 0) {
		fill_directory(s);
	} else if (result == -FERRY_EREFUSED || result == -FERRY_EUNSUPPORTED) {
		s->refused = result;
		s->why = session_error(&s->lane->s, result);
		s->kind = SHIP_STAT;
		s->go_on = true;
	} else if (mirror_tries_again(s->m, &s->item, result)) {
		s->item.tries++;
		plan_push(&s->m->plan.directories, s->item);
		s->item = (struct plan_item){.path = NULL};
	} else if (!mirror_stops(s->m)) {
		mirror_fail_session(s->m, s->item.path, s->lane, result);
	}
}

static void
end_stat(struct ship *s, int result)
{
	bool is_there = result == 0 && s->entry.type == FERRY_ENTRY_DIRECTORY;

	ferry_entry_clear(&s->entry);
	if (is_there)
		fill_directory(s);
	else
		mirror_fail(s->m, s->item.path, s->refused, s->why == NULL ? "" : s->why);
	freep(&s->why);
}

/* ---------------------------------------------------------------- a file */

static bool take_file(struct ship *s, bool *ret_rest);

static struct plan_item *
item_of(struct ship *s, size_t i)
{
	return &s->file[i % MIRROR_BATCH_MAX];
}

static struct parcel *
parcel_of(const struct plan_item *item)
{
	struct folder *f = item->folder;

	return &f->parcel[item->index];
}

/* The source of this file, or, for NO_FILE, one that is free; NULL when there is none. */
static struct local_source *
source_of(struct ship *s, size_t i, size_t **ret_holder)
{
	for (size_t k = 0; k < FERRY_PUT_OPEN_MAX; k++)
		if (s->open[k] == i) {
			*ret_holder = &s->open[k];
			return &s->source[k];
		}
	return NULL;
}

static int
file_open(size_t i, int64_t *ret_size, void *user)
{
	struct ship *s = user;
	const struct folder *f = item_of(s, i)->folder;
	struct parcel *p = parcel_of(item_of(s, i));
	size_t *holder;
	struct local_source *source = source_of(s, NO_FILE, &holder);

	if (source == NULL)
		return -1;
	*holder = i;
	*source = (struct local_source){.fd = -1};
	if (mirror_enter(s->m, &s->place, f->path, false, source->error) < 0 ||
	    local_source_open_at(source, s->place.fd, p->name) < 0)
		return -1;
	*ret_size = p->size = source->size;
	return 0;
}

static int64_t
file_read(size_t i, void *data, size_t max, void *user)
{
	struct ship *s = user;
	size_t *holder;
	struct local_source *source = source_of(s, i, &holder);
	int64_t n = source == NULL ? -1 : local_source_read(data, max, source);

	if (n > 0)
		s->m->bytes += (uint64_t)n;
	return n;
}

static void
fail_file(struct ship *s, const struct plan_item *item, int result, const char *why)
{
	if (result == -FERRY_ELOCAL && *why != '\0')
		mirror_fail(s->m, item->path, result, why);
	else
		mirror_fail_session(s->m, item->path, s->lane, result);
}

/* Back to the others that wait. */
static bool
put_back(struct ship *s, struct plan_item *item)
{
	bool pushed = plan_push(&s->m->plan.files, *item);

	*item = (struct plan_item){.path = NULL};
	return pushed;
}

/* A file has gone, or not. */
static void
settle(struct ship *s, struct plan_item *item, int result, const char *why)
{
	struct mirror *m = s->m;
	struct folder *f = item->folder;

	if (result == 0) {
		s->lane->useful = true;
		m->files++;
		m->moved_any = true;
		f->any_sent = parcel_of(item)->sent = true;
	} else if (result == -FERRY_EABORTED && !mirror_stops(m)) {
		if (put_back(s, item)) /* it did not come to it */
			return;
	} else if (mirror_tries_again(m, item, result)) {
		m->in_order = false; /* that may have been it */
		item->tries++;
		if (put_back(s, item))
			return;
	} else if (!mirror_stops(m)) {
		fail_file(s, item, result, why);
	}
	plan_item_clear(item);
	if (--f->left == 0)
		folder_done(m, f);
}

static void
file_end(size_t i, int result, void *user)
{
	struct ship *s = user;
	char error[sizeof s->source->error] = "";
	size_t *holder;
	struct local_source *source = source_of(s, i, &holder);

	if (source != NULL) {
		memcpy(error, source->error, sizeof error);
		local_source_close(source);
		*holder = NO_FILE;
	}
	s->ended[i % MIRROR_BATCH_MAX] = true;
	s->live--;
	s->live_bytes -= item_of(s, i)->size;
	settle(s, item_of(s, i), result, error);
}

/* As in struct ferry_put_many. */
static const char *
file_more(void *user)
{
	struct ship *s = user;

	if (!mirror_goes_on(s->m) || !take_file(s, NULL))
		return NULL;
	free(s->remote);
	s->remote = mirror_remote(s->m, item_of(s, s->n - 1)->path);
	return s->remote == NULL ? "" : s->remote;
}

static int
begin_many(struct ship *s)
{
	const char *path[MIRROR_BATCH_MAX] = {NULL};
	const struct ferry_put_many many = {
	    .struct_size = sizeof many,
	    .open = file_open,
	    .read = file_read,
	    .end = file_end,
	    /* told one after the other, it is easier to read */
	    .ahead = s->m->in_order && !s->m->opt->explain,
	    .more = file_more,
	};
	size_t n = s->n;
	int rc = 0;

	s->kind = SHIP_MANY;
	for (size_t i = 0; i < n; i++) {
		path[i] = mirror_remote(s->m, s->file[i].path);
		rc = path[i] == NULL ? -FERRY_ENOMEM : rc;
	}
	if (rc == 0)
		rc = ferry_put_many(s->lane->s.h, path, n, &many, s);
	for (size_t i = 0; i < n; i++)
		free((char *)path[i]);
	return rc;
}

/* Those that had no end: the first of them may be the reason, the others only stood
 * behind it. */
static void
end_many(struct ship *s, int result)
{
	bool first = true;

	if (result == -FERRY_EDATA && !s->m->moved_any)
		lanes_fail(s->m->lanes, s->lane, result);
	for (size_t i = s->n > MIRROR_BATCH_MAX ? s->n - MIRROR_BATCH_MAX : 0; i < s->n;
	     i++) {
		if (s->ended[i % MIRROR_BATCH_MAX])
			continue;
		settle(s, item_of(s, i), first ? result : -FERRY_EABORTED, "");
		first = false;
	}
}

/* ---------------------------------------------------------------- --continue */

/* What is there of it already, and may be the beginning of it. */
static uint64_t
offset_of(const struct ship *s, const struct plan_item *item)
{
	const struct parcel *p = parcel_of(item);
	bool is_beginning =
	    s->m->opt->resume && item->tries == 0 && p->there > 0 && p->there < p->size;

	return is_beginning && s->m->binary ? (uint64_t)p->there : 0;
}

static int64_t
rest_read(void *data, size_t max, void *user)
{
	return file_read(0, data, max, user);
}

static int
begin_rest(struct ship *s)
{
	_cleanup_free_ char *remote = mirror_remote(s->m, s->file[0].path);
	uint64_t offset;
	int64_t size;

	s->kind = SHIP_REST;
	if (remote == NULL)
		return -FERRY_ENOMEM;
	if (file_open(0, &size, s) < 0)
		return -FERRY_ELOCAL;
	offset = offset_of(s, &s->file[0]);
	if (offset > 0 && local_source_skip(&s->source[0], offset) < 0)
		return -FERRY_ELOCAL;
	return ferry_put(s->lane->s.h, remote, FERRY_PUT_STORE, offset,
	    size - (int64_t)offset, rest_read, s);
}

/* ---------------------------------------------------------------- batches */

static bool
has_room(const struct ship *s)
{
	return s->live < mirror_batch_size(s->m, s->lane) &&
	       s->live_bytes < MIRROR_BATCH_BYTES;
}

/* One more file for this session, from its beginning; with ret_rest the first one may be
 * the rest of one. false: there is none, or none that may come next. */
static bool
take_file(struct ship *s, bool *ret_rest)
{
	struct mirror *m = s->m;
	struct plan_item item;
	bool is_rest;

	if (!has_room(s) || !plan_take(&m->plan.files, &item))
		return false;
	is_rest = offset_of(s, &item) > 0;
	if (is_rest && (ret_rest == NULL || s->n > 0)) {
		plan_push(&m->plan.files, item);
		return false;
	}
	if (is_rest)
		*ret_rest = true;
	*item_of(s, s->n) = item;
	s->ended[s->n++ % MIRROR_BATCH_MAX] = false;
	s->live++;
	s->live_bytes += item.size;
	return true;
}

/* The files that the next operation begins with. true: it is the rest of one. */
static bool
gather(struct ship *s)
{
	bool is_rest = false;

	s->n = s->live = 0;
	s->live_bytes = 0;
	while (!is_rest && take_file(s, &is_rest))
		continue;
	return is_rest;
}

/* ---------------------------------------------------------------- what comes next */

static int
go_on(struct ship *s)
{
	s->go_on = false;
	return s->kind == SHIP_STAT ? begin_stat(s) : list_folder(s, look_entry);
}

static int
ship_begin(struct lane *l, void *user)
{
	struct mirror *m = user;
	struct ship *s = ship_of(m, l);

	if (s == NULL)
		return LANE_NOTHING;
	if (s->go_on)
		return go_on(s);
	if (m->plan.files.count < MIRROR_FILES_AHEAD &&
	    plan_take_last(&m->plan.directories, &s->item))
		return begin_directory(s);
	bool is_rest = gather(s);
	if (s->n > 0)
		return is_rest ? begin_rest(s) : begin_many(s);
	return LANE_NOTHING;
}

static void
end_check(struct ship *s)
{
	folder_free(s->folder);
	s->folder = NULL;
}

static void
ship_end(struct lane *l, int result, void *user)
{
	struct ship *s = ship_of(user, l);
	enum ship_kind was = s->kind;

	if (was == SHIP_MAKE)
		end_make(s, result);
	else if (was == SHIP_STAT)
		end_stat(s, result);
	else if (was == SHIP_LOOK)
		queue_files(s); /* without a listing nothing is known to be there */
	else if (was == SHIP_CHECK)
		end_check(s);
	else if (was == SHIP_REST)
		file_end(0, result, s);
	else if (was == SHIP_MANY)
		end_many(s, result);
	if (s->go_on)
		return;
	plan_item_clear(&s->item);
	s->kind = SHIP_NOTHING;
}

/* A folder whose files still wait is theirs: the last of them frees it. */
static void
free_waiting(struct mirror *m)
{
	struct plan_item item;

	while (plan_take(&m->plan.directories, &item)) {
		folder_free(item.folder);
		plan_item_clear(&item);
	}
	while (plan_take(&m->plan.files, &item)) {
		struct folder *f = item.folder;
		if (--f->left == 0)
			folder_free(f);
		plan_item_clear(&item);
	}
}

static void
ship_free(struct mirror *m, struct lane *l)
{
	struct ship *s = m->job[l->number];

	if (l->number == 0)
		free_waiting(m);
	if (s == NULL)
		return;
	folder_free(s->folder);
	plan_item_clear(&s->item);
	mirror_leave(&s->place);
	free(s->why);
	free(s->remote);
	free(s);
	m->job[l->number] = NULL;
}

const struct mirror_way mirror_way_put = {
    .verb = "STOR",
    .begin = ship_begin,
    .end = ship_end,
    .forget = ship_free,
};
