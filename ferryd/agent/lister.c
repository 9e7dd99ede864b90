/*
 * Listings into a pipe. See lister.h.
 *
 * Order: by name, bytewise, for directories of usual size; one that is larger than the
 * bounds is listed in the order in which the file system has it, so that nothing has to
 * be collected. An entry that vanishes while we look is left out; an entry whose name a
 * line cannot carry as well (RFC 3659 2.2).
 */
#include "lister.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "facts.h"
#include "jail.h"
#include "name_set.h"
#include "path.h"

/* Bounds of a listing of several directories (LIST -R, wildcards in directories): past
 * them it ends as a failed one, never as a whole one. */
#define RECURSION_DEPTH 64
#define RECURSION_DIRECTORIES 10000
/* Bytes collected before they are written to the pipe, and room for one line more. */
#define LISTER_CHUNK 32768
#define LISTER_TEXT_MAX (LISTER_CHUNK + 4 * PATH_TEXT_MAX)
#define LISTER_STACK (256U << 10)

struct lister {
	struct channel *channel;
	struct grant *grant;
	int dir;    /* the directory to list, or -1: only the entry `path` */
	int out;    /* the pipe's write end */
	char *path; /* as the user sees it, absolute */
	char *shown;
	char *pattern; /* its components, each with its NUL */
	size_t parts;  /* how many; 0: no pattern */
	uint8_t format;
	uint32_t flags, facts;
	bool failed; /* nothing is written any more but the end */
	bool incomplete;
	time_t now;
	struct buf text; /* not written yet */
	char **pending;  /* subdirectories to list, last one first, relative to dir */
	size_t pending_n, pending_cap;
	size_t visited;
};

/* One directory being listed: where it is for the kernel and for the user. */
struct lister_dir {
	int fd;
	const char *below; /* relative to the listing's directory; "" for that one */
	struct facts_place place;
};

/* ---- writing ---- */

static void
lister_flush(struct lister *l)
{
	while (!l->failed && buf_len(&l->text) > 0) {
		ssize_t n = write(l->out, buf_data(&l->text), buf_len(&l->text));
		if (n > 0)
			buf_consume(&l->text, (size_t)n);
		else if (errno != EINTR)
			l->failed = true; /* EPIPE: nobody reads any more */
	}
}

/* r: of the formatter that appended a line. */
static void
lister_wrote(struct lister *l, int r)
{
	if (r < 0)
		l->incomplete = true;
	if (buf_len(&l->text) >= LISTER_CHUNK)
		lister_flush(l);
}

static void
lister_finish(struct lister *l)
{
	buf_append_byte(&l->text, l->incomplete ? LIST_FAILED : LIST_COMPLETE);
	lister_flush(l);
}

/* ---- names ---- */

/* How many directories are between the listing's own and the end of below. */
static size_t
depth_of(const char *below)
{
	size_t depth = below[0] != '\0';

	for (; *below; below++)
		depth += *below == '/';
	return depth;
}

/* Cuts the pattern at its slashes; what is empty between two of them is no component. */
static void
lister_split_pattern(struct lister *l)
{
	char *to = l->pattern;

	for (const char *from = l->pattern; *from != '\0';) {
		size_t n = strcspn(from, "/");

		if (n > 0) {
			memmove(to, from, n);
			to += n;
			l->parts++;
		}
		from += n + (from[n] == '/');
		/* Behind what has been read, or upon the NUL at the end. */
		if (n > 0)
			*to++ = '\0';
	}
}

/* Does the name in below match the component of the pattern that is for it? A name that
 * looks like a pattern, "[old]", is meant by itself, too. */
static bool
lister_matches(const struct lister *l, const char *below, const char *name)
{
	const char *part = l->pattern;

	for (size_t depth = depth_of(below); depth > 0; depth--)
		part += strlen(part) + 1;
	return path_match(part, name) || strcmp(part, name) == 0;
}

