/*
 * The command line's options: one table for get, put, ls, cat and the prompt.
 */
#ifndef FERRY_OPTIONS_H
#define FERRY_OPTIONS_H

#include <ferry/ferry.h>
#include <stdio.h>

/* Which of the commands an option is for. */
enum option_user {
	FOR_GET = 1,
	FOR_PUT = 2,
	FOR_LS = 4,
	FOR_CAT = 8,
	FOR_PROMPT = 16,
	FOR_FILES = 31, /* all that move files or list them */
	FOR_REPLAY = 32,
	FOR_DOCTOR = 64,
	FOR_ALL = FOR_FILES | FOR_DOCTOR,
};

/* The most that -j takes. */
#define SESSIONS_MAX 64

enum colour_choice { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

struct options {
	enum ferry_mode mode;
	enum ferry_coding coding;
	int family;
	const char *active_address;
	uint16_t active_low, active_high;
	bool active_allowed;
	bool trust_pasv;
	bool no_memory; /* of ways that worked */
	const char *source;
	bool explain, verbose, quiet;
	const char *trace;  /* file for the diagram, or NULL */
	enum ferry_tls tls; /* --tls, --plain; FERRY_TLS_AUTO: neither */
	const char *ca_file, *pin, *cert_file, *key_file, *known_hosts;
	bool accept_new;
	const char *user;
	const char *password_file;
	int password_fd; /* or -1 */
	const char *netrc;
	bool no_netrc;
	unsigned timeout_ms; /* 0: the library's */
	bool resume, ascii;
	bool recursive;
	unsigned sessions; /* of get -r and put -r; 0: as many as help */
	enum colour_choice colour;
	const char *output;
	bool long_listing;
	/* the doctor's */
	bool json, allow_plaintext;
	unsigned idle_seconds; /* 0: not asked for */
	/* the prompt's */
	bool no_ask, no_glob, no_edit, anonymous;
	uint16_t port;
};

/* Reads the options of argv[1..]; *ret_first is the index of the first argument
 * (arguments are moved behind the options). 0; OPTIONS_HELP or OPTIONS_VERSION: that was
 * asked for; -FERRY_EINVAL: the mistake was told on standard error. */
#define OPTIONS_HELP 1
#define OPTIONS_VERSION 2
int options_parse(
    int argc, char **argv, enum option_user who, struct options *ret, int *ret_first);
/* The option lines of --help. */
void options_help(FILE *out, enum option_user who);
/* Shall output to f have colours? --color, NO_COLOR, and whether f is a terminal. */
bool options_colour(const struct options *o, FILE *f);

#endif
