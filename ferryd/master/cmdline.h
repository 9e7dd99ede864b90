/*
 * ferryd's command line, read into one struct; nothing is done here.
 */
#ifndef FERRYD_MASTER_CMDLINE_H
#define FERRYD_MASTER_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum action {
	ACTION_SERVE_DIRECTORY, /* ferryd DIR */
	ACTION_DAEMON,          /* ferryd --config FILE */
	ACTION_SHOW_CONFIG,
	ACTION_CHECK_CONFIG,
	ACTION_CHECK,    /* ferryd check */
	ACTION_FAILURES, /* ferryd failures */
	ACTION_VERSION,
	ACTION_HELP,
};

#define CMDLINE_MAX_FILES 16
#define CMDLINE_MAX_OPTIONS 64

struct cmdline {
	enum action action;
	const char *directory;
	const char *user;          /* --user */
	const char *password_file; /* --password-file */
	int password_fd;           /* --password-fd, or -1 */
	const char *listen;        /* --listen ADDRESS, or NULL for all */
	const char *port;          /* --port, or NULL: 2121 or the next free one */
	const char *pasv_ports;    /* --passive-ports LOW-HIGH, or NULL */
	const char *files[CMDLINE_MAX_FILES];
	size_t nfiles;
	const char *options[CMDLINE_MAX_OPTIONS]; /* "name=value" of -o */
	size_t noptions;
	bool json;        /* --json */
	bool watch;       /* --watch */
	uint64_t seconds; /* --seconds: how long to watch; 0: until a signal */
};

/* 0, or -FERRY_EINVAL after saying on standard error what is wrong and what would be
 * right. */
int cmdline_parse(int argc, char **argv, struct cmdline *ret);

/* The text of --help. */
void cmdline_help(void);

#endif
