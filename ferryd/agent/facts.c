/*
 * What a listing says of one entry. See facts.h.
 */
#include "facts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* File systems that leave permissions to the kernel's own rules, mode and POSIX ACL, and
 * nothing else. There an ACL grants nobody but the owner and the others more than its
 * mask, which the mode shows as the group's bits; everything else that has a say (a
 * read-only mount, an immutable file, a security module) can only refuse. So what no part
 * of the mode grants need not be asked for; an agent has no capability that goes around
 * it. Network file systems, FUSE and layers over others have rules of their own. */
static bool
grants_by_mode(int dir)
{
	struct statfs fs;

	if (fstatfs(dir, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case EXT4_SUPER_MAGIC: /* and ext2 and ext3 */
	case TMPFS_MAGIC:
	case XFS_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

struct facts_place
facts_place_of(int dir)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return FACTS_NOWHERE;
	return (struct facts_place){
	    .writable = faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) == 0,
	    .sticky = st.st_mode & S_ISVTX,
	    .by_mode = grants_by_mode(dir),
	    .owner = st.st_uid,
	    .dev = st.st_dev,
	};
}

/* As fstatat() would have filled it. */
static struct stat
stat_of(const struct statx *x)
{
	return (struct stat){
	    .st_dev = makedev(x->stx_dev_major, x->stx_dev_minor),
	    .st_ino = x->stx_ino,
	    .st_mode = x->stx_mode,
	    .st_nlink = x->stx_nlink,
	    .st_uid = x->stx_uid,
	    .st_gid = x->stx_gid,
	    .st_rdev = makedev(x->stx_rdev_major, x->stx_rdev_minor),
	    .st_size = (off_t)x->stx_size,
	    .st_mtim = {.tv_sec = x->stx_mtime.tv_sec, .tv_nsec = x->stx_mtime.tv_nsec},
	};
}

int
facts_look(struct facts *f, uint32_t facts, struct facts_at at)
{
	struct statx x;

	f->item = (struct listing_item){.has_birth = false};
	if (!(facts & FACT_CREATE))
		return fstatat(at.at, at.path, &f->st, at.flags) < 0 ? -errno : 0;
	if (statx(at.at, at.path, at.flags, STATX_BASIC_STATS | STATX_BTIME, &x) < 0)
		return -errno;
	f->st = stat_of(&x);
	f->item.has_birth = x.stx_mask & STATX_BTIME;
	f->item.birth = x.stx_btime.tv_sec;
	return 0;
}

/* NULL: the number is shown. */
static const char *
shown_account(const struct grant *g, const char *name)
{
	return g->agent->conf->hide_ids ? "ftp" : name;
}

void
facts_fill(struct facts *f, const struct grant *g, const char *name)
{
	const struct names *names = g->agent->names;

	f->item = (struct listing_item){
	    .name = name,
	    .name_len = strlen(name),
	    .st = &f->st,
	    .owner = shown_account(g, names_user(names, f->st.st_uid)),
	    .group = shown_account(g, names_group(names, f->st.st_gid)),
	    .has_birth = f->item.has_birth,
	    .birth = f->item.birth,
	    .numeric_ids = !g->agent->conf->hide_ids && !names,
	};
}

/* One letter for what rights and the file system allow, both. */
static char *
letter(char *out, char c, bool allowed)
{
	if (allowed)
		*out++ = c;
	*out = '\0';
	return out;
}

void
facts_perm(uint32_t rights, mode_t mode, int can, bool removable, char *out)
{
	bool r = can & R_OK, w = can & W_OK, x = can & X_OK;
	bool dir = S_ISDIR(mode), file = S_ISREG(mode);
	bool readable = r && ((rights & RIGHT_PRIVATE) || (mode & S_IROTH));

	out = letter(out, 'a', file && w && (rights & RIGHT_REPLACE));
	out = letter(out, 'c', dir && w && x && (rights & RIGHT_CREATE));
	out =
	    letter(out, 'd', removable && (rights & (dir ? RIGHT_RMDIR : RIGHT_DELETE)));
	out = letter(out, 'e', dir && x);
	out = letter(out, 'f', removable && (rights & RIGHT_RENAME));
	out = letter(out, 'l', dir && r && x && (rights & RIGHT_LIST));
	out = letter(out, 'm', dir && w && x && (rights & RIGHT_MKDIR));
	out = letter(out, 'p', dir && w && x && (rights & (RIGHT_DELETE | RIGHT_RMDIR)));
	out = letter(out, 'r', file && readable && (rights & RIGHT_READ));
	letter(out, 'w', file && w && (rights & RIGHT_REPLACE));
}

int
facts_of_mode(mode_t mode)
{
	return (int)((mode >> 6 | mode >> 3 | mode) & 7);
}

static bool
may(struct facts_at n, int mode)
{
	return faccessat(n.at, n.path, mode, AT_EACCESS | n.flags) == 0;
}

/* Which bits of ask we have: one question for those that the mode lets expect, then one
 * for each that is still open. */
static int
ask_system(struct facts_at n, int ask, int expected)
{
	int can = 0;

	expected &= ask;
	if (expected != 0 && may(n, expected))
		can = expected;
	/* A refusal of several does not tell which. */
	if (can != 0 || (expected & (expected - 1)) == 0)
		ask &= ~expected;
	for (int bit = 1; bit <= 4; bit <<= 1)
		if ((ask & bit) && may(n, bit))
			can |= bit;
	return can;
}

/* What the file system allows, asked only where a right makes it matter. */
static int
allowed(const struct facts *f, const struct grant *g, struct facts_place place,
    struct facts_at n)
{
	const uint32_t writing =
	    RIGHT_CREATE | RIGHT_REPLACE | RIGHT_DELETE | RIGHT_MKDIR | RIGHT_RMDIR;
	mode_t mode = f->st.st_mode;
	bool own = f->st.st_uid == g->agent->me;
	int ask = (g->rights & writing) ? R_OK | W_OK : R_OK;

	if (!S_ISDIR(mode) && !S_ISREG(mode))
		return 0;
	if (S_ISDIR(mode))
		ask |= X_OK;
	/* Who seems to be the owner may be one without a name here (user namespaces): then
	 * the other parts of the mode count. */
	if (place.by_mode && f->st.st_dev == place.dev && g->agent->me != 0)
		ask &= facts_of_mode(own ? mode : mode & 077);
	return ask_system(n, ask, own ? (int)(mode >> 6 & 7) : facts_of_mode(mode & 077));
}

static const char *
type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "OS.unix=slink:";
	case S_IFIFO:
		return "OS.unix=fifo";
	case S_IFSOCK:
		return "OS.unix=socket";
	default:
		return "OS.unix=device";
	}
}

void
facts_mlsx(struct facts *f, uint32_t facts, const struct grant *g,
    struct facts_place place, struct facts_at at, const char *type)
{
	uid_t me = g->agent->me;
	bool mine = me == 0 || me == place.owner || me == f->st.st_uid;

	f->item.type = type ? type : type_of(f->st.st_mode);
	if (!(facts & FACT_PERM))
		return;
	facts_perm(g->rights, f->st.st_mode, allowed(f, g, place, at),
	    place.writable && (!place.sticky || mine), f->perm);
	f->item.perm = f->perm;
}
