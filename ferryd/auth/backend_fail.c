/*
 * Backends that fail on purpose, for tests: the part of the user name behind "fail-"
 * (asked in a process of its own) or "now-" (asked in auth itself) says how. Never in
 * ferryd-auth's own table.
 */
#include <dirent.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend.h"
#include "checker.h"
#include "util.h"

/* Exists on every system, and may be served. */
#define SOME_ACCOUNT "nobody"

static _Noreturn void
hang(void)
{
	for (;;)
		pause();
}

/* The first descriptor that a check must not have: not standard, not its socket, not the
 * directory that is read to find out. -1: none. */
static int
surplus_descriptor(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;
	int surplus = -1;

	while (dir != NULL && surplus < 0 && (e = readdir(dir)) != NULL) {
		uint64_t fd;

		if (parse_uint(e->d_name, strlen(e->d_name), 1 << 20, &fd) == 0 &&
		    fd > CHECKER_FD && (int)fd != dirfd(dir))
			surplus = (int)fd;
	}
	if (dir != NULL)
		closedir(dir);
	return surplus;
}

static void
fail_no(struct finding *ret)
{
	ret->answer = ANSWER_NO;
	buf_append_str(&ret->why, "told to\nfail \x1b[31m");
}

static void
fail_again(struct finding *ret)
{
	ret->answer = ANSWER_AGAIN;
	buf_append_str(&ret->why, "told to be unable");
}

static void
fail_crash(struct finding *ret)
{
	raise(SIGKILL);
}

static void
fail_exit(struct finding *ret)
{
	_exit(0);
}

static void
fail_hang(struct finding *ret)
{
	hang();
}

static void
fail_garbage(struct finding *ret)
{
	if (send(CHECKER_FD, "\x01garbage", 8, 0) != 8)
		_exit(1);
	hang();
}

/* Accepted, but there is no such account. */
static void
fail_unknown(struct finding *ret)
{
	ret->answer = ANSWER_YES;
	buf_append_str(&ret->user, "no-such-account");
}

static void
fail_root(struct finding *ret)
{
	ret->answer = ANSWER_YES;
	buf_append_str(&ret->user, "root");
}

static void
fail_fds(struct finding *ret)
{
	int fd = surplus_descriptor();

	ret->answer = fd < 0 ? ANSWER_YES : ANSWER_NO;
	buf_append_str(&ret->user, SOME_ACCOUNT);
	if (fd >= 0)
		buf_printf(&ret->why, "descriptor %d is open in the check", fd);
}

static void
fail_not(struct finding *ret)
{
	ret->answer = ANSWER_YES;
	buf_append_str(&ret->user, SOME_ACCOUNT);
}

static void
fail_silently(struct finding *ret)
{
}

static int
session_good(struct buf *why)
{
	return 0;
}

static int
session_refused(struct buf *why)
{
	buf_append_str(why, "told to refuse the session");
	return -FERRY_EREFUSED;
}

static int
session_hangs(struct buf *why)
{
	hang();
}

static int
session_crashes(struct buf *why)
{
	raise(SIGKILL);
	return 0;
}

static void
end_good(void)
{
}

struct way {
	const char *name;
	void (*check)(struct finding *ret);
	int (*open)(struct buf *why);
	void (*end)(void);
};

static const struct way ways[] = {
    {"no", fail_no, session_good, end_good},
    {"again", fail_again, session_good, end_good},
    {"crash", fail_crash, session_good, end_good},
    {"exit", fail_exit, session_good, end_good},
    {"hang", fail_hang, session_good, end_good},
    {"garbage", fail_garbage, session_good, end_good},
    {"unknown", fail_unknown, session_good, end_good},
    {"root", fail_root, session_good, end_good},
    {"fds", fail_fds, session_good, end_good},
    {"silent", fail_silently, session_good, end_good},
    {"not", fail_not, session_good, end_good},
    {"session", fail_not, session_refused, end_good},
    {"session-hang", fail_not, session_hangs, end_good},
    {"session-crash", fail_not, session_crashes, end_good},
    {"end-hang", fail_not, session_good, hang},
};

static const struct way *
find_way(const char *user, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(user, prefix, n) != 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (strcmp(user + n, ways[i].name) == 0)
			return &ways[i];
	return NULL;
}

static bool
fail_claims(const struct setup *s, const char *user)
{
	return find_way(user, "fail-") != NULL;
}

static bool
fail_now_claims(const struct setup *s, const char *user)
{
	return find_way(user, "now-") != NULL;
}

static void
fail_check(
    const struct setup *s, const struct attempt *a, struct finding *ret, void **ret_state)
{
	const struct way *way = find_way(a->user, "fail-");

	*ret_state = (void *)way;
	way->check(ret);
}

static void
fail_now_check(
    const struct setup *s, const struct attempt *a, struct finding *ret, void **ret_state)
{
	find_way(a->user, "now-")->check(ret);
}

static int
fail_open(void *state, struct buf *why)
{
	const struct way *way = state;

	return way->open(why);
}

static void
fail_end(void *state, bool open)
{
	const struct way *way = state;

	if (way != NULL && open)
		way->end();
}

/* Does not judge accounts: so check_shell applies. */
const struct backend backend_fail = {
    .name = "fail",
    .flags = BACKEND_BLOCKS | BACKEND_SESSIONS,
    .kind = KIND_ACCOUNT,
    .claims = fail_claims,
    .check = fail_check,
    .open_session = fail_open,
    .end = fail_end,
};

const struct backend backend_fail_now = {
    .name = "fail-now",
    .kind = KIND_ACCOUNT,
    .claims = fail_now_claims,
    .check = fail_now_check,
};
