/*
 * What each process may ask of the kernel: one page, one table per purpose, one function
 * per role. A system call that is in none of a role's tables ends the process
 * (sandbox_apply.c has the mechanics, landlock.c what files it may touch). For everyone
 * who adds a feature: when it needs a new row here, ask first whether it is in the right
 * process.
 *
 * Never permitted to anybody: mount, pivot_root, ptrace, process_vm_*, bpf,
 * perf_event_open, modules, kexec, reboot, swapon, setns, unshare, new namespaces,
 * userfaultfd, open_by_handle_at, raw and packet sockets.
 *
 * Several calls for one thing stand together: which one the C library takes depends on
 * its version (tested: glibc 2.36) and on the architecture; rows for calls that do not
 * exist here mean nothing.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/quota.h>
#include <sys/socket.h>

#include "landlock.h"
#include "sandbox_apply.h"
#include "util.h"

/* Newer than the libseccomp of the oldest supported distribution. Numbers of x86-64,
 * arm64 and whatever else came after both. */
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif
#ifndef __SNR_fchmodat2
#define __SNR_fchmodat2 __NR_fchmodat2
#endif
#ifndef __SNR_map_shadow_stack
#define __SNR_map_shadow_stack 453
#endif
#ifndef __SNR_mseal
#define __SNR_mseal 462
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

#define NEW_NAMESPACES                                                                   \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |   \
	    CLONE_NEWPID | CLONE_NEWNET)
#define A_THREAD (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)

/* Arguments of socket(). The mask lets protocols 0, 2, 4 and 6 (TCP) through; no stream
 * is made of 2 or 4. */
#define IS_STREAM HAS(1, 0xf, SOCK_STREAM)
#define IS_DATAGRAM HAS(1, 0xf, SOCK_DGRAM)
#define IS_TCP_PROTOCOL LACKS(2, 0xffffffffU & ~6U)

/* A row per reason; the reason stands beside it. */
/* clang-format off */

/* Every process: its own memory, its threads' locks, time, signals, and the descriptors that
 * it holds. */
static const struct permit everyone[] = {
	/* what it was given: sockets, pipes, files, standard error */
	CALL(read), CALL(readv), CALL(pread64), CALL(preadv),
	CALL(write), CALL(writev), CALL(pwrite64), CALL(pwritev),
	CALL(lseek), CALL(_llseek),
	CALL(close), CALL(close_range), CALL(shutdown),
	CALL(fstat), CALL(fstat64),             /* what is behind it? */
	CALL(sendmsg), CALL(recvmsg),           /* the channels between our processes: fdpass.c */
	CALL(poll), CALL(ppoll), CALL(ppoll_time64), /* waiting for them */
	CALL(pipe2),                            /* to wake itself; an agent's listings */
	CALL_IF(fcntl, IS(1, F_GETFL)), CALL_IF(fcntl, IS(1, F_SETFL)), /* O_NONBLOCK */
	CALL_IF(fcntl, IS(1, F_GETFD)), CALL_IF(fcntl, IS(1, F_SETFD)), /* FD_CLOEXEC */
	CALL_IF(fcntl, IS(1, F_DUPFD_CLOEXEC)), /* a second one with an owner of its own */
	CALL_IF(fcntl, IS(1, F_GETPIPE_SZ)), CALL_IF(fcntl, IS(1, F_SETPIPE_SZ)), /* fewer, larger turns */
	CALL_IF(ioctl, IS(1, FIONBIO)), CALL_IF(ioctl, IS(1, FIOCLEX)), /* libuv's words for those flags */
	CALL_IF(ioctl, IS(1, FIONREAD)), CALL_IF(ioctl, IS(1, SIOCOUTQ)), /* how much waits? */
	CALL_IF(ioctl, IS(1, TCGETS)),          /* isatty(): stdio, the sanitizers' reports */

	/* memory, but no new code */
	CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), /* malloc, threads' stacks */
	CALL_IF(mmap, LACKS(2, PROT_EXEC)), CALL_IF(mmap2, LACKS(2, PROT_EXEC)),
	CALL_IF(mprotect, LACKS(2, PROT_EXEC)),
	CALL(map_shadow_stack),                 /* a thread's second stack (x86 CET) */
	CALL(mincore), CALL(mlock), CALL(munlock), /* buffers that hold secrets */
	CALL_IF(prctl, IS(0, PR_SET_VMA)),      /* newer C libraries name their mappings */

	/* threads */
	CALL(futex), CALL(futex_time64),        /* locks */
	CALL(set_robust_list), CALL(rseq), CALL(set_tid_address), /* the start of one */
	CALL(membarrier), CALL(sched_yield), CALL(getcpu),
	CALL(sched_getaffinity),                /* malloc and the sanitizers count processors */
	CALL_IF(prctl, IS(0, PR_SET_NAME)), CALL_IF(prctl, IS(0, PR_GET_NAME)),

	/* time, chance, and what the machine is like */
	CALL(clock_gettime), CALL(clock_gettime64), CALL(clock_getres), CALL(clock_getres_time64),
	CALL(gettimeofday), CALL(time), CALL(times), CALL(getrusage),
	CALL(clock_nanosleep), CALL(clock_nanosleep_time64), CALL(nanosleep),
	CALL(getrandom),                        /* temporary names, passive ports */
	CALL(sysinfo),                          /* qsort() asks how much memory there is */
	CALL(uname),

	/* who am I? nothing is secret in the answer, and nothing changes */
	CALL(getpid), CALL(gettid), CALL(getppid), CALL(getgroups),
	CALL(getuid), CALL(geteuid), CALL(getresuid),
	CALL(getgid), CALL(getegid), CALL(getresgid),
	CALL_IF(prlimit64, IS(0, 0)), CALL(getrlimit), CALL(ugetrlimit), /* stacks, descriptors */
	CALL_IF(prctl, IS(0, PR_GET_DUMPABLE)),

	/* signals that come, and the end */
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(sigaltstack),
	CALL(rt_sigreturn), CALL(sigreturn), CALL(restart_syscall), /* the kernel's own */
	CALL(rt_sigpending), CALL(rt_sigsuspend),
	CALL(rt_sigtimedwait), CALL(rt_sigtimedwait_time64),
	CALL(exit), CALL(exit_group),

	/* tried first by new libraries, which do without when it is not there */
	REFUSE(clone3, ENOSYS),                 /* its flags are behind a pointer; then comes clone */
	REFUSE(io_uring_setup, ENOSYS),         /* a ring goes around every filter */
};

