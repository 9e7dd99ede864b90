/*
 * Becoming somebody else, for good: for the start of every child that the master made as
 * root. The order matters (bounding set and groups while still root, user last), and
 * nothing is taken for granted: what the kernel says afterwards decides. It must never
 * return 0 with any power left over.
 */
#include "become.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "util.h"

static int
refused(int error)
{
	errno = error;
	return -FERRY_ESYS;
}

/* capset(2) itself: libcap would be a library for these two calls. */
static int
caps_set_none(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 &&
	    errno != EINVAL)
		return -FERRY_ESYS;
	return syscall(SYS_capset, &header, none) < 0 ? -FERRY_ESYS : 0;
}

static int
caps_verify_none(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, now) < 0)
		return -FERRY_ESYS;
	for (size_t i = 0; i < ARRAY_LEN(now); i++) {
		if (now[i].effective != 0 || now[i].permitted != 0 ||
		    now[i].inheritable != 0)
			return refused(EPERM);
	}
	return 0;
}

/* What an exec could bring back. Root without CAP_SETPCAP (some containers) may not
 * shrink the set; then NO_NEW_PRIVS, which sandbox_basics() has set, keeps an exec from
 * gaining anything by it. */
static int
caps_drop_bounding(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno != EPERM || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
			return -FERRY_ESYS;
	}
	return 0;
}

int
become_rootless(int root_fd)
{
	if (fchdir(root_fd) < 0)
		return -FERRY_ESYS;
	if (chroot(".") < 0)
		return -FERRY_ESYS;
	return chdir("/") < 0 ? -FERRY_ESYS : 0;
}

static int
groups_take(const char *account, gid_t gid)
{
	bool named = account != NULL && account[0] != '\0';
	int rc = named ? initgroups(account, gid) : setgroups(0, NULL);

	return rc < 0 ? -FERRY_ESYS : 0;
}

static int
ids_verify(uid_t uid, gid_t gid)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		return -FERRY_ESYS;
	if (ruid != uid || euid != uid || suid != uid)
		return refused(EPERM);
	if (rgid != gid || egid != gid || sgid != gid)
		return refused(EPERM);
	return 0;
}

/* The way back must be closed. That setuid(0) works is the worst case there is, so it is
 * tried. */
static int
way_back_verify(uid_t uid)
{
	if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
		return refused(EPERM);
	return 0;
}

static int
become_as_root(const char *account, uid_t uid, gid_t gid)
{
	if (caps_drop_bounding() < 0)
		return -FERRY_ESYS;
	if (groups_take(account, gid) < 0)
		return -FERRY_ESYS;
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -FERRY_ESYS;
	return ids_verify(uid, gid);
}

int
become_user(const char *account, uid_t uid, gid_t gid)
{
	if (uid == (uid_t)-1 || gid == (gid_t)-1)
		return refused(EINVAL); /* set*id takes -1 for "leave it" */
	if (geteuid() == 0) {
		if (become_as_root(account, uid, gid) < 0)
			return -FERRY_ESYS;
	} else if (ids_verify(uid, getegid()) < 0) {
		return -FERRY_ESYS;
	}
	/* A change of user clears capabilities only when it leaves uid 0; a tree that
	 * root owns is served by a root that has none. */
	if (caps_set_none() < 0 || caps_verify_none() < 0)
		return -FERRY_ESYS;
	if (way_back_verify(uid) < 0)
		return -FERRY_ESYS;
	/* A change of user makes the process dumpable again (fs.suid_dumpable). */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -FERRY_ESYS : 0;
}

int
become_empty_dir(void)
{
	char path[] = "/tmp/ferryd-XXXXXX";
	int fd;

	if (mkdtemp(path) == NULL)
		return -FERRY_ESYS;
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Whoever may read a directory that is gone finds nothing, and nothing can be
	 * made in it. */
	if (rmdir(path) < 0) {
		fd_closep(&fd);
		return -FERRY_ESYS;
	}
	return fd >= 0 ? fd : -FERRY_ESYS;
}
