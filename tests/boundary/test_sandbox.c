/*
 * What sandbox.c says, done: in a child process for each row, the forbidden thing must
 * end it and the permitted one must work. Landlock is tested with seccomp (both walls)
 * and alone (the second one).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>

#include "deeds.h"
#include "landlock.h"
#include "sandbox.h"
#include "util.h"

/* ---- limits ---- */

static int
as_master(const struct stage *st)
{
	return sandbox_master();
}

static int
as_worker(const struct stage *st)
{
	return sandbox_worker();
}

static int
as_agent(const struct stage *st)
{
	return sandbox_agent(st->dir);
}

static int
as_agent_of_all(const struct stage *st)
{
	return sandbox_agent(-1);
}

static int
as_auth(const struct stage *st)
{
	return sandbox_auth();
}

static int
files_as_worker(const struct stage *st)
{
	return landlock_worker();
}

static int
files_as_agent(const struct stage *st)
{
	return landlock_agent(st->dir);
}

static int
files_as_agent_of_all(const struct stage *st)
{
	return landlock_agent(-1);
}

static int
files_as_auth(const struct stage *st)
{
	return landlock_auth();
}

/* ---- the rows ---- */

struct row {
	const char *what;
	deed *act;
	int fate;
};

#define ROW(deed_, fate_)                                                                \
	{                                                                                \
		.what = #deed_, .act = deed_, .fate = fate_                              \
	}

static const struct row forbidden_to_all[] = {
    ROW(trace, DIES),
    ROW(mount_something, DIES),
    ROW(unshare_user, DIES),
    ROW(clone_into_namespace, DIES),
    ROW(load_bpf, DIES),
    ROW(load_module, DIES),
    ROW(load_kernel, DIES),
    ROW(open_by_handle, DIES),
    ROW(socket_packet, DIES),
    ROW(push_terminal_input, DIES),
    ROW(use_clone3, ENOSYS),
    ROW(use_io_uring, ENOSYS),
#ifdef __x86_64__
    ROW(call_as_i386, DIES),
    ROW(call_as_x32, DIES),
#endif
};

/* The two roles that a stranger's bytes reach. */
static const struct row forbidden_to_the_exposed[] = {
    ROW(exec_true, DIES),
    ROW(fork_child, DIES),
    ROW(clone_process_with_memory, DIES),
    ROW(open_passwd, DIES),
    ROW(create_file, DIES),
    ROW(list_dir, DIES),
    ROW(unlink_file, DIES),
    ROW(chown_file, DIES),
    ROW(make_fifo, DIES),
    ROW(truncate_file, DIES),
    ROW(signal_parent, DIES),
    ROW(signal_thread_of_parent, DIES),
    ROW(become_root, DIES),
    ROW(change_root, DIES),
    ROW(be_dumpable, DIES),
    ROW(map_code, DIES),
    ROW(make_code, DIES),
    ROW(socket_unix, DIES),
    ROW(socket_pair, DIES),
    ROW(socket_udp, DIES),
    ROW(socket_netlink, DIES),
    ROW(ask_keyring, DIES),
    ROW(abort_self, -2 - SIGABRT),
};

static const struct row permitted_to_all[] = {
    ROW(threads, WORKS),
    ROW(detached_threads, WORKS),
    ROW(sort_many, WORKS),
    ROW(tell_time, WORKS),
    ROW(say_something, WORKS),
    ROW(channel_with_descriptor, WORKS),
};

static const struct row of_worker[] = {
    ROW(openat2_passwd, DIES),
    ROW(openat2_file, DIES),
    ROW(open_root, DIES),
    ROW(stat_path, DIES),
    ROW(unlinkat_file, DIES),
    ROW(rename_file, DIES),
    ROW(make_dir, DIES),
    ROW(socket_sctp, DIES),
    ROW(socket_tcp4, WORKS),
    ROW(socket_tcp6, WORKS),
    ROW(listen_given, WORKS),
    ROW(accept_given, WORKS),
    ROW(transfer, WORKS),
    ROW(cached_read, WORKS),
    ROW(event_loop, WORKS),
};

static const struct row of_agent[] = {
    ROW(socket_tcp4, DIES),
    ROW(socket_tcp6, DIES),
    ROW(connect_given, DIES),
    ROW(bind_given, DIES),
    ROW(listen_given, DIES),
    ROW(accept_given, DIES),
    ROW(open_root, WORKS),
    ROW(openat2_file, WORKS),
    ROW(upload, WORKS),
    ROW(directories, WORKS),
    ROW(list_dir_by_fd, WORKS),
};

static const struct row of_auth[] = {
    ROW(open_passwd, WORKS),
    ROW(find_user, WORKS),
    ROW(run_program, WORKS),
    ROW(socket_unix, WORKS),
    ROW(socket_udp, WORKS),
    ROW(socket_netlink, WORKS),
    ROW(create_in_tmp, WORKS),
    ROW(event_loop, WORKS),
    ROW(ask_keyring, ENOSYS),
    ROW(change_root, DIES),
    ROW(listen_given, DIES),
    ROW(accept_given, DIES),
};

static const struct row of_master[] = {
    ROW(open_passwd, WORKS),
    ROW(find_user, WORKS),
    ROW(run_program, WORKS),
    ROW(transfer, WORKS),
    ROW(upload, WORKS),
    ROW(event_loop, WORKS),
    ROW(ask_keyring, ENOSYS),
};

/* Every row; the failures are told together. */
static void
rows_check(const struct stage *st, limit *const *limits, unsigned n,
    const struct row *rows, size_t n_rows)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < n_rows; i++) {
		int fate = fate_of(st, limits, n, rows[i].act);

		if (fate == rows[i].fate)
			continue;
		wrong++;
		print_error("%s: %s, but should be: %s\n", rows[i].what, fate_text(fate),
		    rows[i].fate == WORKS || rows[i].fate == DIES
			? fate_text(rows[i].fate)
			: "refused");
	}
	assert_int_equal(wrong, 0);
}

