/*
 * The netrc format of the BSD ftp command: machine, default, login, password, account;
 * macdef is skipped. Matching is strict: the whole host name, and the login if one was
 * asked for. The file must belong to the user alone as soon as it has a password to give.
 */
#include "netrc.h"

#include "own.h"

#include <fcntl.h>
#include <ferry/ferry.h>
#include <pwd.h>
#include <strings.h>
#include <sys/stat.h>

#define NETRC_MAX (1u << 20)
#define TOKEN_MAX 1024

struct scan {
	const char *p;
	unsigned line;
	char token[TOKEN_MAX];
};

static void
skip_blank(struct scan *s)
{
	for (; *s->p != '\0' && strchr(" \t\r\n,", *s->p) != NULL; s->p++)
		s->line += *s->p == '\n';
}

static void
skip_line(struct scan *s)
{
	s->p += strcspn(s->p, "\n");
}

/* A macro ends with an empty line or the file. */
static void
skip_macro(struct scan *s)
{
	while (*s->p != '\0') {
		skip_line(s);
		if (*s->p == '\n') {
			s->p++;
			s->line++;
		}
		if (*s->p == '\n' || (*s->p == '\r' && s->p[1] == '\n'))
			return;
	}
}

/* The next token, quotes and backslashes resolved. 1, 0 at the end, -1 malformed. */
static int
next_token(struct scan *s)
{
	size_t n = 0;
	bool quoted = false;

	skip_blank(s);
	if (*s->p == '\0')
		return 0;
	if (*s->p == '"') {
		quoted = true;
		s->p++;
	}
	while (*s->p != '\0' && strchr(quoted ? "\"\n" : " \t\r\n", *s->p) == NULL) {
		if (*s->p == '\\' && s->p[1] != '\0' && s->p[1] != '\n')
			s->p++;
		if (n == TOKEN_MAX - 1)
			return -1;
		s->token[n++] = *s->p++;
	}
	s->token[n] = '\0';
	if (quoted && *s->p++ != '"')
		return -1;
	return 1;
}

enum keyword {
	KEY_MACHINE,
	KEY_DEFAULT,
	KEY_LOGIN,
	KEY_PASSWORD,
	KEY_ACCOUNT,
	KEY_MACDEF,
	KEY_NONE
};

static enum keyword
keyword_of(const char *token)
{
	static const char *const names[] = {
	    "machine", "default", "login", "password", "account", "macdef"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(token, names[i]) == 0)
			return (enum keyword)i;
	if (strcmp(token, "passwd") == 0)
		return KEY_PASSWORD;
	return KEY_NONE;
}

void
netrc_clear(struct netrc_entry *e)
{
	free(e->login);
	wipep(&e->password);
	wipep(&e->account);
	*e = (struct netrc_entry){.login = NULL};
}

static int
set_field(struct netrc_entry *e, enum keyword key, const char *token)
{
	char **field = key == KEY_LOGIN      ? &e->login
		       : key == KEY_PASSWORD ? &e->password
					     : &e->account;

	wipep(field);
	*field = strdup(token);
	return *field == NULL ? -FERRY_ENOMEM : 0;
}

/* An entry is for us if its host is ours ("default": any) and, when asked for, its login.
 */
static bool
entry_matches(const struct netrc_entry *e, bool host_ours, const char *user)
{
	return host_ours &&
	       (user == NULL || (e->login != NULL && strcmp(e->login, user) == 0));
}

/* Reads the fields behind "machine x" or "default" up to the next such word, which stays
 * in *ret_next. */
static int
read_entry(struct scan *s, struct netrc_entry *e, enum keyword *ret_next)
{
	enum keyword key;
	int rc;

	for (*ret_next = KEY_NONE; (rc = next_token(s)) > 0;) {
		key = keyword_of(s->token);
		if (key == KEY_MACHINE || key == KEY_DEFAULT) {
			*ret_next = key;
			return 0;
		}
		if (key == KEY_NONE && s->token[0] == '#') {
			skip_line(s);
			continue;
		}
		if (key == KEY_NONE || next_token(s) <= 0)
			return -FERRY_EINVAL;
		if (key == KEY_MACDEF)
			skip_macro(s);
		else if (set_field(e, key, s->token) < 0)
			return -FERRY_ENOMEM;
	}
	return rc < 0 ? -FERRY_EINVAL : 0;
}

/* Over all entries: the first that matches is the answer. */
static int
find_entry(struct scan *s, const char *host, const char *user, struct netrc_entry *ret)
{
	enum keyword key;
	bool ours = false;
	struct netrc_entry e = {.login = NULL};
	int rc = read_entry(s, &e, &key); /* whatever stands before the first machine */

	netrc_clear(&e);
	while (rc == 0 && key != KEY_NONE) {
		ours = key == KEY_DEFAULT;
		if (key == KEY_MACHINE) {
			if (next_token(s) <= 0)
				return -FERRY_EINVAL;
			ours = strcasecmp(s->token, host) == 0;
		}
		rc = read_entry(s, &e, &key);
		if (rc == 0 && entry_matches(&e, ours, user)) {
			*ret = e;
			return 1;
		}
		netrc_clear(&e);
	}
	return rc;
}

int
netrc_find(const char *text, const char *host, const char *user, struct netrc_entry *ret,
    unsigned *ret_line)
{
	struct scan s = {.p = text, .line = 1};
	int rc = find_entry(&s, host, user, ret);

	if (rc < 0)
		*ret_line = s.line;
	explicit_bzero(s.token, sizeof s.token);
	return rc;
}

/* The whole file as text. NULL with errno. */
static char *
read_file(int fd, off_t size)
{
	char *text = NULL;
	size_t n = 0;
	ssize_t got = 0;

	if (size > NETRC_MAX)
		errno = EFBIG;
	else
		text = calloc(1, (size_t)size + 1);
	while (text != NULL && n < (size_t)size &&
	       (got = read(fd, text + n, (size_t)size - n)) > 0)
		n += (size_t)got;
	if (text != NULL && got < 0)
		wipep(&text);
	return text;
}

int
netrc_lookup(const char *path, const char *host, const char *user,
    struct netrc_entry *ret, unsigned *ret_line)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_secret_ char *text = NULL;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -FERRY_ESYS;
	if (fstat(fd, &st) < 0 || (text = read_file(fd, st.st_size)) == NULL)
		return -FERRY_ESYS;
	int rc = netrc_find(text, host, user, ret, ret_line);
	if (rc != 1 || ret->password == NULL || (st.st_mode & 077) == 0)
		return rc;
	if (ret->login != NULL && strcmp(ret->login, "anonymous") == 0)
		return rc;
	netrc_clear(ret);
	errno = EPERM;
	return -FERRY_ESYS;
}

char *
netrc_default_path(void)
{
	const char *home = getenv("HOME"), *set = getenv("NETRC");
	char *path = NULL;

	if (set != NULL && *set != '\0')
		return strdup(set);
	if (home == NULL || *home == '\0') {
		const struct passwd *pw = getpwuid(getuid());
		home = pw == NULL ? NULL : pw->pw_dir;
	}
	if (home == NULL || asprintf(&path, "%s/.netrc", home) < 0)
		return NULL;
	return path;
}
