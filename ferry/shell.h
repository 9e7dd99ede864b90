/*
 * The state of the prompt, and what its commands (cmd_*.c) share.
 */
#ifndef FERRY_SHELL_H
#define FERRY_SHELL_H

#include "exitcode.h"
#include "reader.h"
#include "session.h"

struct shell {
	struct session s;
	struct reader *reader;
	char *host;       /* of the open connection, or NULL */
	bool interactive; /* a person, not a script */
	bool passive, epsv, sendport;
	bool ask, glob, verbose, debug, preserve, sunique, progress;
	bool done;
	enum exitcode code;      /* a script's: of the first failure */
	struct candidates cache; /* names of cache_dir, for completion */
	char *cache_dir;
};

/* Each command returns 0, or a negative enum ferry_error after telling what is wrong.
 * word[0] is the name as typed; word[n] is NULL; n counts word[0]. */
typedef int command_fn(struct shell *sh, int n, char **word);

/* Tells a failure of libferry, unless the server's reply is on the screen already.
 * Returns result. */
int shell_result(struct shell *sh, int result);
/* Tells a failure of our own. Returns -FERRY_EINVAL. */
__attribute__((format(printf, 1, 2))) int shell_complain(const char *format, ...);
/* Sets mode, view and handle after a change of the settings. */
void shell_apply(struct shell *sh);
/* Connects and logs in. user and password may be NULL. */
int shell_open(struct shell *sh, const struct target *t);
/* Ends the connection, politely if there is one. */
void shell_close(struct shell *sh);
/* Forgets the names that completion knows: the directory or its contents changed. */
void shell_forget_names(struct shell *sh);
/* Asks "what name [anpqy?]? ": 1 yes, 0 no, -FERRY_EABORTED to stop. 'a' and 'p' turn
 * asking off: for this command (*all), for good. */
int shell_confirm(struct shell *sh, const char *what, const char *name, bool *all);
/* The names that a pattern stands for on the server: each is a path to use, whose last
 * component is plain. Without a pattern in it, or with glob off, the word itself. */
int shell_expand(
    struct shell *sh, const char *pattern, bool files_only, struct candidates *ret);

#define COMMAND(name, min, max, function, needs, complete, arguments, help)              \
	command_fn function;
/* every function once is enough for the compiler, and twice does no harm */
#include "commands.def"
#undef COMMAND

#endif
