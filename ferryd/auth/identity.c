/*
 * Account + options -> what a login may do, with vsftpd's meaning of the options. For
 * auth; see identity.h. No string made here decides where a path leads: the agent
 * resolves it in its jail. What is checked here is that a login's name cannot choose
 * another directory than the one meant for it.
 */
#include <ferry/ferry.h>
#include <string.h>

#include "grant.h"
#include "identity.h"
#include "path.h"
#include "util.h"

/* Where anonymous begins when there is neither anon_root nor an account with a home. */
#define ANONYMOUS_HOME "/srv/ftp"
/* ftp_username's default: only for this name may the account be missing. */
#define ANONYMOUS_ACCOUNT "ftp"

void
identity_clear(struct identity *id)
{
	free(id->account);
	free(id->prefix);
	free(id->root);
	free(id->cwd);
	*id = (struct identity){0};
}

/* ---- rights ---- */

static uint32_t
rights_to_look(const struct conf *c)
{
	return (c->download_enable ? RIGHT_READ : 0u) |
	       (c->dirlist_enable ? RIGHT_LIST : 0u);
}

static uint32_t
rights_local(const struct conf *c)
{
	uint32_t rights = rights_to_look(c) | RIGHT_PRIVATE;

	if (!c->write_enable)
		return rights;
	rights |= RIGHT_CREATE | RIGHT_REPLACE | RIGHT_DELETE | RIGHT_RENAME |
		  RIGHT_MKDIR | RIGHT_RMDIR;
	if (c->chmod_enable)
		rights |= RIGHT_CHMOD;
	if (c->mfmt_enable || c->mdtm_write)
		rights |= RIGHT_MTIME;
	return rights;
}

static uint32_t
rights_anonymous(const struct conf *c)
{
	uint32_t rights = rights_to_look(c);

	if (!c->anon_world_readable_only)
		rights |= RIGHT_PRIVATE;
	if (!c->write_enable)
		return rights;
	if (c->anon_upload_enable)
		rights |= RIGHT_CREATE;
	if (c->anon_mkdir_write_enable)
		rights |= RIGHT_MKDIR;
	if (c->anon_other_write_enable) {
		rights |= RIGHT_DELETE | RIGHT_RENAME | RIGHT_RMDIR;
		if (c->anon_upload_enable)
			rights |= RIGHT_REPLACE;
		if (c->mfmt_enable || c->mdtm_write)
			rights |= RIGHT_MTIME;
	}
	return rights;
}

/* ---- directories ---- */

static bool
has_dotdot(const char *path)
{
	for (const char *p = path; *p != '\0'; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return true;
	}
	return false;
}

/* A name that becomes a part of a path must stay one harmless component. */
static bool
name_fits_path(const char *name)
{
	return name[0] != '.' && path_name_is_plain((const uint8_t *)name, strlen(name));
}

/* token NULL: there is none to be found. */
static const char *
find_token(const char *token, const char *path)
{
	return token != NULL && token[0] != '\0' ? strstr(path, token) : NULL;
}

/* path with every token replaced by name. One pass: a name that contains the token is not
 * replaced again. */
static int
substitute(const char *token, const char *path, const char *name, char **ret)
{
	_cleanup_(buf_free)
	struct buf out = BUF_INIT(PATH_TEXT_MAX);
	const char *at, *text;
	int r;

	while ((at = find_token(token, path)) != NULL) {
		r = buf_append(&out, path, (size_t)(at - path));
		if (r == 0)
			r = buf_append_str(&out, name);
		if (r < 0)
			return r;
		path = at + strlen(token);
	}
	r = buf_append_str(&out, path);
	if (r < 0)
		return r;
	text = buf_cstr(&out);
	*ret = text != NULL ? strdup(text) : NULL;
	return *ret != NULL ? 0 : -FERRY_ENOMEM;
}

/* The constant part of path: up to the component with the token, or all of it. */
static char *
constant_part(const char *token, const char *path)
{
	const char *at = find_token(token, path);
	size_t n = at != NULL ? (size_t)(at - path) : strlen(path);

	if (at != NULL)
		while (n > 0 && path[n - 1] != '/')
			n--;
	while (n > 1 && path[n - 1] == '/')
		n--;
	return strndup(path, n);
}

/* The directory that path means for that user, and the part of it that is the same for
 * all users. */
static int
make_directory(const char *token, const char *path, const char *user, char **ret_dir,
    char **ret_constant, struct buf *why)
{
	_cleanup_free_ char *dir = NULL, *constant = NULL;
	int r;

	if (find_token(token, path) != NULL && !name_fits_path(user)) {
		buf_printf(why, "this user name cannot stand in the path %.200s", path);
		return -FERRY_EREFUSED;
	}
	r = substitute(token, path, user, &dir);
	if (r == -FERRY_ETOOBIG) {
		buf_printf(why, "the path %.200s is too long for this user name", path);
		return -FERRY_EREFUSED;
	}
	if (r < 0)
		return r;
	if (dir[0] != '/' || has_dotdot(dir)) {
		buf_printf(
		    why, "the directory %.200s is not an absolute path without ..", dir);
		return -FERRY_EREFUSED;
	}
	constant = constant_part(token, path);
	if (constant == NULL)
		return -FERRY_ENOMEM;
	*ret_dir = dir;
	*ret_constant = constant;
	dir = constant = NULL;
	return 0;
}

