/*
 * lcd, lpwd, !: this machine.
 */
#include "own.h"
#include "shell.h"
#include "words.h"

#include <signal.h>
#include <sys/wait.h>

int
cmd_lpwd(struct shell *sh, int n, char **word)
{
	_cleanup_free_ char *dir = getcwd(NULL, 0);

	if (dir == NULL)
		return shell_complain("getcwd: %s", strerror(errno));
	printf("Local directory: %s\n", dir);
	return 0;
}

int
cmd_lcd(struct shell *sh, int n, char **word)
{
	const char *home = getenv("HOME"), *dir = n > 1 ? word[1] : home;
	_cleanup_free_ char *now = NULL;

	if (dir == NULL || chdir(dir) < 0)
		return shell_complain("%s: %s", dir == NULL ? "HOME" : dir,
		    dir == NULL ? "is not set" : strerror(errno));
	now = getcwd(NULL, 0);
	printf("Local directory now: %s\n", now == NULL ? dir : now);
	return 0;
}

/* The words are given to the shell as they were typed: the prompt hands over the whole
 * line. */
int
cmd_shell(struct shell *sh, int n, char **word)
{
	const char *program = getenv("SHELL");
	_cleanup_free_ char *line = n > 1 ? words_join((size_t)n - 1, word + 1) : NULL;
	int status;

	if (program == NULL || *program == '\0')
		program = "/bin/sh";
	fflush(stdout);
	status = system(line != NULL ? line : program);
	if (status < 0)
		return shell_complain("%s: %s", program, strerror(errno));
	return line == NULL || (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		   ? 0
		   : -FERRY_ELOCAL;
}
