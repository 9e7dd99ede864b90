/*
 * A tree from a server: its directories are listed, its files are fetched in batches.
 * What a listing says of a file spares the questions for its size and time; when the
 * bytes do not agree with it, the file is asked for once more, with the questions. Names
 * from the server become local ones in plan.c and local.c only.
 */
#include "mirror_way.h"

#include "interrupt.h"
#include "own.h"

#include <fcntl.h>
#include <sys/stat.h>

enum fetch_kind {
	FETCH_NOTHING,
	FETCH_TOP,  /* facts of the tree's top: it may be in itself */
	FETCH_LIST, /* a directory */
	FETCH_MANY, /* files, from their beginning */
	FETCH_REST, /* one file, from where its part ends */
	FETCH_TIME, /* and its time */
};

/* What one session does. */
struct fetch {
	struct mirror *m;
	struct lane *lane;
	enum fetch_kind kind;
	bool go_on;             /* the operation of kind is to be begun */
	struct ferry_entry top; /* of FETCH_TOP */
	struct plan_item item[MIRROR_BATCH_MAX]; /* FETCH_MANY: a ring */
	bool ended[MIRROR_BATCH_MAX];
	size_t n;    /* that were taken */
	size_t live; /* of these are not ended */
	int64_t live_bytes;
	char *remote;      /* of the last one taken */
	struct plan found; /* by FETCH_LIST */
	struct local_sink sink;
	bool is_open;
	int64_t mtime;
	struct mirror_place place;
};

static struct fetch *
fetch_of(struct mirror *m, struct lane *l)
{
	struct fetch *f = m->job[l->number];

	if (f != NULL)
		return f;
	f = calloc(1, sizeof *f);
	if (f == NULL)
		return NULL;
	f->m = m;
	f->lane = l;
	f->place.fd = -1;
	m->job[l->number] = f;
	return f;
}

static void end_rest(struct fetch *f, int result);

static void
fetch_free(struct mirror *m, struct lane *l)
{
	struct fetch *f = m->job[l->number];

	if (f == NULL)
		return;
	if (f->go_on && f->kind == FETCH_TIME) /* it did not come any more */
		end_rest(f, 0);
	else if (f->go_on)
		plan_item_clear(&f->item[0]);
	plan_clear(&f->found);
	mirror_leave(&f->place);
	free(f->remote);
	free(f);
	m->job[l->number] = NULL;
}

/* ---------------------------------------------------------------- here */

static void
fail_file(struct fetch *f, struct plan_item *item, int result, const char *why)
{
	if (result == -FERRY_ELOCAL && *why != '\0')
		mirror_fail(f->m, item->path, result, why);
	else
		mirror_fail_session(f->m, item->path, f->lane, result);
	plan_item_clear(item);
}

/* Once more, but without what the listing said. */
static void
try_again(struct fetch *f, struct plan_item *item)
{
	f->m->in_order = false; /* that may have been it */
	item->tries++;
	item->size = -1;
	item->mtime = INT64_MIN;
	if (!plan_push(&f->m->plan.files, *item))
		mirror_fail(f->m, "", -FERRY_ENOMEM, "out of memory");
	*item = (struct plan_item){.path = NULL};
}

/* A file has come, or not. */
static void
settle(struct fetch *f, struct plan_item *item, int result, const char *why)
{
	if (result == 0) {
		f->lane->useful = true;
		f->m->files++;
		f->m->moved_any = true;
		plan_item_clear(item);
	} else if (mirror_tries_again(f->m, item, result)) {
		try_again(f, item);
	} else if (mirror_stops(f->m)) {
		plan_item_clear(item);
	} else {
		fail_file(f, item, result, why);
	}
}

static int
close_sink(struct fetch *f, int result)
{
	f->is_open = false;
	if (result == -FERRY_ELOCAL && interrupt_seen())
		result = -FERRY_EABORTED;
	if (local_sink_close(&f->sink, result == 0) < 0 && result == 0)
		result = -FERRY_ELOCAL;
	return result;
}

/* ---------------------------------------------------------------- directories */