static bool
lister_wants(const struct lister *l, const struct lister_dir *d, const char *name)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false; /* lister_dots */
	if (l->parts > 0)
		return lister_matches(l, d->below, name);
	return name[0] != '.' || (l->flags & (LIST_ALL | LIST_DOTFILES)) ||
	       l->grant->agent->conf->force_dot_files;
}

static bool
lister_recurses(const struct lister *l)
{
	return (l->flags & LIST_RECURSIVE) && l->format != LIST_MLSD && l->parts == 0 &&
	       l->grant->agent->conf->ls_recurse_enable;
}

/* ---- one entry ---- */

/* Not there (any more), or not for us to look at: such an entry is left out and the
 * listing is whole. Anything else is a failure that the user must hear of. */
static bool
is_missing(int error)
{
	return error == ENOENT || error == ENOTDIR || error == EACCES || error == EPERM ||
	       error == ELOOP;
}

/* A relative path of the directory and one of its entries. NULL when memory is out. */
static char *
join(const char *dir, const char *name)
{
	char *joined = NULL;
	bool plain = dir[0] == '\0' || name[0] == '\0' || dir[strlen(dir) - 1] == '/';

	return asprintf(&joined, "%s%s%s", dir, plain ? "" : "/", name) < 0 ? NULL
									    : joined;
}

/* NLST: each name can be used as it is in the next command (RFC 1123 4.1.2.7). */
static void
lister_put_name(struct lister *l, const char *below, const char *name)
{
	_cleanup_free_ char *dir = join(l->shown, below);
	_cleanup_free_ char *whole = dir ? join(dir, name) : NULL;
	size_t n = whole ? strlen(whole) : 0;

	if (!whole) {
		l->incomplete = true;
		return;
	}
	if (!listing_name_fits(whole, n))
		return;
	int r = buf_append(&l->text, whole, n);
	lister_wrote(l, r < 0 ? r : buf_append(&l->text, "\r\n", 2));
}

/* The text of a link for "name -> text"; a text that would break the line is left out. */
static const char *
link_text(int at, const char *name, char *out, size_t cap)
{
	ssize_t n = readlinkat(at, name, out, cap - 1);

	if (n <= 0 || (size_t)n >= cap - 1)
		return NULL;
	out[n] = '\0';
	return listing_name_fits(out, (size_t)n) ? out : NULL;
}

/* at and name: the entry for the kernel; shown: its name for the user. */
static void
lister_put_ls(
    struct lister *l, int at, const char *name, const char *shown, const struct stat *st)
{
	char link[PATH_MAX];
	struct facts f;

	facts_fill(&f, l->grant, shown, st);
	if (S_ISLNK(st->st_mode))
		f.item.link = link_text(at, name, link, sizeof(link));
	lister_wrote(l, listing_format_ls(&l->text, &f.item, l->now,
			    l->grant->agent->conf->use_localtime));
}

static void
lister_put_facts(struct lister *l, const struct facts *f)
{
	int r = listing_format_mlsx(&l->text, &f->item, l->facts);

	lister_wrote(l, r < 0 ? r : buf_append(&l->text, "\r\n", 2));
}

/* MLSD shows a link as what it leads to inside the root (RFC 3659 7.5.1.5); one that
 * leads nowhere as itself, so that it can be seen and deleted. */
static void
lister_put_mlsd(
    struct lister *l, const struct lister_dir *d, const char *name, struct stat *st)
{
	_cleanup_free_ char *dir = join(l->path, d->below);
	_cleanup_free_ char *whole = dir ? join(dir, name) : NULL;
	_cleanup_close_ int target = -1;
	struct facts f;

	if (S_ISLNK(st->st_mode) && whole)
		target = jail_open(l->grant->root, whole, O_PATH);
	if (target >= 0 && fstat(target, st) < 0)
		fd_closep(&target);
	facts_fill(&f, l->grant, name, st);
	if (target >= 0)
		facts_mlsx(&f, l->grant, d->place, target, "", AT_EMPTY_PATH, NULL);
	else
		facts_mlsx(
		    &f, l->grant, d->place, d->fd, name, AT_SYMLINK_NOFOLLOW, NULL);
	lister_put_facts(l, &f);
}

