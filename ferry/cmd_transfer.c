/*
 * get, put, append, reget, newer, mget, mput: files travel. Names that a server chose
 * stay plain names of the current directory (LOCAL_FOREIGN); "-" and "|command" work only
 * as typed.
 */
#include "own.h"
#include "safe.h"
#include "shell.h"
#include "transfer_many.h"

#include <glob.h>
#include <sys/stat.h>

static bool
is_stream(const char *name)
{
	return strcmp(name, "-") == 0 || *name == '|';
}

/* "local: x remote: y" */
static void
tell_names(struct shell *sh, const char *local, const char *remote)
{
	_cleanup_free_ char *l = safe_string(local), *r = safe_string(remote);

	if (sh->verbose && l != NULL && r != NULL)
		printf("local: %s remote: %s\n", l, r);
	fflush(stdout);
}

/* "N bytes received in S secs (R KB/s)": scripts read this line. */
static void
tell_bytes(struct shell *sh, const char *verb)
{
	const struct view *v = &sh->s.view;
	double seconds = v->data_seconds > 0.000001 ? v->data_seconds : 0.000001;

	if (!sh->verbose)
		return;
	if (!v->moved)
		puts("The file is complete already.");
	else
		printf("%llu bytes %s in %.3g secs (%.2f KB/s)\n",
		    (unsigned long long)v->data_bytes, verb, v->data_seconds,
		    (double)v->data_bytes / 1000 / seconds);
}

static int
download(struct shell *sh, const struct download *d)
{
	struct view *v = &sh->s.view;
	FILE *out = v->out;
	int rc;

	if (is_stream(d->local) && d->who == LOCAL_TYPED) {
		v->out = stderr; /* standard output is the file's */
		v->progress_out = NULL;
	}
	tell_names(sh, d->local, d->remote);
	rc = transfer_download(&sh->s, d);
	v->out = out;
	shell_apply(sh);
	if (rc == 0)
		tell_bytes(sh, "received");
	return shell_result(sh, rc);
}

static int
get(struct shell *sh, int n, char **word, bool resume)
{
	const char *local = n > 2 ? word[2] : local_last_component(word[1]);

	return download(sh, &(struct download){.remote = word[1],
				.local = local,
				.who = n > 2 ? LOCAL_TYPED : LOCAL_LITERAL,
				.resume = resume,
				.keep_time = sh->preserve});
}

int
cmd_get(struct shell *sh, int n, char **word)
{
	return get(sh, n, word, false);
}

int
cmd_reget(struct shell *sh, int n, char **word)
{
	return get(sh, n, word, true);
}

int
cmd_newer(struct shell *sh, int n, char **word)
{
	const char *local = n > 2 ? word[2] : local_last_component(word[1]);
	struct stat st;
	int64_t mtime;
	int rc;

	if (stat(local, &st) == 0) {
		rc = session_run(&sh->s, ferry_mtime(sh->s.h, word[1], &mtime));
		if (rc < 0)
			return shell_result(sh, rc);
		if (mtime <= st.st_mtime) {
			puts("The local file is as new as the remote one.");
			return 0;
		}
	}
	return get(sh, n, word, false);
}

int
cmd_page(struct shell *sh, int n, char **word)
{
	const char *pager = getenv("PAGER");
	_cleanup_free_ char *local = NULL;

	if (asprintf(&local, "|%s", pager != NULL && *pager != '\0' ? pager : "more") <
	    0) {
		local = NULL;
		return -FERRY_ENOMEM;
	}
	return download(sh,
	    &(struct download){.remote = word[1], .local = local, .who = LOCAL_TYPED});
}

static int
upload(struct shell *sh, const struct upload *u)
{
	int rc;

	tell_names(sh, u->local, u->remote);
	rc = transfer_upload(&sh->s, u);
	shell_forget_names(sh);
	if (rc == 0)
		tell_bytes(sh, "sent");
	if (rc == 0 && u->how == FERRY_PUT_UNIQUE && ferry_unique_name(sh->s.h) != NULL) {
		_cleanup_free_ char *safe = safe_string(ferry_unique_name(sh->s.h));
		printf("The server named it %s.\n", safe == NULL ? "" : safe);
	}
	return shell_result(sh, rc);
}

static int
put(struct shell *sh, int n, char **word, enum ferry_put_how how, bool resume)
{
	if (n < 3 && is_stream(word[1]))
		return shell_complain("usage: %s %s remote-file", word[0], word[1]);
	return upload(sh, &(struct upload){.local = word[1],
			      .remote = n > 2 ? word[2] : local_last_component(word[1]),
			      .who = LOCAL_TYPED,
			      .how = how,
			      .resume = resume});
}

int
cmd_put(struct shell *sh, int n, char **word)
{
	return put(sh, n, word, sh->sunique ? FERRY_PUT_UNIQUE : FERRY_PUT_STORE, false);
}

int
cmd_reput(struct shell *sh, int n, char **word)
{
	return put(sh, n, word, FERRY_PUT_STORE, true);
}

int
cmd_append(struct shell *sh, int n, char **word)
{
	return put(sh, n, word, FERRY_PUT_APPEND, false);
}

/* ---------------------------------------------------------------- several files */

/* After ^C in one of several files: go on with the next? */
static bool
goes_on(struct shell *sh, const char *command, int rc)
{
	_cleanup_free_ char *question = NULL, *answer = NULL;

	if (rc != -FERRY_EABORTED)
		return ferry_is_logged_in(sh->s.h);
	if (!sh->interactive || !ferry_is_logged_in(sh->s.h))
		return false;
	if (asprintf(&question, "Continue with %s? ", command) < 0) {
		question = NULL;
		return false;
	}
	return reader_ask(question, &answer) == 0 && *answer == 'y';
}

