/*
 * See quota.h, and quotactl(2).
 */
#include "quota.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 5.14; the same number on every architecture. */
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
/* dqb_b*limit count in these: QIF_DQBLKSIZE. */
#define BLOCK 1024

static uint64_t
limit_bytes(uint64_t blocks)
{
	uint64_t bytes;

	return __builtin_mul_overflow(blocks, (uint64_t)BLOCK, &bytes) ? QUOTA_UNLIMITED
								       : bytes;
}

uint64_t
quota_left(const struct dqblk *q, time_t now)
{
	const uint32_t needed = QIF_BLIMITS | QIF_SPACE;
	uint64_t hard, soft;

	if ((q->dqb_valid & needed) != needed)
		return QUOTA_UNLIMITED;
	hard = limit_bytes(q->dqb_bhardlimit);
	soft = limit_bytes(q->dqb_bsoftlimit);
	/* The clock runs, and has run out. */
	if (soft > 0 && q->dqb_curspace > soft && (q->dqb_valid & QIF_BTIME) != 0 &&
	    q->dqb_btime != 0 && (uint64_t)now >= q->dqb_btime)
		return 0;
	if (hard == 0)
		return QUOTA_UNLIMITED;
	return hard > q->dqb_curspace ? hard - q->dqb_curspace : 0;
}

static uint64_t
room_of(int fd, int type, unsigned id)
{
	struct dqblk q;
	const unsigned command = (unsigned)QCMD((unsigned)Q_GETQUOTA, type);

	memset(&q, 0, sizeof(q));
	if (syscall(SYS_quotactl_fd, fd, command, id, &q) != 0)
		return QUOTA_UNLIMITED;
	return quota_left(&q, time(NULL));
}

uint64_t
quota_room(int fd)
{
	struct stat st;
	gid_t gid = getegid();
	uint64_t user = room_of(fd, USRQUOTA, geteuid()), group;

	/* New files get the group of such a directory. */
	if (fstat(fd, &st) == 0 && (st.st_mode & S_ISGID) != 0)
		gid = st.st_gid;
	group = room_of(fd, GRPQUOTA, gid);
	return user < group ? user : group;
}
