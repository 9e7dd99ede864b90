/*
 * ferryd check: gather, judge, print.
 */
#include "check.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge.h"
#include "say.h"
#include "util.h"

static const char *const level_names[] = {
    [LEVEL_OK] = "ok",
    [LEVEL_UNKNOWN] = "cannot tell",
    [LEVEL_WARNING] = "WARNING",
    [LEVEL_ERROR] = "ERROR",
};

static void
print_finding(const struct finding *f)
{
	const char *line = f->advice;

	say_wrapped(level_names[f->level], f->text);
	if (f->codes[0] != '\0' && f->level != LEVEL_OK)
		say_wrapped("", f->codes);
	while (*line != '\0') {
		size_t n = strcspn(line, "\n");

		printf("%*s    %.*s\n", SAY_INDENT, "", (int)n, line);
		line += n + (line[n] == '\n');
	}
}

static unsigned
count(const struct findings *f, enum level level)
{
	unsigned n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->row[i].level == level;
	return n;
}

static void
print_text(const struct findings *f)
{
	for (int level = LEVEL_OK; level <= LEVEL_ERROR; level++)
		for (size_t i = 0; i < f->n; i++)
			if ((int)f->row[i].level == level)
				print_finding(&f->row[i]);
	printf("Errors: %u. Warnings: %u. Cannot be told from here: %u.\n",
	    count(f, LEVEL_ERROR), count(f, LEVEL_WARNING), count(f, LEVEL_UNKNOWN));
}

static void
print_json(const struct findings *f)
{
	static const char *const words[] = {"ok", "unknown", "warning", "error"};
	json_t *rows = json_array();

	for (size_t i = 0; i < f->n; i++) {
		const struct finding *row = &f->row[i];

		json_array_append_new(rows,
		    json_pack("{s:s, s:s, s:s, s:s}", "level", words[row->level], "codes",
			row->codes, "text", row->text, "advice", row->advice));
	}
	say_json(json_pack("{s:i, s:o}", "status", findings_status(f), "findings", rows));
}

int
check_run(const struct conf *conf, bool json)
{
	struct findings *found = calloc(1, sizeof(*found));
	struct facts *facts = calloc(1, sizeof(*facts));
	int status = EXIT_FAILURE;

	if (found != NULL && facts != NULL) {
		facts_gather(conf, facts);
		judge(conf, facts, found);
		if (json)
			print_json(found);
		else
			print_text(found);
		status = findings_status(found);
	}
	free(facts);
	free(found);
	return status;
}