#define CHECK(st, limits, rows)                                                          \
	rows_check(st, limits, ARRAY_LEN(limits), rows, ARRAY_LEN(rows))

/* Filters add up: what a child may do must work below the master's filter too, as it does
 * in life. */
static void
role_check(
    const struct stage *st, limit *role, bool exposed, const struct row *rows, size_t n)
{
	limit *const alone[] = {role};
	limit *const in_life[] = {as_master, role};

	CHECK(st, alone, forbidden_to_all);
	CHECK(st, alone, permitted_to_all);
	CHECK(st, in_life, permitted_to_all);
	if (exposed)
		CHECK(st, alone, forbidden_to_the_exposed);
	rows_check(st, alone, 1, rows, n);
	rows_check(st, in_life, 2, rows, n);
}

static void
test_worker(void **state)
{
	role_check(*state, as_worker, true, of_worker, ARRAY_LEN(of_worker));
}

static void
test_agent(void **state)
{
	role_check(*state, as_agent, true, of_agent, ARRAY_LEN(of_agent));
}

static void
test_agent_of_all(void **state)
{
	role_check(*state, as_agent_of_all, true, of_agent, ARRAY_LEN(of_agent));
}

static void
test_auth(void **state)
{
	role_check(*state, as_auth, false, of_auth, ARRAY_LEN(of_auth));
}

static void
test_master(void **state)
{
	role_check(*state, as_master, false, of_master, ARRAY_LEN(of_master));
}

/* ---- Landlock alone ---- */

static void
landlock_needs(int abi)
{
	if (landlock_abi() < abi) {
		print_message(
		    "needs Landlock %d, this kernel has %d\n", abi, landlock_abi());
		skip();
	}
}

static void
test_files_of_worker(void **state)
{
	static const struct row rows[] = {
	    ROW(open_passwd, EACCES),
	    ROW(openat2_file, EACCES),
	    ROW(list_dir, EACCES),
	    ROW(create_file, EACCES),
	    ROW(unlinkat_file, EACCES),
	    ROW(rename_file, EACCES),
	    ROW(make_dir, EACCES),
	    ROW(exec_true, EACCES),
	    ROW(transfer, WORKS),
	};
	limit *const limits[] = {files_as_worker};

	landlock_needs(1);
	CHECK(*state, limits, rows);
}

static void
test_files_of_agent(void **state)
{
	static const struct row rows[] = {
	    ROW(open_passwd, EACCES),
	    ROW(list_dir, EACCES),
	    ROW(create_file, EACCES),
	    ROW(exec_true, EACCES),
	    ROW(make_fifo, EACCES),
	    ROW(openat2_file, WORKS),
	    ROW(upload, WORKS),
	    ROW(directories, WORKS),
	    ROW(list_dir_by_fd, WORKS),
	};
	limit *const limits[] = {files_as_agent};

	landlock_needs(2);
	CHECK(*state, limits, rows);
}

static void
test_files_of_agent_of_all(void **state)
{
	static const struct row rows[] = {
	    ROW(open_passwd, WORKS),
	    ROW(create_in_tmp, WORKS),
	    ROW(upload, WORKS),
	    ROW(exec_true, EACCES),
	    ROW(make_fifo, EACCES),
	};
	limit *const limits[] = {files_as_agent_of_all};

	landlock_needs(2);
	CHECK(*state, limits, rows);
}

static void
test_network_of_agent(void **state)
{
	static const struct row rows[] = {
	    ROW(connect_given, EACCES),
	    ROW(bind_given, EACCES),
	};
	limit *const limits[] = {files_as_agent};

	landlock_needs(4);
	CHECK(*state, limits, rows);
}

static void
test_signals(void **state)
{
	static const struct row rows[] = {
	    ROW(signal_parent, EPERM),
	};
	limit *const agent[] = {files_as_agent};
	limit *const worker[] = {files_as_worker};
	limit *const auth[] = {files_as_auth};

	landlock_needs(6);
	CHECK(*state, agent, rows);
	CHECK(*state, worker, rows);
	CHECK(*state, auth, rows);
}

static void
test_files_of_auth(void **state)
{
	static const struct row rows[] = {
	    ROW(open_passwd, WORKS),
	    ROW(find_user, WORKS),
	    ROW(run_program, WORKS),
	    ROW(create_in_tmp, WORKS),
	    ROW(create_in_etc, EACCES),
	};
	limit *const limits[] = {files_as_auth};

	landlock_needs(1);
	CHECK(*state, limits, rows);
}

/* ---- sandbox_basics ---- */

static int
basics_hold(const struct stage *st)
{
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
	    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return EPERM;
	return 0;
}

static void
test_basics(void **state)
{
	assert_int_equal(fate_of(*state, NULL, 0, basics_hold), WORKS);
	assert_non_null(strstr(sandbox_describe(), "seccomp"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_basics),
	    cmocka_unit_test(test_worker),
	    cmocka_unit_test(test_agent),
	    cmocka_unit_test(test_agent_of_all),
	    cmocka_unit_test(test_auth),
	    cmocka_unit_test(test_master),
	    cmocka_unit_test(test_files_of_worker),
	    cmocka_unit_test(test_files_of_agent),
	    cmocka_unit_test(test_files_of_agent_of_all),
	    cmocka_unit_test(test_network_of_agent),
	    cmocka_unit_test(test_signals),
	    cmocka_unit_test(test_files_of_auth),
	};

	return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
