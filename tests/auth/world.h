/*
 * A private world for the tests of ferryd-auth: its own /etc (accounts, PAM services) in
 * a mount namespace of its own, and a master and workers made of socket pairs that speak
 * the real codec.
 */
#ifndef TESTS_AUTH_WORLD_H
#define TESTS_AUTH_WORLD_H

#include <stdbool.h>
#include <sys/types.h>

#include "chan.h"

#define PASSWORD "secret word"

/* Makes the private /etc. False, with a reason on standard error, where that is not
 * possible. */
bool world_make(const char *module);
void world_remove(void);

/* One ferryd-auth and what it is connected to. */
struct world {
	pid_t pid;
	int master;          /* the master's end */
	char log[65536];     /* every line so far, one behind the other */
	struct wire_box box; /* the last verdict */
};

/* program: path. options: "name=value ...", among them "host:NAME" and "network:CIDR",
 * which begin sections; user: of --user, or NULL. */
void world_start(struct world *w, const char *program, const char *options,
    const char *user, bool anonymous);
/* Hangs up, waits for its end, and returns its exit status. */
int world_stop(struct world *w);

/* A worker's channel, as the master makes it. */
int world_worker(struct world *w, uint32_t index);
void world_end(struct world *w, uint32_t index, uint32_t session);
void worker_login(int worker, uint32_t session, const char *user, const char *password);
/* ... by a client of that address, at the host of that number. */
void worker_login_at(int worker, uint32_t session, const char *user, const char *password,
    const char *peer, uint32_t host);

/* With certificates instead of a password, as the worker says. */
void worker_login_certified(
    int worker, uint32_t session, const char *user, const void *chain, size_t n);

/* The next answer to a worker must be a refusal of one of the sessions [low, high];
 * returns which. */
uint32_t worker_expect_denied(int worker, uint32_t low, uint32_t high, bool again);
/* auth must hang up on the worker. */
void worker_expect_end(int worker);
/* The next message but log lines must be this verdict: returns it, valid until the next
 * call. */
const struct msg_master_verdict *world_expect_verdict(
    struct world *w, uint32_t index, uint32_t session);
/* Reads lines until one contains text. */
void world_expect_log(struct world *w, const char *text);
/* Nothing but log lines is waiting, and no answer for the worker. */
void world_expect_silence(struct world *w, int worker);

/* The next line that the PAM module told must be this one. */
void module_expect(const char *line);
void module_expect_silence(void);
/* Forgets what it told, once nobody is left who could tell more. */
/* Passes over everything up to the n-th login whose credentials are deleted: the last word of its
 * process, which may come after auth has ended. */
void module_expect_ends(unsigned n);
void module_drain(void);

/* How many processes has it? */
unsigned world_children(const struct world *w);
/* Is the text anywhere in its memory? */
bool world_remembers(const struct world *w, const char *text);

#endif
