/*
 * ferry: moves files by FTP. The first word chooses a command of one line (get, put, ls,
 * cat); without one the prompt opens, as the classic ftp command does.
 */
#include "doctor.h"
#include "interrupt.h"
#include "oneshot.h"
#include "options.h"
#include "own.h"
#include "prompt.h"
#include "replay.h"

#include <locale.h>

static const struct subcommand {
	const char *name;
	const char *usage;
	const char *help;
	enum option_user options;
	int min, max; /* arguments; max -1: any number */
	oneshot_fn *run;
} subcommands[] = {
    {"get", "[OPTION...] URL...", "download files", FOR_GET, 1, -1, oneshot_get},
    {"put", "[OPTION...] FILE... URL",
	"upload files; a URL that ends in / is a directory", FOR_PUT, 2, -1, oneshot_put},
    {"ls", "[OPTION...] URL...", "list directories", FOR_LS, 1, -1, oneshot_ls},
    {"cat", "[OPTION...] URL...", "write files to standard output", FOR_CAT, 1, -1,
	oneshot_cat},
    {"doctor", "[OPTION...] HOST | URL",
	"find out what keeps data connections from working", FOR_DOCTOR, 1, 1,
	doctor_main},
    {"replay", "[OPTION...] FILE.json", "narrate a recorded session, or draw it (--trace)",
	FOR_REPLAY, 1, 1, replay_main},
    {"", "[OPTION...] [[USER@]HOST[:PATH] [PORT] | URL]", "the ftp> prompt", FOR_PROMPT,
	0, 2, prompt_main},
};

#define PROMPT (&subcommands[ARRAY_LEN(subcommands) - 1])

static void
usage_line(FILE *out, const struct subcommand *c)
{
	char left[80];

	snprintf(left, sizeof left, "ferry %s%s%s", c->name, *c->name != '\0' ? " " : "",
	    c->usage);
	fprintf(out, "  %-58s %s\n", left, c->help);
}

static void
print_help(FILE *out, const struct subcommand *c)
{
	fputs("Usage:\n", out);
	if (c != PROMPT) {
		usage_line(out, c);
	} else {
		for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
			usage_line(out, &subcommands[i]);
		fputs("\nferry COMMAND --help lists a command's options; these are the "
		      "prompt's:\n",
		    out);
	}
	fputs("\nOptions:\n", out);
	options_help(out, c->options);
	fputs("\nURL is ftp://[USER[:PASSWORD]@]HOST[:PORT]/PATH. The manual page is "
	      "ferry(1).\n",
	    out);
}

static const struct subcommand *
find_subcommand(const char *word)
{
	for (size_t i = 0; word != NULL && i < ARRAY_LEN(subcommands) - 1; i++)
		if (strcmp(word, subcommands[i].name) == 0)
			return &subcommands[i];
	return PROMPT;
}

static enum exitcode
run(const struct subcommand *c, int argc, char **argv)
{
	struct options opt;
	int first = 0;
	int rc = options_parse(argc, argv, c->options, &opt, &first);

	if (rc == OPTIONS_HELP)
		print_help(stdout, c);
	else if (rc == OPTIONS_VERSION)
		printf("ferry %s\n", ferry_version());
	if (rc != 0)
		return rc < 0 ? EXITCODE_USAGE : EXITCODE_OK;
	int n = argc - first;
	if (n < c->min || (c->max >= 0 && n > c->max)) {
		fputs("Usage:\n", stderr);
		usage_line(stderr, c);
		return EXITCODE_USAGE;
	}
	return c->run(&opt, n, argv + first);
}

int
main(int argc, char **argv)
{
	const struct subcommand *c = find_subcommand(argc > 1 ? argv[1] : NULL);
	int skip = c == PROMPT ? 0 : 1;

	argv[skip] = argv[0]; /* the name in getopt's messages */

	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C"); /* scripts read our numbers */
	interrupt_init();
	enum exitcode code = run(c, argc - skip, argv + skip);
	if (fflush(stdout) != 0 && code == EXITCODE_OK)
		code = EXITCODE_LOCAL;
	interrupt_obey_end();
	return code;
}
