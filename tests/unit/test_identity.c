/*
 * identity.c: option sets and accounts in, the fields of MSG_MASTER_VERDICT out; names
 * that would like to be paths. The account database is a table here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

#include "grant.h"
#include "identity.h"
#include "util.h"

#define OWN_UID 4242
#define OWN_GID 4243

/* clang-format off */
static const struct {
	const char *name, *home, *shell;
	uid_t uid;
	gid_t gid;
} accounts[] = {
	{.name = "ftp", .home = "/home/ftp", .shell = "/bin/false", .uid = 101, .gid = 102},
	{.name = "nobody", .home = "/nonexistent", .shell = "/bin/false", .uid = 65534,
	    .gid = 65534},
	{.name = "alice", .home = "/home/alice", .shell = "/bin/sh", .uid = 1000,
	    .gid = 1001},
	{.name = "noshell", .home = "/home/noshell", .shell = "/bin/no", .uid = 1002,
	    .gid = 1003},
	{.name = "emptyshell", .home = "/home/e", .shell = "", .uid = 1002, .gid = 1003},
	{.name = "homeless", .home = "", .shell = "/bin/sh", .uid = 1004, .gid = 1005},
	{.name = "dotty", .home = "/home/../etc", .shell = "/bin/sh", .uid = 1004,
	    .gid = 1005},
	{.name = "token", .home = "/home/$USER", .shell = "/bin/sh", .uid = 1006,
	    .gid = 1007},
	{.name = "a/b", .home = "/home/ab", .shell = "/bin/sh", .uid = 1008, .gid = 1009},
	{.name = "root", .home = "/root", .shell = "/bin/sh", .uid = 0, .gid = 0},
	{.name = "toor", .home = "/root", .shell = "/bin/sh", .uid = 0, .gid = 1},
};
/* clang-format on */

static int
find(const char *name, struct account *ret)
{
	if (strcmp(name, "silent") == 0)
		return -FERRY_ESYS;
	for (size_t i = 0; i < ARRAY_LEN(accounts); i++) {
		if (strcmp(accounts[i].name, name) != 0)
			continue;
		*ret = (struct account){
		    .name = strdup(accounts[i].name),
		    .home = strdup(accounts[i].home),
		    .shell = strdup(accounts[i].shell),
		    .uid = accounts[i].uid,
		    .gid = accounts[i].gid,
		};
		return 0;
	}
	return -FERRY_EREFUSED;
}

/* A machine without the account "ftp". */
static int
find_no_ftp(const char *name, struct account *ret)
{
	return strcmp(name, "ftp") == 0 ? -FERRY_EREFUSED : find(name, ret);
}

static bool
listed(const char *shell)
{
	return strcmp(shell, "/bin/sh") == 0;
}

/* "name=value name=value ..." */
static void
conf_from(struct conf *c, const char *options)
{
	_cleanup_free_ char *copy = strdup(options);
	char *save = NULL;

	assert_int_equal(conf_init(c), 0);
	for (char *o = strtok_r(copy, " ", &save); o != NULL;
	     o = strtok_r(NULL, " ", &save)) {
		char *value = strchr(o, '=');

		*value++ = '\0';
		assert_int_equal(conf_set(c, o, value, "test", 1, NULL, NULL), 0);
	}
}

enum who { ANON, USER };

struct row {
	enum who who;
	const char *user;    /* NULL for ANON */
	const char *options; /* besides the defaults */
	int result;
	const char *why; /* must occur in it */
	const char *account;
	uid_t uid;
	gid_t gid;
	const char *prefix, *root, *cwd;
	uint32_t rights, umask;
	bool unprivileged; /* auth is not root */
	bool no_ftp;
	bool unjudged;
};

#define LOOK (RIGHT_READ | RIGHT_LIST)
#define LOCAL_LOOK (LOOK | RIGHT_PRIVATE)
#define LOCAL_WRITE (RIGHT_ALL)
#define GUEST "guest_enable=YES local_root=/srv/v/$USER user_sub_token=$USER "

