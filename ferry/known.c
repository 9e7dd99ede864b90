/*
 * The known-hosts file. It decides whether a password may travel in clear, so a line that
 * is not understood is never skipped, and a new file is never half written.
 */
#include "known.h"

#include "own.h"
#include "userfile.h"

#include <ferry/ferry.h>
#include <strings.h>

#define KNOWN_FILE_MAX (1u << 20)
#define WORD_MAX 300

/* ---------------------------------------------------------------- one line */

struct line {
	char host[WORD_MAX];
	uint16_t port;
	struct known known;
	bool empty;
};

/* The next word of a line. false: none is left, or it is too long. */
static bool
take_word(const char **p, const char *end, char out[WORD_MAX])
{
	size_t n = 0;

	while (*p < end && (**p == ' ' || **p == '\t' || **p == '\r'))
		(*p)++;
	while (*p < end && strchr(" \t\r", **p) == NULL && n < WORD_MAX - 1)
		out[n++] = *(*p)++;
	out[n] = '\0';
	return n > 0 && n < WORD_MAX - 1;
}

static bool
parse_port(const char *word, uint16_t *ret)
{
	unsigned long n = 0;

	if (strlen(word) > 5 || word[strspn(word, "0123456789")] != '\0')
		return false;
	n = strtoul(word, NULL, 10);
	*ret = (uint16_t)n;
	return n >= 1 && n <= 65535;
}

static bool
parse_key(const char *word, char out[KNOWN_KEY_MAX])
{
	if (strlen(word) != KNOWN_KEY_MAX - 1 ||
	    word[strspn(word, "0123456789abcdef")] != '\0')
		return false;
	memcpy(out, word, KNOWN_KEY_MAX);
	return true;
}

/* Everything behind host and port. */
static bool
parse_what(const char **p, const char *end, struct known *ret)
{
	char word[WORD_MAX];

	*ret = (struct known){.tls = true};
	if (!take_word(p, end, word))
		return false;
	if (strcmp(word, "sha256") == 0)
		return take_word(p, end, word) && parse_key(word, ret->key);
	return strcmp(word, "tls") == 0;
}

static bool
parse_line(const char *p, const char *end, struct line *ret)
{
	char word[WORD_MAX];

	*ret = (struct line){.empty = true};
	if (memchr(p, '\0', (size_t)(end - p)) != NULL)
		return false;
	if (!take_word(&p, end, ret->host) || *ret->host == '#')
		return p == end || *ret->host == '#';
	ret->empty = false;
	return take_word(&p, end, word) && parse_port(word, &ret->port) &&
	       parse_what(&p, end, &ret->known) && !take_word(&p, end, word) &&
	       *word == '\0';
}

static bool
is_of(const struct line *line, const char *host, uint16_t port)
{
	return !line->empty && line->port == port && strcasecmp(line->host, host) == 0;
}

/* ---------------------------------------------------------------- the text */

int
known_find(const char *text, const char *host, uint16_t port, struct known *ret,
    unsigned *ret_line)
{
	struct known found = {.tls = false};
	unsigned number = 0;

	for (const char *p = text; *p != '\0';) {
		const char *end = strchrnul(p, '\n');
		struct line line;

		number++;
		if (!parse_line(p, end, &line)) {
			*ret_line = number;
			return -FERRY_EINVAL;
		}
		if (is_of(&line, host, port) && !found.tls)
			found = line.known;
		p = end + (*end == '\n');
	}
	if (found.tls)
		*ret = found;
	return found.tls;
}

char *
known_replace(
    const char *text, const char *host, uint16_t port, const struct known *known)
{
	char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);

	if (f == NULL)
		return NULL;
	for (const char *p = text; *p != '\0';) {
		const char *end = strchrnul(p, '\n');
		struct line line;

		if (!parse_line(p, end, &line) || !is_of(&line, host, port))
			fprintf(f, "%.*s\n", (int)(end - p), p);
		p = end + (*end == '\n');
	}
	if (known->tls)
		fprintf(f, "%s %u %s%s\n", host, (unsigned)port,
		    *known->key ? "sha256 " : "tls", known->key);
	if (fclose(f) == 0)
		return out;
	free(out);
	return NULL;
}

/* ---------------------------------------------------------------- the file */

char *
known_default_path(void)
{
	return userfile_path("XDG_CONFIG_HOME", ".config", "known_hosts");
}

static struct userfile
file_at(const char *path)
{
	return (struct userfile){.path = path, .max = KNOWN_FILE_MAX};
}

int
known_lookup(const char *path, const char *host, uint16_t port, struct known *ret,
    unsigned *ret_line)
{
	const struct userfile f = file_at(path);
	_cleanup_free_ char *text = NULL;
	int rc = userfile_read(&f, &text);

	return rc < 0 ? rc : known_find(text, host, port, ret, ret_line);
}

/* What known_store() was asked for. */
struct addition {
	const char *host;
	uint16_t port;
	const struct known *known;
};

static int
add(const char *old, void *user, char **ret_new)
{
	const struct addition *a = user;
	struct known unused;
	unsigned line;
	int rc = known_find(old, a->host, a->port, &unused, &line);

	if (rc < 0)
		return rc;
	*ret_new = known_replace(old, a->host, a->port, a->known);
	return *ret_new == NULL ? -FERRY_ENOMEM : 0;
}

int
known_store(const char *path, const char *host, uint16_t port, const struct known *known)
{
	const struct userfile f = file_at(path);
	struct addition a = {.host = host, .port = port, .known = known};

	return userfile_edit(&f, add, &a);
}
