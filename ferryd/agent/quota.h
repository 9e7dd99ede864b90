/*
 * Disk quotas of the identity that an agent runs as: for ALLO and AVBL, beside what the
 * file system has left. Never on the way of a transfer: the kernel stops that by itself.
 *
 * Users' and groups' quotas only. Those of a directory tree (project quotas) may be asked
 * for by root alone, and need not be: for such a directory statvfs(3) tells what the
 * project has left (ext4, XFS).
 */
#ifndef FERRYD_AGENT_QUOTA_H
#define FERRYD_AGENT_QUOTA_H

#include <stdint.h>
#include <sys/quota.h>
#include <time.h>

/* There is none. */
#define QUOTA_UNLIMITED UINT64_MAX

/* Bytes that may still be stored under q. A soft limit counts once its time of grace is
 * over. Pure. */
uint64_t quota_left(const struct dqblk *q, time_t now);

/* Bytes that a new file in the directory fd (O_PATH will do) may have. A file system or a
 * kernel without quotas, or one that will not tell us, has none. */
uint64_t quota_room(int fd);

#endif