/* Raising a signal in itself (abort) and nowhere else. Not for the master: children that
 * inherit its filter have other process ids. */
static const struct permit own_signals[] = {
	CALL_OWN(tgkill), CALL_OWN(rt_tgsigqueueinfo),
};

/* Threads, but no processes. */
static const struct permit threads[] = {
	CALL_IF(clone, HAS(0, A_THREAD | NEW_NAMESPACES, A_THREAD)),
};

/* libuv. */
static const struct permit event_loop[] = {
	CALL(epoll_create1), CALL(epoll_create), CALL(epoll_ctl),
	CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_pwait2),
	CALL(eventfd2), CALL(eventfd),          /* the thread pool says that it is done */
	CALL(timerfd_create), CALL(timerfd_settime), CALL(timerfd_settime64),
	CALL(timerfd_gettime), CALL(timerfd_gettime64),
};

/* The worker: TCP in every direction, and bytes from descriptor to descriptor. */
static const struct permit network[] = {
	CALL_IF(socket, IS(0, AF_INET), IS_STREAM, IS_TCP_PROTOCOL),
	CALL_IF(socket, IS(0, AF_INET6), IS_STREAM, IS_TCP_PROTOCOL),
	CALL(bind), CALL(listen), CALL(accept4), CALL(accept), /* passive mode */
	CALL(connect),                          /* active mode */
	CALL(getsockname), CALL(getpeername),   /* which addresses to tell, whom to trust */
	CALL(getsockopt), CALL(setsockopt),     /* SO_ERROR, keepalive, buffers, cork */
	CALL(sendto), CALL(recvfrom), CALL(send), CALL(recv), /* send() and recv() */
	CALL(sendfile), CALL(sendfile64), CALL(splice), CALL(tee), /* RETR, STOR without a copy */
	CALL(preadv2), CALL(pwritev2),          /* RWF_NOWAIT: is it in memory already? */
	CALL(copy_file_range),                  /* SITE CPTO, between two files that it holds */
	CALL(fstatfs), CALL(fstatfs64),         /* is it tmpfs, which cannot tell? */
	CALL(readahead), CALL(fadvise64), CALL(fadvise64_64), CALL(arm_fadvise64_64),
	/* fstat() of some C libraries. With this flag a path could be named as well: the empty
	 * root leaves none to name, and without root there is a size and a date to learn. */
	CALL_IF(newfstatat, IS(3, AT_EMPTY_PATH)), CALL_IF(statx, IS(2, AT_EMPTY_PATH)),
};

/* The agent: files below descriptors that it holds. openat2 is the one way to more of them
 * (jail.c): its flags keep a path inside the jail. openat has none such and can but name a
 * root. */
