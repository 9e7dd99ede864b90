/*
 * The commands that are one line in a shell. Standard output carries data only when it
 * was asked to; everything else goes to standard error, except the narration of a
 * transfer between files.
 */
#include "oneshot.h"

#include "detour.h"
#include "draw.h"
#include "listing.h"
#include "mirror.h"
#include "own.h"
#include "safe.h"
#include "secret.h"
#include "transfer_many.h"

#include <sys/stat.h>

/* What runs over all targets of a command. */
struct work {
	struct session s;
	struct target open; /* the login of the open session, or an empty one */
	struct detour detour;
	enum exitcode code;
	bool has_session;
	const char *output; /* of get and cat; NULL: the name in the URL */
	bool up;
	struct job *job; /* of get, cat and put */
	size_t n_jobs;
};

/* A file to be moved. */
struct job {
	char *url; /* without the password */
	const struct target *t; /* its own, or that of all */
	struct target own;
	const char *local; /* borrowed */
	char *remote;
	bool binary;
	bool is_plain; /* what is sent: a file, not a pipe or a device */
	bool done;
};

/* Before anything fails visibly: the first failure decides. */
static void
note(struct work *w, int result)
{
	if (w->code == EXITCODE_OK)
		w->code = exitcode_of(result);
}

/* "ferry: WHAT: why", with WHAT as the user gave it (without a password). */
static void
complain(struct work *w, const char *what, int result, const char *why)
{
	_cleanup_free_ char *safe = safe_string(what);

	note(w, result);
	fprintf(stderr, "ferry: %s: %s\n", safe == NULL ? "" : safe, why);
}

static void
complain_session(struct work *w, const char *what, int result)
{
	_cleanup_free_ char *why = session_error(&w->s, result);
	enum ferry_mode mode = w->s.mode;

	complain(w, what, result, why == NULL ? "" : why);
	waynote_forget(&w->s.view.way);
	if (result != -FERRY_EDATA || w->s.opt->explain)
		return;
	fprintf(stderr,
	    "ferry: --explain tells what happened, ferry doctor finds out why%s.\n",
	    mode == FERRY_MODE_PASSIVE
		? "; -A tries active mode, where the server calls you"
	    : mode != FERRY_MODE_AUTO
		? "; -p tries passive mode, where you make all calls"
	    : !w->s.active_allowed
		? "; --allow-active tries active mode too, where the server calls you"
		: "");
}

/* out: where the narration goes. */
static int
work_begin(struct work *w, const struct options *opt, FILE *out)
{
	*w = (struct work){.code = EXITCODE_OK};
	int rc = session_init(&w->s, opt);

	w->has_session = w->s.h != NULL;
	if (rc == 0 && opt->explain)
		rc = explain_new(out, options_colour(opt, out), &w->s.view.explain);
	if (rc < 0) {
		complain(
		    w, "options", rc, *w->s.message ? w->s.message : ferry_strerror(rc));
		return rc;
	}
	w->s.may_ask = true;
	w->s.view.talk = opt->verbose ? TALK_ALL : TALK_NONE;
	if (!opt->quiet && !opt->explain)
		w->s.view.progress_out = stderr;
	return 0;
}

static enum exitcode
work_end(struct work *w)
{
	if (w->has_session) {
		if (ferry_is_connected(w->s.h))
			session_run(&w->s, ferry_quit(w->s.h));
		note(w, session_save_trace(&w->s));
		session_free(&w->s);
	}
	target_clear(&w->open);
	return w->code;
}

/* Makes sure that the session is the one that t wants. */
static int
work_open(struct work *w, const struct target *t)
{
	int rc;

	if (target_same_login(&w->open, t) && ferry_is_logged_in(w->s.h))
		return 0;
	if (ferry_is_connected(w->s.h))
		session_run(&w->s, ferry_quit(w->s.h));
	target_clear(&w->open);
	rc = session_open(&w->s, t);
	if (rc == 0)
		rc = detour_remembered(&w->detour, &w->s, t);
	if (rc == 0)
		rc = target_copy_login(t, &w->open);
	if (rc < 0) {
		_cleanup_free_ char *why = session_error(&w->s, rc);
		view_outcome(&w->s.view, rc, why);
	}
	return rc;
}

/* Parses a URL, and wipes the password in it: from here on it may be shown. */
static int
work_parse(struct work *w, char *url, struct target *t)
{
	const char *why = "out of memory";
	int rc = target_parse_url(url, t, &why);

	secret_scrub_url(url);
	if (rc < 0)
		complain(w, url, rc, why);
	return rc;
}

