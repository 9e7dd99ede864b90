/*
 * get, put, append, reget, newer, mget, mput: files travel. Names that a server chose
 * stay plain names of the current directory (LOCAL_FOREIGN); "-" and "|command" work only
 * as typed.
 */
#include "own.h"
#include "safe.h"
#include "shell.h"
#include "transfer.h"

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

/* Files of mget over one data connection. */
struct mget {
	struct shell *sh;
	const struct download *all;
	int failed;
};

static void
mget_done(size_t i, int result, void *user)
{
	struct mget *m = user;
	const struct download *d = &m->all[i];

	tell_names(m->sh, d->local, d->remote);
	if (result == 0)
		tell_bytes(m->sh, "received");
	else
		m->failed = shell_result(m->sh, result);
}

static int
mget_many(struct shell *sh, char *const *names, size_t n)
{
	struct download *all = calloc(n, sizeof *all);
	struct mget m = {.sh = sh, .all = all};
	int rc;

	if (all == NULL)
		return -FERRY_ENOMEM;
	for (size_t i = 0; i < n; i++)
		all[i] = (struct download){.remote = names[i],
		    .local = local_last_component(names[i]),
		    .who = LOCAL_FOREIGN,
		    .keep_time = sh->preserve};
	rc = transfer_download_many(&sh->s, all, n, mget_done, &m);
	free(all);
	shell_apply(sh);
	return rc < 0 ? shell_result(sh, rc) : m.failed;
}

int
cmd_mget(struct shell *sh, int n, char **word)
{
	_cleanup_(candidates_clear)
	struct candidates names = {.n = 0};
	bool all = false;
	int rc = 0, failed = 0;

	for (int i = 1; i < n; i++)
		if ((rc = shell_expand(sh, word[i], true, &names)) < 0)
			failed = rc;
	for (size_t i = 0; i < names.n; i++) {
		bool asks = sh->ask && sh->interactive && !all;

		if (!asks && names.n - i > 1 && transfer_can_many(&sh->s)) {
			rc = mget_many(sh, names.word + i, names.n - i);
			return rc < 0 ? rc : failed;
		}
		rc = shell_confirm(sh, "mget", names.word[i], &all);
		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		rc = download(sh, &(struct download){.remote = names.word[i],
				      .local = local_last_component(names.word[i]),
				      .who = LOCAL_FOREIGN,
				      .keep_time = sh->preserve});
		if (rc < 0)
			failed = rc;
		if (rc < 0 && !goes_on(sh, word[0], rc))
			break;
	}
	return failed;
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
	bool all = false;
	int rc = 0, failed = 0;

	for (int i = 1; i < n; i++)
		if ((rc = expand_local(sh, word[i], &names)) < 0)
			failed = rc;
	for (size_t i = 0; i < names.n; i++) {
		rc = shell_confirm(sh, "mput", names.word[i], &all);
		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		rc = upload(
		    sh, &(struct upload){.local = names.word[i],
			    .remote = local_last_component(names.word[i]),
			    .who = LOCAL_LITERAL,
			    .how = sh->sunique ? FERRY_PUT_UNIQUE : FERRY_PUT_STORE});
		if (rc < 0)
			failed = rc;
		if (rc < 0 && !goes_on(sh, word[0], rc))
			break;
	}
	return failed;
}
