/*
 * cd, pwd, mkdir, delete, rename, size, ...: the server's files and directories.
 */
#include "own.h"
#include "safe.h"
#include "shell.h"

#include <time.h>

/* A change on the server: what completion knows may be wrong now. */
static int
changed(struct shell *sh, int result)
{
	shell_forget_names(sh);
	return shell_result(sh, session_run(&sh->s, result));
}

int
cmd_cd(struct shell *sh, int n, char **word)
{
	return changed(sh, ferry_chdir(sh->s.h, word[1]));
}

int
cmd_cdup(struct shell *sh, int n, char **word)
{
	return changed(sh, ferry_chdir_up(sh->s.h));
}

int
cmd_pwd(struct shell *sh, int n, char **word)
{
	_cleanup_free_ char *path = NULL, *safe = NULL;
	int rc = session_run(&sh->s, ferry_pwd(sh->s.h, &path));

	if (rc == 0 && !sh->verbose && (safe = safe_string(path)) != NULL)
		printf("Remote directory: %s\n", safe);
	return shell_result(sh, rc);
}

int
cmd_mkdir(struct shell *sh, int n, char **word)
{
	return changed(sh, ferry_mkdir(sh->s.h, word[1], NULL));
}

int
cmd_rmdir(struct shell *sh, int n, char **word)
{
	return changed(sh, ferry_rmdir(sh->s.h, word[1]));
}

int
cmd_delete(struct shell *sh, int n, char **word)
{
	return changed(sh, ferry_delete(sh->s.h, word[1]));
}

int
cmd_mdelete(struct shell *sh, int n, char **word)
{
	_cleanup_(candidates_clear)
	struct candidates names = {.n = 0};
	bool all = false;
	int rc = 0, failed = 0;

	for (int i = 1; i < n; i++)
		if ((rc = shell_expand(sh, word[i], true, &names)) < 0)
			failed = rc;
	for (size_t i = 0; i < names.n && ferry_is_logged_in(sh->s.h); i++) {
		rc = shell_confirm(sh, "mdelete", names.word[i], &all);
		if (rc < 0)
			return rc;
		if (rc > 0 &&
		    (rc = changed(sh, ferry_delete(sh->s.h, names.word[i]))) < 0)
			failed = rc;
		if (rc == -FERRY_EABORTED)
			break;
	}
	return failed;
}

int
cmd_rename(struct shell *sh, int n, char **word)
{
	return changed(sh, ferry_rename(sh->s.h, word[1], word[2]));
}

int
cmd_size(struct shell *sh, int n, char **word)
{
	_cleanup_free_ char *safe = safe_string(word[1]);
	uint64_t size;
	int rc = session_run(&sh->s, ferry_size(sh->s.h, word[1], &size));

	if (rc == 0)
		printf("%s\t%llu\n", safe == NULL ? "" : safe, (unsigned long long)size);
	else
		session_fail(&sh->s, rc, "%s",
		    ferry_error_text(sh->s.h)); /* SIZE replies are not shown */
	return shell_result(sh, rc);
}

int
cmd_modtime(struct shell *sh, int n, char **word)
{
	_cleanup_free_ char *safe = safe_string(word[1]);
	char text[64] = "";
	int64_t mtime;
	int rc = session_run(&sh->s, ferry_mtime(sh->s.h, word[1], &mtime));

	if (rc < 0) {
		session_fail(&sh->s, rc, "%s", ferry_error_text(sh->s.h));
		return shell_result(sh, rc);
	}
	time_t t = (time_t)mtime;
	struct tm tm;
	if (gmtime_r(&t, &tm) != NULL)
		strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	printf("%s\t%s\n", safe == NULL ? "" : safe, text);
	return 0;
}

/* Sends a line; a reply of 400 and more is a failure, with the reply on the screen. */
static int
send_line(struct shell *sh, const char *line)
{
	int rc = session_run(&sh->s, ferry_command(sh->s.h, line));

	if (rc == 0 && ferry_reply_code(sh->s.h) >= 400)
		rc = -FERRY_EREFUSED;
	return shell_result(sh, rc);
}

int
cmd_chmod(struct shell *sh, int n, char **word)
{
	_cleanup_free_ char *line = NULL;

	if (asprintf(&line, "SITE CHMOD %s %s", word[1], word[2]) < 0) {
		line = NULL;
		return -FERRY_ENOMEM;
	}
	return send_line(sh, line);
}

int
cmd_umask(struct shell *sh, int n, char **word)
{
	_cleanup_free_ char *line = NULL;

	if (asprintf(&line, "SITE UMASK%s%s", n > 1 ? " " : "", n > 1 ? word[1] : "") <
	    0) {
		line = NULL;
		return -FERRY_ENOMEM;
	}
	return send_line(sh, line);
}
