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
#include "transfer.h"

/* What runs over all targets of a command. */
struct work {
	struct session s;
	struct target open; /* the login of the open session, or an empty one */
	struct detour detour;
	enum exitcode code;
	bool has_session;
	const char *output;    /* of get and cat; NULL: the name in the URL */
	struct wanted *wanted; /* of get and cat */
	size_t n_wanted;
};

/* One URL of get or cat. */
struct wanted {
	char *url; /* without the password */
	struct target t;
	const char *local; /* borrowed */
	bool binary;
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
	w->wanted[w->n_wanted++] = (struct wanted){
	    .url = strdup(url),
	    .t = t,
	    .local = w->output != NULL ? w->output : local_last_component(t.path),
	    .binary = !(w->s.opt->ascii || t.type == 'a'),
	};
}

static struct download
download_of(const struct work *w, const struct wanted *one)
{
	return (struct download){
	    .remote = one->t.path,
	    .local = one->local,
	    .who = w->output != NULL ? LOCAL_TYPED : LOCAL_FOREIGN,
	    .resume = w->s.opt->resume,
	    .keep_time = true,
	};
}

static void
got(size_t i, int result, void *user)
{
	struct work *w = user;
	struct wanted *one = &w->wanted[i];

	one->done = true;
	finish(w, one->url == NULL ? "" : one->url, one->local, result);
}

/* How many files from this one on one data connection can carry. */
static size_t
count_run(const struct work *w, size_t first)
{
	const struct wanted *one = &w->wanted[first];
	size_t n = 1;

	if (w->s.opt->resume || !transfer_can_many(&w->s))
		return 1;
	while (first + n < w->n_wanted && one[n].binary == one->binary &&
	       target_same_login(&one[n].t, &one->t))
		n++;
	return n;
}

struct run {
	struct work *w;
	size_t first;
};

static void
got_of_run(size_t i, int result, void *user)
{
	const struct run *run = user;

	got(run->first + i, result, run->w);
}

/* What was not tried, because the connection was lost, is left to the caller. */
static int
get_run(struct work *w, size_t first, size_t n)
{
	struct run run = {.w = w, .first = first};
	struct download *all = calloc(n, sizeof *all);
	int rc;

	if (all == NULL)
		return -FERRY_ENOMEM;
	for (size_t i = 0; i < n; i++)
		all[i] = download_of(w, &w->wanted[first + i]);
	rc = transfer_download_many(&w->s, all, n, got_of_run, &run);
	free(all);
	return rc;
}

/* The one at first, and all that can come with it. */
static void
get_from(struct work *w, size_t first)
{
	const struct wanted *one = &w->wanted[first];
	size_t n;
	int rc;

	w->s.binary = one->binary;
	session_apply(&w->s);
	plan(w, "RETR", one->t.path);
	rc = work_open(w, &one->t);
	n = rc == 0 ? count_run(w, first) : 1;
	if (n > 1)
		rc = get_run(w, first, n);
	if (n > 1 && one->done)
		return;
	/* not tried: a new session may serve it, or tell why it cannot */
	if (n > 1 && rc != -FERRY_EABORTED &&
	    (detour_find(&w->detour, &w->s, &one->t, rc) || rc != -FERRY_EDATA))
		rc = work_open(w, &one->t);
	if (rc == 0) {
		const struct download d = download_of(w, one);

		do
			rc = transfer_download(&w->s, &d);
		while (detour_find(&w->detour, &w->s, &one->t, rc));
	}
	got(first, rc, w);
}

static void
get_all(struct work *w, int n, char **args)
{
	w->wanted = calloc((size_t)n, sizeof *w->wanted);
	if (w->wanted == NULL) {
		complain(w, "get", -FERRY_ENOMEM, "out of memory");
		return;
	}
	each_url(w, n, args, want);
	for (size_t i = 0; i < w->n_wanted && !is_interrupted(w); i++)
		if (!w->wanted[i].done)
			get_from(w, i);
	for (size_t i = 0; i < w->n_wanted; i++) {
		target_clear(&w->wanted[i].t);
		free(w->wanted[i].url);
	}
	free(w->wanted);
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
put_one(struct work *w, const struct target *t, const char *url, const char *local)
{
	_cleanup_free_ char *remote = remote_path(t, local);
	bool is_stdin = strcmp(local, "-") == 0;
	int rc;

	if (remote == NULL || (is_stdin && t->is_directory)) {
		complain(w, local, remote == NULL ? -FERRY_ENOMEM : -FERRY_EINVAL,
		    remote == NULL ? "out of memory"
				   : "standard input needs a file name in the URL");
		return;
	}
	plan(w, "STOR", remote);
	rc = work_open(w, t);
	if (rc < 0) {
		complain_session(w, url, rc);
		return;
	}
	do
		rc = transfer_upload(
		    &w->s, &(struct upload){.local = local,
			       .remote = remote,
			       .who = is_stdin ? LOCAL_TYPED : LOCAL_LITERAL,
			       .how = FERRY_PUT_STORE,
			       .resume = w->s.opt->resume});
	while (detour_find(&w->detour, &w->s, t, rc));
	finish(w, url, local, rc);
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
	w->s.binary = !(w->s.opt->ascii || t.type == 'a');
	session_apply(&w->s);
	for (int i = 0; i + 1 < n && !is_interrupted(w); i++)
		put_one(w, &t, url, args[i]);
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
