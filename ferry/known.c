/*
 * The known-hosts file. It decides whether a password may travel in clear, so a line that
 * is not understood is never skipped, and a new file is never half written.
 */
#include "known.h"

#include "own.h"

#include <fcntl.h>
#include <ferry/ferry.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>

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
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *path = NULL;

	if (config != NULL && *config == '/')
		return asprintf(&path, "%s/ferry/known_hosts", config) < 0 ? NULL : path;
	if (home == NULL || *home != '/')
		return NULL;
	return asprintf(&path, "%s/.config/ferry/known_hosts", home) < 0 ? NULL : path;
}

/* The whole file as text; a missing one is "". */
static int
read_all(const char *path, char **ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_free_ char *text = calloc(1, KNOWN_FILE_MAX + 1);
	size_t have = 0;
	ssize_t n = 0;

	if (text == NULL)
		return -FERRY_ENOMEM;
	if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return -FERRY_ESYS;
	while (fd >= 0 && have < KNOWN_FILE_MAX &&
	       (n = read(fd, text + have, KNOWN_FILE_MAX - have)) > 0)
		have += (size_t)n;
	if (n < 0)
		return -FERRY_ESYS;
	if (have == KNOWN_FILE_MAX || strlen(text) != have) {
		errno = EFBIG;
		return -FERRY_ESYS;
	}
	*ret = text;
	text = NULL;
	return 0;
}

int
known_lookup(const char *path, const char *host, uint16_t port, struct known *ret,
    unsigned *ret_line)
{
	_cleanup_free_ char *text = NULL;
	int rc = read_all(path, &text);

	return rc < 0 ? rc : known_find(text, host, port, ret, ret_line);
}

/* All directories above the file, for the user alone. */
static void
make_directories(char *path)
{
	for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		(void)mkdir(path, 0700); /* what is there stays; the file will tell */
		*slash = '/';
	}
}

/* A file beside it that takes its place when it is whole. */
static int
replace_file(int dir, const char *name, const char *text)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;
	size_t n = strlen(text);
	bool good;

	if (asprintf(&temporary, ".%s.%ld.new", name, (long)getpid()) < 0) {
		temporary = NULL;
		return -FERRY_ENOMEM;
	}
	fd = openat(
	    dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -FERRY_ESYS;
	good = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0 &&
	       renameat(dir, temporary, dir, name) == 0;
	if (!good) {
		int saved = errno;
		unlinkat(dir, temporary, 0);
		errno = saved;
	}
	return good ? 0 : -FERRY_ESYS;
}

int
known_store(const char *path, const char *host, uint16_t port, const struct known *known)
{
	_cleanup_free_ char *copy = strdup(path), *old = NULL, *text = NULL;
	_cleanup_close_ int dir = -1;
	struct known unused;
	unsigned line;
	char *name;
	int rc;

	if (copy == NULL)
		return -FERRY_ENOMEM;
	make_directories(copy);
	name = strrchr(copy, '/');
	if (name != NULL)
		*name++ = '\0';
	dir = open(name == NULL    ? "."
		   : *copy == '\0' ? "/"
				   : copy,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* two of us at the same time shall not lose each other's line */
	if (dir < 0 || flock(dir, LOCK_EX) < 0)
		return -FERRY_ESYS;
	rc = read_all(path, &old);
	if (rc == 0)
		rc = known_find(old, host, port, &unused, &line);
	if (rc < 0)
		return rc;
	text = known_replace(old, host, port, known);
	if (text == NULL)
		return -FERRY_ENOMEM;
	return replace_file(dir, name == NULL ? copy : name, text);
}
