/*
 * The file of a record: JSON, as ferry-trace(5) documents it. One table of members serves
 * both ways. The reader takes the file for hostile: every number has its bounds, every
 * text goes through the door of record.c, and what is not known is refused.
 */
#include "record.h"

#include "address.h"
#include "own.h"
#include "safe.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <time.h>

#define FORMAT "ferry-trace"
#define VERSION 1
#define EVENTS_MAX 50000
#define TEXT_MAX (64u * 1024)
#define TIME_MAX 1e9
#define YEAR_9999 253402300799

struct names {
	const char *const *name;
	size_t n;
};

#define NAMES(a)                                                                         \
	{                                                                                \
		.name = (a), .n = ARRAY_LEN(a)                                           \
	}

static const char *const kind_names[] = {
#define EVENT(kind, name) [FERRY_EV_##kind] = (name),
#include "event.def"
#undef EVENT
};

/* Those of record_kind that are no events of libferry. */
static const char *const own_names[] = {
    [RECORD_PLAN] = "plan",
    [RECORD_FILES] = "files",
    [RECORD_END] = "end",
    [RECORD_GAP] = "gap",
};

static const char *const channel_names[] = {
    [FERRY_CONTROL] = "control",
    [FERRY_DATA] = "data",
};

static const char *const mode_names[] = {
    [FERRY_MODE_AUTO] = "auto",
    [FERRY_MODE_PASSIVE] = "passive",
    [FERRY_MODE_EPSV] = "EPSV",
    [FERRY_MODE_PASV] = "PASV",
    [FERRY_MODE_ACTIVE] = "active",
    [FERRY_MODE_EPRT] = "EPRT",
    [FERRY_MODE_PORT] = "PORT",
};

static const char *const trust_names[] = {
    [FERRY_TRUST_NONE] = "none",
    [FERRY_TRUST_AUTHORITY] = "authority",
    [FERRY_TRUST_PIN] = "pin",
    [FERRY_TRUST_PROGRAM] = "accepted",
    [FERRY_TRUST_SESSION] = "session",
    [FERRY_TRUST_SAME_KEY] = "same-key",
};

static const char *const error_names[] = {
    [FERRY_EINVAL] = "invalid",
    [FERRY_ENOMEM] = "memory",
    [FERRY_ESYS] = "system",
    [FERRY_ESTATE] = "state",
    [FERRY_ERESOLVE] = "resolve",
    [FERRY_ECONNECT] = "connect",
    [FERRY_ECLOSED] = "closed",
    [FERRY_EPROTO] = "protocol",
    [FERRY_ETOOBIG] = "too-big",
    [FERRY_ETIMEOUT] = "timeout",
    [FERRY_ELOGIN] = "login",
    [FERRY_ETEMPORARY] = "temporary",
    [FERRY_EREFUSED] = "refused",
    [FERRY_EUNSUPPORTED] = "unsupported",
    [FERRY_EDATA] = "data",
    [FERRY_ESTALLED] = "stalled",
    [FERRY_ESHORT] = "short",
    [FERRY_ELOCAL] = "local",
    [FERRY_EABORTED] = "aborted",
    [FERRY_EOF] = "eof",
    [FERRY_ETLS] = "tls",
    [FERRY_ETLSCERT] = "certificate",
    [FERRY_ETLSNONE] = "no-tls",
};

enum member_type {
	MEMBER_NAME, /* an enum, by its name */
	MEMBER_ERRNO,
	MEMBER_FLAG,
	MEMBER_INT,   /* int, unsigned: 0..max */
	MEMBER_COUNT, /* uint64_t or int64_t */
	MEMBER_SECONDS,
	MEMBER_TEXT,
	MEMBER_ADDRESS,
};

struct member {
	const char *name;
	enum member_type type;
	size_t offset; /* in struct ferry_event */
	int max;
	struct names names;
};

#define AT(field) offsetof(struct ferry_event, field)