/* ---- accounts ---- */

static int
find_account(const struct identity_source *s, const char *option, const char *name,
    struct account *ret, struct buf *why)
{
	int r = name != NULL ? s->find(name, ret) : -FERRY_EREFUSED;

	if (r == -FERRY_EREFUSED)
		buf_printf(why, "%s: there is no account %.255s", option,
		    name != NULL ? name : "(option not set)");
	else if (r == -FERRY_ESYS)
		buf_printf(why, "%s: the account database does not answer", option);
	return r;
}

/* Nobody is ever served as root, whatever the options say. */
static int
refuse_root(const struct account *a, struct buf *why)
{
	if (a->uid != 0)
		return 0;
	buf_printf(
	    why, "the account %.255s has user id 0, and root is never served", a->name);
	return -FERRY_EREFUSED;
}

/* Sets who serves: the account if we can become it, else ourselves. */
static int
set_owner(const struct identity_source *s, const struct account *a, struct identity *id)
{
	id->uid = s->root ? a->uid : s->uid;
	id->gid = s->root ? a->gid : s->gid;
	id->account = strdup(s->root ? a->name : "");
	return id->account != NULL ? 0 : -FERRY_ENOMEM;
}

/* ftp_username's account. A machine without the usual "ftp" still serves anonymous: as
 * nopriv_user. */
static int
find_anonymous(const struct identity_source *s, struct account *ret, struct buf *why)
{
	const char *name = s->conf->ftp_username;
	int r = find_account(s, "ftp_username", name, ret, why);

	if (r != -FERRY_EREFUSED || name == NULL || strcmp(name, ANONYMOUS_ACCOUNT) != 0)
		return r;
	buf_clear(why);
	r = find_account(s, "nopriv_user", s->conf->nopriv_user, ret, why);
	if (r < 0)
		return r;
	free(ret->home);
	ret->home = strdup(ANONYMOUS_HOME);
	return ret->home != NULL ? 0 : -FERRY_ENOMEM;
}

/* ---- identities ---- */

void
identity_judge_anonymous(const struct conf *c, struct identity *id)
{
	id->rights = rights_anonymous(c);
	id->umask = (uint32_t)c->anon_umask;
	id->anonymous = true;
}

int
identity_anonymous(const struct identity_source *s, struct identity *ret, struct buf *why)
{
	_cleanup_(account_clear)
	struct account a = {0};
	_cleanup_(identity_clear)
	struct identity id = {0};
	int r;

	identity_judge_anonymous(s->conf, &id);
	r = find_anonymous(s, &a, why);
	if (r == 0)
		r = refuse_root(&a, why);
	if (r == 0)
		r = set_owner(s, &a, &id);
	if (r < 0)
		return r;
	r = make_directory(NULL, s->conf->anon_root != NULL ? s->conf->anon_root : a.home,
	    "", &id.root, &id.prefix, why);
	if (r < 0)
		return r;
	id.cwd = strdup("/");
	if (id.cwd == NULL)
		return -FERRY_ENOMEM;
	*ret = id;
	id = (struct identity){0};
	return 0;
}

/*
 * check_shell: vsftpd looks into /etc/shells only when it was built without PAM; with PAM
 * the service's pam_shells decides, and the option, YES by default, does nothing. So it
 * is here: it applies only to backends that do not judge the account themselves. A
 * vsftpd.conf that serves accounts with the shell nologin keeps working.
 */
static int
check_shell(const struct identity_source *s, const struct account *a, struct buf *why)
{
	const char *shell = a->shell[0] != '\0' ? a->shell : "/bin/sh";

	if (!s->conf->check_shell || s->shell_listed(shell))
		return 0;
	buf_printf(why, "check_shell: the shell %.200s is not in /etc/shells", shell);
	return -FERRY_EREFUSED;
}

/* The file's readers are PAM services, who ask it in their auth lines. */
static int
check_denied(const struct identity_source *s, const char *user, struct buf *why)
{
	if (!s->denied(user))
		return 0;
	buf_append_str(why, "the name is in /etc/ftpusers");
	return -FERRY_EREFUSED;
}

/* A guest is always shut into its own directory. */
static int
place_guest(const struct conf *c, const char *user, const char *home, struct identity *id,
    struct buf *why)
{
	if (!name_fits_path(user)) {
		buf_append_str(
		    why, "a guest's name must be one plain component of a path");
		return -FERRY_EREFUSED;
	}
	return make_directory(c->user_sub_token,
	    c->local_root != NULL ? c->local_root : home, user, &id->root, &id->prefix,
	    why);
}