static bool
is_interrupted(const struct work *w)
{
	return w->code == EXITCODE_INTERRUPTED;
}

/* One after the other. All of them are wiped in argv, where everybody on this machine can
 * read them, before the first is dealt with. */
static void
each_url(struct work *w, int n, char **args, void (*one)(struct work *w, char *url))
{
	_cleanup_free_ char **urls = calloc((size_t)n, sizeof *urls);

	for (int i = 0; i < n; i++) {
		if (urls != NULL)
			urls[i] = strdup(args[i]);
		secret_scrub_url(args[i]);
	}
	for (int i = 0; i < n && !is_interrupted(w); i++) {
		if (urls != NULL && urls[i] != NULL)
			one(w, urls[i]);
		else
			complain(w, args[i], -FERRY_ENOMEM, "out of memory");
	}
	for (int i = 0; urls != NULL && i < n; i++)
		wipep(&urls[i]);
}

static void
plan(struct work *w, const char *verb, const char *path)
{
	view_plan(&w->s.view, w->s.mode, verb, path);
}

/* Which way the data took, if it was not the first. */
static void
tell_way(struct work *w)
{
	char line[1024];

	if (waynote_take(&w->s.view.way, line, sizeof line) && !w->s.opt->quiet)
		fprintf(stderr, "ferry: %s.\n", line);
}

/* The closing line of a transfer, on a terminal only. */
static void
tell_done(struct work *w, const char *name)
{
	_cleanup_free_ char *safe = safe_string(name);
	const struct view *v = &w->s.view;
	char bytes[32], rate[32];

	if (w->s.opt->quiet || w->s.opt->explain || !isatty(STDERR_FILENO))
		return;
	if (!v->moved)
		fprintf(stderr, "%s: is complete already\n", safe == NULL ? "" : safe);
	else
		fprintf(stderr, "%s: %s bytes in %.2f s (%s)\n", safe == NULL ? "" : safe,
		    draw_number(v->data_bytes, bytes), v->data_seconds,
		    progress_rate(
			v->data_seconds > 0 ? (double)v->data_bytes / v->data_seconds : 0,
			rate));
}

static void
finish(struct work *w, const char *url, const char *local, int rc)
{
	if (rc < 0) {
		complain_session(w, url, rc);
		return;
	}
	tell_way(w);
	tell_done(w, local);
}

/* ---------------------------------------------------------------- files */

static struct download
download_of(const struct work *w, const struct job *j)
{
	return (struct download){
	    .remote = j->remote,
	    .local = j->local,
	    .who = w->output != NULL ? LOCAL_TYPED : LOCAL_FOREIGN,
	    .resume = w->s.opt->resume,
	    .keep_time = true,
	};
}

static struct upload
upload_of(const struct work *w, const struct job *j)
{
	return (struct upload){
	    .local = j->local,
	    .remote = j->remote,
	    .who = strcmp(j->local, "-") == 0 ? LOCAL_TYPED : LOCAL_LITERAL,
	    .how = FERRY_PUT_STORE,
	    .resume = w->s.opt->resume,
	};
}

static void
job_done(struct work *w, struct job *j, int result)
{
	j->done = true;
	finish(w, j->url == NULL ? "" : j->url, j->local, result);
}

/* How many files from this one on go as one operation. */
static size_t
count_row(const struct work *w, const struct job *j)
{
	size_t left = w->n_jobs - (size_t)(j - w->job), n = 0;

	if (w->s.opt->resume || !transfer_can_many(&w->s))
		return 1;
	while (n < left && j[n].binary == j->binary && !j[n].done &&
	       (!w->up || j[n].is_plain) && target_same_login(j[n].t, j->t))
		n++;
	return n;
}

struct row_user {
	struct work *w;
	struct job *first;
};

static void
row_done(size_t i, int result, void *user)
{
	const struct row_user *row = user;

	job_done(row->w, &row->first[i], result);
}