/* clang-format off */
static const struct row rows[] = {
	/* anonymous */
	{ .who = ANON, .options = "", .account = "ftp", .uid = 101, .gid = 102,
	    .prefix = "/home/ftp", .root = "/home/ftp", .cwd = "/", .rights = LOOK,
	    .umask = 077 },
	{ .who = ANON, .options = "anon_root=/srv/pub/ anon_umask=022", .account = "ftp",
	    .uid = 101, .gid = 102, .prefix = "/srv/pub", .root = "/srv/pub/", .cwd = "/",
	    .rights = LOOK, .umask = 022 },
	{ .who = ANON, .options = "anon_root=srv", .result = -FERRY_EREFUSED,
	    .why = "absolute" },
	{ .who = ANON, .options = "anon_root=/srv/../etc", .result = -FERRY_EREFUSED,
	    .why = ".." },
	{ .who = ANON, .options = "ftp_username=nemo", .result = -FERRY_EREFUSED,
	    .why = "nemo" },
	{ .who = ANON, .options = "ftp_username=", .result = -FERRY_EREFUSED,
	    .why = "ftp_username" },
	{ .who = ANON, .options = "ftp_username=root", .result = -FERRY_EREFUSED,
	    .why = "user id 0" },
	{ .who = ANON, .options = "ftp_username=silent", .result = -FERRY_ESYS,
	    .why = "database" },
	{ .who = ANON, .options = "", .no_ftp = true, .account = "nobody", .uid = 65534,
	    .gid = 65534, .prefix = "/srv/ftp", .root = "/srv/ftp", .cwd = "/",
	    .rights = LOOK, .umask = 077 },
	{ .who = ANON, .options = "anon_root=/pub", .no_ftp = true, .account = "nobody",
	    .uid = 65534, .gid = 65534, .prefix = "/pub", .root = "/pub", .cwd = "/",
	    .rights = LOOK, .umask = 077 },
	{ .who = ANON, .options = "nopriv_user=nemo", .no_ftp = true,
	    .result = -FERRY_EREFUSED, .why = "nopriv_user" },
	{ .who = ANON, .options = "nopriv_user=root", .no_ftp = true,
	    .result = -FERRY_EREFUSED, .why = "user id 0" },
	{ .who = ANON, .options = "", .unprivileged = true, .account = "", .uid = OWN_UID,
	    .gid = OWN_GID, .prefix = "/home/ftp", .root = "/home/ftp", .cwd = "/",
	    .rights = LOOK, .umask = 077 },
	/* a token means nothing to anonymous */
	{ .who = ANON, .options = "anon_root=/pub/$USER user_sub_token=$USER",
	    .account = "ftp", .uid = 101, .gid = 102, .prefix = "/pub/$USER",
	    .root = "/pub/$USER", .cwd = "/", .rights = LOOK, .umask = 077 },
	/* local users */
	{ .who = USER, .user = "alice", .options = "", .account = "alice", .uid = 1000,
	    .gid = 1001, .prefix = "/", .root = "/", .cwd = "/home/alice",
	    .rights = LOCAL_LOOK, .umask = 077 },
	{ .who = USER, .user = "alice", .options = "chroot_local_user=YES local_umask=022",
	    .account = "alice", .uid = 1000, .gid = 1001, .prefix = "/home/alice",
	    .root = "/home/alice", .cwd = "/", .rights = LOCAL_LOOK, .umask = 022 },
	{ .who = USER, .user = "alice", .options = "local_root=/data write_enable=YES",
	    .account = "alice", .uid = 1000, .gid = 1001, .prefix = "/", .root = "/",
	    .cwd = "/data", .rights = LOCAL_WRITE, .umask = 077 },
	{ .who = USER, .user = "alice",
	    .options = "local_root=/data/$U$U/in user_sub_token=$U chroot_local_user=YES",
	    .account = "alice", .uid = 1000, .gid = 1001, .prefix = "/data/alicealice/in",
	    .root = "/data/alicealice/in", .cwd = "/", .rights = LOCAL_LOOK, .umask = 077 },
	/* no token in a local user's own home */
	{ .who = USER, .user = "token", .options = "user_sub_token=$USER",
	    .account = "token", .uid = 1006, .gid = 1007, .prefix = "/", .root = "/",
	    .cwd = "/home/$USER", .rights = LOCAL_LOOK, .umask = 077 },
	{ .who = USER, .user = "a/b", .options = "", .account = "a/b", .uid = 1008,
	    .gid = 1009, .prefix = "/", .root = "/", .cwd = "/home/ab",
	    .rights = LOCAL_LOOK, .umask = 077 },
	{ .who = USER, .user = "a/b", .options = "local_root=/d/$U user_sub_token=$U",
	    .result = -FERRY_EREFUSED, .why = "cannot stand" },
	{ .who = USER, .user = "alice", .options = "local_root=data",
	    .result = -FERRY_EREFUSED, .why = "absolute" },
	{ .who = USER, .user = "homeless", .options = "", .result = -FERRY_EREFUSED,
	    .why = "absolute" },
	{ .who = USER, .user = "dotty", .options = "", .result = -FERRY_EREFUSED,
	    .why = ".." },
	{ .who = USER, .user = "nemo", .options = "", .result = -FERRY_EREFUSED,
	    .why = "nemo" },
	{ .who = USER, .user = "silent", .options = "", .result = -FERRY_ESYS,
	    .why = "database" },
	{ .who = USER, .user = "root", .options = "", .result = -FERRY_EREFUSED,
	    .why = "user id 0" },
	{ .who = USER, .user = "toor", .options = "", .result = -FERRY_EREFUSED,
	    .why = "user id 0" },
	{ .who = USER, .user = "root", .options = "", .unprivileged = true,
	    .result = -FERRY_EREFUSED, .why = "user id 0" },
	{ .who = USER, .user = "alice", .options = "", .unprivileged = true, .account = "",
	    .uid = OWN_UID, .gid = OWN_GID, .prefix = "/", .root = "/",
	    .cwd = "/home/alice", .rights = LOCAL_LOOK, .umask = 077 },
	/* check_shell: only when the backend has not judged the account */
	{ .who = USER, .user = "noshell", .options = "", .account = "noshell", .uid = 1002,
	    .gid = 1003, .prefix = "/", .root = "/", .cwd = "/home/noshell",
	    .rights = LOCAL_LOOK, .umask = 077 },
	{ .who = USER, .user = "noshell", .options = "", .unjudged = true,
	    .result = -FERRY_EREFUSED, .why = "/bin/no is not in" },
	{ .who = USER, .user = "noshell", .options = "check_shell=NO", .unjudged = true,
	    .account = "noshell", .uid = 1002, .gid = 1003, .prefix = "/", .root = "/",
	    .cwd = "/home/noshell", .rights = LOCAL_LOOK, .umask = 077 },
	{ .who = USER, .user = "emptyshell", .options = "", .unjudged = true,
	    .account = "emptyshell", .uid = 1002, .gid = 1003, .prefix = "/", .root = "/",
	    .cwd = "/home/e", .rights = LOCAL_LOOK, .umask = 077 },
	/* guests */
	{ .who = USER, .user = "bob", .options = GUEST, .account = "ftp", .uid = 101,
	    .gid = 102, .prefix = "/srv/v", .root = "/srv/v/bob", .cwd = "/",
	    .rights = LOOK, .umask = 077 },
	{ .who = USER, .user = "alice", .options = GUEST, .account = "ftp", .uid = 101,
	    .gid = 102, .prefix = "/srv/v", .root = "/srv/v/alice", .cwd = "/",
	    .rights = LOOK, .umask = 077 },
	{ .who = USER, .user = "root", .options = GUEST, .account = "ftp", .uid = 101,
	    .gid = 102, .prefix = "/srv/v", .root = "/srv/v/root", .cwd = "/",
	    .rights = LOOK, .umask = 077 },
	{ .who = USER, .user = "bob", .options = GUEST "guest_username=root",
	    .result = -FERRY_EREFUSED, .why = "user id 0" },
	{ .who = USER, .user = "bob", .options = GUEST "guest_username=nemo",
	    .result = -FERRY_EREFUSED, .why = "guest_username" },
	{ .who = USER, .user = "bob", .options = "guest_enable=YES", .account = "ftp",
	    .uid = 101, .gid = 102, .prefix = "/home/ftp", .root = "/home/ftp", .cwd = "/",
	    .rights = LOOK, .umask = 077 },
	{ .who = USER, .user = "bob",
	    .options = "guest_enable=YES guest_username=token user_sub_token=$USER",
	    .account = "token", .uid = 1006, .gid = 1007, .prefix = "/home",
	    .root = "/home/bob", .cwd = "/", .rights = LOOK, .umask = 077 },
	{ .who = USER, .user = "bob",
	    .options = "guest_enable=YES local_root=/v/u-$U/x/$U user_sub_token=$U",
	    .account = "ftp", .uid = 101, .gid = 102, .prefix = "/v",
	    .root = "/v/u-bob/x/bob", .cwd = "/", .rights = LOOK, .umask = 077 },
	{ .who = USER, .user = "bob",
	    .options = "guest_enable=YES local_root=/$U user_sub_token=$U",
	    .account = "ftp", .uid = 101, .gid = 102, .prefix = "/", .root = "/bob",
	    .cwd = "/", .rights = LOOK, .umask = 077 },
	/* one pass: the name is not looked into again */
	{ .who = USER, .user = "$USER", .options = GUEST, .account = "ftp", .uid = 101,
	    .gid = 102, .prefix = "/srv/v", .root = "/srv/v/$USER", .cwd = "/",
	    .rights = LOOK, .umask = 077 },
	/* a guest is shut in even with chroot_local_user=NO, and even with local privileges */
	{ .who = USER, .user = "bob",
	    .options = GUEST "chroot_local_user=NO virtual_use_local_privs=YES "
		"write_enable=YES local_umask=002 anon_umask=027",
	    .account = "ftp", .uid = 101, .gid = 102, .prefix = "/srv/v",
	    .root = "/srv/v/bob", .cwd = "/", .rights = LOCAL_WRITE, .umask = 002 },
	{ .who = USER, .user = "bob",
	    .options = GUEST "write_enable=YES local_umask=002 anon_umask=027",
	    .account = "ftp", .uid = 101, .gid = 102, .prefix = "/srv/v",
	    .root = "/srv/v/bob", .cwd = "/", .rights = LOOK, .umask = 027 },
	{ .who = USER, .user = "bob", .options = GUEST, .unprivileged = true,
	    .account = "", .uid = OWN_UID, .gid = OWN_GID, .prefix = "/srv/v",
	    .root = "/srv/v/bob", .cwd = "/", .rights = LOOK, .umask = 077 },
	/* ftpusers: the same, and for guests too */
	{ .who = USER, .user = "denied", .options = GUEST, .unjudged = true,
	    .result = -FERRY_EREFUSED, .why = "the name is in /etc/ftpusers" },
	{ .who = USER, .user = "denied", .options = GUEST, .account = "ftp", .uid = 101,
	    .gid = 102, .prefix = "/srv/v", .root = "/srv/v/denied", .cwd = "/",
	    .rights = LOOK, .umask = 077 },
	/* check_shell is for local users */
	{ .who = USER, .user = "bob", .options = GUEST, .unjudged = true, .account = "ftp",
	    .uid = 101, .gid = 102, .prefix = "/srv/v", .root = "/srv/v/bob", .cwd = "/",
	    .rights = LOOK, .umask = 077 },
};
/* clang-format on */

