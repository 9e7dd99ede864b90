/*
 * The prompt's loop: a line, a command, the next line. ^C stops what runs and never the
 * program; a script's first failure decides the exit code.
 */
#include "prompt.h"

#include "commands.h"
#include "interrupt.h"
#include "local.h"
#include "own.h"
#include "safe.h"
#include "secret.h"
#include "transfer.h"
#include "words.h"

#include <dirent.h>

/* ---------------------------------------------------------------- completion */

static bool
begins_with(const char *text, const char *begin)
{
	return strncmp(text, begin, strlen(begin)) == 0;
}

static void
complete_command(const char *begin, struct candidates *ret)
{
	for (size_t i = 0; i < commands_count; i++)
		if (begins_with(commands[i].name, begin))
			candidates_add(ret, commands[i].name);
}

/* dir + name + "/" for a directory, if it begins as typed. Names that a terminal cannot
 * show are not offered. */
static void
offer(const char *dir, const char *name, bool is_directory, const char *begin,
    struct candidates *ret)
{
	_cleanup_free_ char *path = NULL, *shown = safe_string(name);

	if (shown == NULL || strcmp(shown, name) != 0 || !ferry_name_is_plain(name))
		return;
	if (asprintf(&path, "%s%s%s", dir, name, is_directory ? "/" : "") < 0) {
		path = NULL;
		return;
	}
	if (begins_with(path, begin) &&
	    (name[0] != '.' || local_last_component(begin)[0] == '.'))
		candidates_add(ret, path);
}

