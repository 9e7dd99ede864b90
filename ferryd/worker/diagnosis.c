/*
 * The record behind SITE FERRY. See diagnosis.h. Must never keep more than one record of
 * fixed size for a session.
 */
#include "diagnosis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conn.h"
#include "dispatch.h"
#include "session.h"

bool
diagnosis_works(const struct session *s)
{
	const struct conf *conf = s->conf;

	return session_logged_in(s) &&
	       (s->anonymous ? conf->anon_diagnosis_enable : conf->diagnosis_enable);
}

/* NULL: nothing is kept. */
static struct diagnosis *
record(struct session *s)
{
	if (s->diagnosis == NULL && diagnosis_works(s))
		s->diagnosis = calloc(1, sizeof(*s->diagnosis));
	return s->diagnosis;
}

bool
diagnosis_ready(struct session *s)
{
	return record(s) != NULL;
}

static void
copy_verb(char out[8], const struct session *s)
{
	snprintf(out, 8, "%s", s->verb != NULL ? s->verb->name : "");
}

void
diagnosis_port(struct session *s, struct bytes arg)
{
	struct diagnosis *d = record(s);

	if (d == NULL)
		return;
	copy_verb(d->port_verb, s);
	d->argument_n = arg.n < sizeof(d->argument) ? arg.n : sizeof(d->argument);
	if (arg.n > 0)
		memcpy(d->argument, arg.p, d->argument_n);
}

void
diagnosis_begin(struct session *s)
{
	struct diagnosis *d = record(s);

	if (d == NULL)
		return;
	copy_verb(d->verb, s);
	d->active = s->data.active;
	d->at = s->data.target;
	d->begun = uv_now(s->worker->loop);
	d->ended = 0;
	d->accepted = d->rejected = 0;
	d->why = NULL;
	d->dialled = false;
	d->error = 0;
}

void
diagnosis_accepted(struct session *s)
{
	if (s->diagnosis != NULL)
		s->diagnosis->accepted++;
	diagnosis_end(s);
}

void
diagnosis_rejected(struct session *s, const struct endpoint *from, const char *why)
{
	struct diagnosis *d = s->diagnosis;

	if (d == NULL)
		return;
	d->rejected++;
	d->rejected_from = *from;
	d->why = why;
}

void
diagnosis_dialled(struct session *s, int fd, int error)
{
	struct diagnosis *d = s->diagnosis;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (d == NULL)
		return;
	d->dialled = true;
	d->error = error;
	d->source = (struct endpoint){0};
	if (fd >= 0 && getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		(void)endpoint_from_sockaddr((struct sockaddr *)&ss, &d->source);
	d->source_port = d->source.port;
	diagnosis_end(s);
}

void
diagnosis_end(struct session *s)
{
	struct diagnosis *d = s->diagnosis;

	if (d != NULL && d->begun != 0 && d->ended == 0)
		d->ended = uv_now(s->worker->loop);
}

void
diagnosis_free(struct session *s)
{
	if (s->diagnosis != NULL)
		conn_free(s->diagnosis->conn);
	free(s->diagnosis);
	s->diagnosis = NULL;
}