static int
place_local(const struct conf *c, const char *user, const char *home, struct identity *id,
    struct buf *why)
{
	/* A home directory is the account's own: nothing in it stands for the name. */
	const char *token = c->local_root != NULL ? c->user_sub_token : NULL;
	_cleanup_free_ char *dir = NULL, *constant = NULL;
	int r;

	r = make_directory(token, c->local_root != NULL ? c->local_root : home, user,
	    &dir, &constant, why);
	if (r < 0)
		return r;
	id->root = c->chroot_local_user ? strdup(dir) : strdup("/");
	id->prefix = c->chroot_local_user ? strdup(dir) : strdup("/");
	id->cwd = c->chroot_local_user ? strdup("/") : strdup(dir);
	if (id->root == NULL || id->prefix == NULL || id->cwd == NULL)
		return -FERRY_ENOMEM;
	return 0;
}

int
identity_account(const struct identity_source *s, const char *user, bool judged,
    struct identity *ret, struct buf *why)
{
	const struct conf *c = s->conf;
	bool guest = c->guest_enable;
	bool local_privileges = !guest || c->virtual_use_local_privs;
	_cleanup_(account_clear)
	struct account a = {0};
	_cleanup_(identity_clear)
	struct identity id = {
	    .rights = local_privileges ? rights_local(c) : rights_anonymous(c),
	    .umask = (uint32_t)(local_privileges ? c->local_umask : c->anon_umask),
	};
	int r;

	r = find_account(s, guest ? "guest_username" : "login",
	    guest ? c->guest_username : user, &a, why);
	if (r == 0)
		r = refuse_root(&a, why);
	if (r == 0 && !judged)
		r = check_denied(s, user, why);
	if (r == 0 && !guest && !judged)
		r = check_shell(s, &a, why);
	if (r == 0)
		r = set_owner(s, &a, &id);
	if (r == 0)
		r = (guest ? place_guest : place_local)(c, user, a.home, &id, why);
	if (r < 0)
		return r;
	if (id.cwd == NULL)
		id.cwd = strdup("/");
	if (id.cwd == NULL)
		return -FERRY_ENOMEM;
	*ret = id;
	id = (struct identity){0};
	return 0;
}

int
identity_served(
    const struct conf *c, uid_t uid, gid_t gid, bool anonymous, struct identity *ret)
{
	struct identity id = {
	    .account = strdup(""),
	    .uid = uid,
	    .gid = gid,
	    .prefix = strdup(""),
	    .root = strdup(""),
	    .cwd = strdup("/"),
	    .rights = anonymous ? RIGHT_READ_ONLY | RIGHT_PRIVATE : RIGHT_ALL,
	    .umask = (uint32_t)(anonymous ? c->anon_umask : c->local_umask),
	    .anonymous = anonymous,
	};

	if (id.account == NULL || id.prefix == NULL || id.root == NULL ||
	    id.cwd == NULL) {
		identity_clear(&id);
		return -FERRY_ENOMEM;
	}
	*ret = id;
	return 0;
}

void
identity_to_verdict(const struct identity *id, uint32_t worker, uint32_t session,
    struct bytes user, struct msg *ret)
{
	*ret = (struct msg){
	    .type = MSG_MASTER_VERDICT,
	    .master_verdict =
		{
		    .worker = worker,
		    .session = session,
		    .user = user,
		    .account = bytes_of(id->account),
		    .uid = id->uid,
		    .gid = id->gid,
		    .prefix = bytes_of(id->prefix),
		    .root = bytes_of(id->root),
		    .cwd = bytes_of(id->cwd),
		    .rights = id->rights,
		    .umask = id->umask,
		    .anonymous = id->anonymous,
		},
	};
}

int
identity_from_verdict(const struct msg_master_verdict *v, struct identity *ret)
{
	struct identity id = {
	    .account = bytes_dup(v->account),
	    .uid = v->uid,
	    .gid = v->gid,
	    .prefix = bytes_dup(v->prefix),
	    .root = bytes_dup(v->root),
	    .cwd = bytes_dup(v->cwd),
	    .rights = v->rights,
	    .umask = v->umask,
	    .anonymous = v->anonymous,
	};

	if (id.account == NULL || id.prefix == NULL || id.root == NULL ||
	    id.cwd == NULL) {
		identity_clear(&id);
		return -FERRY_ENOMEM;
	}
	*ret = id;
	return 0;
}

int
identity_copy(const struct identity *from, struct identity *ret)
{
	struct msg m;

	identity_to_verdict(from, 0, 1, (struct bytes){0}, &m);
	return identity_from_verdict(&m.master_verdict, ret);
}
