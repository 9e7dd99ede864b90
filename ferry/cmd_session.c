/*
 * open, user, close, bye.
 */
#include "own.h"
#include "secret.h"
#include "shell.h"

int
cmd_open(struct shell *sh, int n, char **word)
{
	_cleanup_(target_clear)
	struct target t = {.host = NULL};
	const char *why = "out of memory";

	if (ferry_is_connected(sh->s.h))
		return shell_complain(
		    "Already connected to %s, use close first.", sh->host);
	int rc = target_parse(word[1], &t, &why);
	secret_scrub_url(word[1]);
	if (rc < 0)
		return shell_complain("%s: %s", word[1], why);
	if (n > 2) {
		char *end;
		unsigned long port = strtoul(word[2], &end, 10);
		if (*word[2] < '0' || *word[2] > '9' || *end != '\0' || port < 1 ||
		    port > 65535)
			return shell_complain("%s: bad port number", word[2]);
		t.port = (uint16_t)port;
	}
	return shell_open(sh, &t);
}

int
cmd_user(struct shell *sh, int n, char **word)
{
	int rc = session_login(
	    &sh->s, word[1], n > 2 ? word[2] : NULL, n > 3 ? word[3] : NULL);

	for (int i = 2; i < n; i++)
		explicit_bzero(word[i], strlen(word[i]));
	if (rc == -FERRY_ELOGIN)
		puts("Login failed.");
	shell_forget_names(sh);
	return shell_result(sh, rc);
}

int
cmd_close(struct shell *sh, int n, char **word)
{
	shell_close(sh);
	return 0;
}

int
cmd_bye(struct shell *sh, int n, char **word)
{
	if (ferry_is_connected(sh->s.h))
		shell_close(sh);
	sh->done = true;
	return 0;
}
