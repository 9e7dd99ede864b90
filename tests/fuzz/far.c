/*
 * See far.h.
 */
#include "far.h"

#include <assert.h>
#include <dirent.h>
#include <string.h>

#include "memory_net.h"

/* What OpenSSL may keep for one connection: a handshake, two records, what came. */
#define TLS_HEAP (256 << 10)

/* ASan's; without it nothing is measured. */
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

/* ---- the script ---- */

void
far_begin(struct far *f, const uint8_t *script, size_t n)
{
	*f = (struct far){.p = script, .n = n};
	wire_open(&f->control, -1);
	wire_open(&f->data, -1);
	wire_open(&f->last, -1);
}

void
far_end(struct far *f)
{
	wire_close(&f->control);
	wire_close(&f->data);
	SSL_SESSION_free(f->session);
	f->session = NULL;
}

uint8_t
far_byte(struct far *f)
{
	if (f->n == 0)
		return 0;
	f->n--;
	return *f->p++;
}

struct bytes
far_text(struct far *f, size_t most)
{
	const uint8_t *end = f->n > 0 ? memchr(f->p, 0x07, f->n) : NULL;
	struct bytes text = {.p = f->p, .n = end != NULL ? (size_t)(end - f->p) : f->n};

	f->n -= text.n;
	f->p += text.n;
	far_byte(f);
	if (text.n > most)
		text.n = most;
	return text;
}

static void
do_deed(struct far *f, struct fuzz *fuzz, const struct far_rules *rules, uint8_t byte)
{
	const struct far_deed *deed = &rules->deeds[byte];

	if (!deed->at_once)
		rules->rest(fuzz);
	if (deed->run != NULL)
		deed->run(fuzz);
	else
		deed->far(f);
	if (!deed->at_once)
		rules->rest(fuzz);
}

/* A NUL and what is behind it. */
static bool
do_escaped(struct far *f, struct fuzz *fuzz, const struct far_rules *rules)
{
	if (f->n == 0)
		return false;
	if (rules->escaped(fuzz, far_byte(f)))
		return true;
	f->p--;
	f->n++;
	return false;
}

void
far_play(struct far *f, struct fuzz *fuzz, const struct far_rules *rules)
{
	while (f->n > 0) {
		uint8_t byte = far_byte(f);
		const struct far_deed *deed =
		    byte < FAR_DEEDS ? &rules->deeds[byte] : NULL;

		if (byte == 0 && do_escaped(f, fuzz, rules))
			continue;
		if (deed != NULL && (deed->run != NULL || deed->far != NULL))
			do_deed(f, fuzz, rules, byte);
		else
			rules->say(fuzz, byte);
	}
	rules->rest(fuzz);
}

/* ---- the data connection ---- */

bool
far_connect(struct far *f, const struct endpoint *who)
{
	struct endpoint to;
	int fd = memnet_called(&to);

	if (fd < 0)
		fd = memnet_dial(who);
	if (fd < 0)
		return false;
	wire_close(&f->data);
	f->last = f->data;
	wire_succeed(&f->data, &f->last, fd);
	return true;
}

void
far_fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i ^ i >> 7 ^ i >> 11);
}

/* Nothing stands for much. */
void
far_data_send(struct far *f)
{
	uint8_t much[65536];
	struct bytes text = far_text(f, SIZE_MAX);

	if (text.n == 0) {
		far_fill(much, sizeof(much));
		text = (struct bytes){.p = much, .n = sizeof(much)};
	}
	wire_say(&f->data, text.p, text.n);
}

void
far_data_end(struct far *f)
{
	wire_finish(&f->data);
}

void
far_data_close(struct far *f)
{
	wire_close(&f->data);
}

void
far_data_reset(struct far *f)
{
	if (f->data.fd < 0)
		return;
	memnet_reset(f->data.fd);
	f->data.spoiled = f->data.reset = true;
	wire_close(&f->data);
}

/* ---- the wire ---- */

/* Pieces of so many bytes, a few turns long. */
static void
in_pieces(struct far *f, struct wire *w)
{
	w->piece = (size_t)far_byte(f) + 1;
	w->pieces = 64;
}

/* So many bytes more may leave, and then none. */
static void
let(struct far *f, struct wire *w)
{
	w->held = true;
	w->let = far_byte(f);
}

static void
let_go(struct far *f, struct wire *w)
{
	w->held = false;
}

static void
notify(struct far *f, struct wire *w)
{
	if (w->ssl != NULL)
		wire_notify(w);
}

static void
cut(struct far *f, struct wire *w)
{
	wire_cut(w, far_byte(f));
}

static void
flip(struct far *f, struct wire *w)
{
	wire_flip(w, far_byte(f));
}

static void
swap(struct far *f, struct wire *w)
{
	wire_swap(w);
}

static void
spoil(struct far *f, struct wire *w)
{
	struct bytes text = far_text(f, FAR_TEXT_MAX);

	wire_spoil(w, text.p, text.n);
}

static void
rekey(struct far *f, struct wire *w)
{
	wire_rekey(w, (far_byte(f) & 1) != 0);
}

static void
short_records(struct far *f, struct wire *w)
{
	w->record = far_byte(f);
}

static void
empty(struct far *f, struct wire *w)
{
	wire_forge(w, FORGE_DATA, "", 0, far_byte(f));
}

static void
alert(struct far *f, struct wire *w)
{
	const uint8_t message[] = {1 + far_byte(f) % 2, far_byte(f)};

	wire_forge(w, FORGE_ALERT, message, sizeof(message), 0);
}

/* A record of the type that the script says, with what it says. */
static void
forge(struct far *f, struct wire *w)
{
	uint8_t type = far_byte(f);
	struct bytes text = far_text(f, FAR_TEXT_MAX);

	wire_forge(w, type, text.p, text.n, 0);
}

static void
forget(struct far *f, struct wire *w)
{
	SSL_SESSION_free(f->session);
	f->session = NULL;
}

/* From 0x80 on for the control connection, from 0x90 on for the data connection. */
static void (*const deeds[16])(struct far *f, struct wire *w) = {in_pieces, let, let_go,
    notify, cut, flip, swap, spoil, rekey, short_records, empty, alert, forge, forget};

void
far_do(struct far *f, uint8_t byte)
{
	if (deeds[byte % 16] != NULL)
		deeds[byte % 16](f, byte < 0x90 ? &f->control : &f->data);
}

/* ---- what fuzzers measure ---- */

size_t
far_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

size_t
far_heap(void)
{
	return __sanitizer_get_current_allocated_bytes != NULL
		   ? __sanitizer_get_current_allocated_bytes()
		   : 0;
}

static size_t
own_heap(const struct wire *w)
{
	return w->plain.cap + w->out.cap + (w->ssl != NULL ? TLS_HEAP : 0);
}

size_t
far_own_heap(const struct far *f)
{
	return own_heap(&f->control) + own_heap(&f->data);
}
