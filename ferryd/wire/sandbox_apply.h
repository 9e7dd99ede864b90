/*
 * How the tables of sandbox.c become a filter. For sandbox.c alone.
 */
#ifndef FERRYD_WIRE_SANDBOX_APPLY_H
#define FERRYD_WIRE_SANDBOX_APPLY_H

#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>

/* One row: a system call, and what its arguments must be. Several rows of one call: any
 * of them. */
struct permit {
	int call;
	int refuse; /* not permitted, but answered with this errno instead of death */
	bool own;   /* the first argument must be this process's own id */
	struct scmp_arg_cmp args[4];
};

/* clang-format off */
#define CALL(name) {.call = SCMP_SYS(name)}
#define CALL_IF(name, ...) {.call = SCMP_SYS(name), .args = {__VA_ARGS__}}
#define CALL_OWN(name) {.call = SCMP_SYS(name), .own = true}
#define REFUSE(name, error) {.call = SCMP_SYS(name), .refuse = (error)}
/* clang-format on */

/* Arguments are compared in their lower 32 bits: that is all the kernel looks at in an
 * int. */
#define IS(arg, value) SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, 0xffffffffU, (unsigned)(value))
#define HAS(arg, mask, bits) SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, (mask), (bits))
#define LACKS(arg, bits) SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, (bits), 0)

struct permits {
	const struct permit *row;
	size_t n;
};

/* clang-format off */
#define PERMITS(table) {.row = (table), .n = sizeof(table) / sizeof((table)[0])}
/* clang-format on */

/* Permits the rows of n tables and forbids everything else, for all threads, for good.
 * 0 or -FERRY_ESYS. */
int sandbox_apply(const struct permits *tables, size_t n);

/* What happens to the process that makes a forbidden call, and the preparation for it:
 * two files, of which meson takes one. sandbox_kill.c: it dies of SIGSYS.
 * sandbox_report.c: it names the call first. */
unsigned sandbox_verdict(void);
int sandbox_verdict_prepare(void);

#endif
