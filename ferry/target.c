/*
 * Targets. URLs are libferry's; the classic forms are parsed here. Nothing is looked up
 * or dialled.
 */
#include "target.h"

#include "own.h"

#include <arpa/inet.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <strings.h>

void
target_clear(struct target *t)
{
	free(t->host);
	free(t->user);
	wipep(&t->password);
	free(t->path);
	*t = (struct target){.host = NULL};
}

static bool
is_directory(const char *path)
{
	size_t n = strlen(path);

	return n == 0 || path[n - 1] == '/';
}

int
target_parse_url(const char *text, struct target *ret, const char **ret_why)
{
	struct ferry_url u = {.scheme = NULL};

	if (strstr(text, "://") == NULL) {
		*ret_why = "a URL is wanted here: ftp://HOST/PATH";
		return -FERRY_EINVAL;
	}
	int rc = ferry_url_parse(text, &u, ret_why);
	if (rc < 0)
		return rc;
	*ret = (struct target){.host = u.host,
	    .port = u.port,
	    .tls = ferry_url_tls(&u),
	    .user = u.user,
	    .password = u.password,
	    .path = u.path,
	    .type = u.type,
	    .is_directory = is_directory(u.path == NULL ? "" : u.path)};
	u.host = u.user = u.password = u.path = NULL;
	ferry_url_clear(&u);
	if (ret->path == NULL)
		ret->path = strdup("");
	return ret->path == NULL ? -FERRY_ENOMEM : 0;
}

/* Where the host ends in "HOST:PATH", "[v6]:PATH", "v6". NULL: not well formed. */
static const char *
host_end(const char *host)
{
	struct in6_addr v6;

	if (*host == '[') {
		const char *end = strchr(host, ']');
		return end != NULL && (end[1] == '\0' || end[1] == ':') ? end : NULL;
	}
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return host + strlen(host);
	return host + strcspn(host, ":");
}

/* The "@" that ends the user name: the last one before the host's end. */
static const char *
find_at(const char *text)
{
	size_t n = strcspn(text, ":/[");

	return memrchr(text, '@', n);
}

static int
parse_classic(const char *text, struct target *t, const char **ret_why)
{
	const char *at = find_at(text), *host = at == NULL ? text : at + 1,
		   *end = host_end(host);

	if (end == NULL) {
		*ret_why = "the brackets of the address are not closed";
		return -FERRY_EINVAL;
	}
	if (at != NULL && (t->user = strndup(text, (size_t)(at - text))) == NULL)
		return -FERRY_ENOMEM;
	if (*host == '[')
		t->host = strndup(host + 1, (size_t)(end++ - host - 1));
	else
		t->host = strndup(host, (size_t)(end - host));
	t->path = strdup(*end == ':' ? end + 1 : "");
	if (t->host == NULL || t->path == NULL)
		return -FERRY_ENOMEM;
	if (*t->host == '\0' || (t->user != NULL && *t->user == '\0')) {
		*ret_why = *t->host == '\0' ? "the host name is empty"
					    : "the user name is empty";
		return -FERRY_EINVAL;
	}
	t->is_directory = is_directory(t->path);
	return 0;
}

int
target_parse(const char *text, struct target *ret, const char **ret_why)
{
	struct target t = {.host = NULL};
	int rc;

	if (strstr(text, "://") != NULL)
		return target_parse_url(text, ret, ret_why);
	if (strpbrk(text, "\r\n") != NULL) {
		*ret_why = "a line break is not allowed here";
		return -FERRY_EINVAL;
	}
	rc = parse_classic(text, &t, ret_why);
	if (rc < 0)
		target_clear(&t);
	else
		*ret = t;
	return rc;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static int
copy_text(const char *text, char **ret)
{
	*ret = text == NULL ? NULL : strdup(text);
	return text != NULL && *ret == NULL ? -FERRY_ENOMEM : 0;
}

int
target_copy_login(const struct target *t, struct target *ret)
{
	struct target copy = {.port = t->port, .tls = t->tls};

	if (copy_text(t->host, &copy.host) < 0 || copy_text(t->user, &copy.user) < 0 ||
	    copy_text(t->password, &copy.password) < 0) {
		target_clear(&copy);
		return -FERRY_ENOMEM;
	}
	*ret = copy;
	return 0;
}

bool
target_same_login(const struct target *a, const struct target *b)
{
	return a->host != NULL && b->host != NULL && strcasecmp(a->host, b->host) == 0 &&
	       a->port == b->port && a->tls == b->tls && same_text(a->user, b->user) &&
	       same_text(a->password, b->password);
}