static void
complete_local(const char *begin, struct candidates *ret)
{
	_cleanup_free_ char *dir =
	    strndup(begin, (size_t)(local_last_component(begin) - begin));
	DIR *d = dir == NULL ? NULL : opendir(*dir == '\0' ? "." : dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		offer(dir, e->d_name, e->d_type == DT_DIR, begin, ret);
	if (d != NULL)
		closedir(d);
}

struct remote_names {
	const char *dir;
	struct candidates *to;
};

static int
on_remote_name(struct ferry_entry *e, void *user)
{
	struct remote_names *r = user;

	if (!e->current && !e->parent)
		offer(r->dir, e->name, e->type == FERRY_ENTRY_DIRECTORY, r->dir, r->to);
	return r->to->out_of_memory || r->to->n > 100000 ? -1 : 0;
}

/* All names of a directory, kept until something may have changed them. */
static int
load_names(struct shell *sh, const char *dir)
{
	struct remote_names r = {.dir = dir, .to = &sh->cache};
	int rc;

	if (sh->cache_dir != NULL && strcmp(sh->cache_dir, dir) == 0)
		return 0;
	shell_forget_names(sh);
	sh->s.view.quiet = sh->s.view.mute = true;
	rc = session_run(
	    &sh->s, ferry_list(sh->s.h, *dir == '\0' ? NULL : dir, on_remote_name, &r));
	sh->s.view.quiet = sh->s.view.mute = false;
	if (rc == 0)
		sh->cache_dir = strdup(dir);
	return rc;
}

static void
complete_remote(struct shell *sh, const char *begin, struct candidates *ret)
{
	const char *last = local_last_component(begin);
	_cleanup_free_ char *dir = strndup(begin, (size_t)(last - begin));

	if (dir == NULL || !ferry_is_logged_in(sh->s.h) || load_names(sh, dir) < 0)
		return;
	for (size_t i = 0; i < sh->cache.n; i++)
		if (begins_with(sh->cache.word[i], begin))
			candidates_add(ret, sh->cache.word[i]);
}

static void
complete(size_t index, const char *command, const char *begin, struct candidates *ret,
    void *user)
{
	bool ambiguous;
	const struct command *c = index == 0 ? NULL : commands_find(command, &ambiguous);

	if (index == 0) {
		complete_command(begin, ret);
		return;
	}
	if (c == NULL)
		return;
	size_t last = strlen(c->complete) - 1;
	switch (c->complete[index - 1 < last ? index - 1 : last]) {
	case 'c':
		complete_command(begin, ret);
		break;
	case 'l':
		complete_local(begin, ret);
		break;
	case 'r':
		complete_remote(user, begin, ret);
		break;
	}
}

/* ---------------------------------------------------------------- the loop */

/* "!" takes the rest of the line as it is. */
static int
run_shell(struct shell *sh, char *line)
{
	char *rest = line + 1 + strspn(line + 1, " \t");
	char name[] = "!";
	char *word[] = {name, *rest == '\0' ? NULL : rest, NULL};

	return cmd_shell(sh, *rest == '\0' ? 1 : 2, word);
}

/* Commands that take passwords are left out, and so are URLs with a password. */
static void
remember(struct shell *sh, const char *line, const char *name)
{
	_cleanup_secret_ char *scrubbed = strdup(line);
	bool ambiguous;
	const struct command *c = commands_find(name, &ambiguous);

	if (scrubbed == NULL || (c != NULL && (c->needs & SECRET) != 0))
		return;
	secret_scrub_url(scrubbed);
	if (strcmp(scrubbed, line) == 0)
		reader_remember(sh->reader, line);
}

static int
run_line(struct shell *sh, char *line)
{
	_cleanup_(words_clear)
	struct words w = {.n = 0};
	const char *why = "out of memory", *start = line + strspn(line, " \t");

	if (*start == '!')
		return run_shell(sh, line + (start - line));
	int rc = words_split(line, &w, &why);
	if (rc < 0)
		return shell_complain("%s", why);
	if (w.n == 0)
		return 0;
	remember(sh, line, w.word[0]);
	return commands_run(sh, w.n, w.word);
}

static void
note(struct shell *sh, int result)
{
	if (result < 0 && !sh->interactive && sh->code == EXITCODE_OK)
		sh->code = exitcode_of(result);
}

static void
loop(struct shell *sh)
{
	while (!sh->done) {
		_cleanup_secret_ char *line = NULL;
		interrupt_clear();
		int rc = reader_line(sh->reader, sh->interactive ? "ftp> " : "", &line);
		if (interrupt_is_end())
			break;
		if (rc == -FERRY_EABORTED)
			continue;
		if (rc < 0)
			break;
		note(sh, run_line(sh, line));
		fflush(stdout);
	}
	if (ferry_is_connected(sh->s.h))
		shell_close(sh);
}

/* ---------------------------------------------------------------- start */

static int
shell_init(struct shell *sh, const struct options *opt)
{
	enum ferry_mode mode = opt->mode;
	int rc = session_init(&sh->s, opt);

	if (rc < 0) {
		fprintf(stderr, "ferry: %s\n",
		    *sh->s.message ? sh->s.message : ferry_strerror(rc));
		return rc;
	}
	sh->interactive = isatty(STDIN_FILENO);
	sh->passive = mode == FERRY_MODE_AUTO || mode == FERRY_MODE_PASSIVE ||
		      mode == FERRY_MODE_EPSV || mode == FERRY_MODE_PASV;
	sh->epsv = mode != FERRY_MODE_PASV && mode != FERRY_MODE_PORT;
	sh->verbose = !opt->quiet;
	sh->debug = opt->verbose;
	sh->sendport = opt->active_allowed;
	sh->ask = !opt->no_ask;
	sh->glob = !opt->no_glob;
	sh->preserve = true;
	sh->progress = !opt->quiet;
	sh->s.may_ask = true;
	sh->s.secret_from_input = !sh->interactive;
	sh->s.view.out = stdout;
	sh->s.view.greet = true;
	if (opt->explain)
		rc =
		    explain_new(stdout, options_colour(opt, stdout), &sh->s.view.explain);
	shell_apply(sh);
	return rc < 0 ? rc : reader_new(!opt->no_edit, complete, sh, &sh->reader);
}

/* A path behind the host: a directory is entered; a file is fetched, and that is all. */
static int
visit(struct shell *sh, const struct target *t)
{
	const char *name = local_last_component(t->path);
	int rc;

	if (*t->path == '\0')
		return 0;
	rc = session_run(&sh->s, ferry_chdir(sh->s.h, t->path));
	if (rc != -FERRY_EREFUSED || t->is_directory)
		return shell_result(sh, rc);
	sh->done = true;
	rc = transfer_download(&sh->s, &(struct download){.remote = t->path,
					   .local = name,
					   .who = LOCAL_LITERAL,
					   .keep_time = sh->preserve});
	sh->code = exitcode_of(rc);
	return shell_result(sh, rc);
}

/* The target of the command line. */
static void
start(struct shell *sh, int n, char **args)
{
	_cleanup_(target_clear)
	struct target t = {.host = NULL};
	const char *why = "out of memory";
	int rc = target_parse(args[0], &t, &why);

	secret_scrub_url(args[0]);
	if (rc == 0 && n > 1) {
		char *end;
		unsigned long port = strtoul(args[1], &end, 10);
		if (*end != '\0' || port < 1 || port > 65535) {
			why = "bad port number";
			rc = -FERRY_EINVAL;
		}
		t.port = (uint16_t)port;
	}
	if (rc < 0) {
		shell_complain("ferry: %s: %s", args[0], why);
		sh->code = EXITCODE_USAGE;
		sh->done = true;
		return;
	}
	rc = shell_open(sh, &t);
	if (rc == 0 && ferry_is_logged_in(sh->s.h))
		rc = visit(sh, &t);
	note(sh, rc);
	fflush(stdout);
}

enum exitcode
prompt_main(const struct options *opt, int n, char **args)
{
	struct shell sh = {.code = EXITCODE_OK};
	int rc = shell_init(&sh, opt);

	if (rc == 0 && n > 0)
		start(&sh, n, args);
	if (rc == 0)
		loop(&sh);
	else
		sh.code = exitcode_of(rc);
	reader_free(sh.reader);
	shell_forget_names(&sh);
	free(sh.host);
	rc = session_save_trace(&sh.s);
	if (rc < 0 && sh.code == EXITCODE_OK)
		sh.code = exitcode_of(rc);
	if (sh.s.h != NULL)
		session_free(&sh.s);
	return sh.code;
}
