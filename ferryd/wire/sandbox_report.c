/*
 * A forbidden system call is named on standard error before the process dies of it: the
 * form for developers (meson -Dsandbox_report=true). The process runs its handler after
 * the violation, so this one is not for operators: those get sandbox_kill.c.
 */
#include "sandbox_apply.h"

#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CALLS_KNOWN 512

/* Looked up in advance: a handler must not allocate. */
static char *call_names[CALLS_KNOWN];
static uint32_t native_arch;

static size_t
text_add(char *line, size_t len, size_t cap, const char *text)
{
	for (; *text != '\0' && len < cap; text++)
		line[len++] = *text;
	return len;
}

static void
on_sigsys(int signo, siginfo_t *info, void *context)
{
	unsigned call = (unsigned)info->si_syscall;
	bool native = info->si_arch == native_arch;
	const char *name = native && call < CALLS_KNOWN ? call_names[call] : NULL;
	char digits[12] = "";
	char *digit = digits + sizeof(digits) - 1;
	char line[128];
	size_t len = text_add(line, 0, sizeof(line), "sandbox: forbidden system call ");

	do {
		*--digit = (char)('0' + call % 10);
		call /= 10;
	} while (call > 0);
	len = text_add(line, len, sizeof(line), name != NULL ? name : digit);
	len = text_add(
	    line, len, sizeof(line), native ? "\n" : " of another architecture\n");
	(void)!write(STDERR_FILENO, line, len);
	/* It is blocked while this handler runs, and strikes on return. */
	signal(SIGSYS, SIG_DFL);
	raise(SIGSYS);
}

unsigned
sandbox_verdict(void)
{
	return SCMP_ACT_TRAP;
}

int
sandbox_verdict_prepare(void)
{
	struct sigaction sa = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};

	native_arch = seccomp_arch_native();
	for (int i = 0; i < CALLS_KNOWN; i++) {
		if (call_names[i] == NULL)
			call_names[i] =
			    seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
	}
	sigemptyset(&sa.sa_mask);
	return sigaction(SIGSYS, &sa, NULL) < 0 ? -FERRY_ESYS : 0;
}
