/*
 * ferryd failures: the server's file of data connections that failed, for people. The
 * file is taken for anybody's: bounded, and shown only as far as it can be read.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "failure.h"
#include "say.h"
#include "util.h"

#define FILE_MAX ((FAILURE_RECORDS + 1) * FAILURE_LINE_MAX)
/* So many addresses of a network that fail alike are worth a line. */
#define NETWORK_MIN 2

struct list {
	struct failure_record row[FAILURE_RECORDS];
	size_t n;
	size_t unread; /* lines that make no sense */
};

/* Addresses of one network with the same verdict. */
struct network {
	struct endpoint at; /* host bits zero */
	enum failure_code code;
	unsigned addresses, count;
};

/* ---- reading ---- */

static int
read_file(const char *path, struct buf *out)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	uint8_t *p;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -FERRY_ESYS;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -FERRY_ESYS;
	}
	if (buf_reserve(out, FILE_MAX, &p) < 0)
		return -FERRY_ENOMEM;
	n = read(fd, p, FILE_MAX);
	if (n < 0)
		return -FERRY_ESYS;
	buf_commit(out, (size_t)n);
	return 0;
}

static int
latest_first(const void *a, const void *b)
{
	const struct failure_record *x = a, *y = b;

	return x->last < y->last ? 1 : x->last > y->last ? -1 : 0;
}

/* -FERRY_EPROTO: it is no such file. */
static int
parse_file(const char *p, size_t n, struct list *ret)
{
	const size_t head = strlen(FAILURE_FILE_HEAD);
	const char *end = p + n;

	if (n < head || memcmp(p, FAILURE_FILE_HEAD, head) != 0)
		return -FERRY_EPROTO;
	for (p += head; p < end;) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((lf != NULL ? lf : end) - p);

		if (ret->n == FAILURE_RECORDS ||
		    failure_parse(p, len, &ret->row[ret->n]) < 0)
			ret->unread++;
		else
			ret->n++;
		p += len + (lf != NULL);
	}
	qsort(ret->row, ret->n, sizeof(ret->row[0]), latest_first);
	return 0;
}

/* ---- networks ---- */

/* /24 and /64. */
static struct endpoint
network_of(const struct endpoint *address)
{
	struct endpoint at = *address;

	at.port = 0;
	at.scope = 0;
	if (at.family == AF_INET)
		((uint8_t *)&at.v4)[3] = 0;
	else
		memset(at.v6.s6_addr + 8, 0, 8);
	return at;
}

static size_t
find_networks(const struct list *list, struct network *ret)
{
	size_t n = 0, k;

	for (size_t i = 0; i < list->n; i++) {
		const struct failure_record *r = &list->row[i];
		struct endpoint at = network_of(&r->failure.peer);

		for (k = 0; k < n; k++)
			if (ret[k].code == r->verdict.code &&
			    endpoint_same_address(&ret[k].at, &at))
				break;
		if (k == n)
			ret[n++] = (struct network){.at = at, .code = r->verdict.code};
		ret[k].addresses++;
		ret[k].count += r->count;
	}
	return n;
}

static void
format_network(const struct network *w, char out[ENDPOINT_TEXT_MAX + 4])
{
	size_t n = endpoint_format_address(&w->at, out);

	snprintf(out + n, 4, "%s", w->at.family == AF_INET ? "/24" : "/64");
}

/* ---- printing ---- */

static void
format_time(int64_t at, const char *format, char *out, size_t cap)
{
	time_t t = (time_t)at;
	struct tm tm = {0};

	localtime_r(&t, &tm);
	if (strftime(out, cap, format, &tm) == 0)
		snprintf(out, cap, "?");
}

static void
print_row(const struct failure_record *r)
{
	char when[32], who[ENDPOINT_TEXT_MAX], what[512], from[ENDPOINT_TEXT_MAX];

	format_time(r->last, "%Y-%m-%d %H:%M:%S", when, sizeof(when));
	endpoint_format_address(&r->failure.peer, who);
	int n =
	    snprintf(what, sizeof(what), "%s (%s).", failure_code_means(r->verdict.code),
		r->verdict.certain ? "certain" : "likely");
	if (r->failure.other.family != 0) {
		endpoint_format_address(&r->failure.other, from);
		n += snprintf(
		    what + n, sizeof(what) - (size_t)n, " The other address: %s.", from);
	}
	if (r->failure.error != 0)
		snprintf(what + n, sizeof(what) - (size_t)n, " The system said: %s.",
		    strerror(r->failure.error));
	printf("%s  %-15s  %-7s  port %u  %u times  %s\n", when, who,
	    failure_way(r->failure.cause), r->failure.port, r->count,
	    failure_code_name(r->verdict.code));
	say_wrapped("", what);
}

