/*
 * What each process may do, and nothing else: seccomp (default: the process is killed),
 * Landlock where the kernel has it, NO_NEW_PRIVS and no dumps always. One readable page
 * in sandbox.c, one function per role. See DESIGN in ARCHITECTURE.md for who trusts whom.
 */
#ifndef FERRYD_WIRE_SANDBOX_H
#define FERRYD_WIRE_SANDBOX_H

/* First thing in every process, before the first thread: no new privileges, no core
 * dumps, no ptrace by the same user; the time zone is read, for good. 0 or -FERRY_ESYS.
 */
int sandbox_basics(void);

/* The rest, once everything is open that must be, and before the first thread (Landlock
 * limits only the one that calls). Irrevocable. 0 or -FERRY_ESYS. The master's limit
 * holds for all its children too, so it is the union of theirs.
 *
 * Not afterwards in a worker or agent, because the C library or libuv opens files for it:
 * getpw*, getgr*, getaddrinfo, setlocale, iconv, dlopen, pthread_exit and pthread_cancel
 * (return instead), uv_tcp_t, uv_pipe_t and uv_fs_* (uv_poll_t on our own sockets is
 * fine). */
int sandbox_master(void);
int sandbox_worker(void);
int sandbox_auth(void);
/* below: a directory (O_PATH) that Landlock limits the agent to, or one of these. */
#define SANDBOX_EVERYWHERE (-1)
#define SANDBOX_NOWHERE (-2)
int sandbox_agent(int below);

/* "seccomp, landlock 7", for the log and --version. Static. */
const char *sandbox_describe(void);

#endif
