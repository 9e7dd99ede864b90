/*
 * get: downloads one file with libferry and shows who connected where.
 *
 *	cc get.c $(pkg-config --cflags --libs libferry) -o get
 *	./get ftp://ftp.example.com/pub/report.txt > report.txt
 *
 * With -e it drives the handle itself, as a program with an event loop of its own would.
 */
#include <ferry/ferry.h>

#include <netdb.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the file. Anything but 0 would stop the transfer. */
static int
write_out(const void *data, size_t n, void *user)
{
	return fwrite(data, 1, n, user) == n ? 0 : -1;
}

static void
print_place(const char *what, const struct sockaddr_storage *sa)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	socklen_t len = sa->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						  : sizeof(struct sockaddr_in);

	if (sa->ss_family != AF_UNSPEC &&
	    getnameinfo((const struct sockaddr *)sa, len, host, sizeof(host), port,
		sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		fprintf(stderr, " %s %s port %s", what, host, port);
}

/* Everything that happens on the wire comes by here. */
static void
show_event(const struct ferry_event *ev, void *user)
{
	const char *channel = ev->channel == FERRY_DATA ? "data" : "command";

	(void)user;
	if (ev->kind != FERRY_EV_CONNECTED && ev->kind != FERRY_EV_ACCEPTED)
		return;
	fprintf(stderr, "%s connection:", channel);
	print_place("we are", &ev->local);
	print_place(
	    ev->kind == FERRY_EV_CONNECTED ? "and called" : "called by", &ev->remote);
	fputc('\n', stderr);
}

/* In event-driven use a call only begins; this goes on until it is done. A real event
 * loop would watch its other descriptors in the same poll(). In blocking use r is the
 * result already. */
static int
finish(struct ferry *h, int r)
{
	while (r == FERRY_AGAIN) {
		struct pollfd fds[4];
		int timeout;
		size_t n = ferry_poll(h, fds, 4, &timeout);

		poll(fds, n, timeout);
		r = ferry_step(h);
	}
	return r;
}

static int
download(struct ferry *h, const struct ferry_url *url)
{
	int r = finish(h, ferry_connect(h, url->host, url->port));

	if (r == 0)
		r = finish(h, ferry_login(h, url->user, url->password, NULL));
	if (r == 0)
		r = finish(h, ferry_get(h, url->path, 0, write_out, stdout));
	if (r < 0)
		/* the sentence may hold words of the server; libferry has escaped them */
		fprintf(stderr, "get: %s\n", ferry_error_text(h));
	else
		finish(h, ferry_quit(h));
	return r;
}

int
main(int argc, char **argv)
{
	bool event_driven = argc == 3 && strcmp(argv[1], "-e") == 0;
	struct ferry_url url;
	const char *why;
	struct ferry *h;
	int r;

	if (argc != 2 && !event_driven) {
		fprintf(stderr, "usage: get [-e] ftp://HOST/PATH\n");
		return 2;
	}
	if (ferry_url_parse(argv[argc - 1], &url, &why) < 0) {
		fprintf(stderr, "get: %s\n", why);
		return 2;
	}
	r = ferry_new(&h);
	if (r == 0) {
		ferry_set_blocking(h, !event_driven);
		ferry_on_event(h, show_event, NULL);
		ferry_set_tls(h, ferry_url_tls(&url));
		r = download(h, &url);
		ferry_free(h);
	}
	ferry_url_clear(&url);
	return r == 0 ? 0 : 1;
}
