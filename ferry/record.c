/*
 * The list of what happened. Bounded: beyond a number of items or bytes it loses some of
 * its middle, since beginning and end are what a reader needs.
 */
#include "record.h"

#include "own.h"
#include "safe.h"

#include <ctype.h>

#define ITEMS_MAX 20000
#define ITEMS_HEAD 500  /* these stay */
#define ITEMS_LOST 4000 /* so many behind them go at once */
#define BYTES_MAX (8u << 20)
#define TEXT_MAX 4096 /* of one text; the rest is cut */
#define SECRETS_MAX 8
#define SECRET_LEAST 3

static const char stars[] = "****";

struct record {
	struct record_item *items;
	size_t n, size;
	size_t bytes; /* of all texts */
	int64_t began;
	char *secret[SECRETS_MAX];
	size_t n_secrets;
};

const char **
record_text(struct ferry_event *ev, size_t i)
{
	const char **const texts[RECORD_TEXTS] = {
	    &ev->text, &ev->path, &ev->command, &ev->cipher, &ev->fingerprint};

	return texts[i];
}

int
record_new(int64_t began, struct record **ret)
{
	struct record *r = calloc(1, sizeof *r);

	if (r == NULL)
		return -FERRY_ENOMEM;
	r->began = began;
	*ret = r;
	return 0;
}

static size_t
item_bytes(struct record_item *item)
{
	size_t n = 0;

	for (size_t i = 0; i < RECORD_TEXTS; i++)
		if (*record_text(&item->ev, i) != NULL)
			n += strlen(*record_text(&item->ev, i)) + 1;
	return n;
}

static void
item_clear(struct record *r, struct record_item *item)
{
	r->bytes -= item_bytes(item);
	for (size_t i = 0; i < RECORD_TEXTS; i++) {
		free((char *)*record_text(&item->ev, i));
		*record_text(&item->ev, i) = NULL;
	}
}

void
record_free(struct record *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n; i++)
		item_clear(r, &r->items[i]);
	for (size_t i = 0; i < r->n_secrets; i++)
		wipep(&r->secret[i]);
	free(r->items);
	free(r);
}

/* ---------------------------------------------------------------- secrets */

/* The length of the secret that stands at p, or 0. */
static size_t
secret_at(const struct record *r, const char *p)
{
	size_t longest = 0;

	for (size_t i = 0; i < r->n_secrets; i++) {
		size_t n = strlen(r->secret[i]);
		if (n > longest && strncmp(p, r->secret[i], n) == 0)
			longest = n;
	}
	return longest;
}

/* "user:password@" behind "://": where the password is, and its length, or 0. */
static size_t
url_password(const char *p, const char **ret)
{
	size_t n = strcspn(p, "/?# \t\n\"'<>");
	const char *at = memrchr(p, '@', n);
	const char *colon = at == NULL ? NULL : memchr(p, ':', (size_t)(at - p));

	if (colon == NULL)
		return 0;
	*ret = colon + 1;
	return (size_t)(at - colon - 1);
}

/* Copies without what is secret. */
static void
write_masked(const struct record *r, const char *p, FILE *out)
{
	const char *from = NULL;
	size_t hidden = 0;

	while (*p != '\0') {
		size_t n = secret_at(r, p);
		if (p == from && n < hidden)
			n = hidden;
		if (n > 0) {
			fputs(stars, out);
			p += n;
			continue;
		}
		if (strncmp(p, "://", 3) == 0) {
			hidden = url_password(p + 3, &from);
			from = hidden > 0 ? from : NULL;
		}
		putc(*p++, out);
	}
}

/* What stands behind the verb of a command that sends a secret, or NULL. */
static char *
argument_of_secret(char *line)
{
	size_t n = strcspn(line, " \t");
	char *rest = line + n + strspn(line + n, " \t");

	if (n == 4 &&
	    (strncasecmp(line, "PASS", 4) == 0 || strncasecmp(line, "ACCT", 4) == 0))
		return rest;
	/* SITE PSWD old new, and the like */
	if (n == 4 && strncasecmp(line, "SITE", 4) == 0 &&
	    (strncasecmp(rest, "PSWD", 4) == 0 || strncasecmp(rest, "PASS", 4) == 0 ||
		strncasecmp(rest, "CHPASS", 6) == 0))
		return rest + strcspn(rest, " \t") +
		       strspn(rest + strcspn(rest, " \t"), " \t");
	return NULL;
}

/* Masked, harmless, not too long. NULL when out of memory. */
static char *
clean(const struct record *r, const char *text, bool is_command)
{
	_cleanup_secret_ char *cut = strndup(text, TEXT_MAX);
	_cleanup_free_ char *masked = NULL;
	char *out = NULL, *secret;
	size_t n = 0, m = 0;
	FILE *f = cut == NULL ? NULL : open_memstream(&masked, &n);

	if (f == NULL)
		return NULL;
	secret = is_command ? argument_of_secret(cut) : NULL;
	if (secret != NULL && *secret != '\0') {
		explicit_bzero(secret, strlen(secret));
		write_masked(r, cut, f);
		fputs(stars, f);
	} else {
		write_masked(r, cut, f);
	}
	if (strlen(text) > TEXT_MAX)
		fputs("...", f);
	if (fclose(f) != 0 || (f = open_memstream(&out, &m)) == NULL)
		return NULL;
	safe_write(f, masked, n, SAFE_LINES);
	if (fclose(f) == 0)
		return out;
	free(out);
	return NULL;
}

