/*
 * Lines of the ways file, to and fro. A line that anybody could have written is believed
 * only so far as it chooses an order: what may be tried at all is decided elsewhere.
 */
#include "ways.h"

#include "own.h"
#include "userfile.h"

#include <inttypes.h>
#include <strings.h>

#define WAYS_FILE_MAX (128u * 1024)
#define WORD_MAX 300

static const char *const mode_names[] = {
    [FERRY_MODE_AUTO] = "other",
    [FERRY_MODE_EPSV] = "EPSV",
    [FERRY_MODE_PASV] = "PASV",
    [FERRY_MODE_EPRT] = "EPRT",
    [FERRY_MODE_PORT] = "PORT",
};

static const struct {
	const char *name, *text;
} hows[HOW_COUNT] = {
    [HOW_NONE] = {"", ""},
    [HOW_SILENT] = {"silent", "no answer"},
    [HOW_REFUSED] = {"refused", "the port was refused"},
    [HOW_BLOCKED] = {"blocked", "a router said no"},
    [HOW_DENIED] = {"denied", "the server said no"},
    [HOW_OTHER] = {"failed", "it failed"},
};

const char *
way_name(enum ferry_mode mode)
{
	return mode_names[mode] == NULL ? "" : mode_names[mode];
}

const char *
way_how_text(enum way_how how)
{
	return hows[how].text;
}

enum way_how
way_how_of(const struct ferry_event *ev)
{
	switch (ev->sys_errno) {
	case 0:
		return ev->error == FERRY_EREFUSED || ev->error == FERRY_EUNSUPPORTED ||
			       ev->error == FERRY_ETEMPORARY
			   ? HOW_DENIED
		       : ev->error == FERRY_ETIMEOUT ? HOW_SILENT
						     : HOW_OTHER;
	case ETIMEDOUT:
		return HOW_SILENT;
	case ECONNREFUSED:
		return HOW_REFUSED;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENOPROTOOPT:
	case EACCES:
		return HOW_BLOCKED;
	default:
		return HOW_OTHER;
	}
}

/* ---------------------------------------------------------------- one line */

struct line {
	struct way_key key;
	int64_t learned;
	struct way way;
};

/* false: none is left, or it does not fit into cap bytes. */
static bool
take_word(const char **p, const char *end, char *out, size_t cap)
{
	size_t n = 0;

	while (*p < end && **p == ' ')
		(*p)++;
	while (*p < end && **p != ' ' && n < cap - 1)
		out[n++] = *(*p)++;
	out[n] = '\0';
	return n > 0 && (*p == end || **p == ' ');
}

static bool
take_number(const char **p, const char *end, int64_t max, int64_t *ret)
{
	char word[20];

	if (!take_word(p, end, word, sizeof word) ||
	    word[strspn(word, "0123456789")] != '\0')
		return false;
	*ret = strtoll(word, NULL, 10);
	return *ret <= max;
}

static bool
take_mode(const char *word, enum ferry_mode *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(mode_names); i++) {
		if (mode_names[i] == NULL || strcmp(mode_names[i], word) != 0)
			continue;
		*ret = (enum ferry_mode)i;
		return true;
	}
	return false;
}

/* "EPSV:silent" */
static bool
take_failure(char *word, struct way *way)
{
	char *colon = strchr(word, ':');
	enum ferry_mode mode;

	if (colon == NULL)
		return false;
	*colon = '\0';
	if (!take_mode(word, &mode) || mode == FERRY_MODE_AUTO)
		return false;
	for (int i = HOW_NONE + 1; i < HOW_COUNT; i++) {
		if (strcmp(hows[i].name, colon + 1) != 0)
			continue;
		way->failed[mode] = (enum way_how)i;
		return true;
	}
	return false;
}

static bool
parse_key(const char **p, const char *end, struct way_key *ret)
{
	char word[WORD_MAX];
	int64_t port, family;

	if (!take_word(p, end, ret->host, sizeof ret->host) ||
	    !take_number(p, end, 65535, &port) || !take_word(p, end, word, sizeof word) ||
	    (strcmp(word, "tls") != 0 && strcmp(word, "plain") != 0))
		return false;
	ret->port = (uint16_t)port;
	ret->tls = strcmp(word, "tls") == 0;
	if (!take_number(p, end, 6, &family) || (family != 4 && family != 6))
		return false;
	ret->family = family == 4 ? AF_INET : AF_INET6;
	return take_word(p, end, ret->network, sizeof ret->network);
}

