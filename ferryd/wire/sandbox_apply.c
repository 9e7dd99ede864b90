/*
 * The mechanics under sandbox.c: tables into a seccomp filter, and what every process
 * does first. It decides nothing about who may do what.
 */
#include "sandbox_apply.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "sandbox.h"
#include "util.h"

static void
filter_freep(scmp_filter_ctx *filter)
{
	if (*filter != NULL)
		seccomp_release(*filter);
}

/* libseccomp returns negative errno values. */
static int
failed(int rc)
{
	errno = -rc;
	return -FERRY_ESYS;
}

static int
row_add(scmp_filter_ctx filter, const struct permit *row)
{
	unsigned action = row->refuse != 0 ? SCMP_ACT_ERRNO(row->refuse) : SCMP_ACT_ALLOW;
	struct scmp_arg_cmp args[ARRAY_LEN(row->args) + 1];
	unsigned n = 0;
	int rc;

	if (row->own)
		args[n++] = IS(0, getpid());
	for (size_t i = 0; i < ARRAY_LEN(row->args) && row->args[i].op != 0; i++)
		args[n++] = row->args[i];
	rc = seccomp_rule_add_array(filter, action, row->call, n, args);
	return rc < 0 ? failed(rc) : 0;
}

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#define WITH_ADDRESS_SANITIZER __has_feature(address_sanitizer)
#else
#define WITH_ADDRESS_SANITIZER 0
#endif

#if WITH_ADDRESS_SANITIZER
/* A report of AddressSanitizer looks around before it is printed: it is told that there
 * is nothing, or the process would die first. The C library's open() is openat, so that
 * one is as deadly as ever. */
static const struct permit sanitizer[] = {
    REFUSE(open, EACCES),
    REFUSE(readlink, EACCES),
};
static const struct permits sanitizer_permits = PERMITS(sanitizer);

/* Leaks are looked for with ptrace; functions are named from the program's file. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0:symbolize=0";
}
#else
static const struct permits sanitizer_permits;
#endif

static int
filter_fill(scmp_filter_ctx filter, const struct permits *tables, size_t n)
{
	/* Calls in the manner of another architecture (int 0x80, x32) are numbered
	 * otherwise. */
	int rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, sandbox_verdict());

	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0) /* a binary tree: few comparisons for any call */
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc < 0)
		return failed(rc);
	for (size_t t = 0; t < n; t++) {
		for (size_t i = 0; i < tables[t].n; i++) {
			if (row_add(filter, &tables[t].row[i]) < 0)
				return -FERRY_ESYS;
		}
	}
	/* Fails where the role may do it anyway: good. */
	for (size_t i = 0; i < sanitizer_permits.n; i++)
		(void)row_add(filter, &sanitizer_permits.row[i]);
	return 0;
}

/* The C library opens files behind our back, each of which would be the end of a process
 * that may open none. What it would read later it reads now, while there are files, or is
 * kept from wanting. */
static int
libc_settle(void)
{
	/* Giving memory of a thread's own heap back, malloc reads
	 * /proc/sys/vm/overcommit_memory; with one heap for all threads it never does. */
	mallopt(M_ARENA_MAX, 1);
	/* Without TZ, localtime(), mktime() and strftime() look at /etc/localtime each
	 * time; with it they look once. */
	if (setenv("TZ", ":/etc/localtime", 0) < 0)
		return -FERRY_ESYS;
	tzset();
	return 0;
}

int
sandbox_basics(void)
{
	const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -FERRY_ESYS;
	/* No core files with what users send, and no ptrace, /proc/PID/mem or
	 * /proc/PID/fd for other processes of the same user. An exec undoes it: each
	 * program does this for itself. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -FERRY_ESYS;
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -FERRY_ESYS;
	return libc_settle();
}

int
sandbox_apply(const struct permits *tables, size_t n)
{
	_cleanup_(filter_freep)
	scmp_filter_ctx filter = seccomp_init(sandbox_verdict());
	int rc;

	if (filter == NULL) {
		errno = ENOMEM;
		return -FERRY_ESYS;
	}
	if (filter_fill(filter, tables, n) < 0)
		return -FERRY_ESYS;
	if (sandbox_verdict_prepare() < 0)
		return -FERRY_ESYS;
	rc = seccomp_load(filter);
	return rc < 0 ? failed(rc) : 0;
}
