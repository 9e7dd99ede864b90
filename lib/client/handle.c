/*
 * The handle: made, freed, set and asked. For the public interface; never touches the
 * network.
 */
#include "client.h"

#include <string.h>

static const unsigned timer_defaults[] = {
    [FERRY_TIMER_CONNECT] = 15000,
    [FERRY_TIMER_REPLY] = 60000,
    [FERRY_TIMER_DATA_CONNECT] = DATA_CONNECT_MS,
    [FERRY_TIMER_ACCEPT] = 10000,
    [FERRY_TIMER_STALL] = 60000,
};

int
ferry_new(struct ferry **ret_handle)
{
	struct ferry *h = calloc(1, sizeof(*h));

	if (!h)
		return -FERRY_ENOMEM;
	memcpy(h->timer, timer_defaults, sizeof(h->timer));
	h->born_ns = now_ns();
	h->binary = true;
	h->error = BUF_INIT(ERROR_TEXT_MAX);
	h->reply_text = BUF_INIT(REPLY_MAX_BYTES);
	h->features = BUF_INIT(REPLY_MAX_BYTES + REPLY_MAX_LINES);
	h->listing.line = BUF_INIT(LISTING_LINE_MAX);
	h->ladder.tried = BUF_INIT(ERROR_TEXT_MAX / 2);
	atomic_init(&h->abort_wanted, 0);
	atomic_init(&h->wake_fd, -1);
	h->coding.now = FERRY_CODING_STREAM;
	dial_init(&h->dial);
	control_init(&h->control);
	data_init(&h->data);
	*ret_handle = h;
	return 0;
}

void
ferry_free(struct ferry *h)
{
	int wake;

	if (!h)
		return;
	h->event_cb = NULL;
	h->many.begun = false;
	op_release(h);
	dial_close(h);
	data_close(h, 0, false);
	coding_fresh(h);
	control_free(&h->control);
	security_free(&h->security);
	wake = atomic_exchange(&h->wake_fd, -1);
	fd_closep(&wake);
	buf_free(&h->dial.why);
	buf_free(&h->error);
	buf_free(&h->reply_text);
	buf_free(&h->features);
	buf_free(&h->listing.line);
	buf_free(&h->ladder.tried);
	ladder_forget(h);
	free(h->unique);
	free(h->host);
	free(h);
}

void
ferry_on_event(struct ferry *h, ferry_event_cb *cb, void *user)
{
	h->event_cb = cb;
	h->event_user = user;
}

void
ferry_on_secret(struct ferry *h, ferry_secret_cb *cb, void *user)
{
	h->secret_cb = cb;
	h->secret_user = user;
}

int
ferry_set_mode(struct ferry *h, enum ferry_mode mode)
{
	if ((int)mode < FERRY_MODE_AUTO || mode > FERRY_MODE_PORT)
		return fail(
		    h, FERRY_EINVAL, 0, "there is no transfer mode %d", (int)mode);
	h->mode = mode;
	return 0;
}

enum ferry_mode
ferry_get_mode(const struct ferry *h)
{
	return h->mode;
}

int
ferry_set_coding(struct ferry *h, enum ferry_coding coding)
{
	if ((int)coding < FERRY_CODING_AUTO || coding > FERRY_CODING_BLOCK)
		return fail(h, FERRY_EINVAL, 0, "there is no coding %d", (int)coding);
	if (coding != h->coding.wanted)
		h->coding.warned = false;
	h->coding.wanted = coding;
	return 0;
}

enum ferry_coding
ferry_get_coding(const struct ferry *h)
{
	return h->coding.now;
}

void
ferry_set_active_allowed(struct ferry *h, bool allowed)
{
	h->active_allowed = allowed;
}

int
ferry_set_first_way(struct ferry *h, enum ferry_mode way, const char *why)
{
	char *copy;

	if (way != FERRY_MODE_AUTO && way != FERRY_MODE_EPSV && way != FERRY_MODE_PASV &&
	    way != FERRY_MODE_EPRT && way != FERRY_MODE_PORT)
		return fail(h, FERRY_EINVAL, 0, "mode %d is not a single way", (int)way);
	copy = strdup(why ? why : "");
	if (!copy)
		return fail_memory(h);
	ladder_forget(h);
	if (way == FERRY_MODE_AUTO) {
		free(copy);
		return 0;
	}
	h->worked = way;
	h->has_worked = true;
	h->first_why = copy;
	return 0;
}

