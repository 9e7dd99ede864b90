/*
 * What both directions of a recursive transfer share: arguments, counts, failures and the
 * line at the end.
 */
#include "mirror.h"

#include "draw.h"
#include "interrupt.h"
#include "mirror_way.h"
#include "own.h"
#include "safe.h"
#include "secret.h"

#include <fcntl.h>

#define FAILURES_MAX 1000    /* that are named */
#define BATCH_MIN 4          /* less is not worth a beginning */
#define STREAM_BATCH 2       /* one under way, and one whose EPSV is */
#define SMALL_BYTES 131072   /* of a file on an average */
#define SAMPLE 64            /* that are looked at for it */
#define FILES_OF_DIRECTORY 8 /* that are expected in one that was not looked into yet */

/* ---------------------------------------------------------------- here and there */

int
mirror_enter(const struct mirror *m, struct mirror_place *p, const char *dir, bool create,
    char error[512])
{
	int fd;

	if (p->dir != NULL && strcmp(dir, p->dir) == 0)
		return 0;
	mirror_leave(p);
	fd = local_tree_enter(m->top, dir, create, error);
	if (fd < 0)
		return fd;
	p->fd = fd;
	p->dir = strdup(dir);
	return 0;
}

int
mirror_enter_parent(const struct mirror *m, struct mirror_place *p, const char *path,
    bool create, char error[512])
{
	const char *name = local_last_component(path);
	_cleanup_free_ char *dir =
	    strndup(path, name == path ? 0 : (size_t)(name - path) - 1);

	if (dir != NULL)
		return mirror_enter(m, p, dir, create, error);
	snprintf(error, 512, "out of memory");
	return -FERRY_ELOCAL;
}

void
mirror_leave(struct mirror_place *p)
{
	fd_closep(&p->fd);
	freep(&p->dir);
}

char *
mirror_remote(const struct mirror *m, const char *path)
{
	size_t n = strlen(m->base);

	if (*path == '\0')
		return strdup(m->base);
	if (n > 0 && m->base[n - 1] == '/') {
		char *all = NULL;
		return asprintf(&all, "%s%s", m->base, path) < 0 ? NULL : all;
	}
	return plan_join(m->base, path);
}

size_t
mirror_batch_size(const struct mirror *m, const struct lane *l)
{
	size_t share = m->plan.files.count / (2 * (size_t)m->lanes->goal);

	if (!l->pipelines)
		return STREAM_BATCH;

	return share < BATCH_MIN          ? BATCH_MIN
	       : share > MIRROR_BATCH_MAX ? MIRROR_BATCH_MAX
					  : share;
}

bool
mirror_goes_on(const struct mirror *m)
{
	return lanes_goes_on(m->lanes) && (m->plan.directories.count == 0 ||
					      m->plan.files.count >= MIRROR_FILES_AHEAD);
}

/* ---------------------------------------------------------------- failures */

void
mirror_fail(struct mirror *m, const char *path, int result, const char *why)
{
	struct failure *more;

	if (m->code == EXITCODE_OK)
		m->code = exitcode_of(result);
	m->failed++;
	if (m->n_failures >= FAILURES_MAX)
		return;
	more = reallocarray(m->failures, m->n_failures + 1, sizeof *more);
	if (more == NULL)
		return;
	m->failures = more;
	more[m->n_failures++] = (struct failure){
	    .what = safe_string(*path == '\0' ? "." : path), .why = safe_string(why)};
}

void
mirror_fail_session(struct mirror *m, const char *path, const struct lane *l, int result)
{
	_cleanup_free_ char *why = session_error(&l->s, result);

	mirror_fail(m, path, result, why == NULL ? "" : why);
}

void
mirror_leave_out(struct mirror *m, const char *path, const char *why)
{
	_cleanup_free_ char *safe = safe_string(path);

	m->left_out++;
	progress_clear(&m->bar);
	if (m->opt->verbose && safe != NULL)
		fprintf(stderr, "ferry: %s: %s\n", safe, why);
}

bool
mirror_stops(const struct mirror *m)
{
	return m->lanes->stopping || interrupt_seen();
}

