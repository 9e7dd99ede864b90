/*
 * From facts to findings: what would keep clients from their data connections, with the
 * code of the cause and what to do about it. A pure function over the configuration and
 * the facts.
 */
#ifndef FERRYD_CHECK_JUDGE_H
#define FERRYD_CHECK_JUDGE_H

#include "facts.h"

#define FINDINGS_MAX 48

enum level {
	LEVEL_OK,
	LEVEL_UNKNOWN, /* it cannot be told here */
	LEVEL_WARNING,
	LEVEL_ERROR,
};

struct finding {
	enum level level;
	char codes[24];   /* "P11 V03", or "" */
	char text[400];   /* one sentence or two */
	char advice[800]; /* lines to paste; a line that begins with # is a remark. Or ""
			   */
};

struct findings {
	struct finding row[FINDINGS_MAX];
	size_t n;
};

void judge(const struct conf *conf, const struct facts *f, struct findings *ret);

/* 0: nothing is wrong (or it cannot be told), 1: warnings, 2: errors. */
int findings_status(const struct findings *f);

#endif