static int
take_entry(struct ferry_entry *e, void *user)
{
	struct fetch *f = user;
	enum plan_verdict v = plan_add(&f->found, &f->item[0], e);
	_cleanup_free_ char *path = NULL;

	if (v == PLAN_TAKEN)
		return 0;
	path = plan_join(f->item[0].path, e->name == NULL ? "" : e->name);
	if (plan_is_left_out(v))
		mirror_leave_out(f->m, path == NULL ? "" : path, plan_why(v));
	else
		mirror_fail(f->m, path == NULL ? "" : path, -FERRY_ELOCAL, plan_why(v));
	return v == PLAN_MANY || v == PLAN_MEMORY ? -1 : 0;
}

static int
list(struct fetch *f, const char *remote)
{
	f->kind = FETCH_LIST;
	return ferry_list(f->lane->s.h, *remote == '\0' ? NULL : remote, take_entry, f);
}

static int
begin_directory(struct fetch *f, const char *remote)
{
	bool is_top = *f->item[0].path == '\0' && f->item[0].tries == 0;

	if (!is_top || !ferry_has_feature(f->lane->s.h, "MLST"))
		return list(f, remote);
	f->kind = FETCH_TOP;
	return ferry_stat(f->lane->s.h, *remote == '\0' ? "." : remote, &f->top);
}

/* Then its listing. What is wrong with it, that will tell. */
static void
end_top(struct fetch *f)
{
	plan_mark(&f->item[0], NULL, f->top.unique);
	ferry_entry_clear(&f->top);
	f->go_on = true;
}

static int
begin_list(struct fetch *f)
{
	struct mirror *m = f->m;
	struct plan_item item;
	char error[512];

	while (plan_take_last(&m->plan.directories, &item)) {
		_cleanup_free_ char *remote = mirror_remote(m, item.path);
		if (remote != NULL &&
		    mirror_enter(m, &f->place, item.path, true, error) == 0) {
			f->item[0] = item;
			f->n = 1;
			return begin_directory(f, remote);
		}
		mirror_fail(m, item.path, -FERRY_ELOCAL,
		    remote == NULL ? "out of memory" : error);
		plan_item_clear(&item);
	}
	return LANE_NOTHING;
}

static void
end_list(struct fetch *f, int result)
{
	struct plan_item *item = &f->item[0];

	if (result == 0) {
		if (!plan_move(&f->m->plan, &f->found))
			mirror_fail(f->m, item->path, -FERRY_ENOMEM, "out of memory");
		f->m->moved_any = true;
	} else if (mirror_tries_again(f->m, item, result)) {
		item->tries++;
		plan_push(&f->m->plan.directories, *item);
		*item = (struct plan_item){.path = NULL};
	} else if (!mirror_stops(f->m)) {
		mirror_fail_session(f->m, item->path, f->lane, result);
	}
	plan_clear(&f->found);
	plan_item_clear(item);
}

/* ---------------------------------------------------------------- files */

static bool take_file(struct fetch *f, bool *ret_rest);

static struct plan_item *
item_of(struct fetch *f, size_t i)
{
	return &f->item[i % MIRROR_BATCH_MAX];
}

static int
file_begin(size_t i, int64_t size, int64_t mtime, void *user)
{
	struct fetch *f = user;
	const char *path = item_of(f, i)->path;
	uint64_t offset;

	f->sink.error[0] = '\0';
	if (mirror_enter_parent(f->m, &f->place, path, true, f->sink.error) < 0 ||
	    local_sink_open_at(
		&f->sink, f->place.fd, local_last_component(path), false, &offset) < 0)
		return -1;
	f->is_open = true;
	f->sink.mtime = mtime;
	return 0;
}

static int
file_write(size_t i, const void *data, size_t n, void *user)
{
	struct fetch *f = user;

	f->m->bytes += n;
	return local_sink_write(data, n, &f->sink);
}

static void
file_end(size_t i, int result, void *user)
{
	struct fetch *f = user;
	struct plan_item *item = item_of(f, i);

	if (f->is_open)
		result = close_sink(f, result);
	f->ended[i % MIRROR_BATCH_MAX] = true;
	f->live--;
	f->live_bytes -= item->size > 0 ? item->size : 0;
	settle(f, item, result, f->sink.error);
	f->sink.error[0] = '\0';
}

