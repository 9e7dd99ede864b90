/*
 * What the rows of ferryd check share. For judge*.c only.
 */
#ifndef FERRYD_CHECK_JUDGE_IMPL_H
#define FERRYD_CHECK_JUDGE_IMPL_H

#include "judge.h"

struct judge {
	const struct conf *conf;
	const struct facts *facts;
	struct findings *out;
	/* "61000-61199", and "61000:61199" as iptables and ufw write it */
	char range[24], range_colon[24];
};

/* One more finding. */
void find(struct judge *j, enum level level, const char *codes, const char *advice,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* It leads nowhere from outside. */
bool is_inner(const struct endpoint *ep);

/* In judge_proxy.c: what stands in front of the server and speaks for its clients. */
void judge_proxies(struct judge *j);

#endif
