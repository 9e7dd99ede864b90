/*
 * Lines of listings, one entry at a time. See lines.h. Must never let a name or a link's
 * text be more than that, and never follow a link but inside the jail.
 */
#include "lines.h"

#include <fcntl.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "jail.h"

bool
lines_is_missing(int error)
{
	return error == ENOENT || error == ENOTDIR || error == EACCES || error == EPERM ||
	       error == ELOOP;
}

int
lines_put_name(const char *prefix, const char *name, struct buf *out)
{
	size_t before = strlen(prefix), n = strlen(name);
	uint8_t *p;

	if (!listing_name_fits(name, n) ||
	    (before > 0 && !listing_name_fits(prefix, before)))
		return 0;
	int r = buf_reserve(out, before + n + 2, &p);
	if (r < 0)
		return r;
	memcpy(p, prefix, before);
	memcpy(p + before, name, n);
	memcpy(p + before + n, "\r\n", 2);
	buf_commit(out, before + n + 2);
	return 0;
}

/* The text of a link for "name -> text"; a text that would break the line is left out. */
static const char *
link_text(struct facts_at at, char *out, size_t cap)
{
	ssize_t n = readlinkat(at.at, at.path, out, cap - 1);

	if (n <= 0 || (size_t)n >= cap - 1)
		return NULL;
	out[n] = '\0';
	return listing_name_fits(out, (size_t)n) ? out : NULL;
}

/* f has been looked at. */
static int
put_ls(const struct lines *l, struct facts *f, struct facts_at at, const char *name,
    struct buf *out)
{
	char link[PATH_MAX];

	facts_fill(f, l->grant, name);
	if (S_ISLNK(f->st.st_mode))
		f->item.link = link_text(at, link, sizeof(link));
	return listing_format_ls(
	    out, &f->item, l->now, l->grant->agent->conf->use_localtime);
}

static int
put_mlsd(const struct lines *l, struct facts *f, struct facts_at at,
    struct facts_place place, const char *name, const char *type, struct buf *out)
{
	size_t before = buf_len(out);

	facts_fill(f, l->grant, name);
	facts_mlsx(f, l->facts, l->grant, place, at, type);
	int r = listing_format_mlsx(out, &f->item, l->facts);
	if (r == 0)
		r = buf_append(out, "\r\n", 2);
	if (r < 0)
		buf_truncate(out, before);
	return r;
}

/* MLSD shows a link as what it leads to inside the root (RFC 3659 7.5.1.5); one that
 * leads nowhere as itself, so that it can be seen and deleted. */
static int
put_link(const struct lines_dir *d, struct facts *f, struct facts_at at, struct buf *out)
{
	const struct lines *l = d->lines;
	_cleanup_free_ char *path = NULL;
	struct facts target;

	if (asprintf(&path, "%s/%s", d->path, at.path) < 0) {
		path = NULL;
		return -FERRY_ENOMEM;
	}
	_cleanup_close_ int fd = jail_open(l->grant->root, path, O_PATH);
	struct facts_at there = {.at = fd, .path = "", .flags = AT_EMPTY_PATH};
	if (fd >= 0 && facts_look(&target, l->facts, there) == 0)
		return put_mlsd(l, &target, there, d->place, at.path, NULL, out);
	return put_mlsd(l, f, at, d->place, at.path, NULL, out);
}

/* The directory's prefix and the name, as a LIST of several directories has them. */
static int
put_ls_of(const struct lines_dir *d, struct facts *f, struct facts_at at, struct buf *out)
{
	_cleanup_free_ char *whole = NULL;

	if (d->prefix[0] == '\0')
		return put_ls(d->lines, f, at, at.path, out);
	if (asprintf(&whole, "%s%s", d->prefix, at.path) < 0) {
		whole = NULL;
		return -FERRY_ENOMEM;
	}
	return put_ls(d->lines, f, at, whole, out);
}

int
lines_put(const struct lines_dir *d, const char *name, struct buf *out, mode_t *ret_mode)
{
	const struct lines *l = d->lines;
	struct facts_at at = {.at = d->fd, .path = name, .flags = AT_SYMLINK_NOFOLLOW};
	struct facts f;

	*ret_mode = 0;
	if (l->format == LIST_NAMES)
		return lines_put_name(d->prefix, name, out);
	if (!listing_name_fits(name, strlen(name)))
		return 0;
	int r = facts_look(&f, l->format == LIST_MLSD ? l->facts : 0, at);
	if (r < 0)
		return lines_is_missing(-r) ? 0 : -FERRY_ESYS;
	*ret_mode = f.st.st_mode;
	if (l->format == LIST_LS)
		return put_ls_of(d, &f, at, out);
	if (S_ISLNK(f.st.st_mode))
		return put_link(d, &f, at, out);
	return put_mlsd(l, &f, at, d->place, name, NULL, out);
}

int
lines_put_open(
    const struct lines *l, int fd, const char *name, const char *type, struct buf *out)
{
	struct facts_at at = {.at = fd, .path = "", .flags = AT_EMPTY_PATH};
	struct facts f;

	if (facts_look(&f, l->format == LIST_MLSD ? l->facts : 0, at) < 0)
		return -FERRY_ESYS;
	if (l->format == LIST_LS)
		return put_ls(l, &f, at, name, out);
	return put_mlsd(l, &f, at, FACTS_NOWHERE, name, type, out);
}
