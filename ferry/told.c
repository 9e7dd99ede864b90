/*
 * "200 mode=EPSV port=61017 listened=20.0s accepted=0 rejected=0": words with a name and
 * a value, in any order. A word that is not known is passed over: later versions may
 * have more of them.
 */
#include "told.h"

#include "address.h"
#include "own.h"

#define VALUE_MAX 256
#define ERRORS_MAX 134 /* errno has no greater numbers */
#define MS_MAX 999999999

/* The value of a name in the first line; false: it is not there, or too long. */
static bool
value_of(const char *text, const char *name, char out[VALUE_MAX])
{
	size_t end = strcspn(text, "\r\n"), len = strlen(name);

	for (size_t i = 0; i < end;) {
		size_t n = strcspn(text + i, " \r\n");

		if (n > len && strncmp(text + i, name, len) == 0 &&
		    text[i + len] == '=' && n - len <= VALUE_MAX) {
			memcpy(out, text + i + len + 1, n - len - 1);
			out[n - len - 1] = '\0';
			return true;
		}
		i += n + 1;
	}
	return false;
}

static bool
number_of(const char *text, const char *name, unsigned max, unsigned *ret)
{
	char value[VALUE_MAX];
	size_t n;

	if (!value_of(text, name, value))
		return false;
	n = strspn(value, "0123456789");
	if (n == 0 || n > 9 || value[n] != '\0' || strtoul(value, NULL, 10) > max)
		return false;
	*ret = (unsigned)strtoul(value, NULL, 10);
	return true;
}

/* "192.0.2.1:21", "[2001:db8::1]:21" */
static bool
read_endpoint(const char *value, struct sockaddr_storage *ret)
{
	char host[VALUE_MAX];
	const char *colon = strrchr(value, ':');
	size_t n, digits;
	unsigned long port;

	if (colon == NULL || colon == value)
		return false;
	digits = strspn(colon + 1, "0123456789");
	port = digits == 0 || digits > 5 ? 65536 : strtoul(colon + 1, NULL, 10);
	if (colon[1 + digits] != '\0' || port > UINT16_MAX)
		return false;
	n = (size_t)(colon - value);
	if (*value == '[') {
		if (value[n - 1] != ']' || n < 3)
			return false;
		value++;
		n -= 2;
	}
	memcpy(host, value, n);
	host[n] = '\0';
	return address_parse(host, (uint16_t)port, ret) == 0;
}

static bool
endpoint_of(const char *text, const char *name, struct sockaddr_storage *ret)
{
	char value[VALUE_MAX];

	return value_of(text, name, value) && read_endpoint(value, ret);
}

static bool
error_of(const char *text, const char *name, int *ret)
{
	char value[VALUE_MAX];

	if (!value_of(text, name, value) || strcmp(value, "none") == 0)
		return false;
	*ret = strcmp(value, "OK") == 0 ? 0 : TOLD_ERROR_OTHER;
	for (int e = 1; e < ERRORS_MAX && *ret < 0; e++) {
		const char *known = strerrorname_np(e);

		if (known != NULL && strcmp(known, value) == 0)
			*ret = e;
	}
	return true;
}

const char *
told_error_name(int error)
{
	const char *name = error > 0 ? strerrorname_np(error) : NULL;

	return error == 0 ? "OK" : name != NULL ? name : "another error";
}

struct told_who
told_who(const char *text)
{
	struct told_who who = {.known = false};
	char value[VALUE_MAX];

	who.known = endpoint_of(text, "peer", &who.peer) &&
		    endpoint_of(text, "local", &who.local);
	who.proxied = value_of(text, "proxyhdr", value) && strcmp(value, "yes") == 0;
	return who.known ? who : (struct told_who){.known = false};
}

/* "61000-61199" */
static bool
range_of(const char *text, struct told_ports *ret)
{
	char value[VALUE_MAX];
	unsigned low = 0, high = 0;
	int n = 0;

	if (!value_of(text, "range", value))
		return false;
	if (strcmp(value, "off") == 0)
		return true;
	if (strspn(value, "0123456789-") != strlen(value) ||
	    sscanf(value, "%5u-%5u%n", &low, &high, &n) != 2 || value[n] != '\0' ||
	    low == 0 || low > high || high > UINT16_MAX)
		return false;
	ret->low = (uint16_t)low;
	ret->high = (uint16_t)high;
	return true;
}