/* In ftpusers(5). */
static bool
denied(const char *name)
{
	return strcmp(name, "denied") == 0;
}

static int
run(const struct row *row, const struct conf *c, struct identity *ret, struct buf *why)
{
	const struct identity_source source = {
	    .conf = c,
	    .root = !row->unprivileged,
	    .uid = OWN_UID,
	    .gid = OWN_GID,
	    .find = row->no_ftp ? find_no_ftp : find,
	    .shell_listed = listed,
	    .denied = denied,
	};

	if (row->who == ANON)
		return identity_anonymous(&source, ret, why);
	return identity_account(&source, row->user, !row->unjudged, ret, why);
}

static void
check_row(const struct row *row)
{
	_cleanup_(identity_clear)
	struct identity id = {0};
	_cleanup_(conf_free)
	struct conf c;
	_cleanup_(buf_free)
	struct buf why = BUF_INIT(1024);
	int r;

	print_message("%s with \"%s\"\n", row->user != NULL ? row->user : "anonymous",
	    row->options);
	conf_from(&c, row->options);
	r = run(row, &c, &id, &why);
	assert_int_equal(r, row->result);
	if (r < 0) {
		assert_non_null(strstr(buf_cstr(&why), row->why));
		assert_null(id.root);
		return;
	}
	assert_string_equal(id.account, row->account);
	assert_int_equal(id.uid, row->uid);
	assert_int_equal(id.gid, row->gid);
	assert_string_equal(id.prefix, row->prefix);
	assert_string_equal(id.root, row->root);
	assert_string_equal(id.cwd, row->cwd);
	assert_int_equal(id.rights, row->rights);
	assert_int_equal(id.umask, row->umask);
	assert_int_equal(id.anonymous, row->who == ANON);
}

