/*
 * Auth's side of a checking process: fork it, wait for its reports and its end, set
 * limits; see checker.h. Nothing here blocks: reports come through a socket in the loop,
 * and the end of the process through a pidfd.
 */
#include "checker.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdpass.h"
#include "log.h"
#include "report.h"
#include "util.h"

enum checker_state {
	CHECKING, /* the backend is at work; a report, the end or the limit comes next */
	DECIDED,  /* reported YES; the owner opens the session or leaves */
	OPENING,  /* the session is being opened; as CHECKING */
	HOLDING, /* the session is open; no limit; the owner leaves or the process dies */
	FAILED,  /* answered with NO or AGAIN; the owner leaves */
	LEAVING, /* nobody is interested; the process is closing the session, or dying */
};

struct checker {
	struct checker_pool *pool;
	enum checker_state state;
	uint32_t worker, session;
	pid_t pid;
	int sock;
	int pidfd;
	bool counted; /* in pool->running */
	bool reaped;
	unsigned handles; /* not yet closed */
	uv_poll_t report;
	uv_poll_t process;
	uv_timer_t limit;
	checker_answer_cb *on_answer;
	checker_gone_cb *on_gone;
	void *user;
};

/* ---- the new process ---- */

/* The loop's handlers write into a pipe that is not ours any more. */
static void
reset_signals(void)
{
	const struct sigaction plain = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &plain, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void
enter_child(
    struct checker_pool *pool, const struct check_job *job, int sock, pid_t parent)
{
	reset_signals();
	/* CHECKER_FD was auth's channel to the master; dup3 closes it, close_range all
	 * the others. */
	if ((sock == CHECKER_FD ? fcntl(sock, F_SETFD, FD_CLOEXEC)
				: dup3(sock, CHECKER_FD, O_CLOEXEC)) < 0 ||
	    close_range(CHECKER_FD + 1, ~0U, 0) < 0)
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(1);
	if (pool->in_child != NULL)
		pool->in_child(pool->user);
	checker_child(job);
}

/* Signals stay blocked until the child has none of our handlers. */
static pid_t
fork_child(struct checker_pool *pool, const struct check_job *job, int sock)
{
	pid_t parent = getpid(), pid;
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid == 0)
		enter_child(pool, job, sock, parent);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* ---- counting ---- */

static void
count_in(struct checker *c)
{
	c->pool->running++;
	c->counted = true;
}

static void
count_out(struct checker *c)
{
	if (!c->counted)
		return;
	c->counted = false;
	c->pool->running--;
	if (c->pool->on_room != NULL)
		c->pool->on_room(c->pool->user);
}

/* ---- the end ---- */

static void
handle_closed(uv_handle_t *handle)
{
	struct checker *c = handle->data;

	if (--c->handles == 0)
		free(c);
}

/* The handle goes before its descriptor, always: libuv would otherwise stop watching
 * whoever got the number next. The process sees the end of the socket. */
static void
hang_up(struct checker *c)
{
	if (c->sock < 0)
		return;
	uv_close((uv_handle_t *)&c->report, handle_closed);
	fd_closep(&c->sock);
}

/* The process is reaped and nobody holds c. */
static void
checker_release(struct checker *c)
{
	hang_up(c);
	uv_close((uv_handle_t *)&c->process, handle_closed);
	uv_close((uv_handle_t *)&c->limit, handle_closed);
	fd_closep(&c->pidfd);
	count_out(c);
}

static void
give_answer(struct checker *c, struct decision *d)
{
	uv_timer_stop(&c->limit);
	if (d->answer != ANSWER_YES)
		c->state = FAILED;
	else
		c->state = c->state == OPENING ? HOLDING : DECIDED;
	if (c->state == HOLDING)
		count_out(c);
	c->on_answer(c, d, c->user);
}

static void
answer_again(struct checker *c, const char *why)
{
	_cleanup_(decision_clear)
	struct decision d;

	decision_init(&d);
	buf_append_str(&d.why, why);
	give_answer(c, &d);
}

static void
limit_reached(uv_timer_t *timer)
{
	struct checker *c = timer->data;

	kill(c->pid, SIGKILL); /* not yet reaped: the number is still its own */
	if (c->state == CHECKING || c->state == OPENING)
		answer_again(c, "it took too long and was ended");
	else
		log_event(LOG_WARNING, c->session,
		    "check=killed why=\"closing the session took too long\"");
}

static void
limit_start(struct checker *c)
{
	uv_timer_start(&c->limit, limit_reached, c->pool->limits->check_ms, 0);
}

void
checker_leave(struct checker *c)
{
	if (c == NULL)
		return;
	if (c->state == CHECKING)
		kill(c->pid, SIGKILL);
	c->state = LEAVING;
	if (c->reaped) {
		checker_release(c);
		return;
	}
	hang_up(c);
	limit_start(c);
}

/* ---- events ---- */

static void
take_report(struct checker *c, const uint8_t *bytes, size_t n)
{
	_cleanup_(decision_clear)
	struct decision d;
	int r;

	decision_init(&d);
	r = report_decode(bytes, n, c->worker, c->session, &d);
	/* The check's YES comes with an identity; the session's has none to change it. */
	if (r == 0 && d.answer == ANSWER_YES &&
	    (d.identity.root != NULL) != (c->state == CHECKING))
		r = -FERRY_EPROTO;
	if (r < 0) {
		kill(c->pid, SIGKILL);
		answer_again(c, "its report cannot be understood");
		return;
	}
	give_answer(c, &d);
}

static void
report_ready(uv_poll_t *poll, int status, int events)
{
	struct checker *c = poll->data;
	uint8_t bytes[REPORT_MAX];
	ssize_t n = recv(c->sock, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || (c->state != CHECKING && c->state != OPENING)) {
		uv_poll_stop(&c->report); /* its end is seen through the pidfd */
		if (n > 0)
			kill(c->pid, SIGKILL); /* nothing was asked */
		return;
	}
	if ((size_t)n > sizeof(bytes))
		n = 0; /* cut: too short for any report */
	take_report(c, bytes, (size_t)n);
}

static void
tell_end(struct checker *c, int status)
{
	char why[64];

	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "its process was ended by signal %d",
		    WTERMSIG(status));
	else
		snprintf(why, sizeof(why), "its process ended with status %d",
		    WEXITSTATUS(status));
	answer_again(c, why);
}

