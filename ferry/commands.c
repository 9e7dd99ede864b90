/*
 * From a typed line to a function: prefixes, argument counts, what must be connected
 * first.
 */
#include "commands.h"

#include "own.h"
#include "safe.h"
#include "words.h"

const struct command commands[] = {
#define COMMAND(name, min, max, function, needs, complete, arguments, help)              \
	{#name, min, max, function, needs, complete, arguments, help},
#include "commands.def"
#undef COMMAND
};
const size_t commands_count = ARRAY_LEN(commands);

const struct command *
commands_find(const char *word, bool *ret_ambiguous)
{
	const struct command *found = NULL;
	size_t n = strlen(word);

	*ret_ambiguous = false;
	for (size_t i = 0; i < commands_count && n > 0; i++) {
		if (strncmp(commands[i].name, word, n) != 0)
			continue;
		if (commands[i].name[n] == '\0')
			return &commands[i];
		if (found != NULL && found->run != commands[i].run)
			*ret_ambiguous = true;
		if (found == NULL)
			found = &commands[i];
	}
	return *ret_ambiguous ? NULL : found;
}

static int
check_connection(struct shell *sh, const struct command *c)
{
	if ((c->needs & (OPEN | LOGIN)) != 0 && !ferry_is_connected(sh->s.h))
		return shell_complain("Not connected.");
	if ((c->needs & LOGIN) != 0 && !ferry_is_logged_in(sh->s.h))
		return shell_complain("Login incomplete: \"user NAME\" logs in.");
	return 0;
}

/* Missing arguments are asked for, as the classic ftp command does. */
static int
ask_missing(
    struct shell *sh, const struct command *c, size_t *n, char **word, struct words *more)
{
	_cleanup_free_ char *question = NULL, *line = NULL;
	const char *why = "out of memory";
	int rc;

	if (!sh->interactive || asprintf(&question, "(%s) ", c->arguments) < 0)
		return -FERRY_EINVAL;
	rc = reader_ask(question, &line);
	if (rc == 0)
		rc = words_split(line, more, &why);
	for (size_t i = 0; rc == 0 && i < more->n && *n + 1 < WORDS_MAX; i++)
		word[(*n)++] = more->word[i];
	word[*n] = NULL;
	return rc;
}

int
commands_run(struct shell *sh, size_t n, char **word)
{
	_cleanup_(words_clear)
	struct words more = {.n = 0};
	bool ambiguous;
	const struct command *c = commands_find(word[0], &ambiguous);
	int rc;

	if (c == NULL) {
		_cleanup_free_ char *safe = safe_string(word[0]);
		return shell_complain(ambiguous ? "?Ambiguous command: %s"
						: "?Invalid command: %s. help lists all.",
		    safe == NULL ? "" : safe);
	}
	rc = check_connection(sh, c);
	if (rc == 0 && n < (size_t)c->min + 1)
		(void)ask_missing(sh, c, &n, word, &more);
	if (rc == 0 &&
	    (n < (size_t)c->min + 1 || (c->max >= 0 && n > (size_t)c->max + 1)))
		rc = shell_complain("usage: %s %s", c->name, c->arguments);
	return rc < 0 ? rc : c->run(sh, (int)n, word);
}

/* ---------------------------------------------------------------- help */

static void
list_commands(void)
{
	const int per_line = 6;

	puts("Commands (any unique beginning of a name works):");
	for (size_t i = 0; i < commands_count; i++)
		printf("%-12s%s", commands[i].name,
		    (i + 1) % per_line == 0 || i + 1 == commands_count ? "\n" : "");
	puts("help COMMAND explains one.");
}

int
cmd_help(struct shell *sh, int n, char **word)
{
	int rc = 0;

	if (n == 1)
		list_commands();
	for (int i = 1; i < n; i++) {
		bool ambiguous;
		const struct command *c = commands_find(word[i], &ambiguous);
		if (c != NULL)
			printf("%s%s%s\n        %s\n", c->name, *c->arguments ? " " : "",
			    c->arguments, c->help);
		else
			rc = shell_complain(ambiguous ? "?Ambiguous help command: %s"
						      : "?Invalid help command: %s",
			    word[i]);
	}
	return rc;
}
