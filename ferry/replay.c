/*
 * The recorded session comes from anywhere: it is read as record_parse() reads it, and
 * nothing in it is ever done.
 */
#include "replay.h"

#include "own.h"
#include "safe.h"
#include "trace.h"

#include <fcntl.h>

#define FILE_MAX (32u << 20)

/* The whole file; -FERRY_ETOOBIG, -FERRY_ESYS with errno, -FERRY_ENOMEM. */
static int
read_all(FILE *in, char **ret, size_t *ret_n)
{
	_cleanup_free_ char *all = NULL;
	size_t n = 0, size = 0;

	for (;;) {
		if (n == size) {
			size = size == 0 ? 65536 : 2 * size;
			char *more = size > FILE_MAX ? NULL : realloc(all, size);
			if (more == NULL)
				return size > FILE_MAX ? -FERRY_ETOOBIG : -FERRY_ENOMEM;
			all = more;
		}
		size_t got = fread(all + n, 1, size - n, in);
		n += got;
		if (got == 0)
			break;
	}
	if (ferror(in))
		return -FERRY_ESYS;
	*ret = all;
	*ret_n = n;
	all = NULL;
	return 0;
}

static int
load(const char *file, struct record **ret, char *why, size_t cap)
{
	_cleanup_file_ FILE *in = fopen(file, "re");
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	int rc = in == NULL ? -FERRY_ESYS : read_all(in, &text, &n);

	if (rc == 0)
		return record_parse(text, n, ret, why, cap);
	snprintf(
	    why, cap, "%s", rc == -FERRY_ESYS ? strerror(errno) : ferry_strerror(rc));
	return rc;
}

/* Is there a transfer or listing in it, or an attempt at one? */
static bool
has_transfers(const struct record *r)
{
	for (size_t i = 0; i < record_count(r); i++)
		if (record_at(r, i)->kind == RECORD_PLAN && !record_at(r, i)->quiet)
			return true;
	return false;
}

static int
narrate(const struct options *opt, const struct record *r)
{
	struct explain *x = NULL;
	int rc = explain_new(stdout, options_colour(opt, stdout), &x);

	if (rc < 0)
		return rc;
	record_play(r, x, false);
	explain_free(x);
	if (!has_transfers(r))
		puts(
		    "Nothing was transferred or listed in this session. --trace FILE.txt "
		    "draws all of it.");
	return 0;
}

static enum exitcode
complain(const char *file, int rc, const char *why)
{
	_cleanup_free_ char *safe = file == NULL ? NULL : safe_string(file);

	fprintf(stderr, "ferry: %s%s%s\n", safe == NULL ? "" : safe,
	    safe == NULL ? "" : ": ", why);
	return rc == -FERRY_ESYS || rc == -FERRY_ELOCAL || rc == -FERRY_ENOMEM
		   ? EXITCODE_LOCAL
		   : EXITCODE_USAGE;
}

enum exitcode
replay_main(const struct options *opt, int n, char **args)
{
	struct record *r = NULL;
	char why[600];
	int rc = opt->trace == NULL ? 0 : trace_check(opt->trace, why, sizeof why);

	if (rc < 0)
		return complain(NULL, rc, why);
	rc = load(args[0], &r, why, sizeof why);
	if (rc < 0)
		return complain(args[0], rc, why);
	if (opt->trace != NULL)
		rc = trace_save(opt->trace, r, why, sizeof why);
	if (rc < 0) {
		record_free(r);
		return complain(NULL, rc, why);
	}
	if (opt->trace == NULL || opt->explain)
		rc = narrate(opt, r);
	record_free(r);
	return rc < 0 ? complain(NULL, rc, ferry_strerror(rc)) : EXITCODE_OK;
}
