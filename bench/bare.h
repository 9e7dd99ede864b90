/*
 * The bare mechanisms' parts: a loopback connection to a process that helps, and what is
 * measured over it. For limits*.c only. Whatever fails ends the program: a limit is
 * known or it is not.
 */
#ifndef FERRY_BENCH_BARE_H
#define FERRY_BENCH_BARE_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

#define PIECE (1024 * 1024)
#define BLOCK (256 * 1024)

struct link {
	int listener, near, far; /* far: the end of the process that helps */
	struct sockaddr_in at;   /* of the listener */
	const char *path;
	uint64_t time, began, until; /* ns */
};

/* ---- limits.c ---- */

void die(const char *what) __attribute__((noreturn));
void link_listen(struct link *l);
/* A new connection to the listener. */
int link_call(const struct link *l);
int link_accept(const struct link *l);
/* Forks a process that does fn, with far and without near, until it is told to end. */
pid_t help(struct link *l, void (*fn)(struct link *l));
void help_end(pid_t pid);
/* The file that uploads go to; again() begins it again when it is full. */
int open_target(const struct link *l);
void again(int file);
/* The time begins now: again, when what had to come first is done. */
void link_begin(struct link *l);
/* MB/s of run, which moves bytes until the time is over, against a helper. */
double rate_of_bytes(struct link *l, double seconds, uint64_t (*run)(struct link *l),
    void (*helper)(struct link *l));

/* ---- limits_tls.c: what OpenSSL alone can do ---- */

double limit_tls_send(struct link *l, double seconds);
double limit_tls_batch(struct link *l, double seconds);
double limit_tls_write(struct link *l, double seconds);
double limit_handshakes(struct link *l, double seconds);
double limit_resumed(struct link *l, double seconds);
double limit_gcm(struct link *l, double seconds);

/* ---- limits_files.c: the seconds of one turn through a directory ---- */

double limit_getdents(struct link *l, double seconds);
double limit_statx(struct link *l, double seconds);

#endif
