/*
 * Queues of paths below the top of a tree.
 */
#include "plan.h"

#include "own.h"

bool
plan_name_is_good(const char *name)
{
	for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f)
			return false;
	return ferry_name_is_plain(name);
}

char *
plan_join(const char *directory, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s%s%s", directory, *directory == '\0' ? "" : "/", name) < 0)
		return NULL;
	return path;
}

static unsigned
depth_of(const char *path)
{
	unsigned n = *path == '\0' ? 0 : 1;

	for (; *path != '\0'; path++)
		n += *path == '/';
	return n;
}

const char *
plan_why(enum plan_verdict v)
{
	static const char *const why[] = {
	    [PLAN_TAKEN] = NULL,
	    [PLAN_LINK] = "a symbolic link: left out",
	    [PLAN_SPECIAL] = "neither a file nor a directory: left out",
	    [PLAN_LOOP] =
		"the server says that this is a directory that it is in: left out",
	    [PLAN_NAME] = "the server's name for it may not become a name here: refused",
	    [PLAN_DEEP] = "the tree is too deep here",
	    [PLAN_MANY] = "there are too many files",
	    [PLAN_MEMORY] = "out of memory",
	};

	return why[v];
}

bool
plan_mark(struct plan_item *directory, const char *trail_above, const char *unique)
{
	char *trail = NULL;

	if (unique == NULL && trail_above == NULL)
		return true;
	if (asprintf(&trail, "%s%s\n", trail_above == NULL ? "\n" : trail_above,
		unique == NULL ? "" : unique) < 0)
		return false;
	free(directory->trail);
	directory->trail = trail;
	return true;
}

static bool
leads_back(const struct plan_item *directory, const struct ferry_entry *e)
{
	_cleanup_free_ char *mark = NULL;

	if (e->type != FERRY_ENTRY_DIRECTORY || e->unique == NULL ||
	    directory->trail == NULL)
		return false;
	if (asprintf(&mark, "\n%s\n", e->unique) < 0)
		return false; /* the depth ends it */
	return strstr(directory->trail, mark) != NULL;
}

static enum plan_verdict
check(
    const struct plan *p, const struct plan_item *directory, const struct ferry_entry *e)
{
	if (e->type == FERRY_ENTRY_LINK)
		return PLAN_LINK;
	if (e->type == FERRY_ENTRY_OTHER)
		return PLAN_SPECIAL;
	if (e->name == NULL || !plan_name_is_good(e->name))
		return PLAN_NAME;
	if (leads_back(directory, e))
		return PLAN_LOOP;
	if (depth_of(directory->path) >= PLAN_DEPTH_MAX ||
	    strlen(directory->path) + strlen(e->name) >= PLAN_PATH_MAX)
		return PLAN_DEEP;
	if (p->directories.count + p->files.count >= PLAN_COUNT_MAX)
		return PLAN_MANY;
	return PLAN_TAKEN;
}

enum plan_verdict
plan_add(struct plan *p, const struct plan_item *directory, const struct ferry_entry *e)
{
	bool is_directory = e->type == FERRY_ENTRY_DIRECTORY;
	enum plan_verdict v = check(p, directory, e);
	struct plan_item item = {.size = e->size, .mtime = INT64_MIN};

	if (v != PLAN_TAKEN)
		return v;
	if (e->exact)
		item.mtime = e->mtime;
	item.path = plan_join(directory->path, e->name);
	if (item.path == NULL ||
	    (is_directory && !plan_mark(&item, directory->trail, e->unique))) {
		plan_item_clear(&item);
		return PLAN_MEMORY;
	}
	return plan_push(is_directory ? &p->directories : &p->files, item) ? PLAN_TAKEN
									   : PLAN_MEMORY;
}

/* ---------------------------------------------------------------- queues */

/* What has been taken makes room first. */
static bool
make_room(struct plan_queue *q)
{
	size_t room = q->room == 0 ? 64 : 2 * q->room;
	struct plan_item *more;

	if (q->head > 0 && q->head >= q->count) {
		memmove(q->at, q->at + q->head, q->count * sizeof *q->at);
		q->head = 0;
	}
	if (q->head + q->count < q->room)
		return true;
	more = reallocarray(q->at, room, sizeof *more);
	if (more == NULL)
		return false;
	q->at = more;
	q->room = room;
	return true;
}

bool
plan_push(struct plan_queue *q, struct plan_item item)
{
	if (!make_room(q)) {
		plan_item_clear(&item);
		return false;
	}
	q->at[q->head + q->count++] = item;
	return true;
}

bool
plan_take(struct plan_queue *q, struct plan_item *ret)
{
	if (q->count == 0)
		return false;
	*ret = q->at[q->head++];
	q->count--;
	return true;
}

bool
plan_take_last(struct plan_queue *q, struct plan_item *ret)
{
	if (q->count == 0)
		return false;
	*ret = q->at[q->head + --q->count];
	return true;
}

static bool
move_queue(struct plan_queue *to, struct plan_queue *from)
{
	struct plan_item item;
	bool all = true;

	while (plan_take(from, &item))
		all = plan_push(to, item) && all;
	return all;
}

bool
plan_move(struct plan *to, struct plan *from)
{
	bool files = move_queue(&to->files, &from->files);

	return move_queue(&to->directories, &from->directories) && files;
}

void
plan_item_clear(struct plan_item *item)
{
	freep(&item->path);
	freep(&item->trail);
}

static void
queue_clear(struct plan_queue *q)
{
	struct plan_item item;

	while (plan_take(q, &item))
		plan_item_clear(&item);
	free(q->at);
	*q = (struct plan_queue){.at = NULL};
}

void
plan_clear(struct plan *p)
{
	queue_clear(&p->directories);
	queue_clear(&p->files);
}