static void
test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_row(&rows[i]);
}

/* Rights alone: the same options for anonymous, a local user and a guest. */
static void
test_rights(void **state)
{
	static const struct {
		const char *options;
		uint32_t anonymous, local;
	} cases[] = {
	    {"", LOOK, LOCAL_LOOK},
	    {"dirlist_enable=NO", RIGHT_READ, RIGHT_READ | RIGHT_PRIVATE},
	    {"download_enable=NO", RIGHT_LIST, RIGHT_LIST | RIGHT_PRIVATE},
	    {"anon_world_readable_only=NO", LOOK | RIGHT_PRIVATE, LOCAL_LOOK},
	    /* nothing is written without write_enable */
	    {"anon_upload_enable=YES anon_mkdir_write_enable=YES "
	     "anon_other_write_enable=YES",
		LOOK, LOCAL_LOOK},
	    {"write_enable=YES", LOOK, RIGHT_ALL},
	    {"write_enable=YES chmod_enable=NO", LOOK, RIGHT_ALL & ~RIGHT_CHMOD},
	    {"write_enable=YES mfmt_enable=NO", LOOK, RIGHT_ALL & ~RIGHT_MTIME},
	    {"write_enable=YES anon_upload_enable=YES", LOOK | RIGHT_CREATE, RIGHT_ALL},
	    {"write_enable=YES anon_mkdir_write_enable=YES", LOOK | RIGHT_MKDIR,
		RIGHT_ALL},
	    {"write_enable=YES anon_other_write_enable=YES",
		LOOK | RIGHT_DELETE | RIGHT_RENAME | RIGHT_RMDIR | RIGHT_MTIME,
		RIGHT_ALL},
	    {"write_enable=YES anon_other_write_enable=YES mfmt_enable=NO",
		LOOK | RIGHT_DELETE | RIGHT_RENAME | RIGHT_RMDIR,
		RIGHT_ALL & ~RIGHT_MTIME},
	    {"write_enable=YES anon_upload_enable=YES anon_other_write_enable=YES",
		LOOK | RIGHT_CREATE | RIGHT_REPLACE | RIGHT_DELETE | RIGHT_RENAME |
		    RIGHT_RMDIR | RIGHT_MTIME,
		RIGHT_ALL},
	    {"write_enable=YES anon_upload_enable=YES anon_mkdir_write_enable=YES "
	     "anon_other_write_enable=YES anon_world_readable_only=NO",
		RIGHT_ALL & ~RIGHT_CHMOD, RIGHT_ALL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *extra[] = {"", "", "guest_enable=YES ",
		    "guest_enable=YES virtual_use_local_privs=YES "};

		for (size_t k = 0; k < ARRAY_LEN(extra); k++) {
			const struct row row = {
			    .who = k == 0 ? ANON : USER, .user = "alice"};
			bool local = k == 1 || k == 3;
			_cleanup_(identity_clear)
			struct identity id = {0};
			_cleanup_(conf_free)
			struct conf c;
			_cleanup_(buf_free)
			struct buf why = BUF_INIT(1024);
			char options[512];

			snprintf(
			    options, sizeof(options), "%s%s", extra[k], cases[i].options);
			print_message("%s\n", options);
			conf_from(&c, options);
			assert_int_equal(run(&row, &c, &id, &why), 0);
			assert_int_equal(
			    id.rights, local ? cases[i].local : cases[i].anonymous);
		}
	}
}

/* Names that must never become a path, for guests with every kind of template. */
static void
test_hostile_names(void **state)
{
	static const char *const templates[] = {
	    "/srv/v/$U",
	    "/srv/v/.$U",
	    "/srv/v/$U.",
	    "/srv/$U/$U",
	    "/srv/v",
	    "/$U",
	    "/srv/.$U./x",
	};
	static const char *const names[] = {
	    ".",
	    "..",
	    "...",
	    ".ssh",
	    "/",
	    "a/b",
	    "/etc",
	    "../etc",
	    "a/../b",
	    "a/",
	    "",
	};

	for (size_t i = 0; i < ARRAY_LEN(templates); i++) {
		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			const struct row row = {.who = USER, .user = names[k]};
			_cleanup_(identity_clear)
			struct identity id = {0};
			_cleanup_(conf_free)
			struct conf c;
			_cleanup_(buf_free)
			struct buf why = BUF_INIT(1024);
			char options[256];

			snprintf(options, sizeof(options),
			    "guest_enable=YES user_sub_token=$U local_root=%s",
			    templates[i]);
			print_message("\"%s\" in %s\n", names[k], templates[i]);
			conf_from(&c, options);
			assert_int_equal(run(&row, &c, &id, &why), -FERRY_EREFUSED);
			assert_true(buf_len(&why) > 0);
		}
	}
}