int
ferry_set_active_ports(struct ferry *h, uint16_t low, uint16_t high)
{
	bool any = low == 0 && high == 0;

	if (!any && (low < 1024 || low > high))
		return fail(h, FERRY_EINVAL, 0,
		    "ports %u to %u are no range between 1024 and 65535", low, high);
	h->active_low = low;
	h->active_high = high;
	return 0;
}

/* Takes a numeric address, or with NULL forgets it. */
static int
set_address(struct ferry *h, const char *text, struct endpoint *ret, bool *ret_has)
{
	struct endpoint ep;

	if (!text) {
		*ret_has = false;
		return 0;
	}
	if (endpoint_from_text(text, &ep) < 0) {
		_cleanup_free_ char *safe = safe_text(text);

		return fail(h, FERRY_EINVAL, 0, "\"%s\" is not a numeric address",
		    safe ? safe : "");
	}
	*ret = ep;
	*ret_has = true;
	return 0;
}

int
ferry_set_active_address(struct ferry *h, const char *address)
{
	return set_address(h, address, &h->active_address, &h->has_active_address);
}

void
ferry_set_trust_pasv_address(struct ferry *h, bool trust)
{
	h->trust_pasv = trust;
}

int
ferry_set_family(struct ferry *h, int family)
{
	if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6)
		return fail(h, FERRY_EINVAL, 0, "address family %d is not IP", family);
	h->family = family;
	return 0;
}

int
ferry_set_source_address(struct ferry *h, const char *address)
{
	return set_address(h, address, &h->source, &h->has_source);
}

int
ferry_set_timer(struct ferry *h, enum ferry_timer timer, unsigned ms)
{
	if ((size_t)timer >= ARRAY_LEN(timer_defaults))
		return fail(h, FERRY_EINVAL, 0, "there is no timer %d", (int)timer);
	h->timer[timer] = ms;
	if (timer == FERRY_TIMER_DATA_CONNECT)
		h->connect_timer_set = true;
	return 0;
}

void
ferry_set_blocking(struct ferry *h, bool blocking)
{
	h->event_driven = !blocking;
}

void
ferry_set_binary(struct ferry *h, bool binary)
{
	h->binary = binary;
}

/* The text a buffer holds. buf_cstr() keeps the NUL behind the content: no visible
 * change. */
static const char *
text_of(const struct buf *b)
{
	const char *s = buf_cstr((struct buf *)b);

	return s ? s : "";
}

const char *
ferry_error_text(const struct ferry *h)
{
	return text_of(&h->error);
}

int
ferry_reply_code(const struct ferry *h)
{
	return h->reply_code;
}

const char *
ferry_reply_text(const struct ferry *h)
{
	return text_of(&h->reply_text);
}

int
ferry_errno(const struct ferry *h)
{
	return h->sys_errno;
}

bool
ferry_is_connected(const struct ferry *h)
{
	return h->connected && h->control.fd >= 0;
}

bool
ferry_is_logged_in(const struct ferry *h)
{
	return ferry_is_connected(h) && h->logged_in;
}

int
ferry_local_address(const struct ferry *h, struct sockaddr_storage *ret)
{
	if (h->control.fd < 0)
		return -FERRY_ESTATE;
	endpoint_to_sockaddr(&h->control.local, ret);
	return 0;
}

int
ferry_remote_address(const struct ferry *h, struct sockaddr_storage *ret)
{
	if (h->control.fd < 0)
		return -FERRY_ESTATE;
	endpoint_to_sockaddr(&h->control.remote, ret);
	return 0;
}

bool
ferry_has_feature(const struct ferry *h, const char *feature)
{
	const char *line = text_of(&h->features);
	size_t n = strlen(feature);

	while (n > 0 && *line) {
		size_t len = strcspn(line, "\n");

		/* "MLST" is offered by "MLST type*;size*;", "REST STREAM" by itself */
		if (len >= n && equal_nocase(line, feature, n) &&
		    (len == n || line[n] == ' '))
			return true;
		line += len + (line[len] == '\n');
	}
	return false;
}

const char *
ferry_unique_name(const struct ferry *h)
{
	return h->unique;
}

int
ferry_copy_features(struct ferry *h, const struct ferry *from)
{
	buf_clear(&h->features);
	if (buf_append(
		&h->features, buf_data(&from->features), buf_len(&from->features)) < 0)
		return -FERRY_ENOMEM;
	h->knows_features = true;
	return 0;
}

void
ferry_copy_way(struct ferry *h, const struct ferry *from)
{
	if (h->has_worked || !from->has_worked || from->first_why)
		return;
	h->worked = h->ladder.now = from->worked;
	h->has_worked = true;
}
