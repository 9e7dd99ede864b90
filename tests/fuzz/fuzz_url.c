/*
 * Any text as a URL: what is accepted holds no line end and, written again with every
 * byte encoded, means the same; what is refused has a reason.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char hex[] = "0123456789ABCDEF";

static void
check_part(const char *part)
{
	assert(!part || strcspn(part, "\r\n") == strlen(part));
}

static void
put(struct buf *out, const char *text)
{
	int r = buf_append_str(out, text);

	assert(r == 0);
}

static void
put_encoded(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		char code[] = {'%', hex[c >> 4], hex[c & 15], '\0'};

		put(out, code);
	}
}

static void
put_url(struct buf *out, const struct ferry_url *u)
{
	bool literal = strchr(u->host, ':');
	int r = 0;

	put(out, u->scheme);
	put(out, "://");
	if (u->user)
		put_encoded(out, u->user);
	if (u->password) {
		put(out, ":");
		put_encoded(out, u->password);
	}
	if (u->user || u->password)
		put(out, "@");
	put(out, literal ? "[" : "");
	/* A zone that begins with 25 needs the long form. */
	for (const char *p = u->host; *p != '\0' && r == 0; p++)
		r = *p == '%' ? buf_append_str(out, "%25")
			      : buf_append_byte(out, (uint8_t)*p);
	put(out, literal ? "]" : "");
	if (u->port > 0)
		r = buf_printf(out, ":%u", u->port);
	put(out, "/");
	put_encoded(out, u->path);
	if (u->type && r == 0)
		r = buf_printf(out, ";type=%c", u->type);
	assert(r == 0);
}

static bool
same(const char *a, const char *b)
{
	return !a == !b && (!a || strcmp(a, b) == 0);
}

static void
check_good(const struct ferry_url *u, size_t n)
{
	struct buf out = BUF_INIT(4 * n + 100);
	struct ferry_url again = {0};
	const char *why = NULL;
	int r;

	assert(same(u->scheme, "ftp") || same(u->scheme, "ftpes") ||
	       same(u->scheme, "ftps"));
	assert(u->host && u->host[0] != '\0' && u->path);
	assert(!u->user || u->user[0] != '\0');
	assert(u->type == 0 || strchr("aid", u->type));
	check_part(u->user);
	check_part(u->password);
	check_part(u->host);
	check_part(u->path);
	put_url(&out, u);
	r = ferry_url_parse(buf_cstr(&out), &again, &why);
	/* Encoded it is up to three times as long, and may be over the limit. */
	if (r == 0)
		assert(same(u->scheme, again.scheme) && same(u->user, again.user) &&
		       same(u->password, again.password) && same(u->host, again.host) &&
		       same(u->path, again.path) && u->port == again.port &&
		       u->type == again.type);
	else
		assert(buf_len(&out) > 10000);
	ferry_url_clear(&again);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct ferry_url u = {0};
	const char *why = NULL;

	assert(text);
	if (ferry_url_parse(text, &u, &why) == 0)
		check_good(&u, size);
	else
		assert(why && why[0] != '\0' && !u.host && !u.path && !u.password);
	ferry_url_clear(&u);
	free(text);
	return 0;
}