bool
mirror_tries_again(const struct mirror *m, const struct plan_item *item, int result)
{
	if (item->tries + 1 >= MIRROR_TRIES || mirror_stops(m))
		return false;
	return result == -FERRY_ESHORT || result == -FERRY_ETEMPORARY ||
	       result == -FERRY_ECLOSED || result == -FERRY_ETIMEOUT ||
	       result == -FERRY_ESTALLED || result == -FERRY_EPROTO ||
	       (result == -FERRY_EDATA && m->moved_any);
}

static void
tell_failures(struct mirror *m)
{
	for (size_t i = 0; i < m->n_failures; i++) {
		const struct failure *f = &m->failures[i];
		fprintf(stderr, "ferry: %s: %s\n", f->what == NULL ? "" : f->what,
		    f->why == NULL ? "" : f->why);
		free(m->failures[i].what);
		free(m->failures[i].why);
	}
	if (m->failed > m->n_failures)
		fprintf(stderr, "ferry: and %llu more\n",
		    (unsigned long long)(m->failed - m->n_failures));
	free(m->failures);
}

/* "12 files, 34,567 bytes in 0.42 s (81 kB/s), 3 sessions; 2 were there, 1 failed" */
static void
tell_summary(const struct mirror *m)
{
	double seconds = monotonic() - m->began;
	char bytes[32], files[32], rate[32];

	if (m->opt->quiet)
		return;
	fprintf(stderr, "%s file%s, %s bytes in %.2f s (%s), %u session%s",
	    draw_number(m->files, files), m->files == 1 ? "" : "s",
	    draw_number(m->bytes, bytes), seconds,
	    progress_rate(seconds > 0 ? (double)m->bytes / seconds : 0, rate),
	    m->lanes->most, m->lanes->most == 1 ? "" : "s");
	if (m->skipped > 0)
		fprintf(
		    stderr, "; %llu complete already", (unsigned long long)m->skipped);
	if (m->left_out > 0)
		fprintf(stderr, "; %llu left out", (unsigned long long)m->left_out);
	if (m->failed > 0)
		fprintf(stderr, "; %llu failed", (unsigned long long)m->failed);
	fputs(".\n", stderr);
}

/* ---------------------------------------------------------------- the run */

static bool
has_more(void *user)
{
	const struct mirror *m = user;

	return m->plan.directories.count > 0 || m->plan.files.count > 0;
}

/* The first ones stand for all: files of which a round trip is the smaller part are no
 * errands. */
static bool
files_are_small(const struct plan_queue *q)
{
	int64_t bytes = 0;
	size_t n = q->count < SAMPLE ? q->count : SAMPLE;

	for (size_t i = 0; i < n; i++)
		bytes += q->at[q->head + i].size;
	return bytes <= (int64_t)n * SMALL_BYTES;
}

static size_t
errands(void *user)
{
	const struct mirror *m = user;
	size_t n = m->plan.directories.count * FILES_OF_DIRECTORY;

	return files_are_small(&m->plan.files) ? n + m->plan.files.count : n;
}

static uint64_t
score(void *user)
{
	const struct mirror *m = user;

	return m->files + m->bytes / 65536;
}

static void
tick(void *user)
{
	struct mirror *m = user;

	progress_update(&m->bar, m->bytes, -1, monotonic());
}

/* What nobody came to. */
static void
fail_rest(struct mirror *m, int rc)
{
	uint64_t rest = m->plan.files.count + m->plan.directories.count;

	if (m->lanes->stopping) {
		m->code = EXITCODE_INTERRUPTED;
		fprintf(stderr, "ferry: interrupted\n");
		return;
	}
	mirror_fail(
	    m, m->base, rc, m->lanes->why == NULL ? ferry_strerror(rc) : m->lanes->why);
	if (rest > 0)
		mirror_fail(m, m->base, rc, "not everything was tried");
}