static void
process_ended(uv_poll_t *poll, int poll_status, int events)
{
	struct checker *c = poll->data;
	int status = 0;

	/* A last report may have come together with the end. */
	if (c->state == CHECKING || c->state == OPENING)
		report_ready(&c->report, 0, UV_READABLE);
	if (waitpid(c->pid, &status, WNOHANG) == 0)
		return;
	c->reaped = true;
	uv_poll_stop(&c->process);
	if (c->sock >= 0)
		uv_poll_stop(&c->report);
	uv_timer_stop(&c->limit);
	switch (c->state) {
	case CHECKING:
	case OPENING:
		tell_end(c, status);
		break;
	case DECIDED: /* the owner is about to open the session */
	case FAILED:
		break;
	case HOLDING:
		c->on_gone(c, c->user);
		break;
	case LEAVING:
		checker_release(c);
		break;
	}
}

void
checker_open_session(struct checker *c)
{
	c->state = OPENING;
	if (send(c->sock, "s", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
		answer_again(c, "its process has ended");
		return;
	}
	limit_start(c);
}

/* ---- the start ---- */

static void
watch(struct checker *c)
{
	uv_poll_init(c->pool->loop, &c->report, c->sock);
	uv_poll_init(c->pool->loop, &c->process, c->pidfd);
	uv_timer_init(c->pool->loop, &c->limit);
	c->handles = 3;
	c->report.data = c->process.data = c->limit.data = c;
	uv_poll_start(&c->report, UV_READABLE, report_ready);
	uv_poll_start(&c->process, UV_READABLE, process_ended);
	limit_start(c);
}

int
checker_start(struct checker_pool *pool, const struct check_job *job,
    checker_answer_cb *on_answer, checker_gone_cb *on_gone, void *user,
    struct checker **ret)
{
	_cleanup_free_ struct checker *c = calloc(1, sizeof(*c));
	_cleanup_close_ int sock = -1, pidfd = -1;
	int pair[2], r;
	pid_t pid;

	if (c == NULL)
		return -FERRY_ENOMEM;
	r = fdpass_pair(pair);
	if (r < 0)
		return r;
	sock = pair[0];
	pid = fork_child(pool, job, pair[1]);
	close(pair[1]);
	if (pid < 0)
		return -FERRY_ESYS;
	pidfd = pidfd_open(pid, 0); /* CLOEXEC always */
	if (pidfd < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return -FERRY_ESYS;
	}
	*c = (struct checker){
	    .pool = pool,
	    .state = CHECKING,
	    .worker = job->worker,
	    .session = job->attempt.session,
	    .pid = pid,
	    .sock = fd_take(&sock),
	    .pidfd = fd_take(&pidfd),
	    .on_answer = on_answer,
	    .on_gone = on_gone,
	    .user = user,
	};
	count_in(c);
	watch(c);
	*ret = c;
	c = NULL;
	return 0;
}
