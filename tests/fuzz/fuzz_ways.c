/*
 * The ways file. What was stored is found again, what was known of other servers stays
 * known, and writing twice changes nothing.
 */
#include "ways.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1790000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct way_key other = {.host = "ftp.example.com",
    .port = 21,
    .tls = true,
    .family = AF_INET,
    .network = "192.168.1.0/24,direct"};
static const struct way_key added = {
    .host = "new.example", .port = 990, .family = AF_INET6, .network = "n"};

static void
check_added(const char *text, bool had, const struct way *known)
{
	const struct way way = {
	    .mode = FERRY_MODE_PORT, .failed = {[FERRY_MODE_EPSV] = HOW_BLOCKED}};
	char *once = ways_replace(text, &added, &way, NOW), *twice;
	struct way got = {.mode = FERRY_MODE_AUTO};

	assert(once != NULL);
	assert(ways_find(once, &added, NOW, &got) && memcmp(&got, &way, sizeof got) == 0);
	if (ways_find(once, &other, NOW, &got))
		assert(had && memcmp(&got, known, sizeof got) == 0);
	twice = ways_replace(once, &added, &way, NOW);
	assert(twice != NULL && strcmp(once, twice) == 0);
	free(once);
	free(twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct way way = {.mode = FERRY_MODE_AUTO};
	bool had;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	had = ways_find(text, &other, NOW, &way);
	assert(way.failed[way.mode] == HOW_NONE);
	/* of very many lines the oldest go */
	if (size < 4096)
		check_added(text, had, &way);
	free(text);
	return 0;
}
