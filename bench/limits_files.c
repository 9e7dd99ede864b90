/*
 * What a listing costs the kernel: names alone, and names with what statx tells of each.
 * For bench-limits; changes nothing.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bare.h"
#include "tally.h"
#include "util.h"

/* As getdents64(2) has it; the C library has no name for it. */
struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static void
look(int dir, const uint8_t *p, const uint8_t *end)
{
	struct statx st;

	while (p < end) {
		const struct entry *e = (const void *)p;

		if (statx(dir, e->name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st) < 0)
			die("statx");
		p += e->reclen;
	}
}

static void
turn(const char *path, bool with_statx)
{
	static _Alignas(struct entry) uint8_t block[BLOCK];
	_cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (dir < 0)
		die(path);
	while ((n = syscall(SYS_getdents64, dir, block, sizeof(block))) > 0)
		if (with_statx)
			look(dir, block, block + n);
	if (n < 0)
		die("getdents64");
}

/* The quickest of the turns that there is time for. */
static double
best_turn(const struct link *l, double seconds, bool with_statx)
{
	uint64_t until = now_ns() + (uint64_t)(seconds * 1e9), best = UINT64_MAX;

	do {
		uint64_t began = now_ns();

		turn(l->path, with_statx);
		uint64_t took = now_ns() - began;
		best = took < best ? took : best;
	} while (now_ns() < until);
	return (double)best / 1e9;
}

double
limit_getdents(struct link *l, double seconds)
{
	return best_turn(l, seconds, false);
}

double
limit_statx(struct link *l, double seconds)
{
	return best_turn(l, seconds, true);
}
