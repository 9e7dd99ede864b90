/*
 * The address that PASV tells, where ferryd.conf gives it as a host name: looked up again
 * from time to time, since a router's address changes. For master.c. Never blocks:
 * libuv's threads ask. (How long an answer is good is not ours to see: the system's
 * resolver, which knows hosts(5) too, keeps it to itself.)
 */
#include <ferry/ferry.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "log.h"
#include "section.h"

struct lookup {
	LIST_ENTRY(lookup) next;
	uv_getaddrinfo_t request;
	struct crew *crew;       /* NULL: it has gone meanwhile */
	struct section *section; /* of crew->conf; NULL: its head */
	size_t number;           /* of the section */
};

static struct conf *
place_of(const struct lookup *l)
{
	return l->section != NULL ? &l->section->conf : &l->crew->conf;
}

static void
tell_workers(const struct lookup *l, const char *address)
{
	const struct msg m = {
	    .type = MSG_WORKER_ADDRESS,
	    .worker_address =
		{
		    .place = l->section != NULL ? 1 + l->section->kind : 0,
		    .number = (uint32_t)l->number,
		    .address = bytes_of(address),
		},
	};

	for (size_t i = 0; i < l->crew->workers; i++)
		(void)child_tell(&l->crew->worker[i].child, &m, -1);
}

static void
take_address(const struct lookup *l, const char *address)
{
	struct conf *place = place_of(l);

	if (strcmp(place->pasv_address, address) == 0 ||
	    section_put(&l->crew->conf, l->section, "pasv_address", address) < 0)
		return;
	section_refresh(&l->crew->conf);
	log_event(
	    LOG_NOTICE, 0, "pasv_address name=%s address=%s", place->pasv_name, address);
	tell_workers(l, address);
}

static void
on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *ai)
{
	struct lookup *l = request->data;
	char address[ENDPOINT_TEXT_MAX];
	struct endpoint ep;

	if (l->crew != NULL)
		LIST_REMOVE(l, next);
	if (l->crew != NULL && status == 0 &&
	    endpoint_from_sockaddr(ai->ai_addr, &ep) == 0) {
		endpoint_format_address(&ep, address);
		take_address(l, address);
	} else if (l->crew != NULL) {
		log_event(LOG_WARNING, 0,
		    "pasv_address name=%s why=\"it has no address just now: %s; the last "
		    "one stays\"",
		    place_of(l)->pasv_name,
		    status < 0 ? uv_strerror(status) : "none of IPv4");
	}
	uv_freeaddrinfo(ai);
	free(l);
}

static void
look_up(struct crew *crew, struct section *section, size_t number)
{
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	struct lookup *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return;
	*l = (struct lookup){.crew = crew, .section = section, .number = number};
	l->request.data = l;
	if (uv_getaddrinfo(crew->loop, &l->request, on_answer, place_of(l)->pasv_name,
		NULL, &hints) < 0) {
		free(l);
		return;
	}
	LIST_INSERT_HEAD(&crew->lookups, l, next);
}

void
crew_look_up(struct crew *crew)
{
	/* A resolver that does not answer is not asked a second time meanwhile. */
	if (!LIST_EMPTY(&crew->lookups))
		return;
	if (crew->conf.pasv_name != NULL)
		look_up(crew, NULL, 0);
	for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
		struct section *s;

		for (size_t i = 1; (s = section_get(&crew->conf, kind, i)) != NULL; i++) {
			if (s->conf.pasv_name != NULL)
				look_up(crew, s, i);
		}
	}
}

void
advertise_forget(struct crew *crew)
{
	struct lookup *l;

	while ((l = LIST_FIRST(&crew->lookups)) != NULL) {
		LIST_REMOVE(l, next);
		l->crew = NULL;
	}
}
