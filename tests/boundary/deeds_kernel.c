/*
 * Deeds with programs, privileges and the kernel: most of them nobody's business.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deeds.h"

int
exec_true(const struct stage *st)
{
	return deed_result(execl("/bin/true", "true", (char *)NULL));
}

int
fork_child(const struct stage *st)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return deed_result(pid);
}

int
run_program(const struct stage *st)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "test -c /dev/null", (char *)NULL);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : ECHILD;
}

int
trace(const struct stage *st)
{
	return deed_result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

int
signal_parent(const struct stage *st)
{
	return deed_result(kill(getppid(), 0));
}

int
signal_thread_of_parent(const struct stage *st)
{
	return deed_result(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

int
abort_self(const struct stage *st)
{
	abort();
}

int
become_root(const struct stage *st)
{
	return deed_result(setuid(0));
}

int
change_root(const struct stage *st)
{
	return deed_result(chroot("/"));
}

int
mount_something(const struct stage *st)
{
	return deed_result(syscall(SYS_mount, "none", "/nonexistent", "tmpfs", 0, NULL));
}

int
unshare_user(const struct stage *st)
{
	return deed_result(syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */));
}

int
clone_into_namespace(const struct stage *st)
{
	return deed_result(
	    syscall(SYS_clone, 0x10000000UL | SIGCHLD, NULL, NULL, NULL, 0UL));
}

int
clone_process_with_memory(const struct stage *st)
{
	/* Not a thread: without CLONE_THREAD it would be a process of its own. */
	return deed_result(
	    syscall(SYS_clone, 0x00000100UL | SIGCHLD, NULL, NULL, NULL, 0UL));
}

int
load_bpf(const struct stage *st)
{
	return deed_result(syscall(SYS_bpf, 0, NULL, 0));
}

int
load_module(const struct stage *st)
{
	return deed_result(syscall(SYS_init_module, NULL, 0, ""));
}

int
load_kernel(const struct stage *st)
{
	return deed_result(syscall(SYS_kexec_load, 0, 0, NULL, 0));
}

int
open_by_handle(const struct stage *st)
{
	return deed_result(syscall(SYS_open_by_handle_at, -1, NULL, 0));
}

int
ask_keyring(const struct stage *st)
{
	return deed_result(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

int
use_clone3(const struct stage *st)
{
	return deed_result(syscall(SYS_clone3, NULL, 0));
}

int
use_io_uring(const struct stage *st)
{
	return deed_result(syscall(SYS_io_uring_setup, 1, NULL));
}

int
be_dumpable(const struct stage *st)
{
	return deed_result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

int
map_code(const struct stage *st)
{
	void *p =
	    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

int
make_code(const struct stage *st)
{
	void *p =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno
			       : deed_result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

int
push_terminal_input(const struct stage *st)
{
	return deed_result(syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x"));
}

#ifdef __x86_64__
/* getpid as i386 and as x32: permitted calls, in numbers of another architecture. */
int
call_as_i386(const struct stage *st)
{
	long rc;

	__asm__ volatile("int $0x80" : "=a"(rc) : "a"(20L) : "memory");
	return rc < 0 ? (int)-rc : 0;
}

int
call_as_x32(const struct stage *st)
{
	return deed_result(syscall(0x40000000 | SYS_getpid));
}
#endif
