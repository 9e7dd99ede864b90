/*
 * Doing things in a child process that has entered a role's limits, and seeing what
 * became of it. For the tests of this folder.
 */
#ifndef FERRY_TESTS_DEEDS_H
#define FERRY_TESTS_DEEDS_H

/* What a test's child is handed, as a real child would be. */
struct stage {
	char path[64];  /* a directory; in it: "file" with 4096 bytes, "here/", "there/",
			   "link" */
	int dir;        /* the same, O_PATH */
	int file;       /* "file", open for reading */
	int socket;     /* a TCP socket, neither bound nor connected */
	int listener;   /* listening on 127.0.0.1 */
	int port;       /* its port */
	int channel[2]; /* a channel */
};

int stage_setup(void **state);
int stage_teardown(void **state);

/* In the child: 0, or the errno of what failed. */
typedef int deed(const struct stage *st);
/* errno if rc is negative, else 0. */
int deed_result(long rc);
/* Enters the limits. 0, or negative with errno. */
typedef int limit(const struct stage *st);

enum fate {
	WORKS = 0,     /* the deed returned 0 */
	DIES = -1,     /* the kernel killed the process with SIGSYS */
	NO_LIMIT = -2, /* the limits could not be entered */
	/* > 0: the deed failed with this errno; < -2: another signal, negated, less 2 */
};

/* Forks, enters limits[0..n) in turn, does it. */
int fate_of(const struct stage *st, limit *const *limits, unsigned n, deed *act);
/* "dies", "works", "EACCES": static text. */
const char *fate_text(int fate);

/* deeds_files.c: files */
deed open_passwd, openat2_passwd, openat2_file, open_root, create_file, stat_path,
    unlink_file, unlinkat_file, rename_file, make_dir, list_dir, list_dir_by_fd,
    make_fifo, chown_file, truncate_file, upload, directories, create_in_etc,
    create_in_tmp;

/* deeds_kernel.c: programs, privileges, the kernel */
deed exec_true, fork_child, run_program, trace, signal_parent, signal_thread_of_parent,
    abort_self, become_root, change_root, mount_something, unshare_user,
    clone_into_namespace, clone_process_with_memory, load_bpf, load_module, load_kernel,
    open_by_handle, ask_keyring, use_clone3, use_io_uring, be_dumpable, map_code,
    make_code, push_terminal_input;

/* deeds_network.c: network */
deed socket_tcp4, socket_tcp6, socket_udp, socket_sctp, socket_unix, socket_pair,
    socket_netlink, socket_packet, connect_given, bind_given, listen_given, accept_given,
    transfer, cached_read, channel_with_descriptor;

/* deeds_libc.c: the C library, libuv, threads */
deed threads, detached_threads, event_loop, sort_many, tell_time, say_something,
    find_user;

#ifdef __x86_64__
deed call_as_i386, call_as_x32;
#endif

#endif