/* Too long only together with the name; and a name that is too long for a component. */
static void
test_long(void **state)
{
	_cleanup_(conf_free)
	struct conf c;
	char path[4096], name[300];

	memset(path, 'x', sizeof(path));
	for (size_t i = 0; i < sizeof(path); i += 200)
		path[i] = '/';
	strcpy(path + 4000, "/$U");
	conf_from(&c, "guest_enable=YES user_sub_token=$U");
	assert_int_equal(conf_set(&c, "local_root", path, "test", 1, NULL, NULL), 0);
	for (size_t n = 1; n < sizeof(name) - 1; n += 30) {
		const struct row row = {.who = USER, .user = name};
		_cleanup_(identity_clear)
		struct identity id = {0};
		_cleanup_(buf_free)
		struct buf why = BUF_INIT(1024);

		memset(name, 'n', n);
		name[n] = '\0';
		assert_int_equal(
		    run(&row, &c, &id, &why), 4001 + n <= 4095 ? 0 : -FERRY_EREFUSED);
	}
}

static void
test_served(void **state)
{
	_cleanup_(identity_clear)
	struct identity id = {0};
	_cleanup_(conf_free)
	struct conf c;

	conf_from(&c, "local_umask=022 anon_umask=027");
	assert_int_equal(identity_served(&c, 7, 8, false, &id), 0);
	assert_int_equal(id.uid, 7);
	assert_int_equal(id.gid, 8);
	assert_string_equal(id.root, "");
	assert_string_equal(id.prefix, "");
	assert_string_equal(id.account, "");
	assert_string_equal(id.cwd, "/");
	assert_int_equal(id.rights, RIGHT_ALL);
	assert_int_equal(id.umask, 022);
	assert_false(id.anonymous);
	identity_clear(&id);
	assert_int_equal(identity_served(&c, 7, 8, true, &id), 0);
	assert_int_equal(id.rights, RIGHT_READ_ONLY | RIGHT_PRIVATE);
	assert_int_equal(id.umask, 027);
	assert_true(id.anonymous);
}

/* Out and back, as between a checking process and auth. */
static void
test_verdict(void **state)
{
	const struct row row = {.who = USER, .user = "bob"};
	_cleanup_(identity_clear)
	struct identity id = {0}, back = {0};
	_cleanup_(conf_free)
	struct conf c;
	_cleanup_(buf_free)
	struct buf why = BUF_INIT(1024);
	struct msg m;

	conf_from(&c, GUEST);
	assert_int_equal(run(&row, &c, &id, &why), 0);
	identity_to_verdict(&id, 3, 4, bytes_of("bob"), &m);
	assert_int_equal(m.type, MSG_MASTER_VERDICT);
	assert_int_equal(m.master_verdict.worker, 3);
	assert_int_equal(m.master_verdict.session, 4);
	assert_int_equal(identity_from_verdict(&m.master_verdict, &back), 0);
	assert_string_equal(back.root, id.root);
	assert_string_equal(back.prefix, id.prefix);
	assert_string_equal(back.account, id.account);
	assert_int_equal(back.rights, id.rights);
	assert_int_equal(back.uid, id.uid);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_rights),
	    cmocka_unit_test(test_hostile_names),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_served),
	    cmocka_unit_test(test_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
