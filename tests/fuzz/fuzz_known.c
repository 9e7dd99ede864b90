/*
 * The known-hosts file. A line that was added is found again, and what was known of other
 * servers stays known.
 */
#include "known.h"

#include <assert.h>
#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_added(const char *text, const struct known *other, int had)
{
	const struct known mine = {.tls = true,
	    .key = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"};
	struct known got = {.tls = false};
	unsigned line = 0;
	char *after = known_replace(text, "new.example", 21, &mine);

	assert(after != NULL);
	assert(known_find(after, "new.example", 21, &got, &line) == 1);
	assert(strcmp(got.key, mine.key) == 0);
	got = (struct known){.tls = false};
	assert(known_find(after, "ftp.example.com", 21, &got, &line) == had);
	assert(got.tls == other->tls && strcmp(got.key, other->key) == 0);
	free(after);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct known known = {.tls = false};
	unsigned line = 0;
	int rc;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	rc = known_find(text, "ftp.example.com", 21, &known, &line);
	assert(rc == 0 || rc == 1 || (rc == -FERRY_EINVAL && line > 0));
	assert(known.tls == (rc == 1));
	assert(strlen(known.key) == 0 || strlen(known.key) == KNOWN_KEY_MAX - 1);
	if (rc >= 0)
		check_added(text, &known, rc);
	free(text);
	return 0;
}
