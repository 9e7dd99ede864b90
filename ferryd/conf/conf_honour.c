/*
 * Options that are set and do nothing yet: says so, and says what that costs. For
 * conf_check(). An operator who brings a vsftpd.conf along must never believe in a
 * protection that is not there.
 */
#include "conf_honour.h"

#include <string.h>

#include "util.h"

/* What is different because an option is not honoured. Several rows may name the same
 * option: the first one whose condition holds counts. */
struct consequence {
	const char *name;
	const char *text;
	bool (*when)(const struct conf *c); /* NULL: always */
};

static bool
list_lets_in(const struct conf *c)
{
	return !c->userlist_deny;
}

static bool
list_lets_out(const struct conf *c)
{
	return c->chroot_local_user;
}

static const struct consequence consequences[] = {
    /* who gets in */
    {"tcp_wrappers",
	"hosts.allow and hosts.deny are not asked, so every address may connect"},
    {"userlist_enable", "users who are not in userlist_file can log in all the same",
	list_lets_in},
    {"userlist_enable", "users who are in userlist_file can log in all the same"},
    {"deny_email_enable", "passwords in banned_email_file are accepted"},
    {"secure_email_list_enable", "anonymous users get in with any password"},
    {"user_config_dir", "settings for single users, stricter ones too, do not apply"},
    {"ftp_enable", "FTP is served all the same"},

    /* what can be reached */
    {"chroot_list_enable", "users in chroot_list_file stay shut in like all others",
	list_lets_out},
    {"chroot_list_enable",
	"users in chroot_list_file are not shut into their directories"},
    {"passwd_chroot_enable", "the whole home is the root, and /./ in it means nothing"},
    {"deny_file", "files whose names match can be read, replaced and deleted"},
    {"hide_file", "names that match do appear in listings"},
    {"download_file", "files whose names do not match can be fetched"},
    {"upload_file", "files whose names do not match can be stored"},
    {"chown_uploads", "uploads of anonymous users stay the property of ftp_username, and "
		      "with its rights"},

    /* what is encrypted */
    {"dh_param_file", "OpenSSL's own groups of the right size are used"},
    {"ecdh_param_file", "OpenSSL's own curves are used"},

    /* what is used up */
    {"anon_max_rate", "anonymous sessions are as fast as the line"},
    {"local_max_rate", "local users' sessions are as fast as the line"},
    {"address_space_limit", "processes may use all memory there is"},

    /* what is harmless to leave out */
    {"one_process_model", "ferryd's processes are always split by role"},
    {"isolate",
	"seccomp, Landlock and the agents' identities separate processes instead"},
    {"isolate_network",
	"seccomp, Landlock and the agents' identities separate processes instead"},
    {"seccomp_sandbox", "the sandbox stays on"},
    {"ptrace_sandbox", "system calls are filtered by seccomp instead"},
    {"secure_chroot_dir", "ferryd makes an empty directory without a name instead"},
    {"run_as_launching_user",
	"started as root, ferryd serves each login as its own account"},
    {"http_enable", "HTTP is not served"},
    {"use_sendfile", "sendfile(2) stays in use"},
    {"async_abor_enable", "ABOR is taken at once however it comes"},
    {"better_stou", "STOU's names are always random"},
    {"reverse_lookup_enable", "no host name is ever looked up"},
    {"dual_log_enable", "only one transfer log is written"},
};

static const char *
consequence_of(const struct option *o, const struct conf *c)
{
	for (size_t i = 0; i < ARRAY_LEN(consequences); i++) {
		const struct consequence *row = &consequences[i];

		if (strcmp(row->name, o->name) == 0 &&
		    (row->when == NULL || row->when(c)))
			return row->text;
	}
	return NULL;
}

void
conf_check_honoured(const struct conf *c, struct conf_teller *t)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];

		if ((o->status & HONOURED) != 0 || !option_changed(c, o))
			continue;
		const char *text = consequence_of(o, c);
		conf_tell(t, CONF_WARNING, "%s is not yet honoured%s%s", o->name,
		    text != NULL ? ": " : "", text != NULL ? text : "");
	}
}