struct told_ports
told_ports(const char *text)
{
	struct told_ports ports = {.known = false};
	unsigned source = 0;

	ports.known = range_of(text, &ports);
	if (number_of(text, "srcport", UINT16_MAX, &source))
		ports.source = (uint16_t)source;
	return ports;
}

static bool
read_passive(const char *text, struct told_call *ret)
{
	char value[VALUE_MAX];
	unsigned port, seconds, tenths;

	if (!number_of(text, "port", UINT16_MAX, &port) ||
	    !number_of(text, "accepted", 1000000, &ret->accepted) ||
	    !number_of(text, "rejected", 1000000, &ret->rejected) ||
	    !value_of(text, "listened", value) ||
	    strspn(value, "0123456789.") + 1 != strlen(value) ||
	    sscanf(value, "%6u.%1us", &seconds, &tenths) != 2)
		return false;
	ret->way = TOLD_PASSIVE;
	ret->port = (uint16_t)port;
	ret->listened = seconds + tenths / 10.0;
	(void)endpoint_of(text, "from", &ret->from);
	ret->by_address = value_of(text, "why", value) && strcmp(value, "address") == 0;
	return true;
}

static bool
read_active(const char *text, struct told_call *ret)
{
	if (!endpoint_of(text, "to", &ret->to))
		return false;
	ret->way = TOLD_ACTIVE;
	ret->over = error_of(text, "result", &ret->error);
	(void)endpoint_of(text, "src", &ret->source);
	return true;
}

struct told_call
told_call(const char *text)
{
	struct told_call call = {.way = TOLD_NONE};
	char mode[VALUE_MAX] = "", stalled[VALUE_MAX] = "";
	bool good = false;

	(void)value_of(text, "mode", mode);
	if (strcmp(mode, "EPSV") == 0 || strcmp(mode, "PASV") == 0)
		good = read_passive(text, &call);
	else if (strcmp(mode, "EPRT") == 0 || strcmp(mode, "PORT") == 0)
		good = read_active(text, &call);
	if (value_of(text, "stalled", stalled))
		call.stalled_full = strcmp(stalled, "L03") == 0;
	return good ? call : (struct told_call){.way = TOLD_NONE};
}

static bool
read_hex(const char *hex, char *out, size_t cap)
{
	size_t n = strlen(hex);

	if (n % 2 != 0 || n / 2 >= cap || strspn(hex, "0123456789ABCDEFabcdef") != n)
		return false;
	for (size_t i = 0; i < n; i += 2) {
		const char two[3] = {hex[i], hex[i + 1], '\0'};

		out[i / 2] = (char)strtoul(two, NULL, 16);
	}
	out[n / 2] = '\0';
	return true;
}

/* "|1|192.0.2.1|1347|" */
static bool
read_eprt(const char *argument, struct sockaddr_storage *ret)
{
	char separators[2] = {*argument, '\0'}, host[VALUE_MAX];
	const char *begin = *argument == '\0' ? NULL : strchr(argument + 1, *argument);
	size_t n = begin == NULL ? 0 : strcspn(begin + 1, separators);

	if (n == 0)
		return false;
	memcpy(host, begin + 1, n);
	host[n] = '\0';
	return address_parse(host, 0, ret) == 0;
}

struct told_address
told_address(const char *text)
{
	struct told_address a = {.known = false};
	char value[VALUE_MAX], line[VALUE_MAX];

	if (!value_of(text, "received", value) || !read_hex(value, line, sizeof line))
		return a;
	if (strncasecmp(line, "PORT ", 5) == 0)
		a.known = address_find(line + 5, &a.address, 1) == 1;
	else if (strncasecmp(line, "EPRT ", 5) == 0)
		a.known = read_eprt(line + 5, &a.address);
	return a;
}

struct told_probe
told_probe(const char *text)
{
	struct told_probe p = {.known = false};
	unsigned port = 0;

	p.known = number_of(text, "port", UINT16_MAX, &port) &&
		  number_of(text, "ms", MS_MAX, &p.ms) &&
		  error_of(text, "result", &p.error);
	p.port = (uint16_t)port;
	(void)endpoint_of(text, "src", &p.source);
	return p.known ? p : (struct told_probe){.known = false};
}