/* Names of mget or mput, and the settings under which they travel. */
struct several {
	struct shell *sh;
	bool up;
	char *const *name;
	size_t n;
	int failed;
};

static struct download
download_of(const struct several *m, size_t i)
{
	return (struct download){.remote = m->name[i],
	    .local = local_last_component(m->name[i]),
	    .who = LOCAL_FOREIGN,
	    .keep_time = m->sh->preserve};
}

static struct upload
upload_of(const struct several *m, size_t i)
{
	return (struct upload){.local = m->name[i],
	    .remote = local_last_component(m->name[i]),
	    .who = LOCAL_LITERAL,
	    .how = m->sh->sunique ? FERRY_PUT_UNIQUE : FERRY_PUT_STORE};
}

static int
one_alone(struct several *m, size_t i)
{
	const struct download d = download_of(m, i);
	const struct upload u = upload_of(m, i);

	return m->up ? upload(m->sh, &u) : download(m->sh, &d);
}

/* Those that go as one operation: none of them is asked about, and the server shall not
 * choose names. A FIFO is opened when it has its turn and not before. */
static size_t
count_together(const struct several *m)
{
	struct stat st;
	size_t n = 0;

	if (!transfer_can_many(&m->sh->s) || (m->up && m->sh->sunique))
		return 0;
	while (n < m->n &&
	       (!m->up || (stat(m->name[n], &st) == 0 && S_ISREG(st.st_mode))))
		n++;
	return n;
}

static void
turn_begins(size_t i, void *user)
{
	const struct several *m = user;

	if (m->up)
		tell_names(m->sh, upload_of(m, i).local, upload_of(m, i).remote);
	else
		tell_names(m->sh, download_of(m, i).local, download_of(m, i).remote);
}

static void
turn_ends(size_t i, int result, void *user)
{
	struct several *m = user;

	if (result == 0)
		tell_bytes(m->sh, m->up ? "sent" : "received");
	else
		m->failed = shell_result(m->sh, result);
}

static int
run_together(struct several *m, size_t n, size_t *ret_tried)
{
	static const struct transfer_told told = {turn_begins, turn_ends};
	struct session *s = &m->sh->s;
	_cleanup_free_ struct download *down = calloc(n, sizeof *down);
	_cleanup_free_ struct upload *up = calloc(n, sizeof *up);

	if (down == NULL || up == NULL)
		return -FERRY_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		down[i] = download_of(m, i);
		up[i] = upload_of(m, i);
	}
	return m->up ? transfer_upload_many(s, up, n, &told, m, ret_tried)
		     : transfer_download_many(s, down, n, &told, m, ret_tried);
}

/* Several that need no question. *ret_tried: how many are done with, at least one. */
static int
several_together(struct several *m, size_t n, size_t *ret_tried)
{
	size_t tried = 0;
	int rc = run_together(m, n, &tried);

	if (m->up)
		shell_forget_names(m->sh);
	else
		shell_apply(m->sh);
	if (rc < 0)
		m->failed = shell_result(m->sh, rc);
	*ret_tried = tried + (rc < 0 || tried == 0);
	return rc;
}

/* 1: it was moved, or rc says why not; 0: the answer was no. */
static int
one_asked(struct several *m, bool *all, int *ret_rc)
{
	int answer = shell_confirm(m->sh, m->up ? "mput" : "mget", *m->name, all);

	*ret_rc = 0;
	if (answer <= 0)
		return answer;
	*ret_rc = one_alone(m, 0);
	if (*ret_rc < 0)
		m->failed = *ret_rc;
	return 1;
}

static int
several(struct shell *sh, const char *command, bool up, const struct candidates *names,
    int failed)
{
	struct several m = {.sh = sh, .up = up, .failed = failed};
	bool all = false;

	for (size_t i = 0, tried = 1; i < names->n; i += tried) {
		bool asks = sh->ask && sh->interactive && !all;
		size_t together;
		int rc;

		m.name = names->word + i;
		m.n = names->n - i;
		tried = 1;
		together = asks ? 0 : count_together(&m);
		if (together > 1) {
			rc = several_together(&m, together, &tried);
		} else {
			int answer = one_asked(&m, &all, &rc);
			if (answer < 0)
				return answer;
			if (answer == 0)
				continue;
		}
		if ((rc < 0 || together > 1) && !goes_on(sh, command, rc))
			break;
	}
	return m.failed;
}

int
cmd_mget(struct shell *sh, int n, char **word)
{
	_cleanup_(candidates_clear)
	struct candidates names = {.n = 0};
	int rc, failed = 0;

	for (int i = 1; i < n; i++)
		if ((rc = shell_expand(sh, word[i], true, &names)) < 0)
			failed = rc;
	return several(sh, word[0], false, &names, failed);
}

/* The local files of one word; directories are left out. */
static int
expand_local(struct shell *sh, const char *pattern, struct candidates *ret)
{
	glob_t g = {.gl_pathc = 0};
	size_t before = ret->n;
	struct stat st;

	if (!sh->glob) {
		candidates_add(ret, pattern);
		return 0;
	}
	if (glob(pattern, GLOB_TILDE | GLOB_BRACE, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			if (stat(g.gl_pathv[i], &st) == 0 && !S_ISDIR(st.st_mode))
				candidates_add(ret, g.gl_pathv[i]);
	globfree(&g);
	return ret->n == before ? shell_complain("%s: no match.", pattern) : 0;
}

int
cmd_mput(struct shell *sh, int n, char **word)
{
	_cleanup_(candidates_clear)
	struct candidates names = {.n = 0};
	int rc, failed = 0;

	for (int i = 1; i < n; i++)
		if ((rc = expand_local(sh, word[i], &names)) < 0)
			failed = rc;
	return several(sh, word[0], true, &names, failed);
}
