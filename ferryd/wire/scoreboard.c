/*
 * The scoreboard in shared memory: a seqlock per slot. The owner (a worker) fills a draft
 * of its own and publishes it whole; readers (the master) copy and check. A reader never
 * waits for an owner and never believes what a slot holds without looking at it.
 *
 * Readers and owner touch the same memory at the same time, so every access to a
 * published slot is an atomic one, word by word: the writer's words are releases, the
 * reader's acquires. A reader that has seen one word of a change therefore sees the odd
 * (or a later) seq too, when it looks again.
 */
#include "scoreboard.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "util.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

/* A publication is some fifty stores: an owner that is still at it after so many looks
 * has died. */
#define READ_ATTEMPTS 1000

typedef uint64_t __attribute__((may_alias)) word;

_Static_assert(sizeof(struct slot_head) % sizeof(word) == 0 &&
		   sizeof(struct slot_path) % sizeof(word) == 0,
    "a slot is copied word by word");
_Static_assert(offsetof(struct slot, head) % sizeof(word) == 0, "its words are aligned");

static void
words_load(void *to, const void *from, size_t n)
{
	word *out = to;
	const word *in = from;

	for (size_t i = 0; i < n / sizeof(word); i++)
		out[i] = __atomic_load_n(&in[i], __ATOMIC_ACQUIRE);
}

static void
words_store(void *to, const void *from, size_t n)
{
	word *out = to;
	const word *in = from;

	for (size_t i = 0; i < n / sizeof(word); i++)
		__atomic_store_n(&out[i], in[i], __ATOMIC_RELEASE);
}

static void
view_load(const struct scoreboard *sb, size_t i, struct slot_view *ret)
{
	words_load(&ret->head, &sb->slot[i].head, sizeof(ret->head));
	if (ret->head.pathed != 0)
		words_load(&ret->path, &sb->path[i], sizeof(ret->path));
	else
		ret->path.text[0] = '\0';
}

static void
view_store(struct scoreboard *sb, size_t i, const struct slot_view *v)
{
	words_store(&sb->slot[i].head, &v->head, sizeof(v->head));
	if (v->head.pathed != 0)
		words_store(&sb->path[i], &v->path, sizeof(v->path));
}

static int
board_size(size_t slots, size_t *ret)
{
	if (slots == 0 || __builtin_mul_overflow(slots,
			      sizeof(struct slot) + sizeof(struct slot_path), ret)) {
		errno = EINVAL;
		return -FERRY_ESYS;
	}
	return 0;
}

int
scoreboard_create(size_t slots)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	_cleanup_close_ int fd = -1;
	size_t size;

	if (board_size(slots, &size) < 0)
		return -FERRY_ESYS;
	fd = memfd_create("ferryd-scoreboard", flags | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("ferryd-scoreboard", flags);
	if (fd < 0)
		return -FERRY_ESYS;
	if (ftruncate(fd, (off_t)size) < 0)
		return -FERRY_ESYS;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -FERRY_ESYS;
	return fd_take(&fd);
}

int
scoreboard_map(int fd, size_t slots, int writable, struct scoreboard *ret)
{
	struct stat st;
	size_t size;
	void *p;

	if (board_size(slots, &size) < 0)
		return -FERRY_ESYS;
	if (fstat(fd, &st) < 0)
		return -FERRY_ESYS;
	if ((uint64_t)st.st_size != size) {
		errno = EINVAL;
		return -FERRY_ESYS;
	}
	p = mmap(NULL, size, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -FERRY_ESYS;
	*ret = (struct scoreboard){
	    .slots = slots,
	    .slot = p,
	    .path = (struct slot_path *)((struct slot *)p + slots),
	};
	return 0;
}

void
scoreboard_unmap(struct scoreboard *sb)
{
	if (sb->slot != NULL)
		munmap(sb->slot,
		    sb->slots * (sizeof(struct slot) + sizeof(struct slot_path)));
	*sb = (struct scoreboard){0};
}

struct slot_view *
scoreboard_begin(struct scoreboard *sb, size_t i)
{
	assert(i < sb->slots);
	assert(!sb->drafting);
	sb->drafting = true;
	view_load(sb, i, &sb->draft);
	return &sb->draft;
}

void
scoreboard_end(struct scoreboard *sb, size_t i)
{
	struct slot *s = &sb->slot[i];
	uint32_t seq;

	assert(i < sb->slots);
	assert(sb->drafting);
	sb->drafting = false;
	/* Odd, also when an owner before us died while it was odd. */
	seq = atomic_load_explicit(&s->seq, memory_order_relaxed) | 1;
	atomic_store_explicit(&s->seq, seq, memory_order_relaxed);
	view_store(sb, i, &sb->draft);
	atomic_store_explicit(&s->seq, seq + 1, memory_order_release);
}

/* The owner may have been taken over: terminate, and refuse what no honest owner writes.
 */
static int
view_check(struct slot_view *v)
{
	struct slot_head *h = &v->head;

	h->user[sizeof(h->user) - 1] = '\0';
	h->verb[sizeof(h->verb) - 1] = '\0';
	v->path.text[sizeof(v->path.text) - 1] = '\0';
	return h->state <= SLOT_SENDING ? 0 : -FERRY_EPROTO;
}

int
scoreboard_read(const struct scoreboard *sb, size_t i, struct slot_view *ret)
{
	const struct slot *s = &sb->slot[i];
	struct slot_view copy;

	assert(i < sb->slots);
	for (int attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
		uint32_t before = atomic_load_explicit(&s->seq, memory_order_acquire);

		if ((before & 1) != 0) {
			sched_yield();
			continue;
		}
		view_load(sb, i, &copy);
		if (atomic_load_explicit(&s->seq, memory_order_relaxed) != before)
			continue;
		if (view_check(&copy) < 0)
			return -FERRY_EPROTO;
		*ret = copy;
		return 0;
	}
	return -FERRY_EPROTO;
}
