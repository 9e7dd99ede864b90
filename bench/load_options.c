/*
 * The load generator's command line. Must never take a word for something it is not.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

struct choice {
	const char *word;
	int value;
};

static const struct choice deeds[] = {
    {"retr", DEED_RETR},
    {"stor", DEED_STOR},
    {"list", DEED_LIST},
    {"mlsd", DEED_MLSD},
    {"login", DEED_LOGIN},
    {"idle", DEED_IDLE},
    {NULL, 0},
};

static const struct choice ways[] = {
    {"epsv", WAY_EPSV},
    {"pasv", WAY_PASV},
    {"eprt", WAY_EPRT},
    {"port", WAY_PORT},
    {NULL, 0},
};

static int
usage(void)
{
	fputs(
	    "usage: bench-load --port N --do retr|stor|list|mlsd|login|idle\n"
	    "  [--way epsv|pasv|eprt|port] [--host ADDRESS] [--user NAME] "
	    "[--password WORD]\n"
	    "  [--path PATH] [--size BYTES] [--sessions N] [--seconds S] [--most N]\n"
	    "  [--slow N --slow-path PATH] [--tls [--resume]] [--block DEPTH]\n"
	    "In PATH, # stands for the session's number. --resume: logins resume the TLS "
	    "session\nof the login before. --block: RETR in block mode, DEPTH of them "
	    "asked for ahead.\n",
	    stderr);
	return 2;
}

static int
choose(const struct choice *c, const char *word)
{
	for (; c->word != NULL; c++)
		if (strcmp(c->word, word) == 0)
			return c->value;
	exit(usage());
}

static uint64_t
number(const char *text, uint64_t max)
{
	uint64_t value;

	if (parse_uint(text, strlen(text), max, &value) < 0)
		exit(usage());
	return value;
}

static void
set_host(struct plan *p, const char *text)
{
	if (inet_pton(AF_INET, text, &p->server.sin_addr) != 1)
		exit(usage());
}

static void
set(struct plan *p, int option, const char *value)
{
	switch (option) {
	case 'h':
		set_host(p, value);
		break;
	case 'P':
		p->server.sin_port = htons((uint16_t)number(value, 65535));
		break;
	case 'd':
		p->deed = (enum deed)choose(deeds, value);
		break;
	case 'w':
		p->way = (enum way)choose(ways, value);
		break;
	case 'T':
		p->tls = true;
		break;
	case 'R':
		p->resume = true;
		break;
	case 'B':
		p->depth = (unsigned)number(value, DEPTH_MAX);
		break;
	case 'u':
		p->user = value;
		break;
	case 'p':
		p->password = value;
		break;
	case 'f':
		p->path = value;
		break;
	case 's':
		p->size = number(value, INT64_MAX);
		p->any_size = false;
		break;
	case 'n':
		p->sessions = (unsigned)number(value, 1000000);
		break;
	case 't':
		p->seconds = strtod(value, NULL);
		break;
	case 'm':
		p->most = number(value, UINT64_MAX);
		break;
	case 'S':
		p->slow = (unsigned)number(value, 100000);
		break;
	case 'F':
		p->slow_path = value;
		break;
	default:
		exit(usage());
	}
}

void
plan_parse(struct plan *p, int argc, char **argv)
{
	static const struct option options[] = {
	    {"host", required_argument, NULL, 'h'},
	    {"port", required_argument, NULL, 'P'},
	    {"do", required_argument, NULL, 'd'},
	    {"way", required_argument, NULL, 'w'},
	    {"tls", no_argument, NULL, 'T'},
	    {"resume", no_argument, NULL, 'R'},
	    {"block", required_argument, NULL, 'B'},
	    {"user", required_argument, NULL, 'u'},
	    {"password", required_argument, NULL, 'p'},
	    {"path", required_argument, NULL, 'f'},
	    {"size", required_argument, NULL, 's'},
	    {"sessions", required_argument, NULL, 'n'},
	    {"seconds", required_argument, NULL, 't'},
	    {"most", required_argument, NULL, 'm'},
	    {"slow", required_argument, NULL, 'S'},
	    {"slow-path", required_argument, NULL, 'F'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	*p = (struct plan){
	    .server.sin_family = AF_INET,
	    .user = "anonymous",
	    .password = "bench@",
	    .path = "/",
	    .slow_path = "/",
	    .any_size = true,
	    .sessions = 1,
	    .seconds = 1,
	};
	set_host(p, "127.0.0.1");
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		set(p, c, optarg);
	if (optind != argc || p->server.sin_port == 0 ||
	    (p->depth > 0 && (p->deed != DEED_RETR || p->slow > 0)))
		exit(usage());
}
