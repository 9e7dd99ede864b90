/*
 * Can this machine call the address that it announces? For facts.c: the answer proves
 * nothing, and helps to read the others.
 */
#ifndef FERRYD_CHECK_REACH_H
#define FERRYD_CHECK_REACH_H

#include "endpoint.h"

enum reach {
	REACH_UNTRIED,
	REACH_YES,
	REACH_REFUSED, /* somebody said no */
	REACH_SILENT,  /* nobody said anything in time */
};

/* Connects and hangs up; takes two seconds at most. */
enum reach reach_try(const struct endpoint *to);

#endif