static const struct permit files[] = {
	CALL(openat2),
	CALL_IF(openat, HAS(2, O_PATH, O_PATH)), CALL_IF(open, HAS(1, O_PATH, O_PATH)),
	CALL(newfstatat), CALL(fstatat64), CALL(statx), /* SIZE, MDTM, facts */
	CALL(faccessat), CALL(faccessat2),      /* the perm fact */
	CALL(fstatfs), CALL(fstatfs64),         /* ALLO: is there room? */
	CALL_IF(quotactl_fd, IS(1, QCMD((unsigned)Q_GETQUOTA, USRQUOTA))), /* ... and quota? */
	CALL_IF(quotactl_fd, IS(1, QCMD((unsigned)Q_GETQUOTA, GRPQUOTA))),
	CALL(getdents64), CALL(readlinkat),     /* LIST */
	CALL(mkdirat),                          /* MKD */
	CALL(unlinkat),                         /* DELE, RMD, an upload that failed */
	CALL(renameat2), CALL(renameat),        /* RNTO; an upload takes its name */
	CALL(linkat),                           /* the same where renameat2 has no NOREPLACE */
	CALL(symlinkat),                        /* SITE SYMLINK; what it leads to is found in the jail */
	CALL(fchmod), CALL(fchmodat), CALL(fchmodat2), /* SITE CHMOD, a replaced file's mode */
	CALL(utimensat), CALL(utimensat_time64), /* MFMT */
	CALL(ftruncate), CALL(ftruncate64),     /* REST + STOR */
	CALL(fsync), CALL(fdatasync), CALL(syncfs), CALL(sync_file_range), /* before 226 */
	CALL(readahead), CALL(fadvise64), CALL(fadvise64_64), CALL(arm_fadvise64_64),
	CALL(umask),                            /* none: every request brings its own */
	CALL(dup), CALL(dup3),                  /* fdopendir() keeps the one it gets */
	CALL(sendto), CALL(recvfrom), CALL(getsockopt), /* send() and recv() on its channels */
	CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_wait), CALL(epoll_pwait), /* inbox.c */
};

/* auth: what PAM's modules do, and the helper programs that they start. */
static const struct permit programs[] = {
	/* configuration, /etc/passwd, modules; lock files, faillock, lastlog, mail, home */
	CALL(open), CALL(openat), CALL(openat2), CALL(creat), CALL(umask),
	CALL(stat), CALL(stat64), CALL(lstat), CALL(lstat64), CALL(newfstatat), CALL(fstatat64),
	CALL(statx), CALL(statfs), CALL(statfs64), CALL(fstatfs), CALL(fstatfs64),
	CALL(access), CALL(faccessat), CALL(faccessat2), CALL(readlink), CALL(readlinkat),
	CALL(getdents), CALL(getdents64), CALL(getcwd), CALL(chdir), CALL(fchdir),
	CALL(getxattr), CALL(lgetxattr), CALL(fgetxattr), /* ACLs, labels */
	CALL(unlink), CALL(unlinkat), CALL(rename), CALL(renameat), CALL(renameat2),
	CALL(link), CALL(linkat), CALL(symlink), CALL(symlinkat),
	CALL(mkdir), CALL(mkdirat), CALL(rmdir),
	CALL(chmod), CALL(fchmod), CALL(fchmodat), CALL(fchmodat2),
	CALL(chown), CALL(lchown), CALL(fchown), CALL(fchownat),
	CALL(truncate), CALL(ftruncate), CALL(ftruncate64), CALL(fallocate),
	CALL(fsync), CALL(fdatasync), CALL(fadvise64), CALL(fadvise64_64), CALL(arm_fadvise64_64),
	CALL(utime), CALL(utimes), CALL(futimesat), CALL(utimensat), CALL(utimensat_time64),
	CALL(copy_file_range), CALL(sendfile), CALL(sendfile64), CALL(splice),
	CALL(fcntl), CALL(fcntl64), CALL(flock), /* record locks of lastlog and utmp */
	CALL(dup), CALL(dup2), CALL(dup3), CALL(pipe), CALL(memfd_create),
	CALL_IF(ioctl, IS(1, TCSETS)), CALL_IF(ioctl, IS(1, TCSETSW)),
	CALL_IF(ioctl, IS(1, TCSETSF)), CALL_IF(ioctl, IS(1, TIOCGWINSZ)), /* programs ask */
	CALL_IF(ioctl, IS(1, SIOCGIFCONF)), CALL_IF(ioctl, IS(1, SIOCGIFNAME)), /* resolver */
	REFUSE(name_to_handle_at, ENOSYS),      /* libsystemd asks for its mount, needs none */

	/* the daemons they ask */
	CALL_IF(socket, IS(0, AF_UNIX)), CALL(socketpair), /* nscd, syslog, sssd, system bus */
	CALL_IF(socket, IS(0, AF_INET), IS_STREAM), CALL_IF(socket, IS(0, AF_INET), IS_DATAGRAM),
	CALL_IF(socket, IS(0, AF_INET6), IS_STREAM), CALL_IF(socket, IS(0, AF_INET6), IS_DATAGRAM),
	                                        /* LDAP, Kerberos, RADIUS, DNS */
	CALL_IF(socket, IS(0, AF_NETLINK)),     /* getaddrinfo() lists interfaces; audit */
	CALL(bind), CALL(connect), CALL(getsockname), CALL(getpeername),
	CALL(getsockopt), CALL(setsockopt),
	CALL(sendto), CALL(recvfrom), CALL(send), CALL(recv), CALL(sendmmsg), CALL(recvmmsg),
	CALL(recvmmsg_time64),
	CALL(select), CALL(_newselect), CALL(pselect6), CALL(pselect6_time64),

	/* unix_chkpwd, pam_exec, and the start and end of any program */
	CALL_IF(clone, LACKS(0, NEW_NAMESPACES)), CALL(fork), CALL(vfork),
	CALL(execve), CALL(execveat), CALL(wait4), CALL(waitid), CALL(waitpid),
	CALL(pidfd_open), CALL(pidfd_send_signal),
	CALL(kill), CALL(tgkill), CALL(tkill), CALL(rt_tgsigqueueinfo),
	CALL(mmap), CALL(mmap2), CALL(mprotect), CALL(mseal), /* modules are code */
	CALL(arch_prctl), CALL(set_thread_area), CALL(set_tls), CALL(prctl),
	CALL_IF(personality, IS(0, 0xffffffffU)), /* asked, not set: sanitizers */
	CALL(getpgrp), CALL(getpgid), CALL(setpgid), CALL(getsid), CALL(setsid),
	CALL(alarm), CALL(setitimer), CALL(getitimer), CALL(pause),
	CALL(sched_getparam), CALL(sched_getscheduler),
	CALL(prlimit64), CALL(setrlimit), CALL(getpriority), CALL(setpriority), /* pam_limits */

	/* pam_unix and helpers look at files as the user */
	CALL(setuid), CALL(setreuid), CALL(setresuid), CALL(setfsuid),
	CALL(setgid), CALL(setregid), CALL(setresgid), CALL(setfsgid), CALL(setgroups),
	CALL(capget), CALL(capset),
	REFUSE(keyctl, ENOSYS), REFUSE(add_key, ENOSYS), REFUSE(request_key, ENOSYS), /* pam_keyinit: none here */
};

