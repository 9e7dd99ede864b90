/*
 * Listings into a pipe. See lister.h.
 *
 * Order: by name, bytewise, for directories of usual size; one that is larger than the
 * bounds is listed in the order in which the file system has it, so that nothing has to
 * be collected. An entry that vanishes while we look is left out; an entry whose name a
 * line cannot carry as well (RFC 3659 2.2).
 *
 * A directory's names are cut into pieces: the listing's thread reads them, looks at the
 * entries of a piece and writes its lines. In a large directory other threads look at
 * pieces as well (convoy.h).
 */
#include "lister.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "convoy.h"
#include "jail.h"
#include "lines.h"
#include "name_set.h"
#include "path.h"

/* Bounds of a listing of several directories (LIST -R, wildcards in directories): past
 * them it ends as a failed one, never as a whole one. */
#define RECURSION_DEPTH 64
#define RECURSION_DIRECTORIES 10000
/* Bytes collected before they are written to the pipe. */
#define LISTER_CHUNK 32768
#define LISTER_TEXT_MAX (2 * LISTER_CHUNK + 4 * PATH_TEXT_MAX)
#define LISTER_STACK (256U << 10)
/* What the pipe of a large listing holds, if the system lets us: so that reader and
 * writer seldom wait for each other. */
#define LISTER_PIPE (256 << 10)
/* Names in the first piece of a directory, so that it is on its way soon, and in later
 * ones; text of a piece that is written before the piece goes on. */
#define PIECE_FIRST 128
#define PIECE_NAMES 512
#define PIECE_TEXT (128U << 10)
#define PIECE_TEXT_MAX (PIECE_TEXT + 4 * PATH_TEXT_MAX)

/* Some names of a directory on their way to become lines. */
struct piece {
	struct buf names; /* each with its NUL */
	size_t n, next;   /* how many, and which has no line yet */
	size_t at;        /* where that one begins in names */
	struct buf text;
	bool incomplete;
};

struct lister {
	struct channel *channel;
	struct grant *grant;
	int dir;    /* the directory to list, or -1: only the entry `path` */
	int out;    /* the pipe's write end */
	char *path; /* as the user sees it, absolute */
	char *shown;
	char *pattern; /* its components, each with its NUL */
	size_t parts;  /* how many; 0: no pattern */
	struct lines lines;
	uint32_t flags;
	bool failed; /* nothing is written any more but the end */
	bool incomplete;
	struct buf text; /* not written yet */
	char **pending;  /* subdirectories to list, last one first, relative to dir */
	size_t pending_n, pending_cap;
	size_t visited;
	struct piece pieces[CONVOY_SLOTS];
};

/* One directory being listed. */
struct lister_dir {
	struct lister *lister;
	const char *below; /* relative to the listing's directory; "" for that one */
	struct lines_dir lines;
	DIR *dir;
	struct name_set set; /* the names that were read first */
	size_t set_next;
	const char *read; /* the name behind them, not yet in a piece */
	bool more;        /* there are names that are in no piece yet */
	size_t piece_names;
};

/* ---- writing ---- */

static void
lister_write(struct lister *l, struct buf *text)
{
	while (!l->failed && buf_len(text) > 0) {
		ssize_t n = write(l->out, buf_data(text), buf_len(text));
		if (n > 0)
			buf_consume(text, (size_t)n);
		else if (errno != EINTR)
			l->failed = true; /* EPIPE: nobody reads any more */
	}
}

static void
lister_flush(struct lister *l)
{
	lister_write(l, &l->text);
}

/* r: of what appended to the text. */
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
	return (l->flags & LIST_RECURSIVE) && l->lines.format != LIST_MLSD &&
	       l->parts == 0 && l->grant->agent->conf->ls_recurse_enable;
}

/* ---- one entry ---- */

