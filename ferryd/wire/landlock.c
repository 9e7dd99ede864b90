/*
 * Landlock, by its three system calls (glibc has no wrappers). Newer rights are handled
 * as far as the kernel knows them, so that an older one enforces what it can.
 */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sandbox.h"
#include "util.h"

/* What the headers of the oldest supported distribution (ABI 2) do not know yet. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14) /* ABI 3, Linux 6.2 */
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15) /* ABI 5, Linux 6.10 */
#endif
#ifndef LANDLOCK_ACCESS_NET_BIND_TCP
#define LANDLOCK_ACCESS_NET_BIND_TCP (1ULL << 0) /* ABI 4, Linux 6.7 */
#define LANDLOCK_ACCESS_NET_CONNECT_TCP (1ULL << 1)
#endif
#ifndef LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
#define LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0) /* ABI 6, Linux 6.12 */
#define LANDLOCK_SCOPE_SIGNAL (1ULL << 1)
#endif

/* struct landlock_ruleset_attr as of ABI 6; older kernels are given the part that they
 * know. */
struct ruleset {
	uint64_t files;
	uint64_t net;
	uint64_t scoped;
};

#define FILE_READ LANDLOCK_ACCESS_FS_READ_FILE
#define FILE_WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define FILE_IOCTL LANDLOCK_ACCESS_FS_IOCTL_DEV
#define DIR_READ LANDLOCK_ACCESS_FS_READ_DIR
/* Names of files, directories and links, and moving them to another directory. */
#define DIR_WRITE                                                                        \
	(LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                \
	    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                  \
	    LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)
#define MAKE_SPECIAL (LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO)
#define MAKE_DEVICE (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
#define ALL_FILES                                                                        \
	(FILE_READ | FILE_WRITE | FILE_IOCTL | DIR_READ | DIR_WRITE | MAKE_SPECIAL |     \
	    MAKE_DEVICE | LANDLOCK_ACCESS_FS_EXECUTE)

/* What a rule on a file, not a directory, may name. */
#define ON_FILE (FILE_READ | FILE_WRITE | FILE_IOCTL | LANDLOCK_ACCESS_FS_EXECUTE)

#define NO_TCP (LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP)
/* Nothing outside can be signalled or reached by an abstract socket; what was handed in
 * works on. */
#define SCOPED (LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL)

int
landlock_abi(void)
{
	/* Asked once: behind the filters that come after Landlock nobody may ask. */
	static int known = -1;

	if (known < 0) {
		long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
		    LANDLOCK_CREATE_RULESET_VERSION);
		known = abi > 0 ? (int)abi : 0;
	}
	return known;
}

/* Drops what this kernel does not know: it would refuse the whole set for one bit. */
static struct ruleset
ruleset_known(struct ruleset all, int abi)
{
	if (abi < 2)
		all.files &= ~LANDLOCK_ACCESS_FS_REFER;
	if (abi < 3)
		all.files &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi < 4)
		all.net = 0;
	if (abi < 5)
		all.files &= ~LANDLOCK_ACCESS_FS_IOCTL_DEV;
	if (abi < 6)
		all.scoped = 0;
	return all;
}

static size_t
ruleset_size(int abi)
{
	if (abi < 4)
		return offsetof(struct ruleset, net);
	return abi < 6 ? offsetof(struct ruleset, scoped) : sizeof(struct ruleset);
}

/* A descriptor, or -FERRY_ESYS. */
static int
ruleset_create(const struct ruleset *rs, int abi)
{
	long fd = syscall(SYS_landlock_create_ruleset, rs, ruleset_size(abi), 0);

	return fd < 0 ? -FERRY_ESYS : (int)fd;
}

static int
ruleset_permit(int ruleset, uint64_t files, int below)
{
	struct landlock_path_beneath_attr attr = {
	    .allowed_access = files, .parent_fd = below};

	if (syscall(
		SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0)
		return -FERRY_ESYS;
	return 0;
}

/* A place that does not exist here needs no rule. */
static int
ruleset_permit_path(int ruleset, uint64_t files, const char *path)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -FERRY_ESYS;
	if (fstat(fd, &st) < 0)
		return -FERRY_ESYS;
	return ruleset_permit(ruleset, S_ISDIR(st.st_mode) ? files : files & ON_FILE, fd);
}

static int
ruleset_enforce(int ruleset)
{
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -FERRY_ESYS : 0;
}

int
landlock_worker(void)
{
	int abi = landlock_abi();
	struct ruleset rs =
	    ruleset_known((struct ruleset){.files = ALL_FILES, .scoped = SCOPED}, abi);
	_cleanup_close_ int ruleset = -1;

	if (abi == 0)
		return 0;
	ruleset = ruleset_create(&rs, abi);
	return ruleset < 0 ? -FERRY_ESYS : ruleset_enforce(ruleset);
}

int
landlock_agent(int below)
{
	const uint64_t wanted = FILE_READ | FILE_WRITE | DIR_READ | DIR_WRITE;
	int abi = landlock_abi();
	struct ruleset rs = ruleset_known(
	    (struct ruleset){.files = ALL_FILES, .net = NO_TCP, .scoped = SCOPED}, abi);
	_cleanup_close_ int ruleset = -1;
	int rc;

	/* ABI 1 (Linux 5.13 to 5.18) forbids every rename from one directory to another:
	 * users would miss that more than they would notice this second wall. The jail
	 * stands without it. */
	if (abi < 2)
		return 0;
	ruleset = ruleset_create(&rs, abi);
	if (ruleset < 0)
		return -FERRY_ESYS;
	if (below == SANDBOX_NOWHERE)
		rc = 0;
	else if (below >= 0)
		rc = ruleset_permit(ruleset, wanted & rs.files, below);
	else
		rc = ruleset_permit_path(ruleset, wanted & rs.files, "/");
	return rc < 0 ? rc : ruleset_enforce(ruleset);
}

int
landlock_auth(void)
{
	/* faillock, lastlog, wtmp, lock and pid files, the log and terminal devices. */
	static const char *const writable[] = {"/var", "/run", "/tmp", "/dev"};
	const uint64_t reading = FILE_READ | DIR_READ | LANDLOCK_ACCESS_FS_EXECUTE;
	int abi = landlock_abi();
	/* Abstract sockets stay open to it: some of PAM's modules talk to their daemon
	 * that way. */
	struct ruleset rs = ruleset_known(
	    (struct ruleset){.files = ALL_FILES, .scoped = LANDLOCK_SCOPE_SIGNAL}, abi);
	_cleanup_close_ int ruleset = -1;

	if (abi == 0)
		return 0;
	ruleset = ruleset_create(&rs, abi);
	if (ruleset < 0)
		return -FERRY_ESYS;
	if (ruleset_permit_path(ruleset, reading, "/") < 0)
		return -FERRY_ESYS;
	for (size_t i = 0; i < ARRAY_LEN(writable); i++) {
		if (ruleset_permit_path(ruleset, rs.files & ~MAKE_DEVICE, writable[i]) <
		    0)
			return -FERRY_ESYS;
	}
	return ruleset_enforce(ruleset);
}
