/*
 * Handle, server and event log for the tests of the client engine.
 */
#include "client_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool world_blocking = false, world_events = true;

static const char *const kinds[] = {
#define EVENT(kind, name) [FERRY_EV_##kind] = (name),
#include "event.def"
#undef EVENT
};

static void
add(struct world *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->log + w->log_len, LOG_MAX - w->log_len, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < LOG_MAX - w->log_len)
		w->log_len += (size_t)n;
}

static void
add_address(struct world *w, const char *name, const struct sockaddr_storage *sa)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	char text[INET6_ADDRSTRLEN];

	if (sa->ss_family == AF_INET6)
		add(w, " %s=%s", name,
		    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)));
	else if (sa->ss_family == AF_INET)
		add(w, " %s=%s", name,
		    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)));
}

static void
on_event(const struct ferry_event *ev, void *user)
{
	struct world *w = user;

	assert_int_equal(ev->struct_size, sizeof(*ev));
	assert_true(ev->time >= 0);
	if (ev->kind == FERRY_EV_PROGRESS) {
		if (++w->progress == w->abort_at)
			ferry_abort(w->h);
		return;
	}
	add(w, "%s", kinds[ev->kind]);
	if (ev->kind == FERRY_EV_CONNECTING || ev->kind == FERRY_EV_CONNECTED ||
	    ev->kind == FERRY_EV_CONNECT_FAILED || ev->kind == FERRY_EV_CLOSED)
		add(w, ev->channel == FERRY_DATA ? " data" : " control");
	if (ev->mode)
		add(w, " mode=%d", (int)ev->mode);
	add_address(w, "local", &ev->local);
	add_address(w, "remote", &ev->remote);
	add_address(w, "used", &ev->used);
	if (ev->text)
		add(w, " %s", ev->text);
	if (ev->path)
		add(w, " path=%s", ev->path);
	if (ev->kind == FERRY_EV_TRANSFER || ev->kind == FERRY_EV_DATA_END)
		add(w, " %s bytes=%llu size=%lld", ev->upload ? "up" : "down",
		    (unsigned long long)ev->bytes, (long long)ev->size);
	if (ev->error)
		add(w, " error=%d", ev->error);
	add(w, "\n");
}

static void *
run_server(void *arg)
{
	fake_run(arg);
	return NULL;
}

void
world_start_on(struct world *w, void **state, const char *host, const char *script)
{
	memset(w, 0, sizeof(*w));
	w->event_driven = *(bool *)*state;
	alarm(30); /* nothing here may hang */
	w->f = fake_new(host, script);
	assert_non_null(w->f);
	assert_int_equal(ferry_new(&w->h), 0);
	/* TLS is for tests/system/test_client_tls.py: here every line is written out */
	assert_int_equal(ferry_set_tls(w->h, FERRY_TLS_NEVER), 0);
	ferry_set_blocking(w->h, !w->event_driven);
	ferry_on_event(w->h, on_event, w);
	if (!w->event_driven) {
		assert_int_equal(pthread_create(&w->thread, NULL, run_server, w->f), 0);
		w->has_thread = true;
	}
}

void
world_start(struct world *w, void **state, const char *script)
{
	world_start_on(w, state, "127.0.0.1", script);
}

void
world_end(struct world *w)
{
	ferry_free(w->h);
	if (w->has_thread)
		pthread_join(w->thread, NULL);
	else
		fake_run(w->f);
	if (fake_error(w->f))
		fail_msg("%s\n%s", fake_error(w->f), w->log);
	assert_true(fake_done(w->f));
	fake_free(w->f);
	alarm(0);
}

int
go(struct world *w, int r)
{
	if (!w->event_driven) {
		assert_int_not_equal(r, FERRY_AGAIN);
		return r;
	}
	while (r == FERRY_AGAIN) {
		struct pollfd fds[8];
		int timeout;
		size_t n;

		if (fake_error(w->f))
			fail_msg("%s\n%s", fake_error(w->f), w->log);
		if (!fake_step(w->f)) {
			n = ferry_poll(w->h, fds, 4, &timeout);
			assert_true(n <= 4);
			poll(fds, n + fake_poll(w->f, fds + n), timeout);
		}
		r = ferry_step(w->h);
	}
	return r;
}

void
world_connect(struct world *w)
{
	assert_int_equal(go(w, ferry_connect(w->h, "127.0.0.1", fake_port(w->f))), 0);
}

void
world_login(struct world *w)
{
	world_connect(w);
	assert_int_equal(go(w, ferry_login(w->h, NULL, NULL, NULL)), 0);
	assert_true(ferry_is_logged_in(w->h));
}

bool
logged(const struct world *w, const char *text)
{
	return strstr(w->log, text) != NULL;
}

int
sink_write(const void *data, size_t n, void *user)
{
	struct sink *s = user;
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++) {
		if (s->bytes + i < sizeof(s->text) - 1)
			s->text[s->bytes + i] = (char)p[i];
		if (p[i] != fake_pattern(s->from + s->bytes + i))
			s->wrong = true;
	}
	s->bytes += n;
	return s->stop_at && s->bytes >= s->stop_at;
}

int64_t
source_read(void *data, size_t max, void *user)
{
	struct source *s = user;
	size_t n = s->piece && s->piece < max ? s->piece : max;
	uint8_t *p = data;

	if (s->fail_at && s->at >= s->fail_at)
		return -1;
	if (n > s->total - s->at)
		n = (size_t)(s->total - s->at);
	for (size_t i = 0; i < n; i++)
		p[i] = s->text ? (uint8_t)s->text[s->at + i] : fake_pattern(s->at + i);
	s->at += n;
	return (int64_t)n;
}
