/*
 * Work over whole files (work.h) as part of a session: its beginning, ABOR, its end. For
 * cmd_hash.c and cmd_copy.c, which answer.
 */
#include <ferry/ferry.h>

#include "answer.h"
#include "session.h"
#include "work.h"

bool
session_may_work(struct session *s)
{
	if (s->worker->works < WORKS_MAX)
		return true;
	answer(s, 450, "Too much is being hashed and copied just now. Please try again.");
	return false;
}

bool
session_work(struct session *s, struct work_plan *plan)
{
	plan->loop = s->worker->loop;
	plan->count = &s->worker->works;
	plan->user = s;
	s->work = work_start(plan);
	if (s->work == NULL)
		return false;
	session_enter(s, SESSION_WORKING);
	/* It was in the queue when this command began. */
	if (s->aborts > 0)
		session_work_abort(s);
	return true;
}

void
session_work_abort(struct session *s)
{
	s->aborted = true;
	work_cancel(s->work);
}

void
session_work_end(struct session *s)
{
	work_free(s->work);
	s->work = NULL;
	s->hash = NULL;
}
