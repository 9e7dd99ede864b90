/*
 * How much room there is: RFC 959 4.1.3,
 * draft-peterson-streamlined-ftp-command-extensions 4.
 *
 *   AVBL [<SP> <directory>]                       213 <bytes free for this user>
 *   ALLO <SP> <bytes> [<SP> R <SP> <bytes>]       200; 452 when they are not there
 */
#include <ferry/ferry.h>

#include "answer.h"
#include "commands.h"

static void
ask_room(struct session *s, struct bytes arg, agent_answer_cb *fn)
{
	struct buf path;
	struct msg m = {.type = MSG_AGENT_ROOM};

	if (!command_path_or_cwd(s, arg, &path))
		return;
	m.agent_room.path = bytes_of_buf(&path);
	agent_ask(s, &m, fn);
	buf_free(&path);
}

/* ---- AVBL ---- */

static void
on_room(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	if (a->error != 0)
		answer_failure(s, a, 550);
	else
		answer(s, 213, "%llu", (unsigned long long)a->size);
}

void
cmd_avbl(struct session *s, struct bytes arg)
{
	ask_room(s, arg, on_room);
}

/* ---- ALLO ---- */

/* Where the file will go is not known yet: most go to the working directory. When nobody
 * can tell, STOR will see. */
static void
on_room_for(struct session *s, const struct msg_worker_answer *a, int *fd)
{
	unsigned long long size = s->allo;

	if (a->error == 0 && a->size < s->allo) {
		s->allo = 0;
		answer(s, 452, "There is no room for %llu bytes: %llu are left.", size,
		    (unsigned long long)a->size);
	} else {
		answer(s, 200, "The next upload is taken for %llu bytes.", size);
	}
}

void
cmd_allo(struct session *s, struct bytes arg)
{
	struct bytes number = command_word(&arg);
	struct bytes letter = command_word(&arg);
	uint64_t size, record;

	if (parse_uint((const char *)number.p, number.n, INT64_MAX, &size) < 0 ||
	    (letter.n > 0 &&
		(!command_is(letter, "R") ||
		    parse_uint((const char *)arg.p, arg.n, INT64_MAX, &record) < 0))) {
		answer(s, 501, "ALLO takes a number of bytes.");
		return;
	}
	s->allo = size;
	ask_room(s, (struct bytes){0}, on_room_for);
}