/* As in struct ferry_many. */
static const char *
file_more(int64_t *ret_size, int64_t *ret_mtime, void *user)
{
	struct fetch *f = user;
	const struct plan_item *item;

	if (!mirror_goes_on(f->m) || !take_file(f, NULL))
		return NULL;
	item = item_of(f, f->n - 1);
	free(f->remote);
	f->remote = mirror_remote(f->m, item->path);
	*ret_size = item->size;
	*ret_mtime = item->mtime;
	return f->remote == NULL ? "" : f->remote;
}

static int
begin_many(struct fetch *f)
{
	const char *path[MIRROR_BATCH_MAX] = {NULL};
	int64_t size[MIRROR_BATCH_MAX], mtime[MIRROR_BATCH_MAX];
	const struct ferry_many many = {
	    .struct_size = sizeof many,
	    .times = true,
	    .begin = file_begin,
	    .write = file_write,
	    .end = file_end,
	    .sizes = size,
	    .mtimes = mtime,
	    /* told one after the other, it is easier to read */
	    .ahead = f->m->in_order && !f->m->opt->explain,
	    .more = file_more,
	};
	size_t n = f->n;
	int rc = 0;

	f->kind = FETCH_MANY;
	f->sink.error[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		path[i] = mirror_remote(f->m, f->item[i].path);
		size[i] = f->item[i].size;
		mtime[i] = f->item[i].mtime;
		rc = path[i] == NULL ? -FERRY_ENOMEM : rc;
	}
	if (rc == 0)
		rc = ferry_get_many(f->lane->s.h, path, n, &many, f);
	for (size_t i = 0; i < n; i++)
		free((char *)path[i]);
	return rc;
}

/* Those that had no end: the connection was lost before. The first of them may be the
 * reason; the others only stood behind it. */
static void
end_many(struct fetch *f, int result)
{
	bool first = true;

	if (f->is_open)
		close_sink(f, result);
	if (result == -FERRY_EDATA && !f->m->moved_any)
		lanes_fail(f->m->lanes, f->lane, result);
	for (size_t i = f->n > MIRROR_BATCH_MAX ? f->n - MIRROR_BATCH_MAX : 0; i < f->n;
	     i++) {
		struct plan_item *item = item_of(f, i);
		if (f->ended[i % MIRROR_BATCH_MAX])
			continue;
		if (mirror_stops(f->m)) {
			plan_item_clear(item);
		} else if (first) {
			settle(f, item, result, "");
			first = false;
		} else {
			plan_push(&f->m->plan.files, *item);
		}
	}
}

/* ---------------------------------------------------------------- --continue */

enum local_state { HERE_NOT, HERE_PART, HERE_WHOLE };