/* What was not tried, because the connection was lost, is left to the caller. */
static int
move_row(struct work *w, struct job *first, size_t n)
{
	static const struct transfer_told told = {.done = row_done};
	struct row_user user = {.w = w, .first = first};
	_cleanup_free_ struct download *down = calloc(n, sizeof *down);
	_cleanup_free_ struct upload *up = calloc(n, sizeof *up);
	size_t tried;

	if (down == NULL || up == NULL)
		return -FERRY_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		down[i] = download_of(w, &first[i]);
		up[i] = upload_of(w, &first[i]);
	}
	return w->up ? transfer_upload_many(&w->s, up, n, &told, &user, &tried)
		     : transfer_download_many(&w->s, down, n, &told, &user, &tried);
}

static int
move_one(struct work *w, const struct job *j)
{
	const struct download d = download_of(w, j);
	const struct upload u = upload_of(w, j);

	return w->up ? transfer_upload(&w->s, &u) : transfer_download(&w->s, &d);
}

/* This one, and all that can go with it. */
static void
move_from(struct work *w, struct job *j)
{
	size_t n;
	int rc;

	w->s.binary = j->binary;
	session_apply(&w->s);
	plan(w, w->up ? "STOR" : "RETR", j->remote);
	rc = work_open(w, j->t);
	n = rc == 0 ? count_row(w, j) : 1;
	if (n > 1)
		rc = move_row(w, j, n);
	if (n > 1 && j->done)
		return;
	/* not tried: a new session may serve it, or tell why it cannot */
	if (n > 1 && rc != -FERRY_EABORTED &&
	    (detour_find(&w->detour, &w->s, j->t, rc) || rc != -FERRY_EDATA))
		rc = work_open(w, j->t);
	if (rc == 0)
		do
			rc = move_one(w, j);
		while (detour_find(&w->detour, &w->s, j->t, rc));
	job_done(w, j, rc);
}

static int
jobs_begin(struct work *w, size_t n)
{
	w->job = calloc(n, sizeof *w->job);
	if (w->job != NULL)
		return 0;
	complain(w, w->up ? "put" : "get", -FERRY_ENOMEM, "out of memory");
	return -FERRY_ENOMEM;
}

/* The row's next place is taken, if it is complete. */
static void
add_job(struct work *w, struct job *j)
{
	if (j->remote != NULL) {
		w->n_jobs++;
		return;
	}
	complain(w, j->local, -FERRY_ENOMEM, "out of memory");
	target_clear(&j->own);
	free(j->url);
}

static void
jobs_run(struct work *w)
{
	for (size_t i = 0; i < w->n_jobs && !is_interrupted(w); i++)
		if (!w->job[i].done)
			move_from(w, &w->job[i]);
	for (size_t i = 0; i < w->n_jobs; i++) {
		target_clear(&w->job[i].own);
		free(w->job[i].url);
		free(w->job[i].remote);
	}
	free(w->job);
}

/* ---------------------------------------------------------------- get and cat */

/* Adds one to the list. */
static void
want(struct work *w, char *url)
{
	struct target t = {.host = NULL};

	if (work_parse(w, url, &t) < 0)
		return;
	if (t.is_directory || t.type == 'd') {
		complain(
		    w, url, -FERRY_EINVAL, "this names a directory; ferry ls lists it");
		target_clear(&t);
		return;
	}
	struct job *j = &w->job[w->n_jobs];
	*j = (struct job){
	    .url = strdup(url),
	    .remote = strdup(t.path),
	    .t = &j->own,
	    .own = t,
	    .local = w->output != NULL ? w->output : local_last_component(t.path),
	    .binary = !(w->s.opt->ascii || t.type == 'a'),
	};
	add_job(w, j);
}

static void
get_all(struct work *w, int n, char **args)
{
	if (jobs_begin(w, (size_t)n) < 0)
		return;
	each_url(w, n, args, want);
	jobs_run(w);
}

enum exitcode
oneshot_get(const struct options *opt, int n, char **args)
{
	struct work w;

	if (opt->recursive)
		return mirror_get(opt, n, args);
	bool to_stdout = opt->output != NULL &&
			 (strcmp(opt->output, "-") == 0 || opt->output[0] == '|');

	if (opt->output != NULL && !to_stdout && n > 1) {
		fprintf(stderr, "ferry: -o FILE takes one URL\n");
		return EXITCODE_USAGE;
	}
	if (work_begin(&w, opt, to_stdout ? stderr : stdout) == 0) {
		w.output = opt->output;
		get_all(&w, n, args);
	}
	return work_end(&w);
}

