/*
 * A forbidden system call is the end of the process, at once and without a word: the
 * kernel does it. The form for operators. The other one is sandbox_report.c.
 */
#include "sandbox_apply.h"

unsigned
sandbox_verdict(void)
{
	return SCMP_ACT_KILL_PROCESS;
}

int
sandbox_verdict_prepare(void)
{
	return 0;
}