/* clang-format off */
static const struct member members[] = {
    {"channel", MEMBER_NAME, AT(channel), 0, NAMES(channel_names)},
    {"mode", MEMBER_NAME, AT(mode), 0, NAMES(mode_names)},
    {"text", MEMBER_TEXT, AT(text)},
    {"code", MEMBER_INT, AT(code), 999},
    {"command", MEMBER_TEXT, AT(command)},
    {"local", MEMBER_ADDRESS, AT(local)},
    {"remote", MEMBER_ADDRESS, AT(remote)},
    {"used", MEMBER_ADDRESS, AT(used)},
    {"path", MEMBER_TEXT, AT(path)},
    {"upload", MEMBER_FLAG, AT(upload)},
    {"bytes", MEMBER_COUNT, AT(bytes)},
    {"wire", MEMBER_COUNT, AT(wire)},
    {"size", MEMBER_COUNT, AT(size)},
    {"count", MEMBER_INT, AT(count), 1000000000},
    {"seconds", MEMBER_SECONDS, AT(seconds)},
    {"error", MEMBER_NAME, AT(error), 0, NAMES(error_names)},
    {"errno", MEMBER_ERRNO, AT(sys_errno)},
    {"cipher", MEMBER_TEXT, AT(cipher)},
    {"fingerprint", MEMBER_TEXT, AT(fingerprint)},
    {"trust", MEMBER_NAME, AT(trust), 0, NAMES(trust_names)},
    {"resumed", MEMBER_FLAG, AT(resumed)},
};
/* clang-format on */

static const char *
name_of(const struct names *names, int value)
{
	return value >= 0 && (size_t)value < names->n ? names->name[value] : NULL;
}

static int
value_of(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->name[i] != NULL && strcmp(names->name[i], name) == 0)
			return (int)i;
	return -1;
}

/* ---------------------------------------------------------------- writing */

static json_t *
write_address(const struct sockaddr_storage *a)
{
	char text[ADDRESS_TEXT_MAX];

	if (a->ss_family == AF_UNSPEC)
		return NULL;
	return json_pack(
	    "{s:s, s:i}", "address", address_text(a, text), "port", address_port(a));
}

/* What is zero is left out. */
static json_t *
write_member(const struct member *m, const struct ferry_event *ev)
{
	const void *p = (const char *)ev + m->offset;
	const char *name;

	switch (m->type) {
	case MEMBER_NAME:
		name = name_of(&m->names, *(const int *)p);
		return *(const int *)p == 0 || name == NULL ? NULL : json_string(name);
	case MEMBER_ERRNO:
		name = strerrorname_np(*(const int *)p);
		return *(const int *)p == 0 || name == NULL ? NULL : json_string(name);
	case MEMBER_FLAG:
		return *(const bool *)p ? json_true() : NULL;
	case MEMBER_INT:
		return *(const int *)p == 0 ? NULL : json_integer(*(const int *)p);
	case MEMBER_COUNT:
		return *(const int64_t *)p <= 0 ? NULL
						: json_integer(*(const int64_t *)p);
	case MEMBER_SECONDS:
		return *(const double *)p <= 0 ? NULL : json_real(*(const double *)p);
	case MEMBER_TEXT:
		return *(const char *const *)p == NULL
			   ? NULL
			   : json_string(*(const char *const *)p);
	case MEMBER_ADDRESS:
		return write_address(p);
	}
	return NULL;
}

static const char *
item_name(const struct record_item *item)
{
	static const struct names kinds = NAMES(kind_names);

	if (item->kind != RECORD_EVENT)
		return own_names[item->kind];
	return name_of(&kinds, (int)item->ev.kind);
}

static json_t *
write_item(const struct record_item *item)
{
	const char *name = item_name(item);
	json_t *o = json_object();

	json_object_set_new(o, "event", json_string(name == NULL ? "warning" : name));
	json_object_set_new(o, "time", json_real(item->ev.time));
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		json_t *value = write_member(&members[i], &item->ev);
		if (value != NULL)
			json_object_set_new(o, members[i].name, value);
	}
	if (item->quiet)
		json_object_set_new(o, "quiet", json_true());
	return o;
}