/* Keeps a subdirectory for later. */
static void
lister_push(struct lister *l, const char *below, const char *name)
{
	if (depth_of(below) + 1 >= RECURSION_DEPTH ||
	    l->visited + l->pending_n >= RECURSION_DIRECTORIES) {
		l->incomplete = true;
		return;
	}
	if (l->pending_n == l->pending_cap) {
		size_t cap = l->pending_cap ? l->pending_cap * 2 : 64;
		char **grown = reallocarray(l->pending, cap, sizeof(*grown));
		l->incomplete |= !grown;
		if (!grown)
			return;
		l->pending = grown;
		l->pending_cap = cap;
	}
	char *path = join(below, name);
	l->incomplete |= !path;
	if (path)
		l->pending[l->pending_n++] = path;
}

/* An entry that matches one component of a pattern, not the last. */
static void
lister_descend(struct lister *l, const struct lister_dir *d, const char *name)
{
	struct stat st;

	if (fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		l->incomplete |= !is_missing(errno);
	else if (S_ISDIR(st.st_mode))
		lister_push(l, d->below, name);
}

static void
lister_entry(struct lister *l, const struct lister_dir *d, const char *name)
{
	_cleanup_free_ char *shown = NULL;
	struct stat st;

	if (!listing_name_fits(name, strlen(name)))
		return;
	if (depth_of(d->below) + 1 < l->parts) {
		lister_descend(l, d, name);
		return;
	}
	if (l->format == LIST_NAMES)
		lister_put_name(l, d->below, name);
	if (l->format == LIST_NAMES && !lister_recurses(l))
		return;
	if (fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		l->incomplete |= !is_missing(errno);
		return;
	}
	/* What a pattern finds in several directories is told apart by them. */
	if (l->format == LIST_LS && l->parts > 1)
		shown = join(d->below, name);
	if (l->format == LIST_LS)
		lister_put_ls(l, d->fd, name, shown ? shown : name, &st);
	if (l->format == LIST_MLSD)
		lister_put_mlsd(l, d, name, &st);
	if (lister_recurses(l) && S_ISDIR(st.st_mode))
		lister_push(l, d->below, name);
}

/* ---- one directory ---- */

/* The directory itself and the one above it, which for the root is the root: found inside
 * the jail, never by its ".." on disk. */
static void
lister_put_dot(
    struct lister *l, const struct lister_dir *d, const char *dots, const char *type)
{
	_cleanup_free_ char *dir = join(l->path, d->below);
	_cleanup_free_ char *whole = dir ? join(dir, dots) : NULL;
	_cleanup_close_ int fd = whole ? jail_open(l->grant->root, whole, O_PATH) : -1;
	struct stat st;
	struct facts f;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	if (l->format == LIST_LS) {
		lister_put_ls(l, fd, "", dots, &st);
		return;
	}
	facts_fill(&f, l->grant, dots, &st);
	facts_mlsx(&f, l->grant, FACTS_NOWHERE, fd, "", AT_EMPTY_PATH, type);
	lister_put_facts(l, &f);
}

static void
lister_dots(struct lister *l, const struct lister_dir *d)
{
	bool at_root = l->path[strspn(l->path, "/")] == '\0';

	if (l->parts > 0)
		return;
	if (l->format == LIST_LS && (l->flags & LIST_ALL)) {
		lister_put_dot(l, d, ".", NULL);
		lister_put_dot(l, d, "..", NULL);
	}
	/* cdir and pdir only where the type fact tells them apart (RFC 3659 7.5.1). */
	if (l->format == LIST_MLSD && (l->facts & FACT_TYPE)) {
		lister_put_dot(l, d, ".", "cdir");
		if (!at_root)
			lister_put_dot(l, d, "..", "pdir");
	}
}

/* The next name that is wanted, or NULL at the end or when reading failed. */
static const char *
lister_next(struct lister *l, const struct lister_dir *d, DIR *dir)
{
	const struct dirent *e;

	do {
		errno = 0;
		e = readdir(dir);
	} while (e && !lister_wants(l, d, e->d_name));
	if (!e && errno != 0)
		l->incomplete = true;
	return e ? e->d_name : NULL;
}

static void
lister_entries(struct lister *l, const struct lister_dir *d, DIR *dir)
{
	_cleanup_(name_set_free)
	struct name_set set = NAME_SET_INIT;
	const char *name;
	int r = 0;

	while ((name = lister_next(l, d, dir)) != NULL) {
		r = name_set_add(&set, name);
		if (r != 0)
			break;
	}
	if (!name)
		name_set_sort(&set);
	for (size_t i = 0; i < set.n && !l->failed; i++)
		lister_entry(l, d, name_set_get(&set, i));
	for (; name && !l->failed; name = lister_next(l, d, dir))
		lister_entry(l, d, name);
}

/* The subdirectories found last come out first: in the order in which they were
 * listed. */
static void
lister_reverse(struct lister *l, size_t from)
{
	for (size_t a = from, b = l->pending_n; a + 1 < b; a++, b--) {
		char *swapped = l->pending[a];
		l->pending[a] = l->pending[b - 1];
		l->pending[b - 1] = swapped;
	}
}

/* Lists the directory fd, which is taken over. */
static void
lister_directory(struct lister *l, int fd, const char *below)
{
	size_t from = l->pending_n;
	DIR *dir = fdopendir(fd);

	if (!dir) {
		close(fd);
		l->incomplete = true;
		return;
	}
	struct lister_dir d = {.fd = fd, .below = below};
	if (l->format == LIST_MLSD && (l->facts & FACT_PERM))
		d.place = facts_place_of(fd);
	l->visited++;
	lister_dots(l, &d);
	lister_entries(l, &d, dir);
	lister_reverse(l, from);
	closedir(dir);
}

/* "dir:" before the entries of each directory, as ls -R writes it. NLST has none: its
 * names carry the directory. */
static void
lister_header(struct lister *l, const char *below)
{
	_cleanup_free_ char *whole = join(l->shown[0] ? l->shown : ".", below);

	if (!whole || l->format != LIST_LS || !lister_recurses(l))
		return;
	int r = l->visited > 0 ? buf_append(&l->text, "\r\n", 2) : 0;
	lister_wrote(l, r < 0 ? r : buf_printf(&l->text, "%s:\r\n", whole));
}

static void
lister_tree(struct lister *l)
{
	int top = fcntl(l->dir, F_DUPFD_CLOEXEC, 3);

	lister_header(l, "");
	if (top < 0)
		l->incomplete = true;
	else
		lister_directory(l, top, "");
	while (l->pending_n > 0 && !l->failed) {
		_cleanup_free_ char *below = l->pending[--l->pending_n];
		int fd = jail_open_below(l->dir, below, O_RDONLY | O_DIRECTORY);
		if (fd < 0) {
			l->incomplete |= !is_missing(-fd);
			continue;
		}
		lister_header(l, below);
		lister_directory(l, fd, below);
	}
}

/* The entry `path` alone: a file, or with LIST_DIRECTORY the directory itself. */
static void
lister_single(struct lister *l)
{
	const char *base = path_base(l->path), *name = base[0] ? base : ".";
	_cleanup_close_ int fd = jail_open(l->grant->root, l->path, O_PATH | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		l->incomplete |= !is_missing(fd < 0 ? -fd : errno);
		return;
	}
	if (l->format == LIST_NAMES)
		lister_put_name(l, "", l->shown[0] ? "" : name);
	else if (listing_name_fits(name, strlen(name)))
		lister_put_ls(l, fd, "", name, &st);
}

/* ---- the thread ---- */

static void
lister_free(struct lister *l)
{
	if (!l)
		return;
	fd_closep(&l->dir);
	fd_closep(&l->out);
	while (l->pending_n > 0)
		free(l->pending[--l->pending_n]);
	free(l->pending);
	free(l->path);
	free(l->shown);
	free(l->pattern);
	buf_free(&l->text);
	grant_unref(l->grant);
	if (l->channel) {
		l->channel->listings--;
		channel_unref(l->channel);
	}
	free(l);
}

static void
lister_freep(struct lister **l)
{
	lister_free(*l);
}

static void *
lister_run(void *user)
{
	_cleanup_(lister_freep)
	struct lister *l = user;

	l->now = time(NULL);
	if (l->dir >= 0)
		lister_tree(l);
	else
		lister_single(l);
	lister_finish(l);
	return NULL;
}

/* 0 or a negative errno. */
static int
lister_spawn(struct lister *l)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, LISTER_STACK);
	int r = pthread_create(&thread, &attr, lister_run, l);
	pthread_attr_destroy(&attr);
	return -r;
}

