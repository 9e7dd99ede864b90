/*
 * The table of the prompt's commands.
 */
#ifndef FERRY_COMMANDS_H
#define FERRY_COMMANDS_H

#include "shell.h"

enum command_needs { NOTHING = 0, OPEN = 1, LOGIN = 2, SECRET = 4 };

struct command {
	const char *name;
	int min, max;
	command_fn *run;
	unsigned needs;
	const char *complete;
	const char *arguments;
	const char *help;
};

extern const struct command commands[];
extern const size_t commands_count;

/* The command of which word is the name or a prefix that only it (or its aliases) has.
 * NULL, with *ret_ambiguous. */
const struct command *commands_find(const char *word, bool *ret_ambiguous);
/* Checks and runs one line that was split. 0 or the failure. */
int commands_run(struct shell *sh, size_t n, char **word);

#endif
