/*
 * What a listing says of one entry. See facts.h.
 */
#include "facts.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

struct facts_place
facts_place_of(int dir)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return FACTS_NOWHERE;
	return (struct facts_place){
	    .writable = faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) == 0,
	    .sticky = st.st_mode & S_ISVTX,
	    .owner = st.st_uid,
	};
}

static const char *
shown_id(const struct grant *g, const char *name, uint32_t id, char out[16])
{
	if (g->agent->conf->hide_ids)
		return "ftp";
	if (name)
		return name;
	snprintf(out, 16, "%u", id);
	return out;
}

void
facts_fill(
    struct facts *f, const struct grant *g, const char *name, const struct stat *st)
{
	const struct names *names = g->agent->names;

	f->item = (struct listing_item){
	    .name = name,
	    .name_len = strlen(name),
	    .st = st,
	    .owner = shown_id(g, names_user(names, st->st_uid), st->st_uid, f->owner),
	    .group = shown_id(g, names_group(names, st->st_gid), st->st_gid, f->group),
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

/* What the file system allows, asked only where a right makes it matter. */
static int
allowed(uint32_t rights, mode_t mode, int at, const char *path, int flags)
{
	uint32_t writing =
	    RIGHT_CREATE | RIGHT_REPLACE | RIGHT_DELETE | RIGHT_MKDIR | RIGHT_RMDIR;
	int ask = (rights & writing) ? R_OK | W_OK : R_OK;
	int can = 0;

	if (!S_ISDIR(mode) && !S_ISREG(mode))
		return 0;
	if (S_ISDIR(mode))
		ask |= X_OK;
	for (int bit = 1; bit <= 4; bit <<= 1)
		if ((ask & bit) && faccessat(at, path, bit, AT_EACCESS | flags) == 0)
			can |= bit;
	return can;
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

static void
find_birth(struct facts *f, int at, const char *path, int flags)
{
	struct statx stx;

	if (statx(at, path, flags, STATX_BTIME, &stx) < 0 ||
	    !(stx.stx_mask & STATX_BTIME))
		return;
	f->item.has_birth = true;
	f->item.birth = stx.stx_btime.tv_sec;
}

void
facts_mlsx(struct facts *f, const struct grant *g, struct facts_place place, int at,
    const char *path, int flags, const char *type)
{
	const struct stat *st = f->item.st;
	uid_t me = geteuid();
	bool mine = me == 0 || me == place.owner || me == st->st_uid;
	int can = allowed(g->rights, st->st_mode, at, path, flags);

	f->item.type = type ? type : type_of(st->st_mode);
	find_birth(f, at, path, flags);
	facts_perm(g->rights, st->st_mode, can, place.writable && (!place.sticky || mine),
	    f->perm);
	f->item.perm = f->perm;
}
