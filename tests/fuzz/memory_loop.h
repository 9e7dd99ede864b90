/*
 * Time and threads of libuv by hand, for the fuzzer of the worker; linked with --wrap.
 * Timers ring when the fuzzer says so, the clock moves with them, and what would be done
 * in a thread is done at once and told when the fuzzer likes.
 */
#ifndef FERRY_TESTS_FUZZ_MEMORY_LOOP_H
#define FERRY_TESTS_FUZZ_MEMORY_LOOP_H

#include <stdbool.h>
#include <uv.h>

void memloop_begin(void);
void memloop_end(void);

/* Moves the clock to the timer that is due first and rings it. False: there is none. */
bool memloop_ring(void);
/* Rings the first timer that is due without moving the clock. False: there is none. */
bool memloop_ring_due(void);
/* Is there a timer that will ring? */
bool memloop_is_armed(void);
/* The disk: while it is slow, nothing that it was asked to do is over. */
void memloop_set_slow(bool slow);
/* Has the loop been asked to watch something since the last call? It learns of it in its
 * next turn only. */
bool memloop_touched(void);
/* What a disk has done is told. True when there was something. */
bool memloop_work(void);

#endif