static bool
is_command(const struct record_item *item, size_t text)
{
	return item->kind == RECORD_EVENT &&
	       ((item->ev.kind == FERRY_EV_COMMAND && text == 0) ||
		   (item->ev.kind == FERRY_EV_REPLY && text == 2));
}

/* A text that cannot be cleaned is left out. */
static void
item_clean(struct record *r, struct record_item *item)
{
	r->bytes -= item_bytes(item);
	for (size_t i = 0; i < RECORD_TEXTS; i++) {
		const char **text = record_text(&item->ev, i);
		char *old = (char *)*text;
		if (old == NULL)
			continue;
		*text = clean(r, old, is_command(item, i));
		free(old);
	}
	r->bytes += item_bytes(item);
}

void
record_hide(struct record *r, const char *secret)
{
	if (secret == NULL || strlen(secret) < SECRET_LEAST)
		return;
	for (size_t i = 0; i < r->n_secrets; i++)
		if (strcmp(r->secret[i], secret) == 0)
			return;
	/* the oldest one goes */
	if (r->n_secrets == SECRETS_MAX) {
		wipep(&r->secret[0]);
		memmove(&r->secret[0], &r->secret[1],
		    (SECRETS_MAX - 1) * sizeof r->secret[0]);
		r->n_secrets--;
	}
	r->secret[r->n_secrets] = strdup(secret);
	if (r->secret[r->n_secrets] != NULL)
		r->n_secrets++;
	for (size_t i = 0; i < r->n; i++)
		item_clean(r, &r->items[i]);
}

void
record_hide_argument(struct record *r, const char *command)
{
	_cleanup_secret_ char *line = strdup(command);

	if (line != NULL)
		record_hide(r, argument_of_secret(line));
}

/* ---------------------------------------------------------------- items */

/* What is lost from the middle leaves one item that counts it. */
static void
make_gap(struct record *r)
{
	struct record_item *first = &r->items[ITEMS_HEAD];
	unsigned lost = 0;
	size_t n = r->n - ITEMS_HEAD < ITEMS_LOST ? r->n - ITEMS_HEAD : ITEMS_LOST;

	for (size_t i = 0; i < n; i++) {
		lost += first[i].kind == RECORD_GAP ? first[i].ev.count : 1;
		item_clear(r, &first[i]);
	}
	memmove(first + 1, first + n, (r->n - ITEMS_HEAD - n) * sizeof *first);
	*first = (struct record_item){
	    .kind = RECORD_GAP, .ev = {.count = lost, .time = first->ev.time}};
	r->n -= n - 1;
}

static int
make_room(struct record *r)
{
	struct record_item *items;
	size_t size = r->size == 0 ? 64 : 2 * r->size;

	if (r->n == ITEMS_MAX || (r->bytes > BYTES_MAX && r->n > ITEMS_HEAD + 1))
		make_gap(r);
	if (r->n < r->size)
		return 0;
	items = reallocarray(r->items, size, sizeof *items);
	if (items == NULL)
		return -FERRY_ENOMEM;
	r->items = items;
	r->size = size;
	return 0;
}

/* Of progress only the last word counts. */
static bool
is_superseded(const struct record *r, const struct record_item *by)
{
	const struct record_item *last = r->n == 0 ? NULL : &r->items[r->n - 1];

	return last != NULL && last->kind == RECORD_EVENT && by->kind == RECORD_EVENT &&
	       last->ev.kind == FERRY_EV_PROGRESS && by->ev.kind == FERRY_EV_PROGRESS;
}

void
record_add(struct record *r, const struct record_item *item)
{
	struct record_item copy = *item;

	if (is_superseded(r, item))
		item_clear(r, &r->items[--r->n]);
	if (make_room(r) < 0)
		return;
	copy.ev.struct_size = sizeof copy.ev;
	for (size_t i = 0; i < RECORD_TEXTS; i++) {
		const char **text = record_text(&copy.ev, i);
		if (*text != NULL)
			*text = clean(r, *text, is_command(item, i));
	}
	r->bytes += item_bytes(&copy);
	r->items[r->n++] = copy;
}

size_t
record_count(const struct record *r)
{
	return r->n;
}

const struct record_item *
record_at(const struct record *r, size_t i)
{
	return &r->items[i];
}

int64_t
record_began(const struct record *r)
{
	return r->began;
}

/* ---------------------------------------------------------------- again */

static void
play_gap(struct explain *x, const struct ferry_event *ev)
{
	char text[96];
	struct ferry_event note = {.struct_size = sizeof note,
	    .kind = FERRY_EV_WARNING,
	    .time = ev->time,
	    .text = text};

	snprintf(text, sizeof text, "%u events were left out here: there were too many.",
	    ev->count);
	explain_event(x, &note);
}

void
record_play(const struct record *r, struct explain *x, bool quiet)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct record_item *item = &r->items[i];

		if (item->quiet && !quiet)
			continue;
		switch (item->kind) {
		case RECORD_EVENT:
			explain_event(x, &item->ev);
			break;
		case RECORD_PLAN:
			explain_plan(x, item->ev.mode,
			    item->ev.text == NULL ? "" : item->ev.text, item->ev.path);
			break;
		case RECORD_FILES:
			explain_many(x, item->ev.count);
			break;
		case RECORD_END:
			explain_end(x, -item->ev.error, item->ev.text);
			break;
		case RECORD_GAP:
			play_gap(x, &item->ev);
			break;
		}
	}
}