/* The master alone, and its children between their start and their own, smaller limits. */
static const struct permit beginnings[] = {
	CALL(chroot),                           /* a worker's empty root: become.c */
	CALL(seccomp),                          /* the children's filters */
	CALL(landlock_create_ruleset), CALL(landlock_add_rule), CALL(landlock_restrict_self),
};

/* clang-format on */

int
sandbox_worker(void)
{
	static const struct permits tables[] = {
	    PERMITS(everyone),
	    PERMITS(own_signals),
	    PERMITS(threads),
	    PERMITS(event_loop),
	    PERMITS(network),
	};

	if (landlock_worker() < 0)
		return -FERRY_ESYS;
	return sandbox_apply(tables, ARRAY_LEN(tables));
}

int
sandbox_agent(int below)
{
	static const struct permits tables[] = {
	    PERMITS(everyone),
	    PERMITS(own_signals),
	    PERMITS(threads),
	    PERMITS(files),
	};

	if (landlock_agent(below) < 0)
		return -FERRY_ESYS;
	return sandbox_apply(tables, ARRAY_LEN(tables));
}

int
sandbox_auth(void)
{
	static const struct permits tables[] = {
	    PERMITS(everyone),
	    PERMITS(event_loop),
	    PERMITS(programs),
	};

	if (landlock_auth() < 0)
		return -FERRY_ESYS;
	return sandbox_apply(tables, ARRAY_LEN(tables));
}

/* No Landlock: its children inherit it and could never loosen it, and an agent needs more
 * than any limit on files that would still be one for the master. */
int
sandbox_master(void)
{
	static const struct permits tables[] = {
	    PERMITS(everyone),
	    PERMITS(event_loop),
	    PERMITS(network),
	    PERMITS(files),
	    PERMITS(programs),
	    PERMITS(beginnings),
	};

	return sandbox_apply(tables, ARRAY_LEN(tables));
}

const char *
sandbox_describe(void)
{
	static char text[48];
	int abi = landlock_abi();

	if (abi > 0)
		snprintf(text, sizeof(text), "seccomp, landlock %d", abi);
	else
		snprintf(text, sizeof(text), "seccomp, no landlock");
	return text;
}
