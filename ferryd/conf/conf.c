/*
 * struct conf and its table: defaults, copying, printing. For every process of ferryd.
 * Reads no text from outside: that is conf_set.c and conf_parse.c.
 */
#include <ferry/ferry.h>
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "option.h"
#include "section.h"
#include "util.h"

/* Room for "18446744073709551615" and "01777777777777777777777". */
#define NUMBER_TEXT 32

#define ROW(n, t, s, h)                                                                  \
	.name = #n, .type = t, .status = s, .offset = offsetof(struct conf, n), .help = h
#define OPTION_BOOL(n, d, s, h) {ROW(n, TYPE_BOOL, s, h), .number = d, .max = 1},
#define OPTION_NUMBER(n, d, lo, hi, s, h)                                                \
	{ROW(n, TYPE_NUMBER, s, h), .number = d, .min = lo, .max = hi},
#define OPTION_OCTAL(n, d, lo, hi, s, h)                                                 \
	{ROW(n, TYPE_OCTAL, s, h), .number = d, .min = lo, .max = hi},
#define OPTION_STRING(n, d, s, h) {ROW(n, TYPE_STRING, s, h), .string = d},

const struct option option_table[] = {
#include "options.def"
};
const size_t option_count = ARRAY_LEN(option_table);

const struct option *
option_find(const char *name)
{
	for (size_t i = 0; i < option_count; i++)
		if (strcmp(option_table[i].name, name) == 0)
			return &option_table[i];
	return NULL;
}

bool *
option_bool(struct conf *c, const struct option *o)
{
	assert(o->type == TYPE_BOOL);
	return (bool *)((char *)c + o->offset);
}

uint64_t *
option_number(struct conf *c, const struct option *o)
{
	assert(o->type == TYPE_NUMBER || o->type == TYPE_OCTAL);
	return (uint64_t *)((char *)c + o->offset);
}

char **
option_string(struct conf *c, const struct option *o)
{
	assert(o->type == TYPE_STRING);
	return (char **)((char *)c + o->offset);
}

/* The value of any row but a string. */
static uint64_t
plain_value(const struct conf *c, const struct option *o)
{
	/* The accessors give fields to write to; here they are only read. */
	struct conf *fields = (struct conf *)c;

	return o->type == TYPE_BOOL ? *option_bool(fields, o) : *option_number(fields, o);
}

static const char *
string_value(const struct conf *c, const struct option *o)
{
	return *option_string((struct conf *)c, o);
}

bool
option_changed(const struct conf *c, const struct option *o)
{
	if (o->type != TYPE_STRING)
		return plain_value(c, o) != o->number;

	const char *value = string_value(c, o);
	if (value == NULL || o->string == NULL)
		return value != o->string;
	return strcmp(value, o->string) != 0;
}

void
option_borrow(const struct conf *from, const struct option *o, struct conf *to)
{
	static const size_t size[] = {
	    [TYPE_BOOL] = sizeof(bool),
	    [TYPE_NUMBER] = sizeof(uint64_t),
	    [TYPE_OCTAL] = sizeof(uint64_t),
	    [TYPE_STRING] = sizeof(char *),
	};

	memcpy((char *)to + o->offset, (const char *)from + o->offset, size[o->type]);
}

/* Fills one row of an empty conf: with text if it is a string, else with number. */
static int
fill(struct conf *c, const struct option *o, uint64_t number, const char *text)
{
	switch (o->type) {
	case TYPE_BOOL:
		*option_bool(c, o) = number != 0;
		return 0;
	case TYPE_NUMBER:
	case TYPE_OCTAL:
		*option_number(c, o) = number;
		return 0;
	case TYPE_STRING:
		if (text != NULL && (*option_string(c, o) = strdup(text)) == NULL)
			return -FERRY_ENOMEM;
		return 0;
	}
	return 0;
}

int
conf_init(struct conf *c)
{
	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];

		if (fill(c, o, o->number, o->string) < 0) {
			conf_free(c);
			return -FERRY_ENOMEM;
		}
	}
	return 0;
}

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < option_count; i++)
		if (option_table[i].type == TYPE_STRING)
			free(*option_string(c, &option_table[i]));
	free(c->pasv_name);
	sections_free(c->sections);
	memset(c, 0, sizeof(*c));
}

int
conf_copy(const struct conf *from, struct conf *ret)
{
	struct conf copy = {0};

	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];
		bool is_string = o->type == TYPE_STRING;

		if (fill(&copy, o, is_string ? 0 : plain_value(from, o),
			is_string ? string_value(from, o) : NULL) < 0) {
			conf_free(&copy);
			return -FERRY_ENOMEM;
		}
	}
	if (from->pasv_name != NULL)
		copy.pasv_name = strdup(from->pasv_name);
	if ((from->pasv_name != NULL && copy.pasv_name == NULL) ||
	    sections_copy(from, &copy) < 0) {
		conf_free(&copy);
		return -FERRY_ENOMEM;
	}
	*ret = copy;
	return 0;
}

/* A value as it would stand in a file. Numbers are written into out. */
static const char *
value_text(
    const struct option *o, uint64_t number, const char *string, char out[NUMBER_TEXT])
{
	switch (o->type) {
	case TYPE_BOOL:
		return number != 0 ? "YES" : "NO";
	case TYPE_NUMBER:
		snprintf(out, NUMBER_TEXT, "%" PRIu64, number);
		return out;
	case TYPE_OCTAL:
		snprintf(out, NUMBER_TEXT, "%#" PRIo64, number);
		return out;
	case TYPE_STRING:
		return string != NULL ? string : "";
	}
	return "";
}

int
conf_each(const struct conf *c, conf_each_cb *fn, void *user)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];
		bool is_string = o->type == TYPE_STRING;
		char number[NUMBER_TEXT], def_number[NUMBER_TEXT];
		const char *value = value_text(o, is_string ? 0 : plain_value(c, o),
		    is_string ? string_value(c, o) : NULL, number);
		const char *def = value_text(o, o->number, o->string, def_number);
		int r = fn(o->name, value, def, o->help, option_changed(c, o),
		    (o->status & HONOURED) != 0, user);

		if (r != 0)
			return r;
	}
	return 0;
}

void
conf_tell(struct conf_teller *t, enum conf_severity severity, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (severity == CONF_ERROR)
		t->failed = true;
	if (t->cb == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	t->cb(severity, t->file, t->line, text, t->user);
}

bool
conf_trusts_resumed(const struct conf *c)
{
	return c->data_peer != NULL && strcmp(c->data_peer, "resumed") == 0;
}
