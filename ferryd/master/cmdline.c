/*
 * ferryd's command line: one table of long options, read by getopt_long, told by --help.
 */
#include "cmdline.h"

#include <ferry/ferry.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

enum {
	OPT_CONFIG = 256,
	OPT_SHOW,
	OPT_CHECK,
	OPT_VERSION,
	OPT_HELP,
	OPT_USER,
	OPT_PASSWORD_FILE,
	OPT_PASSWORD_FD,
	OPT_PORT,
	OPT_LISTEN,
	OPT_PASSIVE,
	OPT_JSON,
	OPT_WATCH,
	OPT_SECONDS,
};

struct help {
	struct option option;
	const char *argument;
	const char *text;
};

static const struct help table[] = {
    {{"user", required_argument, NULL, OPT_USER}, "NAME",
	"only this user, with full rights; the password is asked for"},
    {{"password-file", required_argument, NULL, OPT_PASSWORD_FILE}, "FILE",
	"the password of --user is the file's first line"},
    {{"password-fd", required_argument, NULL, OPT_PASSWORD_FD}, "N",
	"... or the first line from descriptor N"},
    {{"port", required_argument, NULL, OPT_PORT}, "N",
	"control port (default: 2121, or the next free one)"},
    {{"listen", required_argument, NULL, OPT_LISTEN}, "ADDRESS",
	"only this local address (default: all, IPv4 and IPv6)"},
    {{"passive-ports", required_argument, NULL, OPT_PASSIVE}, "LOW-HIGH",
	"ports for passive mode (default: 61000-61199)"},
    {{"config", required_argument, NULL, OPT_CONFIG}, "FILE",
	"be the daemon that FILE describes (vsftpd.conf's syntax, see ferryd.conf(5))"},
    {{"show-config", no_argument, NULL, OPT_SHOW}, NULL,
	"print every option with its value; with --config, that file's"},
    {{"check-config", required_argument, NULL, OPT_CHECK}, "FILE",
	"say what is wrong with FILE; exit status 0 if it can be used"},
    {{"json", no_argument, NULL, OPT_JSON}, NULL, "check, failures: print JSON"},
    {{"watch", no_argument, NULL, OPT_WATCH}, NULL,
	"check: tell which calls arrive while somebody outside tries (root)"},
    {{"seconds", required_argument, NULL, OPT_SECONDS}, "N",
	"check --watch: end after so many seconds (default: with ^C)"},
    {{"version", no_argument, NULL, OPT_VERSION}, NULL, "print the version"},
    {{"help", no_argument, NULL, OPT_HELP}, NULL, "print this"},
};

void
cmdline_help(void)
{
	printf(
	    "usage: ferryd [options] DIR             serve DIR, read-only, to anonymous\n"
	    "       ferryd [options] --user NAME DIR serve DIR to NAME, who may change "
	    "it\n"
	    "       ferryd --config FILE [-oNAME=VALUE ...]\n"
	    "       ferryd --show-config [--config FILE] | --check-config FILE\n"
	    "       ferryd check [--watch] [--config FILE | options]\n"
	    "       ferryd failures [--config FILE]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s %s", table[i].option.name,
		    table[i].argument != NULL ? table[i].argument : "");
		printf("  %-24s %s\n", left, table[i].text);
	}
	printf("  %-24s %s\n", "-oNAME=VALUE",
	    "set one option of ferryd.conf, after the file");
}

static int
complain(const char *what, const char *value)
{
	fprintf(stderr, "ferryd: %s%s%s\nTry: ferryd --help\n", what,
	    value != NULL ? ": " : "", value != NULL ? value : "");
	return -FERRY_EINVAL;
}