/* ---- starting ---- */

static struct lister *
lister_new(
    struct channel *c, struct grant *g, const struct msg_agent_list *m, const char *path)
{
	struct lister *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	*l = (struct lister){
	    .dir = -1,
	    .out = -1,
	    .channel = channel_ref(c),
	    .grant = grant_ref(g),
	    .path = strdup(path),
	    .shown = bytes_dup(m->shown),
	    .pattern = bytes_dup(m->pattern),
	    .format = m->format,
	    .flags = m->flags,
	    .facts = m->facts,
	    .text = BUF_INIT(LISTER_TEXT_MAX),
	};
	c->listings++;
	if (!l->path || !l->shown || !l->pattern) {
		lister_free(l);
		return NULL;
	}
	lister_split_pattern(l);
	return l;
}

/* What path is decides what is listed: 0 and l->dir set or, for a file, not; else the
 * answer tells. */
static int
lister_open(struct lister *l, struct answer *a)
{
	const struct store *store = l->grant->agent->store;
	int root = l->grant->root;
	struct stat st;
	bool link;
	int r;

	r = store->stat(root, l->path, false, &st);
	link = r == 0 && S_ISLNK(st.st_mode);
	if (link && store->stat(root, l->path, true, &st) < 0 && l->format == LIST_MLSD)
		r = -ENOENT;
	if (r < 0)
		return answer_fail_path(a, r, root, l->path);
	if (l->format == LIST_MLSD && !S_ISDIR(st.st_mode))
		return answer_fail(a, ENOTDIR,
		    "'%s' is not a directory; MLST tells about a file",
		    path_base(l->path));
	if (!S_ISDIR(st.st_mode) && l->parts > 0)
		return answer_fail_path(a, ENOTDIR, root, l->path);
	answer_stat(a, &st);
	if (!S_ISDIR(st.st_mode) || (l->flags & LIST_DIRECTORY && l->format != LIST_MLSD))
		return 0;
	r = store->directory(root, l->path, &l->dir);
	/* Names alone can be read without entering; all else asks each entry. */
	if (r == 0 && (l->format != LIST_NAMES || lister_recurses(l)))
		r = store->access(root, l->path, X_OK);
	return r < 0 ? answer_fail_path(a, r, root, l->path) : 0;
}

static int
lister_pipe(struct lister *l, struct answer *a)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	l->out = ends[1];
	a->fd = ends[0];
	return fcntl(a->fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int
lister_start(struct channel *c, struct grant *g, const struct msg_agent_list *m,
    const char *path, struct answer *a)
{
	if (c->listings >= AGENT_LISTINGS_MAX)
		return answer_fail(a, EAGAIN, "too many listings at once");
	_cleanup_(lister_freep)
	struct lister *l = lister_new(c, g, m, path);
	if (!l)
		return answer_fail(a, ENOMEM, "%s", answer_cause(ENOMEM));
	lister_open(l, a);
	if (a->body.error != 0)
		return 0;
	int r = lister_pipe(l, a);
	if (r == 0)
		r = lister_spawn(l);
	if (r < 0)
		return answer_fail(a, r, "%s", answer_cause(-r));
	l = NULL; /* the thread's */
	return 0;
}
