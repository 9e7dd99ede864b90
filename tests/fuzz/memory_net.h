/*
 * A network without a network, for the fuzzers of whole programs: linked with --wrap, it
 * turns the TCP sockets of the code under test into pairs of local ones with made-up
 * addresses. No port is taken, no packet leaves, and who may connect, when and with what
 * result is for the fuzzer to say. Outside of memnet_begin() .. memnet_end() every call
 * goes to the system as it is.
 */
#ifndef FERRY_TESTS_FUZZ_MEMORY_NET_H
#define FERRY_TESTS_FUZZ_MEMORY_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"

/* What the next connect() of the code under test meets. */
enum memnet_fate {
	MEMNET_ANSWERED, /* connected at once */
	MEMNET_LATE,     /* EINPROGRESS, then connected */
	MEMNET_REFUSED,  /* an error at once */
	MEMNET_FAILS,    /* EINPROGRESS, then an error */
	MEMNET_SILENT,   /* EINPROGRESS, and nothing ever again */
	MEMNET_FATES,
};

void memnet_begin(void);
/* Closes what the code under test has not been given. */
void memnet_end(void);

void memnet_set_fate(enum memnet_fate fate);
/* bind() fails with EADDRINUSE from here on, or does not. */
void memnet_set_ports_taken(bool taken);
/* The next reads of every connection say ECONNRESET, once each. */
void memnet_reset(int fd);

/* Two connected sockets; what the code under test gets has these addresses. -1: errno. */
int memnet_pair(
    int ret_fds[2], const struct endpoint *local, const struct endpoint *peer);
/* Calls the youngest listener of the code under test from that address. The socket, or
 * -1: nobody listens. */
int memnet_dial(const struct endpoint *from);
/* The other end of the oldest connect() that was answered, or -1; and where it went. */
int memnet_called(struct endpoint *ret_to);

#endif