static void
print_text(const struct list *list, const struct network *network, size_t networks)
{
	bool advised[CODES] = {false};
	char at[ENDPOINT_TEXT_MAX + 4];

	for (size_t i = 0; i < list->n; i++)
		print_row(&list->row[i]);
	for (size_t i = 0; i < networks; i++) {
		if (network[i].addresses < NETWORK_MIN)
			continue;
		format_network(&network[i], at);
		printf("Network %s: %u addresses fail alike: %s, %u times. Look for one "
		       "cause there.\n",
		    at, network[i].addresses, failure_code_name(network[i].code),
		    network[i].count);
	}
	if (list->n > 0)
		printf("\nWhat to do:\n");
	for (size_t i = 0; i < list->n; i++) {
		enum failure_code code = list->row[i].verdict.code;

		if (!advised[code])
			say_wrapped(failure_code_name(code), failure_code_advice(code));
		advised[code] = true;
	}
	if (list->n == 0)
		printf("No data connection has failed since the server started.\n");
	if (list->unread > 0)
		printf("%zu lines of the file make no sense and are left out.\n",
		    list->unread);
}

static json_t *
json_of(const struct failure_record *r)
{
	char when[40], who[ENDPOINT_TEXT_MAX], other[ENDPOINT_TEXT_MAX] = "";

	format_time(r->last, "%Y-%m-%dT%H:%M:%S%z", when, sizeof(when));
	endpoint_format_address(&r->failure.peer, who);
	if (r->failure.other.family != 0)
		endpoint_format_address(&r->failure.other, other);
	return json_pack("{s:s, s:s, s:s, s:i, s:I, s:s, s:b, s:s, s:s, s:s, s:s}",
	    "last", when, "client", who, "way", failure_way(r->failure.cause), "port",
	    (int)r->failure.port, "count", (json_int_t)r->count, "code",
	    failure_code_name(r->verdict.code), "certain", (int)r->verdict.certain,
	    "other", other, "error",
	    r->failure.error != 0 ? strerror(r->failure.error) : "", "means",
	    failure_code_means(r->verdict.code), "advice",
	    failure_code_advice(r->verdict.code));
}

static void
print_json(const struct list *list, const struct network *network, size_t networks)
{
	json_t *rows = json_array(), *nets = json_array();
	char at[ENDPOINT_TEXT_MAX + 4];

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(rows, json_of(&list->row[i]));
	for (size_t i = 0; i < networks; i++) {
		if (network[i].addresses < NETWORK_MIN)
			continue;
		format_network(&network[i], at);
		json_array_append_new(
		    nets, json_pack("{s:s, s:s, s:i, s:I}", "network", at, "code",
			      failure_code_name(network[i].code), "addresses",
			      (int)network[i].addresses, "count",
			      (json_int_t)network[i].count));
	}
	say_json(json_pack("{s:o, s:o, s:I}", "failures", rows, "networks", nets,
	    "unread", (json_int_t)list->unread));
}

static int
complain(const char *path, const char *why)
{
	fprintf(stderr, "ferryd: %s: %s\n", path, why);
	return EXIT_FAILURE;
}

static int
show(const struct buf *text, const char *path, struct list *list, struct network *network,
    bool json)
{
	if (parse_file((const char *)buf_data(text), buf_len(text), list) < 0)
		return complain(path, "is not what ferryd writes");
	size_t networks = find_networks(list, network);

	if (json)
		print_json(list, network, networks);
	else
		print_text(list, network, networks);
	return EXIT_SUCCESS;
}

int
failures_run(const struct conf *conf, bool json)
{
	const char *path = conf->failures_file;
	_cleanup_(buf_free)
	struct buf text = BUF_INIT(FILE_MAX);
	_cleanup_free_ struct list *list = calloc(1, sizeof(*list));
	_cleanup_free_ struct network *network =
	    calloc(FAILURE_RECORDS, sizeof(*network));

	if (list == NULL || network == NULL)
		return complain("failures", strerror(ENOMEM));
	if (path == NULL || path[0] == '\0')
		return complain("failures_file", "is not set, so none are kept");
	if (read_file(path, &text) == 0)
		return show(&text, path, list, network, json);
	/* It is written with the first failure. */
	if (errno != ENOENT)
		return complain(path, strerror(errno));
	if (json)
		print_json(list, network, 0);
	else
		print_text(list, network, 0);
	return EXIT_SUCCESS;
}
