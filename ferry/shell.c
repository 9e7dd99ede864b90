/*
 * What the prompt's commands share: settings, opening and closing, messages, names by
 * pattern.
 */
#include "shell.h"

#include "interrupt.h"
#include "local.h"
#include "netrc.h"
#include "own.h"
#include "safe.h"

#include <fnmatch.h>
#include <pwd.h>
#include <stdarg.h>

/* ---------------------------------------------------------------- messages */

int
shell_complain(const char *format, ...)
{
	_cleanup_free_ char *text = NULL, *safe = NULL;
	va_list ap;

	va_start(ap, format);
	text = text_of(format, ap);
	va_end(ap);
	if (text == NULL)
		return -FERRY_ENOMEM;
	safe = safe_string(text);
	fflush(stdout);
	fprintf(stderr, "%s\n", safe == NULL ? "" : safe);
	return -FERRY_EINVAL;
}

/* The server's own words, which are on the screen if replies are shown. */
static bool
is_reply(int result)
{
	return result == -FERRY_EREFUSED || result == -FERRY_ETEMPORARY ||
	       result == -FERRY_EUNSUPPORTED || result == -FERRY_ELOGIN;
}

int
shell_result(struct shell *sh, int result)
{
	if (result < 0 && (*sh->s.message != '\0' || !sh->verbose || !is_reply(result))) {
		_cleanup_free_ char *why = session_error(&sh->s, result);
		fflush(stdout);
		fprintf(stderr, "ferry: %s\n", why == NULL ? "" : why);
	}
	if (sh->host != NULL && !ferry_is_connected(sh->s.h)) {
		freep(&sh->host);
		shell_forget_names(sh);
	}
	return result;
}

/* ---------------------------------------------------------------- settings */

static enum ferry_mode
chosen_mode(const struct shell *sh)
{
	if (sh->passive)
		return sh->epsv ? FERRY_MODE_AUTO : FERRY_MODE_PASV;
	return sh->epsv ? FERRY_MODE_ACTIVE : FERRY_MODE_PORT;
}

void
shell_apply(struct shell *sh)
{
	struct view *v = &sh->s.view;

	/* a mode that only the command line can name stays until a switch contradicts it
	 */
	if (sh->s.mode != FERRY_MODE_EPSV && sh->s.mode != FERRY_MODE_EPRT)
		sh->s.mode = chosen_mode(sh);
	else if (!sh->epsv || sh->passive != (sh->s.mode == FERRY_MODE_EPSV))
		sh->s.mode = chosen_mode(sh);
	sh->s.active_allowed = sh->sendport;
	v->talk = sh->debug ? TALK_ALL : sh->verbose ? TALK_REPLIES : TALK_NONE;
	v->progress_out =
	    sh->progress && sh->interactive && v->explain == NULL ? stdout : NULL;
	session_apply(&sh->s);
}

/* ---------------------------------------------------------------- open and close */

static const char *
local_user(void)
{
	const struct passwd *pw = getpwuid(getuid());

	return pw == NULL ? "anonymous" : pw->pw_name;
}

/* "Name (host:localuser): "; an empty answer is the local user. */
static int
ask_name(struct shell *sh, char **ret)
{
	_cleanup_free_ char *question = NULL, *line = NULL, *host = safe_string(sh->host);
	int rc;

	if (host == NULL || asprintf(&question, "Name (%s:%s): ", host, local_user()) < 0)
		return -FERRY_ENOMEM;
	rc = reader_ask(question, &line);
	if (rc < 0)
		return rc;
	*ret = strdup(*line == '\0' ? local_user() : line);
	return *ret == NULL ? -FERRY_ENOMEM : 0;
}

/* Who logs in: options, target, netrc, in this order; else the person is asked. */
static int
log_in(struct shell *sh, const struct target *t)
{
	const struct options *opt = sh->s.opt;
	_cleanup_(netrc_clear)
	struct netrc_entry entry = {.login = NULL};
	_cleanup_secret_ char *given = NULL;
	_cleanup_free_ char *typed = NULL;
	const char *user = opt->user != NULL ? opt->user : t->user, *password;
	int rc = session_password(&sh->s, &given);

	if (opt->anonymous && user == NULL)
		user = "anonymous";
	if (rc == 0 && t->password == NULL)
		rc = session_netrc(&sh->s, t->host, user, &entry);
	if (rc < 0)
		return shell_result(sh, rc);
	if (user == NULL)
		user = entry.login;
	if (user == NULL && (rc = ask_name(sh, &typed)) < 0)
		return rc == -FERRY_EOF || rc == -FERRY_EABORTED ? -FERRY_EABORTED : rc;
	if (user == NULL)
		user = typed;
	password = given != NULL         ? given
		   : t->password != NULL ? t->password
					 : entry.password;
	if (password == NULL && opt->anonymous)
		password = "ferry@";
	rc = session_login(&sh->s, user, password, entry.account);
	if (rc == -FERRY_ELOGIN)
		puts("Login failed.");
	return shell_result(sh, rc);
}

int
shell_open(struct shell *sh, const struct target *t)
{
	int rc;

	freep(&sh->host);
	sh->host = strdup(t->host);
	if (sh->host == NULL)
		return -FERRY_ENOMEM;
	shell_forget_names(sh);
	rc = shell_result(sh, session_connect(&sh->s, sh->host,
				  t->port != 0 ? t->port : sh->s.opt->port, t->tls));
	if (rc == 0 && (!sh->s.opt->no_netrc || t->user != NULL))
		rc = log_in(sh, t);
	if (rc < 0) {
		_cleanup_free_ char *why = session_error(&sh->s, rc);
		view_outcome(&sh->s.view, rc, why);
	}
	return rc;
}

