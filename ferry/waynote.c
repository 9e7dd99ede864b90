/*
 * The line: "PASV was used, because this did not work: EPSV (192.0.2.1 port 61017: no
 * answer in 5.0 s)". Where the address family was changed, it is named too. Or: "PASV was
 * used first: it worked from this network before, and ...".
 */
#include "waynote.h"

#include "address.h"
#include "own.h"
#include "safe.h"

static const char *
name_of(enum ferry_mode mode)
{
	static const char *const names[] = {
	    [FERRY_MODE_EPSV] = "EPSV",
	    [FERRY_MODE_PASV] = "PASV",
	    [FERRY_MODE_EPRT] = "EPRT",
	    [FERRY_MODE_PORT] = "PORT",
	};

	if ((size_t)mode < ARRAY_LEN(names) && names[mode] != NULL)
		return names[mode];
	return "This way";
}

static void
note_failure(struct waynote *n, const struct ferry_event *ev)
{
	_cleanup_free_ char *why = safe_string(ev->text == NULL ? "" : ev->text);
	size_t at = strlen(n->failed);

	if (n->failed_family == 0)
		n->failed_family = n->family;
	snprintf(n->failed + at, sizeof n->failed - at, "%s%s (%s)", at > 0 ? ", " : "",
	    name_of(ev->mode), why == NULL ? "" : why);
}

static void
note_mode(struct waynote *n, const struct ferry_event *ev)
{
	_cleanup_free_ char *why = safe_string(ev->text == NULL ? "" : ev->text);

	n->mode = ev->mode;
	snprintf(n->why, sizeof n->why, "%s", why == NULL ? "" : why);
}

void
waynote_event(struct waynote *n, const struct ferry_event *ev)
{
	if (ev->kind == FERRY_EV_CONNECTED && ev->channel == FERRY_CONTROL)
		n->family = ev->remote.ss_family;
	else if (ev->kind == FERRY_EV_MODE)
		note_mode(n, ev);
	else if (ev->kind == FERRY_EV_MODE_FAILED)
		note_failure(n, ev);
}

bool
waynote_take(struct waynote *n, char *ret_line, size_t cap)
{
	bool tell = n->failed_family != 0;
	bool changed = tell && n->failed_family != n->family;

	if (tell)
		snprintf(ret_line, cap, "%s%s was used, because this did not work: %s",
		    name_of(n->mode),
		    !changed                ? ""
		    : n->family == AF_INET6 ? " over IPv6"
					    : " over IPv4",
		    n->failed);
	else if (*n->why != '\0')
		snprintf(
		    ret_line, cap, "%s was used first: %s", name_of(n->mode), n->why);
	tell = tell || *n->why != '\0';
	waynote_forget(n);
	return tell;
}

void
waynote_forget(struct waynote *n)
{
	n->failed_family = 0;
	n->failed[0] = n->why[0] = '\0';
}
