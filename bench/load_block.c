/*
 * The load generator in block mode (RFC 959 3.4.2): one data connection per session, RETR
 * asked for ahead of their replies, files counted where their blocks end. Must never
 * count a file whose bytes or whose last reply is missing or wrong.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "block.h"
#include "load.h"

struct block {
	struct block_reader reader;
	/* Files, in the order of their commands: asked for, received, with their last
	 * reply, counted. */
	uint64_t asked, received, replied, counted;
	uint64_t at;    /* bytes of the file that comes */
	uint64_t first; /* ns; when its first byte came, or 0 */
	struct {
		uint64_t began, first;
	} files[DEPTH_MAX]; /* by their number modulo DEPTH_MAX */
};

void
block_free(struct block *b)
{
	free(b);
}

/* As many commands as may be under way, in one go. */
static void
ask(struct session *s)
{
	struct block *b = s->block;
	unsigned depth = s->load->plan.depth;
	char path[256], text[16 * 1024];
	size_t n = 0;

	/* Not one by one: that would cost a segment each. */
	if (b->asked - b->counted > depth / 2)
		return;
	session_path(s, s->load->plan.path, path, sizeof(path));
	while (b->asked - b->counted < depth && sizeof(text) - n > sizeof(path) + 8 &&
	       session_goes_on(s, b->asked)) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "RETR %s\r\n", path);
		b->files[b->asked++ % DEPTH_MAX].began = now_ns();
	}
	if (n > 0)
		session_send_text(s, text, n);
}

/* Counts the files that are whole and answered; the next are asked for, or it was all. */
static void
settle(struct session *s)
{
	struct block *b = s->block;

	while (b->counted < b->received && b->counted < b->replied) {
		uint64_t now = now_ns(), i = b->counted++ % DEPTH_MAX;
		uint64_t began = b->files[i].began, first = b->files[i].first;

		s->done++;
		tally_op(
		    &s->load->tally, now, now - began, first > began ? first - began : 0);
	}
	ask(s);
	if (s->failed || b->asked > b->counted)
		return;
	s->state = STATE_IN;
	data_close(s);
	load_arrived(s->load);
}

void
block_begin(struct session *s)
{
	s->block = calloc(1, sizeof(*s->block));
	if (s->block == NULL) {
		session_fail(s, "no memory");
		return;
	}
	s->state = STATE_BLOCK;
	settle(s);
}

void
block_reply(struct session *s, int code, const char *text)
{
	if (code / 100 == 1)
		return;
	if (s->block->replied == s->block->asked) {
		session_fail(s, "a reply too many: %s", text);
		return;
	}
	s->block->replied++;
	settle(s);
}

static bool
file_ended(struct session *s)
{
	const struct plan *plan = &s->load->plan;
	struct block *b = s->block;

	if (block_suspect(&b->reader) || (!plan->any_size && b->at != plan->size)) {
		session_fail(s, "%llu bytes instead of %llu%s", (unsigned long long)b->at,
		    (unsigned long long)plan->size,
		    block_suspect(&b->reader) ? ", suspect" : "");
		return false;
	}
	if (b->received == b->asked) {
		session_fail(s, "a file too many");
		return false;
	}
	b->files[b->received++ % DEPTH_MAX].first = b->first;
	b->at = b->first = 0;
	return true;
}

/* False: the session has failed. */
static bool
feed(struct session *s, const uint8_t *p, size_t n)
{
	struct block *b = s->block;
	enum block_event event;
	struct bytes data;
	size_t used;

	for (;; p += used, n -= used) {
		if (block_feed(&b->reader, p, n, &used, &event, &data) < 0) {
			session_fail(s, "what came is no block");
			return false;
		}
		if (event == BLOCK_MORE)
			return true;
		if (event == BLOCK_DATA) {
			b->first = b->first != 0 ? b->first : now_ns();
			b->at += data.n;
			data_moved(s, data.n);
		} else if (event == BLOCK_END && !file_ended(s)) {
			return false;
		}
	}
}

void
block_ready(struct session *s)
{
	struct load *l = s->load;
	ssize_t n;

	do {
		n = watch_recv(&s->data, l->scratch, SCRATCH_SIZE);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			session_fail(s, "the data connection ended between files: %s",
			    n < 0 ? strerror(errno) : "in order");
			return;
		}
		if (!feed(s, l->scratch, (size_t)n))
			return;
	} while (s->data.ssl != NULL && SSL_has_pending(s->data.ssl));
	settle(s);
}
