/*
 * quote, site, system, features, rhelp, rstatus, idle: words for the server, and its
 * answer shown whatever the settings are.
 */
#include "own.h"
#include "shell.h"
#include "words.h"

/* Sends "VERB words" and shows the reply. */
static int
say(struct shell *sh, const char *verb, int n, char **word)
{
	_cleanup_free_ char *rest = words_join((size_t)n, word), *line = NULL;
	struct view *v = &sh->s.view;
	int rc;

	if (rest == NULL || asprintf(&line, "%s%s%s", verb,
				*verb != '\0' && *rest != '\0' ? " " : "", rest) < 0) {
		line = NULL;
		return -FERRY_ENOMEM;
	}
	if (v->record != NULL)
		record_hide_argument(v->record, line);
	v->asked = true;
	rc = session_run(&sh->s, ferry_command(sh->s.h, line));
	v->asked = false;
	explicit_bzero(line, strlen(line));
	explicit_bzero(rest, strlen(rest));
	if (rc == 0 && ferry_reply_code(sh->s.h) >= 400)
		return -FERRY_EREFUSED;
	return shell_result(sh, rc);
}

int
cmd_quote(struct shell *sh, int n, char **word)
{
	shell_forget_names(sh);
	return say(sh, "", n - 1, word + 1);
}

int
cmd_site(struct shell *sh, int n, char **word)
{
	return say(sh, "SITE", n - 1, word + 1);
}

int
cmd_system(struct shell *sh, int n, char **word)
{
	return say(sh, "SYST", 0, word);
}

int
cmd_features(struct shell *sh, int n, char **word)
{
	return say(sh, "FEAT", 0, word);
}

int
cmd_rhelp(struct shell *sh, int n, char **word)
{
	return say(sh, "HELP", n - 1, word + 1);
}

int
cmd_rstatus(struct shell *sh, int n, char **word)
{
	return say(sh, "STAT", n - 1, word + 1);
}

int
cmd_idle(struct shell *sh, int n, char **word)
{
	return say(sh, "SITE IDLE", n - 1, word + 1);
}