static void
time_text(int64_t began, char *out, size_t cap)
{
	time_t t = (time_t)began;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(out, cap, "%FT%TZ", &tm) == 0)
		*out = '\0';
}

int
record_write(const struct record *r, FILE *out)
{
	json_t *events = json_array();
	char began[32] = "";
	json_t *top = json_pack("{s:s, s:i, s:s+}", "format", FORMAT, "version", VERSION,
	    "program", "ferry ", ferry_version());
	int rc;

	if (record_began(r) >= 0)
		time_text(record_began(r), began, sizeof began);
	if (*began != '\0')
		json_object_set_new(top, "began", json_string(began));
	for (size_t i = 0; i < record_count(r); i++)
		json_array_append_new(events, write_item(record_at(r, i)));
	json_object_set_new(top, "events", events);
	rc = top == NULL || json_array_size(events) != record_count(r)
		 ? -1
		 : json_dumpf(top, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	json_decref(top);
	if (rc < 0 || putc('\n', out) == EOF)
		return -FERRY_ENOMEM;
	return 0;
}

/* ---------------------------------------------------------------- reading */

struct reading {
	struct record *record;
	char *why;
	size_t cap;
};

__attribute__((format(printf, 2, 3))) static int
refuse(struct reading *in, const char *format, ...)
{
	_cleanup_free_ char *text = NULL, *safe = NULL;
	va_list ap;

	va_start(ap, format);
	text = text_of(format, ap);
	va_end(ap);
	safe = text == NULL ? NULL : safe_string(text);
	snprintf(in->why, in->cap, "%s", safe == NULL ? "out of memory" : safe);
	return -FERRY_EINVAL;
}

static int
errno_of(const char *name)
{
	for (int i = 1; i < 200; i++) {
		const char *known = strerrorname_np(i);
		if (known != NULL && strcmp(known, name) == 0)
			return i;
	}
	return -1;
}

static int
read_address(const json_t *v, struct sockaddr_storage *ret)
{
	const char *text = json_string_value(json_object_get(v, "address"));
	const json_t *port = json_object_get(v, "port");

	if (text == NULL || !json_is_integer(port) || json_integer_value(port) < 0 ||
	    json_integer_value(port) > 65535)
		return -1;
	return address_parse(text, (uint16_t)json_integer_value(port), ret);
}

static int
read_name(const json_t *v, const struct member *m, int *ret)
{
	const char *text = json_string_value(v);
	int value = text == NULL              ? -1
		    : m->type == MEMBER_ERRNO ? errno_of(text)
					      : value_of(&m->names, text);

	if (value < 0)
		return -1;
	*ret = value;
	return 0;
}

static int
read_number(const json_t *v, const struct member *m, void *p)
{
	json_int_t n = json_integer_value(v);

	if (m->type == MEMBER_SECONDS) {
		double s = json_number_value(v);
		if (!json_is_number(v) || !isfinite(s) || s < 0 || s > TIME_MAX)
			return -1;
		*(double *)p = s;
		return 0;
	}
	if (!json_is_integer(v) || n < 0 || (m->type == MEMBER_INT && n > m->max))
		return -1;
	if (m->type == MEMBER_INT)
		*(int *)p = (int)n;
	else
		*(int64_t *)p = n;
	return 0;
}

/* Texts are borrowed from v. */
static int
read_member(const json_t *v, const struct member *m, struct ferry_event *ev)
{
	void *p = (char *)ev + m->offset;

	switch (m->type) {
	case MEMBER_NAME:
	case MEMBER_ERRNO:
		return read_name(v, m, p);
	case MEMBER_INT:
	case MEMBER_COUNT:
	case MEMBER_SECONDS:
		return read_number(v, m, p);
	case MEMBER_FLAG:
		*(bool *)p = json_is_true(v);
		return json_is_boolean(v) ? 0 : -1;
	case MEMBER_TEXT:
		*(const char **)p = json_string_value(v);
		return json_is_string(v) && json_string_length(v) <= TEXT_MAX ? 0 : -1;
	case MEMBER_ADDRESS:
		return read_address(v, p);
	}
	return -1;
}

/* "event" and "time". */
static int
read_head(struct reading *in, size_t i, const json_t *o, struct record_item *item)
{
	static const struct names kinds = NAMES(kind_names), owns = NAMES(own_names);
	static const struct member time = {.name = "time", .type = MEMBER_SECONDS};
	const char *name = json_string_value(json_object_get(o, "event"));
	int kind = name == NULL ? -1 : value_of(&kinds, name);
	int own = name == NULL ? -1 : value_of(&owns, name);

	if (name == NULL)
		return refuse(in, "event %zu has no name", i + 1);
	if (kind < 0 && own < 0)
		return refuse(in, "event %zu: \"%.40s\" is not known", i + 1, name);
	if (read_number(json_object_get(o, "time"), &time, &item->ev.time) < 0)
		return refuse(in, "event %zu: \"time\" is missing or wrong", i + 1);
	if (own >= 0)
		item->kind = (enum record_kind)own;
	else
		item->ev.kind = (enum ferry_event_kind)kind;
	return 0;
}

static int
read_item(struct reading *in, size_t i, const json_t *o)
{
	struct record_item item = {.kind = RECORD_EVENT};
	int rc = json_is_object(o) ? read_head(in, i, o, &item)
				   : refuse(in, "event %zu is no object", i + 1);

	if (rc < 0)
		return rc;
	for (size_t k = 0; k < ARRAY_LEN(members); k++) {
		const json_t *v = json_object_get(o, members[k].name);
		if (v != NULL && read_member(v, &members[k], &item.ev) < 0)
			return refuse(
			    in, "event %zu: \"%s\" is wrong", i + 1, members[k].name);
	}
	item.quiet = json_is_true(json_object_get(o, "quiet"));
	record_add(in->record, &item);
	return 0;
}

static int64_t
read_began(const json_t *v)
{
	const char *text = json_string_value(v), *end;
	struct tm tm = {.tm_isdst = 0};
	time_t t;

	end = text == NULL ? NULL : strptime(text, "%Y-%m-%dT%TZ", &tm);
	if (end == NULL || *end != '\0')
		return -1;
	t = timegm(&tm);
	return t < 0 || t > YEAR_9999 ? -1 : t;
}

static int
read_top(struct reading *in, const json_t *top)
{
	const char *format = json_string_value(json_object_get(top, "format"));
	const json_t *version = json_object_get(top, "version");
	const json_t *events = json_object_get(top, "events");

	if (format == NULL || strcmp(format, FORMAT) != 0)
		return refuse(in, "this is not a trace of ferry");
	if (!json_is_integer(version) || json_integer_value(version) != VERSION)
		return refuse(
		    in, "version %d is read here, this file has another one", VERSION);
	if (!json_is_array(events))
		return refuse(in, "there are no events in it");
	if (json_array_size(events) > EVENTS_MAX)
		return refuse(in, "more than %d events", EVENTS_MAX);
	return record_new(read_began(json_object_get(top, "began")), &in->record);
}

int
record_parse(const char *text, size_t n, struct record **ret, char *ret_why, size_t cap)
{
	struct reading in = {.why = ret_why, .cap = cap};
	json_error_t error;
	json_t *top = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
	const json_t *events;
	int rc;

	if (top == NULL)
		return refuse(&in, "line %d: %s", error.line, error.text);
	rc = read_top(&in, top);
	events = json_object_get(top, "events");
	for (size_t i = 0; rc == 0 && i < json_array_size(events); i++)
		rc = read_item(&in, i, json_array_get(events, i));
	json_decref(top);
	if (rc < 0) {
		record_free(in.record);
		return rc;
	}
	*ret = in.record;
	return 0;
}
