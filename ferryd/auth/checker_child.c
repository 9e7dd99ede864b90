/*
 * Inside the checking process: check, report, hold the session until auth hangs up.
 * Foreign modules run here. Never logs: its causes go into the report.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "checker.h"
#include "report.h"

static int
send_report(const struct check_job *job, const struct decision *d)
{
	/* one thread, and too large for a module's stack */
	static uint8_t bytes[REPORT_MAX];
	size_t n = report_encode(d, job->worker, job->attempt.session, bytes);
	ssize_t sent;

	do
		sent = send(CHECKER_FD, bytes, n, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)n ? 0 : -FERRY_EOF;
}

/* True: auth wants the session opened. False: it has hung up, or it is gone. */
static bool
wait_for_auth(void)
{
	char byte;
	ssize_t n;

	do
		n = recv(CHECKER_FD, &byte, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

static bool
open_session(const struct check_job *job, void *state)
{
	_cleanup_(decision_clear)
	struct decision d;
	int r;

	decision_init(&d);
	r = job->backend->open_session(state, &d.why);
	d.answer = r == 0 ? ANSWER_YES : r == -FERRY_EREFUSED ? ANSWER_NO : ANSWER_AGAIN;
	(void)send_report(job, &d); /* if auth is gone, the next wait says so */
	return r == 0;
}

_Noreturn void
checker_child(const struct check_job *job)
{
	struct decision d;
	void *state = NULL;
	bool open = false, go_on;

	decision_init(&d);
	backend_decide(job->backend, job->setup, &job->attempt, &d, &state);
	/* Nobody asks again: the copy that came with the fork is not needed for a
	 * session. */
	explicit_bzero((char *)job->attempt.password, strlen(job->attempt.password));
	/* From here on auth's end must not kill us: an open session is to be closed. */
	prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	go_on = send_report(job, &d) == 0 && d.answer == ANSWER_YES;
	if (go_on && wait_for_auth()) {
		open = open_session(job, state);
		while (open && wait_for_auth())
			continue;
	}
	if (job->backend->end != NULL)
		job->backend->end(state, open);
	_exit(0);
}