/* A relative path of the directory and one of its entries. NULL when memory is out. */
static char *
join(const char *dir, const char *name)
{
	char *joined = NULL;
	bool plain = dir[0] == '\0' || name[0] == '\0' || dir[strlen(dir) - 1] == '/';

	return asprintf(&joined, "%s%s%s", dir, plain ? "" : "/", name) < 0 ? NULL
									    : joined;
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

/* An entry that is perhaps a directory to be listed as well. */
static void
lister_descend(struct lister *l, const struct lister_dir *d, const char *name)
{
	struct stat st;

	if (fstatat(d->lines.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		l->incomplete |= !lines_is_missing(errno);
	else if (S_ISDIR(st.st_mode))
		lister_push(l, d->below, name);
}

/* In any thread, unless the listing goes down into directories. 0 or -FERRY_E... */
static int
lister_entry(struct lister_dir *d, const char *name, struct buf *text)
{
	struct lister *l = d->lister;
	mode_t mode;

	if (!listing_name_fits(name, strlen(name)))
		return 0;
	if (depth_of(d->below) + 1 < l->parts) {
		lister_descend(l, d, name);
		return 0;
	}
	int r = lines_put(&d->lines, name, text, &mode);
	if (lister_recurses(l) && l->lines.format == LIST_NAMES)
		lister_descend(l, d, name);
	else if (lister_recurses(l) && S_ISDIR(mode))
		lister_push(l, d->below, name);
	return r;
}

/* ---- pieces ---- */

/* The next name that is wanted, or NULL at the end or when reading failed. */
static const char *
lister_next(struct lister_dir *d)
{
	const struct dirent *e;

	do {
		errno = 0;
		e = readdir(d->dir);
	} while (e && !lister_wants(d->lister, d, e->d_name));
	if (!e && errno != 0)
		d->lister->incomplete = true;
	return e ? e->d_name : NULL;
}

/* Reads names until the directory is at its end, and sorts them, or there are too
 * many. */
static void
lister_collect(struct lister_dir *d)
{
	while ((d->read = lister_next(d)) != NULL)
		if (name_set_add(&d->set, d->read) != 0)
			break;
	if (!d->read)
		name_set_sort(&d->set);
	d->more = d->read || d->set.n > 0;
}

/* The name that goes into a piece next, or NULL. It stays until lister_took(). */
static const char *
lister_peek(const struct lister_dir *d)
{
	return d->set_next < d->set.n ? name_set_get(&d->set, d->set_next) : d->read;
}

static void
lister_took(struct lister_dir *d)
{
	if (d->set_next < d->set.n)
		d->set_next++;
	else
		d->read = lister_next(d);
}

static bool
piece_load(void *user, unsigned slot)
{
	struct lister_dir *d = user;
	struct piece *p = &d->lister->pieces[slot];
	const char *name;

	buf_clear(&p->names);
	p->n = p->next = p->at = 0;
	for (; p->n < d->piece_names && (name = lister_peek(d)) != NULL; lister_took(d)) {
		if (buf_append(&p->names, name, strlen(name) + 1) == 0)
			p->n++;
		else
			p->incomplete = true;
	}
	d->more = lister_peek(d) != NULL;
	if (d->piece_names < PIECE_NAMES)
		d->piece_names *= 2;
	return p->n > 0;
}

/* Until all names have their lines, or there are as many lines as a piece may hold. */
static void
piece_work(void *user, unsigned slot)
{
	struct lister_dir *d = user;
	struct piece *p = &d->lister->pieces[slot];

	for (; p->next < p->n && buf_len(&p->text) < PIECE_TEXT; p->next++) {
		const char *name = (const char *)buf_data(&p->names) + p->at;

		p->incomplete |= lister_entry(d, name, &p->text) < 0;
		p->at += strlen(name) + 1;
	}
}

/* What comes soon after it is written together with it. */
static void
piece_write(struct lister_dir *d, struct piece *p, bool more)
{
	struct lister *l = d->lister;

	if (more || buf_len(&p->text) >= LISTER_CHUNK) {
		lister_flush(l);
		lister_write(l, &p->text);
	} else {
		lister_wrote(
		    l, buf_append(&l->text, buf_data(&p->text), buf_len(&p->text)));
	}
	buf_clear(&p->text);
}

static bool
piece_deliver(void *user, unsigned slot)
{
	struct lister_dir *d = user;
	struct lister *l = d->lister;
	struct piece *p = &l->pieces[slot];

	while (p->next < p->n && !l->failed) {
		piece_write(d, p, true);
		piece_work(d, slot);
	}
	piece_write(d, p, d->more);
	l->incomplete |= p->incomplete;
	p->incomplete = false;
	return !l->failed;
}

static void
lister_entries(struct lister_dir *d)
{
	struct lister *l = d->lister;
	bool alone = lister_recurses(l) || l->parts > 1;
	struct convoy convoy = {
	    .user = d,
	    .load = piece_load,
	    .work = piece_work,
	    .deliver = piece_deliver,
	    .spare = alone ? NULL : &l->channel->agent->spare,
	};

	lister_collect(d);
	if (d->read)
		(void)fcntl(l->out, F_SETPIPE_SZ, LISTER_PIPE);
	convoy_run(&convoy);
	name_set_free(&d->set);
}

/* ---- one directory ---- */

/* The directory itself and the one above it, which for the root is the root: found inside
 * the jail, never by its ".." on disk. */
static void
lister_put_dot(
    struct lister *l, const struct lister_dir *d, const char *dots, const char *type)
{
	_cleanup_free_ char *whole = join(d->lines.path, dots);
	_cleanup_close_ int fd = whole ? jail_open(l->grant->root, whole, O_PATH) : -1;

	if (fd >= 0)
		lister_wrote(l, lines_put_open(&l->lines, fd, dots, type, &l->text));
}

static void
lister_dots(struct lister *l, const struct lister_dir *d)
{
	bool at_root = l->path[strspn(l->path, "/")] == '\0';

	if (l->parts > 0)
		return;
	if (l->lines.format == LIST_LS && (l->flags & LIST_ALL)) {
		lister_put_dot(l, d, ".", NULL);
		lister_put_dot(l, d, "..", NULL);
	}
	/* cdir and pdir only where the type fact tells them apart (RFC 3659 7.5.1). */
	if (l->lines.format == LIST_MLSD && (l->lines.facts & FACT_TYPE)) {
		lister_put_dot(l, d, ".", "cdir");
		if (!at_root)
			lister_put_dot(l, d, "..", "pdir");
	}
}

/* What stands before each name of a directory: in NLST what the user called it, so that
 * each name can be used as it is in the next command (RFC 1123 4.1.2.7); in LIST, when a
 * pattern finds entries in several directories, what tells these apart. NULL when memory
 * is out. */
static char *
lister_prefix(const struct lister *l, const char *below)
{
	bool names = l->lines.format == LIST_NAMES;
	bool several = l->lines.format == LIST_LS && l->parts > 1;
	_cleanup_free_ char *dir =
	    names ? join(l->shown, below) : strdup(several ? below : "");
	char *prefix = NULL;

	if (!dir)
		return NULL;
	bool plain = dir[0] == '\0' || dir[strlen(dir) - 1] == '/';
	return asprintf(&prefix, "%s%s", dir, plain ? "" : "/") < 0 ? NULL : prefix;
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

static void
lister_list(struct lister *l, DIR *dir, const char *below)
{
	_cleanup_free_ char *path = join(l->path, below);
	_cleanup_free_ char *prefix = lister_prefix(l, below);
	size_t from = l->pending_n;
	struct lister_dir d = {
	    .lister = l,
	    .below = below,
	    .lines = {.lines = &l->lines, .fd = dirfd(dir)},
	    .dir = dir,
	    .set = NAME_SET_INIT,
	    .piece_names = PIECE_FIRST,
	};

	l->incomplete |= !path || !prefix;
	if (!path || !prefix)
		return;
	d.lines.path = path;
	d.lines.prefix = prefix;
	if (l->lines.format == LIST_MLSD && (l->lines.facts & FACT_PERM))
		d.lines.place = facts_place_of(d.lines.fd);
	l->visited++;
	lister_dots(l, &d);
	lister_entries(&d);
	lister_reverse(l, from);
}

/* Lists the directory fd, which is taken over. */
static void
lister_directory(struct lister *l, int fd, const char *below)
{
	DIR *dir = fdopendir(fd);

	if (!dir) {
		close(fd);
		l->incomplete = true;
		return;
	}
	lister_list(l, dir, below);
	closedir(dir);
}

/* "dir:" before the entries of each directory, as ls -R writes it. NLST has none: its
 * names carry the directory. */
static void
lister_header(struct lister *l, const char *below)
{
	_cleanup_free_ char *whole = join(l->shown[0] ? l->shown : ".", below);

	if (!whole || l->lines.format != LIST_LS || !lister_recurses(l))
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
			l->incomplete |= !lines_is_missing(-fd);
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

	if (fd < 0)
		l->incomplete |= !lines_is_missing(-fd);
	else if (l->lines.format == LIST_NAMES)
		lister_wrote(
		    l, lines_put_name("", l->shown[0] ? l->shown : name, &l->text));
	else if (listing_name_fits(name, strlen(name)))
		lister_wrote(l, lines_put_open(&l->lines, fd, name, NULL, &l->text));
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
	for (size_t i = 0; i < ARRAY_LEN(l->pieces); i++) {
		buf_free(&l->pieces[i].names);
		buf_free(&l->pieces[i].text);
	}
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

	l->lines.now = time(NULL);
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
	    .lines = {.grant = g, .format = m->format, .facts = m->facts},
	    .flags = m->flags,
	    .text = BUF_INIT(LISTER_TEXT_MAX),
	};
	for (size_t i = 0; i < ARRAY_LEN(l->pieces); i++) {
		buf_init(&l->pieces[i].names, PIECE_NAMES * (NAME_MAX + 1));
		buf_init(&l->pieces[i].text, PIECE_TEXT_MAX);
	}
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
	if (link && store->stat(root, l->path, true, &st) < 0 &&
	    l->lines.format == LIST_MLSD)
		r = -ENOENT;
	if (r < 0)
		return answer_fail_path(a, r, root, l->path);
	if (l->lines.format == LIST_MLSD && !S_ISDIR(st.st_mode))
		return answer_fail(a, ENOTDIR,
		    "'%s' is not a directory; MLST tells about a file",
		    path_base(l->path));
	if (!S_ISDIR(st.st_mode) && l->parts > 0)
		return answer_fail_path(a, ENOTDIR, root, l->path);
	answer_stat(a, &st);
	if (!S_ISDIR(st.st_mode) ||
	    (l->flags & LIST_DIRECTORY && l->lines.format != LIST_MLSD))
		return 0;
	r = store->directory(root, l->path, &l->dir);
	/* Names alone can be read without entering; all else asks each entry. */
	if (r == 0 && (l->lines.format != LIST_NAMES || lister_recurses(l)))
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