static void
run(struct mirror *m, const struct mirror_way *way)
{
	const struct lanes_work work = {
	    .begin = way->begin,
	    .end = way->end,
	    .has_more = has_more,
	    .errands = errands,
	    .score = score,
	    .tick = tick,
	};
	int rc = lanes_open(m->lanes, m->opt, &m->t);

	if (rc < 0) {
		mirror_fail_session(m, m->t.host, &m->lanes->lane[0], rc);
		return;
	}
	progress_begin(&m->bar, m->opt->quiet || m->opt->verbose ? NULL : stderr, m->base,
	    0, m->began);
	if (!plan_push(&m->plan.directories,
		(struct plan_item){.path = strdup(""), .size = -1, .mtime = INT64_MIN}))
		rc = -FERRY_ENOMEM;
	view_plan(&m->lanes->lane[0].s.view, m->opt->mode, way->verb, m->base);
	if (rc == 0)
		rc = lanes_run(m->lanes, &work, m);
	progress_end(&m->bar);
	if (rc < 0)
		fail_rest(m, rc);
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		way->forget(m, &m->lanes->lane[i]);
	view_outcome(&m->lanes->lane[0].s.view, rc, m->lanes->why);
}

static enum exitcode
finish(struct mirror *m, bool ran)
{
	if (ran)
		tell_summary(m);
	tell_failures(m);
	if (m->lanes != NULL && lanes_close(m->lanes) < 0 && m->code == EXITCODE_OK)
		m->code = EXITCODE_LOCAL;
	free(m->lanes);
	plan_clear(&m->plan);
	target_clear(&m->t);
	free(m->base);
	fd_closep(&m->top);
	return m->code;
}

static enum exitcode
refuse(const char *what, const char *why)
{
	_cleanup_free_ char *safe = safe_string(what);

	fprintf(stderr, "ferry: %s: %s\n", safe == NULL ? "" : safe, why);
	return EXITCODE_USAGE;
}

/* "pub/x/" names the same as "pub/x". */
static char *
without_slash(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return strndup(path, n);
}

/* The part of both that comes before the network. */
static int
begin(struct mirror *m, const struct options *opt, char *url)
{
	const char *why = "out of memory";
	int rc;

	*m = (struct mirror){
	    .opt = opt, .in_order = true, .top = -1, .began = monotonic()};
	rc = target_parse_url(url, &m->t, &why);
	secret_scrub_url(url);
	if (rc == 0 && m->t.path != NULL)
		m->base = without_slash(m->t.path);
	m->lanes = calloc(1, sizeof *m->lanes);
	if (rc == 0 && (m->base == NULL || m->lanes == NULL))
		rc = -FERRY_ENOMEM;
	if (rc < 0)
		m->code = refuse(url, why);
	m->binary = !(opt->ascii || m->t.type == 'a');
	return rc;
}

static int
open_top(struct mirror *m, const char *path, bool create)
{
	char error[512];

	m->top = local_tree_open(path, create, error);
	if (m->top >= 0)
		return 0;
	refuse(path, error);
	m->code = EXITCODE_LOCAL;
	return -1;
}

enum exitcode
mirror_get(const struct options *opt, int n, char **args)
{
	struct mirror m;
	bool ran = false;

	if (n > 2 || opt->output != NULL)
		return refuse("get -r", "takes one URL, and a directory to put it into");
	if (begin(&m, opt, args[0]) == 0) {
		const char *name = local_last_component(m.base);
		const char *dir = n == 2                      ? args[1]
				  : ferry_name_is_plain(name) ? name
							      : ".";
		ran = open_top(&m, dir, true) == 0;
		if (ran)
			run(&m, &mirror_way_get);
	}
	return finish(&m, ran);
}

/* In a directory ("/" at the end) the tree keeps its name. */
static int
keep_name(struct mirror *m, const char *local)
{
	_cleanup_free_ char *plain = without_slash(local);
	const char *name = plain == NULL ? "" : local_last_component(plain);
	char *base;

	if (plain == NULL)
		return -FERRY_ENOMEM;
	if (!m->t.is_directory || !ferry_name_is_plain(name))
		return 0;
	base = mirror_remote(m, name);
	if (base == NULL)
		return -FERRY_ENOMEM;
	free(m->base);
	m->base = base;
	return 0;
}

enum exitcode
mirror_put(const struct options *opt, int n, char **args)
{
	struct mirror m;
	bool ran = false;

	if (n != 2)
		return refuse("put -r", "takes one directory and one URL");
	if (begin(&m, opt, args[1]) == 0 && open_top(&m, args[0], false) == 0) {
		ran = keep_name(&m, args[0]) == 0;
		if (ran)
			run(&m, &mirror_way_put);
		else
			m.code = refuse(args[0], "out of memory");
	}
	return finish(&m, ran);
}