/* What is there of a file: all of it if it has the size and is not older. */
static enum local_state
look(struct fetch *f, const struct plan_item *item)
{
	const char *name = local_last_component(item->path);
	struct stat st;
	char error[512];

	if (mirror_enter_parent(f->m, &f->place, item->path, true, error) < 0)
		return HERE_NOT;
	if (local_has_part_at(f->place.fd, name))
		return HERE_PART;
	if (item->size >= 0 &&
	    fstatat(f->place.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_size == item->size &&
	    (item->mtime == INT64_MIN || st.st_mtime >= item->mtime))
		return HERE_WHOLE;
	return HERE_NOT;
}

static int
rest_write(const void *data, size_t n, void *user)
{
	return file_write(0, data, n, user);
}

/* The part is all of it already, or the beginning of another file. */
static bool
part_is_beginning(const struct plan_item *item, uint64_t offset)
{
	return offset > 0 && (item->size < 0 || offset < (uint64_t)item->size);
}

static int
begin_rest(struct fetch *f)
{
	struct plan_item *item = &f->item[0];
	_cleanup_free_ char *remote = mirror_remote(f->m, item->path);
	uint64_t offset = 0;

	f->kind = FETCH_REST;
	f->mtime = item->mtime;
	f->sink.error[0] = '\0';
	if (remote == NULL)
		return -FERRY_ENOMEM;
	int rc = local_sink_open_at(
	    &f->sink, f->place.fd, local_last_component(item->path), true, &offset);
	if (rc < 0)
		return rc;
	f->is_open = true;
	if (item->size >= 0 && offset == (uint64_t)item->size)
		return 0;
	if (!part_is_beginning(item, offset)) {
		/* from the beginning, over what is there */
		local_sink_close(&f->sink, false);
		f->is_open = false;
		rc = local_sink_open_at(&f->sink, f->place.fd,
		    local_last_component(item->path), false, &offset);
		if (rc < 0)
			return rc;
		f->is_open = true;
	}
	return ferry_get(f->lane->s.h, remote, offset, rest_write, f);
}

static int
go_on(struct fetch *f)
{
	_cleanup_free_ char *remote = mirror_remote(f->m, f->item[0].path);

	f->go_on = false;
	if (remote == NULL)
		return -FERRY_ENOMEM;
	if (f->kind == FETCH_TOP)
		return list(f, remote);
	return ferry_mtime(f->lane->s.h, remote, &f->mtime);
}

static void
end_rest(struct fetch *f, int result)
{
	if (f->is_open) {
		f->sink.mtime = f->mtime;
		result = close_sink(f, result);
	}
	settle(f, &f->item[0], result, f->sink.error);
}

/* ---------------------------------------------------------------- batches */

static bool
has_room(const struct fetch *f)
{
	return f->live < mirror_batch_size(f->m, f->lane) &&
	       f->live_bytes < MIRROR_BATCH_BYTES;
}

/* One more file for this session, from its beginning; with rest the first one may be the
 * rest of one. false: there is none, or none that may come next. */
static bool
take_file(struct fetch *f, bool *ret_rest)
{
	struct mirror *m = f->m;
	struct plan_item item;

	while (has_room(f) && plan_take(&m->plan.files, &item)) {
		enum local_state here = m->opt->resume ? look(f, &item) : HERE_NOT;

		if (here == HERE_WHOLE) {
			m->skipped++;
			plan_item_clear(&item);
			continue;
		}
		if (here == HERE_PART && (ret_rest == NULL || f->n > 0)) {
			plan_push(&m->plan.files, item);
			return false;
		}
		if (here == HERE_PART)
			*ret_rest = true;
		*item_of(f, f->n) = item;
		f->ended[f->n++ % MIRROR_BATCH_MAX] = false;
		f->live++;
		f->live_bytes += item.size > 0 ? item.size : 0;
		return true;
	}
	return false;
}

/* The files that the next operation begins with. true: it is the rest of one. */
static bool
gather(struct fetch *f)
{
	bool is_rest = false;

	f->n = f->live = 0;
	f->live_bytes = 0;
	while (!is_rest && take_file(f, &is_rest))
		continue;
	return is_rest;
}

/* A batch may turn out to be here already. */
static int
begin_next(struct fetch *f)
{
	struct mirror *m = f->m;

	while (m->plan.directories.count > 0 || m->plan.files.count > 0) {
		int rc = m->plan.files.count < MIRROR_FILES_AHEAD ? begin_list(f)
								  : LANE_NOTHING;
		if (rc != LANE_NOTHING)
			return rc;
		bool is_rest = gather(f);
		if (f->n > 0)
			return is_rest ? begin_rest(f) : begin_many(f);
	}
	return LANE_NOTHING;
}

static int
fetch_begin(struct lane *l, void *user)
{
	struct fetch *f = fetch_of(user, l);

	if (f == NULL)
		return LANE_NOTHING;
	return f->go_on ? go_on(f) : begin_next(f);
}

/* A listing tells the time to the minute at best: it is asked for. */
static bool
wants_time(const struct fetch *f, int result)
{
	return f->kind == FETCH_REST && result == 0 && f->mtime == INT64_MIN &&
	       ferry_has_feature(f->lane->s.h, "MDTM");
}

static void
fetch_end(struct lane *l, int result, void *user)
{
	struct fetch *f = fetch_of(user, l);

	if (wants_time(f, result)) {
		f->kind = FETCH_TIME;
		f->go_on = true;
		return;
	}
	if (f->kind == FETCH_TOP) {
		end_top(f);
		return;
	}
	if (f->kind == FETCH_LIST)
		end_list(f, result);
	else if (f->kind == FETCH_MANY)
		end_many(f, result);
	else if (f->kind == FETCH_REST || f->kind == FETCH_TIME)
		end_rest(f, f->kind == FETCH_TIME ? 0 : result);
	f->kind = FETCH_NOTHING;
}

const struct mirror_way mirror_way_get = {
    .verb = "RETR",
    .begin = fetch_begin,
    .end = fetch_end,
    .forget = fetch_free,
};
