/*
 * A scripted FTP server for the tests of the client engine: it plays one conversation and
 * says where the client left the script. Event-driven, so that client and server can take
 * turns in one thread; fake_run() plays it in a thread of its own for blocking calls.
 *
 * A script is text, one action per line:
 *   S: text        sends the line. %P: the data port; %Q: its two bytes as "p1,p2"
 *   C: text        the client must send exactly this line. \\ooo escapes; a lone "*" at
 * the end takes any rest. Of PORT and EPRT the place is remembered raw bytes      sends
 * bytes without a line end; \\r \\n \\ooo flood N text   sends the line N times, as far
 * as the client takes it slow           from here on one byte at a time listen opens a
 * data port ("listen same": the one of before); closed: takes a data port where nobody
 * listens; silent         takes a data port that never answers accept         waits for
 * the client's call dial           calls the client; stranger: calls it from another
 * address and waits for the end; knock: the same without waiting send bytes     on the
 * data connection; fill N: N bytes of a pattern; pour: until it breaks eof ends the data
 * connection properly; reset: breaks it hold           keeps it open and goes on with the
 * script recv bytes     reads it to its end, which must be these bytes; sink N: counts
 * them instead; broken: reads until it ends or breaks take bytes     reads exactly these
 * and leaves it open gone           the client must have closed the data connection
 * without having sent a byte close          closes the control connection; abort: resets
 * it end            waits until the client closes it
 */
#ifndef FERRY_TESTS_FAKE_SERVER_H
#define FERRY_TESTS_FAKE_SERVER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake;

/* Listens on host ("127.0.0.1" or "::1"). script is borrowed. NULL on failure. */
struct fake *fake_new(const char *host, const char *script);
void fake_free(struct fake *f);
uint16_t fake_port(const struct fake *f);

/* Does what can be done now. true: something was. */
bool fake_step(struct fake *f);
/* What the next action waits for. At most 2 entries. */
size_t fake_poll(const struct fake *f, struct pollfd *fds);
/* The script was played to its end. */
bool fake_done(const struct fake *f);
/* How the conversation left the script; NULL: it did not. */
const char *fake_error(const struct fake *f);

/* Plays on until the end, an error, or 20 s. */
void fake_run(struct fake *f);

/* Byte i of what "fill" sends. */
uint8_t fake_pattern(uint64_t i);

#endif