static int
take_option(int opt, const char *value, struct cmdline *c)
{
	uint64_t fd;

	switch (opt) {
	case OPT_CONFIG:
		if (c->action == ACTION_SERVE_DIRECTORY)
			c->action = ACTION_DAEMON;
		if (c->nfiles == CMDLINE_MAX_FILES)
			return complain("too many configuration files", NULL);
		c->files[c->nfiles++] = value;
		return 0;
	case OPT_CHECK:
		c->action = ACTION_CHECK_CONFIG;
		if (c->nfiles == CMDLINE_MAX_FILES)
			return complain("too many configuration files", NULL);
		c->files[c->nfiles++] = value;
		return 0;
	case OPT_SHOW:
		c->action = ACTION_SHOW_CONFIG;
		return 0;
	case OPT_JSON:
		c->json = true;
		return 0;
	case OPT_WATCH:
		c->watch = true;
		return 0;
	case OPT_SECONDS:
		if (parse_uint(value, strlen(value), 86400, &c->seconds) < 0)
			return complain("--seconds wants a number up to 86400", value);
		return 0;
	case OPT_VERSION:
		c->action = ACTION_VERSION;
		return 0;
	case OPT_HELP:
		c->action = ACTION_HELP;
		return 0;
	case OPT_USER:
		c->user = value;
		return 0;
	case OPT_PASSWORD_FILE:
		c->password_file = value;
		return 0;
	case OPT_PASSWORD_FD:
		if (parse_uint(value, strlen(value), 1 << 16, &fd) < 0)
			return complain(
			    "--password-fd wants a descriptor's number", value);
		c->password_fd = (int)fd;
		return 0;
	case OPT_PORT:
		c->port = value;
		return 0;
	case OPT_LISTEN:
		c->listen = value;
		return 0;
	case OPT_PASSIVE:
		c->pasv_ports = value;
		return 0;
	case 'o':
		if (c->noptions == CMDLINE_MAX_OPTIONS)
			return complain("too many -o options", NULL);
		c->options[c->noptions++] = value;
		return 0;
	default: /* getopt has said what is wrong */
		fprintf(stderr, "Try: ferryd --help\n");
		return -FERRY_EINVAL;
	}
}

/* A word instead of options: ferryd check, ferryd failures. A directory of that name is
 * served as ./check. */
static enum action
command_of(const char *word)
{
	return word == NULL                    ? ACTION_SERVE_DIRECTORY
	       : strcmp(word, "check") == 0    ? ACTION_CHECK
	       : strcmp(word, "failures") == 0 ? ACTION_FAILURES
					       : ACTION_SERVE_DIRECTORY;
}

static bool
is_command(const struct cmdline *c)
{
	return c->action == ACTION_CHECK || c->action == ACTION_FAILURES;
}

/* What belongs together and what does not. */
static int
check_together(const struct cmdline *c)
{
	bool secret = c->password_file != NULL || c->password_fd >= 0;

	if ((c->json && !is_command(c)) ||
	    ((c->watch || c->seconds > 0) && c->action != ACTION_CHECK))
		return complain("--json goes with check and failures, --watch and "
				"--seconds with check",
		    NULL);
	if (is_command(c) && c->nfiles == 0 && c->directory == NULL && c->user == NULL &&
	    !secret)
		return 0;
	if (c->action != ACTION_SERVE_DIRECTORY) {
		if (c->directory != NULL)
			return complain("a directory to serve goes without --config; "
					"there anon_root and local_root say it",
			    c->directory);
		if (c->user != NULL || secret)
			return complain(
			    "--user and its password go with a directory", NULL);
		if (c->port != NULL || c->listen != NULL || c->pasv_ports != NULL)
			return complain("--port, --listen and --passive-ports go with a "
					"directory; else say it "
					"with options, for example -olisten_port=2121",
			    NULL);
		return 0;
	}
	if (c->directory == NULL)
		return complain("which directory shall be served?  ferryd DIR", NULL);
	if (c->user != NULL && (c->user[0] == '\0' || strlen(c->user) > 255))
		return complain("--user wants a name of 1 to 255 bytes", NULL);
	if (secret && c->user == NULL)
		return complain("a password needs --user NAME", NULL);
	if (c->password_file != NULL && c->password_fd >= 0)
		return complain(
		    "--password-file and --password-fd exclude each other", NULL);
	return 0;
}

int
cmdline_parse(int argc, char **argv, struct cmdline *ret)
{
	struct option options[ARRAY_LEN(table) + 1] = {0};
	struct cmdline c = {.action = ACTION_SERVE_DIRECTORY, .password_fd = -1};
	int opt, r;

	c.action = command_of(argc > 1 ? argv[1] : NULL);
	if (is_command(&c))
		optind = 2;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		options[i] = table[i].option;
	while ((opt = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		r = take_option(opt == 'h' ? OPT_HELP : opt, optarg, &c);
		if (r < 0)
			return r;
	}
	if (optind < argc)
		c.directory = argv[optind++];
	if (optind < argc)
		return complain("one directory only", argv[optind]);
	r = check_together(&c);
	if (r < 0)
		return r;
	*ret = c;
	return 0;
}