enum exitcode
oneshot_cat(const struct options *opt, int n, char **args)
{
	struct work w;

	if (work_begin(&w, opt, stderr) == 0) {
		w.s.view.progress_out =
		    isatty(STDOUT_FILENO) ? NULL : w.s.view.progress_out;
		w.output = "-";
		get_all(&w, n, args);
	}
	return work_end(&w);
}

/* ---------------------------------------------------------------- put */

/* The remote path of one file: in a directory it keeps its name. NULL when out of memory.
 */
static char *
remote_path(const struct target *t, const char *local)
{
	char *path = NULL;

	if (!t->is_directory)
		return strdup(t->path);
	if (asprintf(&path, "%s%s", t->path, local_last_component(local)) < 0)
		return NULL;
	return path;
}

static void
offer(struct work *w, const struct target *t, const char *url, const char *local)
{
	struct job *j = &w->job[w->n_jobs];
	struct stat st;

	if (strcmp(local, "-") == 0 && t->is_directory) {
		complain(w, local, -FERRY_EINVAL,
		    "standard input needs a file name in the URL");
		return;
	}
	*j = (struct job){
	    .url = strdup(url),
	    .remote = remote_path(t, local),
	    .t = t,
	    .local = local,
	    .binary = !(w->s.opt->ascii || t->type == 'a'),
	    .is_plain = stat(local, &st) == 0 && S_ISREG(st.st_mode),
	};
	add_job(w, j);
}

static void
put_all(struct work *w, int n, char **args)
{
	char *url = args[n - 1];
	_cleanup_(target_clear)
	struct target t = {.host = NULL};

	if (work_parse(w, url, &t) < 0)
		return;
	if (!t.is_directory && n > 2) {
		complain(w, url, -FERRY_EINVAL,
		    "several files need a directory: end the URL with \"/\"");
		return;
	}
	w->up = true;
	if (jobs_begin(w, (size_t)n) < 0)
		return;
	for (int i = 0; i + 1 < n; i++)
		offer(w, &t, url, args[i]);
	jobs_run(w);
}

enum exitcode
oneshot_put(const struct options *opt, int n, char **args)
{
	struct work w;

	if (opt->recursive)
		return mirror_put(opt, n, args);
	if (work_begin(&w, opt, stdout) == 0)
		put_all(&w, n, args);
	return work_end(&w);
}

/* ---------------------------------------------------------------- ls */

static int
print_entry(struct ferry_entry *e, void *user)
{
	listing_print(stdout, e, ((const struct options *)user)->long_listing);
	return ferror(stdout) ? -1 : 0;
}

/* A path that is a file: MLSD refuses it, MLST knows it. */
static int
list_file(struct session *s, const char *path)
{
	struct ferry_entry e = {.name = NULL};
	int rc = session_run(s, ferry_stat(s->h, path, &e));

	if (rc < 0)
		return rc;
	free(e.name);
	e.name = strdup(path);
	if (e.name != NULL)
		listing_print(stdout, &e, s->opt->long_listing);
	ferry_entry_clear(&e);
	return 0;
}

static int
list(struct work *w, const struct target *t)
{
	struct session *s = &w->s;
	int rc;

	plan(w, "LIST", t->path);
	view_begin(&s->view, "", 0);
	view_end(&s->view);
	rc = session_run(s, ferry_list(s->h, *t->path == '\0' ? NULL : t->path,
				print_entry, (void *)s->opt));
	_cleanup_free_ char *why = rc < 0 ? session_error(s, rc) : NULL;
	view_outcome(&s->view, rc, why);
	return rc;
}

static void
ls_one(struct work *w, char *url)
{
	_cleanup_(target_clear)
	struct target t = {.host = NULL};
	struct session *s = &w->s;

	if (work_parse(w, url, &t) < 0)
		return;
	plan(w, "LIST", t.path);
	int rc = work_open(w, &t);
	if (rc < 0) {
		complain_session(w, url, rc);
		return;
	}
	do
		rc = list(w, &t);
	while (detour_find(&w->detour, s, &t, rc));
	if (rc == -FERRY_EREFUSED && !t.is_directory && list_file(s, t.path) == 0)
		return;
	if (rc < 0)
		complain_session(w, url, rc);
	else
		tell_way(w);
}

enum exitcode
oneshot_ls(const struct options *opt, int n, char **args)
{
	struct work w;

	if (work_begin(&w, opt, stderr) == 0)
		each_url(&w, n, args, ls_one);
	if (fflush(stdout) != 0)
		note(&w, -FERRY_ELOCAL);
	return work_end(&w);
}
