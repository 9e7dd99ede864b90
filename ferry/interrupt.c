/*
 * SIGINT, SIGWINCH, and with a trace SIGTERM and SIGHUP. They are blocked between the look
 * at the flags and the wait, so that none is lost in between.
 */
#include "interrupt.h"

#include "own.h"

#include <signal.h>

static volatile sig_atomic_t interrupted, resized, ending;

static void
on_signal(int sig)
{
	if (sig == SIGINT)
		interrupted = 1;
	if (sig == SIGWINCH)
		resized = 1;
	if (sig == SIGTERM || sig == SIGHUP)
		ending = sig;
}

void
interrupt_init(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGWINCH, &sa, NULL);
	sigaction(SIGPIPE, &sa, NULL);
}

void
interrupt_catch_end(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigemptyset(&sa.sa_mask);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

bool
interrupt_is_end(void)
{
	return ending != 0;
}

void
interrupt_obey_end(void)
{
	int sig = ending;

	if (sig == 0)
		return;
	signal(sig, SIG_DFL);
	raise(sig);
}

bool
interrupt_seen(void)
{
	return interrupted != 0 || ending != 0;
}

void
interrupt_clear(void)
{
	interrupted = 0;
}

bool
interrupt_take_resize(void)
{
	bool was = resized != 0;

	resized = 0;
	return was;
}

int
interrupt_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct timespec ts = {
	    .tv_sec = timeout_ms / 1000,
	    .tv_nsec = timeout_ms % 1000 * 1000000L,
	};
	sigset_t block, old;
	int rc;

	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGHUP);
	sigprocmask(SIG_BLOCK, &block, &old);
	if (interrupt_seen()) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		errno = EINTR;
		return -1;
	}
	rc = ppoll(fds, n, timeout_ms < 0 ? NULL : &ts, &old);
	int saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return rc;
}
