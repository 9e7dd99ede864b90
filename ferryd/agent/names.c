/*
 * User and group names for listings. See names.h.
 */
#include "names.h"

#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

/* More accounts than this are shown as numbers. */
#define NAMES_MAX 65536

struct name {
	uint32_t id;
	uint32_t order; /* the first line for an id counts, as with getpwuid() */
	char *text;
};

struct name_list {
	struct name *item;
	size_t n, cap;
};

struct names {
	struct name_list users, groups;
};

static void
name_list_add(struct name_list *l, uint32_t id, const char *text)
{
	if (l->n >= NAMES_MAX || text[0] == '\0' || strpbrk(text, " ;\r\n"))
		return;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct name *grown = reallocarray(l->item, cap, sizeof(*grown));
		if (!grown)
			return;
		l->item = grown;
		l->cap = cap;
	}
	char *copy = strdup(text);
	if (!copy)
		return;
	l->item[l->n] = (struct name){.id = id, .order = (uint32_t)l->n, .text = copy};
	l->n++;
}

static int
name_compare(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static const char *
name_list_find(const struct name_list *l, uint32_t id)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (l->item[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < l->n && l->item[low].id == id ? l->item[low].text : NULL;
}

static void
name_list_free(struct name_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->item[i].text);
	free(l->item);
}

static void
names_load_users(struct name_list *l)
{
	FILE *f = fopen("/etc/passwd", "re");

	if (!f)
		return;
	for (struct passwd *pw; (pw = fgetpwent(f)) != NULL;)
		name_list_add(l, pw->pw_uid, pw->pw_name);
	fclose(f);
}

static void
names_load_groups(struct name_list *l)
{
	FILE *f = fopen("/etc/group", "re");

	if (!f)
		return;
	for (struct group *gr; (gr = fgetgrent(f)) != NULL;)
		name_list_add(l, gr->gr_gid, gr->gr_name);
	fclose(f);
}

struct names *
names_load(void)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	names_load_users(&n->users);
	names_load_groups(&n->groups);
	if (n->users.n > 0)
		qsort(n->users.item, n->users.n, sizeof(struct name), name_compare);
	if (n->groups.n > 0)
		qsort(n->groups.item, n->groups.n, sizeof(struct name), name_compare);
	return n;
}

void
names_free(struct names *n)
{
	if (!n)
		return;
	name_list_free(&n->users);
	name_list_free(&n->groups);
	free(n);
}

const char *
names_user(const struct names *n, uid_t uid)
{
	return n ? name_list_find(&n->users, uid) : NULL;
}

const char *
names_group(const struct names *n, gid_t gid)
{
	return n ? name_list_find(&n->groups, gid) : NULL;
}