static bool
parse_line(const char *p, const char *end, struct line *ret)
{
	char word[WORD_MAX];

	*ret = (struct line){.learned = 0};
	if (memchr(p, '\0', (size_t)(end - p)) != NULL ||
	    !parse_key(&p, end, &ret->key) ||
	    !take_number(&p, end, INT64_MAX, &ret->learned) ||
	    !take_word(&p, end, word, sizeof word) || !take_mode(word, &ret->way.mode))
		return false;
	while (take_word(&p, end, word, sizeof word))
		if (!take_failure(word, &ret->way))
			return false;
	return p == end && ret->way.failed[ret->way.mode] == HOW_NONE;
}

static void
write_line(FILE *f, const struct line *line)
{
	const struct way_key *key = &line->key;

	fprintf(f, "%s %u %s %d %s %" PRId64 " %s", key->host, (unsigned)key->port,
	    key->tls ? "tls" : "plain", key->family == AF_INET ? 4 : 6, key->network,
	    line->learned, way_name(line->way.mode));
	for (int i = 0; i < (int)ARRAY_LEN(mode_names); i++)
		if (line->way.failed[i] != HOW_NONE)
			fprintf(
			    f, " %s:%s", mode_names[i], hows[line->way.failed[i]].name);
	putc('\n', f);
}

static bool
is_of(const struct line *line, const struct way_key *key)
{
	const struct way_key *k = &line->key;

	return k->port == key->port && k->tls == key->tls && k->family == key->family &&
	       strcasecmp(k->host, key->host) == 0 &&
	       strcmp(k->network, key->network) == 0;
}

/* One from the future is no better than an old one: the clock was wrong. */
static bool
is_fresh(const struct line *line, int64_t now)
{
	return line->learned <= now && now - line->learned < WAYS_SECONDS;
}

/* ---------------------------------------------------------------- the text */

static bool
is_word(const char *s)
{
	for (size_t i = 0; s[i] != '\0'; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return *s != '\0';
}

bool
ways_can_store(const struct way_key *key)
{
	return is_word(key->host) && is_word(key->network) &&
	       (key->family == AF_INET || key->family == AF_INET6);
}

/* The next line that is understood and fresh. */
static bool
next_line(const char **p, int64_t now, struct line *ret)
{
	while (**p != '\0') {
		const char *begin = *p, *end = strchrnul(begin, '\n');

		*p = end + (*end == '\n');
		if (parse_line(begin, end, ret) && ways_can_store(&ret->key) &&
		    is_fresh(ret, now))
			return true;
	}
	return false;
}

bool
ways_find(const char *text, const struct way_key *key, int64_t now, struct way *ret)
{
	struct line line;

	while (next_line(&text, now, &line)) {
		if (!is_of(&line, key))
			continue;
		*ret = line.way;
		return true;
	}
	return false;
}

static size_t
count_others(const char *text, const struct way_key *key, int64_t now)
{
	struct line line;
	size_t n = 0;

	while (next_line(&text, now, &line))
		n += !is_of(&line, key);
	return n;
}

char *
ways_replace(
    const char *text, const struct way_key *key, const struct way *way, int64_t now)
{
	size_t others = count_others(text, key, now), size = 0;
	size_t surplus = others < WAYS_MAX ? 0 : others - (WAYS_MAX - 1);
	char *out = NULL;
	FILE *f = open_memstream(&out, &size);
	struct line line;

	if (f == NULL)
		return NULL;
	while (next_line(&text, now, &line))
		if (!is_of(&line, key) && (surplus == 0 || surplus-- == 0))
			write_line(f, &line);
	if (way != NULL)
		write_line(f, &(struct line){.key = *key, .learned = now, .way = *way});
	if (fclose(f) == 0)
		return out;
	free(out);
	return NULL;
}

/* ---------------------------------------------------------------- the file */

char *
ways_default_path(void)
{
	return userfile_path("XDG_STATE_HOME", ".local/state", "ways");
}

static struct userfile
file_at(const char *path)
{
	return (struct userfile){.path = path, .max = WAYS_FILE_MAX, .disposable = true};
}

bool
ways_lookup(const char *path, const struct way_key *key, int64_t now, struct way *ret)
{
	const struct userfile f = file_at(path);
	_cleanup_free_ char *text = NULL;

	return userfile_read(&f, &text) == 0 && ways_find(text, key, now, ret);
}

/* What ways_store() was asked for. */
struct change {
	const struct way_key *key;
	const struct way *way;
	int64_t now;
};

static int
change(const char *old, void *user, char **ret_new)
{
	const struct change *c = user;

	*ret_new = ways_replace(old, c->key, c->way, c->now);
	return *ret_new == NULL ? -FERRY_ENOMEM : 0;
}

int
ways_store(
    const char *path, const struct way_key *key, const struct way *way, int64_t now)
{
	const struct userfile f = file_at(path);
	struct change c = {.key = key, .way = way, .now = now};

	return ways_can_store(key) ? userfile_edit(&f, change, &c) : 0;
}
