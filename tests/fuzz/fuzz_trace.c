/*
 * ferry replay: a recorded session from anywhere. What is accepted is written again and
 * read again without a change, and every form of the diagram is what it claims to be: no
 * control characters, no element that is not ours.
 */
#include "own.h"
#include "trace.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
print(const struct record *r, const char *file, size_t *ret_n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_n);
	int rc;

	assert(f != NULL);
	rc = trace_print(file, r, f);
	assert(rc == 0);
	fclose(f);
	assert(strlen(text) == *ret_n);
	return text;
}

/* Each "<" begins one of our elements. */
static void
check_elements(const char *text)
{
	static const char *const ours[] = {"!DOCTYPE html>", "html", "head>", "meta ",
	    "title", "style>", "body>", "header>", "h1>", "h2>", "p", "main>", "section>",
	    "ol", "li", "time>", "div", "span", "code>", "details>", "summary>", "pre>",
	    "i", "b>", "dl>", "dt>", "dd>", "svg", "rect", "text", "line", "path", "g"};

	for (const char *p = text; (p = strchr(p, '<')) != NULL; p++) {
		const char *name = p[1] == '/' ? p + 2 : p + 1;
		bool found = false;
		for (size_t i = 0; i < ARRAY_LEN(ours) && !found; i++)
			found = strncmp(name, ours[i], strlen(ours[i])) == 0;
		assert(found);
		assert(strncmp(name, "script", 6) != 0 && strncmp(name, "img", 3) != 0);
	}
}

static void
check_form(const struct record *r, const char *file, bool markup)
{
	size_t n = 0;
	_cleanup_free_ char *text = print(r, file, &n);

	for (size_t i = 0; i < n; i++)
		assert(
		    (unsigned char)text[i] >= 0x20 || text[i] == '\n' || text[i] == '\t');
	if (markup)
		check_elements(text);
	if (strcmp(file, "t.mmd") == 0)
		assert(strstr(text, "%%{") == NULL);
}

static void
narrate(const struct record *r)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	struct explain *x = NULL;

	assert(f != NULL && explain_new(f, false, &x) == 0);
	record_play(r, x, false);
	explain_free(x);
	fclose(f);
	assert(memchr(text, '\033', n) == NULL);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record *r = NULL, *again = NULL;
	char why[200] = "";
	size_t n = 0, m = 0;

	if (record_parse((const char *)data, size, &r, why, sizeof why) < 0) {
		assert(*why != '\0' && strchr(why, '\033') == NULL);
		return 0;
	}
	_cleanup_free_ char *first = print(r, "t.json", &n);
	assert(record_parse(first, n, &again, why, sizeof why) == 0);
	_cleanup_free_ char *second = print(again, "t.json", &m);
	assert(n == m && memcmp(first, second, n) == 0);
	check_form(r, "t.html", true);
	check_form(r, "t.svg", true);
	check_form(r, "t.txt", false);
	check_form(r, "t.mmd", false);
	narrate(r);
	record_free(again);
	record_free(r);
	return 0;
}
