/*
 * Counting for the load generator. See tally.h. Must never leave an error out.
 */
#include "tally.h"

#include <string.h>
#include <time.h>

uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- spread ---- */

static size_t
slot_of(uint64_t ns)
{
	unsigned shift = 0;

	while ((ns >> shift) >= 2 * TALLY_STEPS)
		shift++;
	size_t slot = shift * TALLY_STEPS + (size_t)(ns >> shift);
	return slot < TALLY_SLOTS ? slot : TALLY_SLOTS - 1;
}

/* The middle of a slot, in nanoseconds. */
static double
slot_value(size_t slot)
{
	if (slot < 2 * TALLY_STEPS)
		return (double)slot;
	size_t shift = slot / TALLY_STEPS - 1;
	return ((double)(slot - shift * TALLY_STEPS) + 0.5) * (double)(1ULL << shift);
}

static void
spread_add(struct spread *s, uint64_t ns)
{
	s->count++;
	s->slot[slot_of(ns)]++;
}

double
spread_at(const struct spread *s, double part)
{
	uint64_t wanted = (uint64_t)(part * (double)s->count), seen = 0;

	for (size_t i = 0; i < TALLY_SLOTS; i++) {
		seen += s->slot[i];
		if (seen > wanted || (seen == s->count && seen > 0))
			return slot_value(i) / 1000;
	}
	return 0;
}

/* ---- events ---- */

void
tally_moved(struct tally *t, uint64_t now, size_t n)
{
	t->bytes += n;
	if (now <= t->closed)
		t->window_bytes += n;
}

void
tally_op(struct tally *t, uint64_t now, uint64_t took, uint64_t first)
{
	t->ops++;
	t->last = now;
	if (now <= t->closed)
		t->window_ops++;
	spread_add(&t->whole, took);
	if (first > 0)
		spread_add(&t->first, first);
}

void
tally_error(struct tally *t, const char *text)
{
	size_t i = t->errors++;

	if (i < TALLY_WORDS)
		snprintf(t->words[i], sizeof(t->words[i]), "%s", text);
}

/* ---- the report ---- */

static void
print_text(const char *text, FILE *to)
{
	fputc('"', to);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else
			fputc(c < ' ' || c > '~' ? '?' : c, to);
	}
	fputc('"', to);
}

static void
print_spread(const char *name, const struct spread *s, FILE *to)
{
	fprintf(to, ", \"%s\": {\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}", name,
	    spread_at(s, 0.5), spread_at(s, 0.99), spread_at(s, 1));
}

/* The window, or, when every session had done its share before its end, that time. */
static double
seconds_of(const struct tally *t)
{
	uint64_t end = t->last < t->closed ? t->last : t->closed;

	return end > t->began ? (double)(end - t->began) / 1e9 : 0;
}

void
tally_print(const struct tally *t, FILE *to)
{
	fprintf(to, "{\"ops\": %llu, \"bytes\": %llu, \"window_ops\": %llu",
	    (unsigned long long)t->ops, (unsigned long long)t->bytes,
	    (unsigned long long)t->window_ops);
	fprintf(to,
	    ", \"window_bytes\": %llu, \"seconds\": %.6f, \"whole_seconds\": %.6f",
	    (unsigned long long)t->window_bytes, seconds_of(t),
	    t->last > t->began ? (double)(t->last - t->began) / 1e9 : 0);
	print_spread("us", &t->whole, to);
	print_spread("first_us", &t->first, to);
	fprintf(to, ", \"handshakes\": %llu, \"resumed\": %llu",
	    (unsigned long long)t->shaken, (unsigned long long)t->resumed);
	fprintf(to, ", \"refused\": %llu, \"errors\": %llu, \"said\": [",
	    (unsigned long long)t->refused, (unsigned long long)t->errors);
	for (size_t i = 0; i < TALLY_WORDS && i < t->errors; i++) {
		fputs(i > 0 ? ", " : "", to);
		print_text(t->words[i], to);
	}
	fputs("]}\n", to);
	fflush(to);
}