void
shell_close(struct shell *sh)
{
	if (session_run(&sh->s, ferry_quit(sh->s.h)) < 0)
		session_drop(&sh->s);
	freep(&sh->host);
	shell_forget_names(sh);
}

void
shell_forget_names(struct shell *sh)
{
	candidates_clear(&sh->cache);
	freep(&sh->cache_dir);
}

/* ---------------------------------------------------------------- questions */

int
shell_confirm(struct shell *sh, const char *what, const char *name, bool *all)
{
	_cleanup_free_ char *question = NULL, *answer = NULL, *safe = safe_string(name);
	int rc;

	if (!sh->ask || !sh->interactive || *all)
		return 1;
	for (;;) {
		freep(&question);
		freep(&answer);
		if (safe == NULL ||
		    asprintf(&question, "%s %s [anpqy?]? ", what, safe) < 0)
			return -FERRY_ENOMEM;
		rc = reader_ask(question, &answer);
		if (rc < 0)
			return -FERRY_EABORTED;
		switch (*answer) {
		case 'a':
			*all = true;
			return 1;
		case 'p':
			sh->ask = false;
			puts("Interactive mode: off.");
			return 1;
		case 'n':
			return 0;
		case 'q':
			return -FERRY_EABORTED;
		case '?':
			puts("y yes; n no; a yes to all of these; p never ask again; q "
			     "stop");
			break;
		default:
			return 1;
		}
	}
}

/* ---------------------------------------------------------------- names by pattern */

struct expansion {
	const char *dir;  /* with its "/" */
	const char *base; /* pattern of the last component */
	bool files_only;
	struct candidates *to;
	char *line; /* NLST: a line that is not complete */
	size_t n;
};

/* A name from the server: only a plain one is ever used. */
static void
consider(struct expansion *x, const char *name)
{
	_cleanup_free_ char *path = NULL;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || *name == '\0')
		return;
	if (!ferry_name_is_plain(name)) {
		shell_complain(
		    "Refused: the server lists \"%s\", which is not a plain file name.",
		    name);
		return;
	}
	if (fnmatch(x->base, name, FNM_PERIOD) != 0)
		return;
	if (asprintf(&path, "%s%s", x->dir, name) < 0) {
		path = NULL;
		x->to->out_of_memory = true;
		return;
	}
	candidates_add(x->to, path);
}

static int
on_entry(struct ferry_entry *e, void *user)
{
	struct expansion *x = user;

	if (!x->files_only || e->type != FERRY_ENTRY_DIRECTORY)
		consider(x, e->name);
	return x->to->out_of_memory ? -1 : 0;
}

/* Some servers put the directory before each name of NLST. */
static void
on_name(struct expansion *x)
{
	size_t n = strlen(x->dir);

	x->line[x->n] = '\0';
	if (x->n > 0 && x->line[x->n - 1] == '\r')
		x->line[x->n - 1] = '\0';
	consider(x, n > 0 && strncmp(x->line, x->dir, n) == 0 ? x->line + n : x->line);
	x->n = 0;
}

#define NAME_LIMIT 8192

static int
on_nlst(const void *data, size_t n, void *user)
{
	struct expansion *x = user;
	const char *p = data;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n')
			on_name(x);
		else if (x->n < NAME_LIMIT - 1)
			x->line[x->n++] = p[i];
		else
			return -1;
	}
	return x->to->out_of_memory ? -1 : 0;
}

static int
list_names(struct shell *sh, struct expansion *x)
{
	struct ferry *h = sh->s.h;
	const char *dir = *x->dir == '\0' ? NULL : x->dir;
	int rc;

	if (ferry_has_feature(h, "MLST"))
		return session_run(&sh->s, ferry_list(h, dir, on_entry, x));
	x->line = malloc(NAME_LIMIT);
	if (x->line == NULL)
		return -FERRY_ENOMEM;
	rc = session_run(&sh->s, ferry_list_raw(h, "NLST", dir, on_nlst, x));
	if (rc == 0 && x->n > 0)
		on_name(x);
	freep(&x->line);
	return rc;
}

int
shell_expand(
    struct shell *sh, const char *pattern, bool files_only, struct candidates *ret)
{
	const char *base = local_last_component(pattern);
	_cleanup_free_ char *dir = strndup(pattern, (size_t)(base - pattern));
	struct expansion x = {
	    .dir = dir, .base = base, .files_only = files_only, .to = ret};
	size_t before = ret->n;
	int rc;

	if (dir == NULL)
		return -FERRY_ENOMEM;
	if (!sh->glob || strpbrk(pattern, "*?[") == NULL) {
		candidates_add(ret, pattern);
		return ret->out_of_memory ? -FERRY_ENOMEM : 0;
	}
	if (strpbrk(dir, "*?[") != NULL)
		return shell_complain(
		    "%s: only the last component may be a pattern.", pattern);
	sh->s.view.quiet = true;
	rc = list_names(sh, &x);
	sh->s.view.quiet = false;
	if (rc < 0)
		candidates_keep(ret, before); /* half a list is none */
	if (rc < 0 && ret->out_of_memory)
		rc = session_fail(&sh->s, -FERRY_ETOOBIG,
		    "the server lists more names than can be kept");
	if (rc < 0 && !(rc == -FERRY_EREFUSED || rc == -FERRY_ETEMPORARY))
		return shell_result(sh, rc);
	if (ret->n == before)
		return shell_complain("%s: no match.", pattern);
	return 0;
}
