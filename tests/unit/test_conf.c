/*
 * ferryd.conf: the table of options, the parser with vsftpd's traps, the checks of the
 * whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "option.h"
#include "util.h"

#define TOLD_MAX 64

/* What the parser and the checks had to say. */
struct told {
	size_t n;
	struct {
		enum conf_severity severity;
		unsigned line;
		char text[1024];
	} problem[TOLD_MAX];
};

static void
tell(enum conf_severity severity, const char *file, unsigned line, const char *text,
    void *user)
{
	struct told *told = user;

	assert_true(told->n < TOLD_MAX);
	told->problem[told->n].severity = severity;
	told->problem[told->n].line = line;
	snprintf(told->problem[told->n].text, sizeof(told->problem[0].text), "%s", text);
	told->n++;
}

static size_t
errors(const struct told *told)
{
	size_t n = 0;

	for (size_t i = 0; i < told->n; i++)
		n += told->problem[i].severity == CONF_ERROR;
	return n;
}

static void
show(const struct told *told)
{
	for (size_t i = 0; i < told->n; i++)
		print_error("  %s line %u: %s\n",
		    told->problem[i].severity == CONF_ERROR ? "error" : "warning",
		    told->problem[i].line, told->problem[i].text);
}

/* Is there a problem of that severity with all of these words (" / " between them)? */
static bool
was_told(const struct told *told, enum conf_severity severity, unsigned line,
    const char *words)
{
	for (size_t i = 0; i < told->n; i++) {
		char copy[512], *save = NULL;
		bool all = told->problem[i].severity == severity &&
			   told->problem[i].line == line;

		snprintf(copy, sizeof(copy), "%s", words);
		for (char *w = strtok_r(copy, "/", &save); w != NULL && all;
		     w = strtok_r(NULL, "/", &save))
			all = strstr(told->problem[i].text, w) != NULL;
		if (all)
			return true;
	}
	return false;
}

static const char *
name_of(const struct option *o)
{
	return o->name;
}

static void
assert_same(struct conf *a, struct conf *b)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];

		if (o->type == TYPE_BOOL) {
			if (*option_bool(a, o) != *option_bool(b, o))
				fail_msg("%s differs", name_of(o));
		} else if (o->type == TYPE_STRING) {
			const char *x = *option_string(a, o), *y = *option_string(b, o);

			if ((x == NULL) != (y == NULL) ||
			    (x != NULL && strcmp(x, y) != 0))
				fail_msg("%s differs: %s, %s", name_of(o), x, y);
		} else if (*option_number(a, o) != *option_number(b, o)) {
			fail_msg("%s differs", name_of(o));
		}
	}
}

/* ---- the table ---- */

/* vsftpd's own (manual page and source of 3.0.3), then Debian, Red Hat, openSUSE and a
 * fork. */
/* clang-format off */
static const char *const known_names[] = {
	"allow_anon_ssl", "anon_mkdir_write_enable", "anon_other_write_enable",
	"anon_upload_enable", "anon_world_readable_only", "anonymous_enable",
	"ascii_download_enable", "ascii_upload_enable", "async_abor_enable", "background",
	"check_shell", "chmod_enable", "chown_uploads", "chroot_list_enable",
	"chroot_local_user", "connect_from_port_20", "debug_ssl", "delete_failed_uploads",
	"deny_email_enable", "dirlist_enable", "dirmessage_enable", "download_enable",
	"dual_log_enable", "force_dot_files", "force_anon_data_ssl", "force_anon_logins_ssl",
	"force_local_data_ssl", "force_local_logins_ssl", "guest_enable", "hide_ids",
	"implicit_ssl", "listen", "listen_ipv6", "local_enable", "lock_upload_files",
	"log_ftp_protocol", "ls_recurse_enable", "mdtm_write", "no_anon_password",
	"no_log_lock", "one_process_model", "passwd_chroot_enable", "pasv_addr_resolve",
	"pasv_enable", "pasv_promiscuous", "port_enable", "port_promiscuous", "require_cert",
	"require_ssl_reuse", "run_as_launching_user", "secure_email_list_enable",
	"session_support", "setproctitle_enable", "ssl_enable", "ssl_request_cert",
	"ssl_sslv2", "ssl_sslv3", "ssl_tlsv1", "strict_ssl_read_eof",
	"strict_ssl_write_shutdown", "syslog_enable", "tcp_wrappers", "text_userdb_names",
	"tilde_user_enable", "use_localtime", "use_sendfile", "userlist_deny",
	"userlist_enable", "validate_cert", "virtual_use_local_privs", "write_enable",
	"xferlog_enable", "xferlog_std_format", "accept_timeout", "anon_max_rate",
	"anon_umask", "chown_upload_mode", "connect_timeout", "data_connection_timeout",
	"delay_failed_login", "delay_successful_login", "file_open_mode", "ftp_data_port",
	"idle_session_timeout", "listen_port", "local_max_rate", "local_umask", "max_clients",
	"max_login_fails", "max_per_ip", "pasv_max_port", "pasv_min_port", "trans_chunk_size",
	"anon_root", "banned_email_file", "banner_file", "ca_certs_file", "chown_username",
	"chroot_list_file", "cmds_allowed", "cmds_denied", "deny_file", "download_file",
	"dsa_cert_file", "dsa_private_key_file", "email_password_file", "ftp_username",
	"ftpd_banner", "guest_username", "hide_file", "listen_address", "listen_address6",
	"local_root", "message_file", "nopriv_user", "pam_service_name", "pasv_address",
	"rsa_cert_file", "rsa_private_key_file", "secure_chroot_dir", "ssl_ciphers",
	"upload_file", "user_config_dir", "user_sub_token", "userlist_file",
	"vsftpd_log_file", "xferlog_file", "allow_writeable_chroot", "ftp_enable",
	"http_enable", "isolate", "isolate_network", "ptrace_sandbox", "seccomp_sandbox",
	"utf8_filesystem", "better_stou", "bind_retries", "dh_param_file", "ecdh_param_file",
	"log_die", "reverse_lookup_enable", "ssl_sni_hostname", "ssl_tlsv1_1", "ssl_tlsv1_2",
	"ssl_tlsv1_3", "userlist_log", "wc_logs_enable", "address_space_limit",
	"allow_root_squashed_chroot", "translate_windows_paths",
};
/* clang-format on */

static void
every_name_of_vsftpd_is_known(void **state)
{
	assert_int_equal(ARRAY_LEN(known_names), 150);
	for (size_t i = 0; i < ARRAY_LEN(known_names); i++)
		if (option_find(known_names[i]) == NULL)
			fail_msg("%s is not in options.def", known_names[i]);
}

static void
rows_are_sound(void **state)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];
		size_t n = strlen(o->help);

		assert_ptr_equal(option_find(o->name), o); /* no name twice */
		assert_true(strlen(o->name) <= OPTION_NAME_MAX);
		if (n < 10 || n > 130 || o->help[n - 1] == '.' ||
		    strchr(o->help, '\n') != NULL)
			fail_msg("help of %s: %s", o->name, o->help);
		if (o->type != TYPE_STRING)
			assert_true(o->number >= o->min && o->number <= o->max);
	}
}

static void
defaults(void **state)
{
	struct conf c;

	assert_int_equal(conf_init(&c), 0);
	assert_true(c.anonymous_enable && c.listen && !c.listen_ipv6 && !c.local_enable);
	assert_true(!c.write_enable && c.pasv_enable && c.port_enable && c.keep_partial &&
		    c.durable_uploads);
	assert_true(c.ascii_upload_enable && c.ascii_download_enable);
	assert_false(c.connect_from_port_20 || c.background);
	assert_int_equal(c.pasv_min_port, 61000);
	assert_int_equal(c.pasv_max_port, 61199);
	assert_int_equal(c.max_clients, 0);
	assert_int_equal(c.max_per_ip, 0);
	assert_int_equal(c.listen_port, 21);
	assert_int_equal(c.local_umask, 077);
	assert_int_equal(c.file_open_mode, 0666);
	assert_string_equal(c.nopriv_user, "nobody");
	assert_null(c.pasv_address);
	for (size_t i = 0; i < option_count; i++)
		assert_false(option_changed(&c, &option_table[i]));
	assert_int_equal(conf_check(&c, NULL, NULL), 0);
	conf_free(&c);
	conf_free(&c); /* an empty one */
	conf_free(NULL);
}

/* ---- printing and parsing back ---- */

static int
print_row(const char *name, const char *value, const char *def, const char *help,
    bool changed, bool honoured, void *user)
{
	FILE *out = user;

	fprintf(out, "# %s (default: %s)\n%s=%s\n", help, def, name, value);
	return 0;
}

static void
assert_survives_printing(struct conf *c)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	struct told told = {0};
	struct conf back;

	assert_int_equal(conf_each(c, print_row, out), 0);
	fclose(out);
	assert_int_equal(conf_init(&back), 0);
	assert_int_equal(conf_parse(&back, "printed", text, n, tell, &told), 0);
	if (told.n > 0)
		show(&told);
	assert_int_equal(told.n, 0);
	assert_same(c, &back);
	conf_free(&back);
	free(text);
}

/* A value that is not the default. */
static const char *
other_value(const struct option *o, char out[32])
{
	switch (o->type) {
	case TYPE_BOOL:
		return o->number != 0 ? "NO" : "YES";
	case TYPE_NUMBER:
		snprintf(out, 32, "%llu",
		    (unsigned long long)(o->number == o->max ? o->min : o->max));
		return out;
	case TYPE_OCTAL:
		return "0123";
	case TYPE_STRING:
		return "/some where/%d{*.mp3,x}=\xc3\xa4\xff\\";
	}
	return NULL;
}

static void
every_row_is_set_printed_and_parsed_back(void **state)
{
	struct conf all;

	assert_int_equal(conf_init(&all), 0);
	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];
		struct told told = {0};
		struct conf one;
		char number[32];
		const char *value = other_value(o, number);

		assert_int_equal(conf_init(&one), 0);
		assert_int_equal(
		    conf_set(&one, o->name, value, "test", 1, tell, &told), 0);
		assert_int_equal(told.n, 0);
		for (size_t k = 0; k < option_count; k++)
			assert_int_equal(option_changed(&one, &option_table[k]), k == i);
		assert_survives_printing(&one);
		conf_free(&one);
		assert_int_equal(
		    conf_set(&all, o->name, value, "test", 1, NULL, NULL), 0);
	}
	assert_survives_printing(&all);
	conf_free(&all);
}

static void
empty_strings_are_unset(void **state)
{
	struct conf c;

	assert_int_equal(conf_init(&c), 0);
	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];

		if (o->type != TYPE_STRING)
			continue;
		assert_int_equal(conf_set(&c, o->name, "", "test", 1, NULL, NULL), 0);
		assert_null(*option_string(&c, o));
	}
	assert_survives_printing(&c);
	conf_free(&c);
}

static int
stop_at_third(const char *name, const char *value, const char *def, const char *help,
    bool changed, bool honoured, void *user)
{
	int *calls = user;

	return ++*calls == 3 ? 42 : 0;
}

static void
each_stops_when_told(void **state)
{
	struct conf c;
	int calls = 0;

	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(conf_each(&c, stop_at_third, &calls), 42);
	assert_int_equal(calls, 3);
	conf_free(&c);
}

static int
look_at_row(const char *name, const char *value, const char *def, const char *help,
    bool changed, bool honoured, void *user)
{
	int *seen = user;

	if (strcmp(name, "local_umask") == 0) {
		assert_string_equal(value, "022");
		assert_string_equal(def, "077");
		assert_true(changed && honoured);
		++*seen;
	} else if (strcmp(name, "ssl_enable") == 0) {
		assert_string_equal(value, "NO");
		assert_true(!changed && honoured);
		++*seen;
	}
	return 0;
}

static void
each_tells_value_default_and_marks(void **state)
{
	struct conf c;
	int seen = 0;

	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(conf_set(&c, "local_umask", "022", "test", 1, NULL, NULL), 0);
	assert_int_equal(conf_each(&c, look_at_row, &seen), 0);
	assert_int_equal(seen, 2);
	conf_free(&c);
}

static void
a_copy_is_independent(void **state)
{
	struct conf c, copy;

	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(conf_set(&c, "anon_root", "/srv/a", "test", 1, NULL, NULL), 0);
	assert_int_equal(conf_set(&c, "nopriv_user", "", "test", 1, NULL, NULL), 0);
	assert_int_equal(conf_copy(&c, &copy), 0);
	assert_same(&c, &copy);
	assert_int_equal(conf_set(&c, "anon_root", "/srv/b", "test", 1, NULL, NULL), 0);
	assert_string_equal(copy.anon_root, "/srv/a");
	conf_free(&c);
	conf_free(&copy);
}

/* The master hands the lines of banner_file on as ftpd_banner. */
static void
a_string_may_have_lines(void **state)
{
	struct conf c;

	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(
	    conf_set(&c, "ftpd_banner", "one\r\n\ttwo\033", "m", 0, NULL, NULL), 0);
	assert_string_equal(c.ftpd_banner, "one\r\n\ttwo\033");
	conf_free(&c);
}

/* ---- the parser ---- */

enum expect { FINE, WARN, ERROR };

struct parse_case {
	const char *text;
	enum expect expect;
	unsigned line;
	const char *words;  /* of the problem, "/" between them */
	const char *option; /* holds afterwards (not for ERROR) */
	const char *value;
};

/* clang-format off */
static const struct parse_case parse_cases[] = {
	/* the format */
	{ "", FINE },
	{ "\n\n \t\n", FINE },
	{ "# listen=NO\n#\n", FINE, .option = "listen", .value = "YES" },
	{ "listen=NO", FINE, .option = "listen", .value = "NO" },
	{ "listen=NO\r\nlisten_ipv6=YES\r\n", FINE, .option = "listen_ipv6", .value = "YES" },
	{ "  \tlisten=NO\n", FINE, .option = "listen", .value = "NO" },
	{ "listen=no\n", FINE, .option = "listen", .value = "NO" },
	{ "listen=False\n", FINE, .option = "listen", .value = "NO" },
	{ "listen=0\n", FINE, .option = "listen", .value = "NO" },
	{ "listen_ipv6=yEs\n", FINE, .option = "listen_ipv6", .value = "YES" },
	{ "listen_ipv6=true\n", FINE, .option = "listen_ipv6", .value = "YES" },
	{ "listen_ipv6=1\n", FINE, .option = "listen_ipv6", .value = "YES" },
	{ "anon_root=/srv/a b\n", FINE, .option = "anon_root", .value = "/srv/a b" },
	{ "ftpd_banner=a=b#c\n", FINE, .option = "ftpd_banner", .value = "a=b#c" },
	{ "nopriv_user=\n", FINE, .option = "nopriv_user", .value = "" },
	{ "max_clients=0\n", FINE, .option = "max_clients", .value = "0" },
	{ "max_clients=00\n", FINE, .option = "max_clients", .value = "0" },
	{ "max_clients=07\n", FINE, .option = "max_clients", .value = "7" },
	{ "local_umask=022\n", FINE, .option = "local_umask", .value = "022" },
	{ "local_umask=0022\n", FINE, .option = "local_umask", .value = "022" },
	{ "local_umask=0\n", FINE, .option = "local_umask", .value = "0" },
	{ "local_umask=7\n", FINE, .option = "local_umask", .value = "07" },
	{ "max_clients=1\nmax_clients=2\n", WARN, 2, "max_clients/line 1/later line wins",
	    "max_clients", "2" },

	/* blanks */
	{ " # note\n", WARN, 1, "indented/column 1" },
	{ "listen =NO\n", WARN, 1, "blanks around the =/listen/not start", "listen", "NO" },
	{ "listen = NO\n", WARN, 1, "blanks around the =", "listen", "NO" },
	{ "listen= NO\n", WARN, 1, "blanks between the =/not start", "listen", "NO" },
	{ "listen=NO \n", WARN, 1, "blanks behind/listen/not start", "listen", "NO" },
	{ "max_clients=5\t\n", WARN, 1, "blanks behind/max_clients", "max_clients", "5" },
	{ "local_umask= 022\n", WARN, 1, "blanks between/decimal", "local_umask", "022" },
	{ "anon_root=/srv \n", WARN, 1, "blanks behind/part of it", "anon_root", "/srv" },
	{ "anon_root= /srv\n", WARN, 1, "blanks between/part of it", "anon_root", "/srv" },
	{ "anon_root=  \n", WARN, 1, "blanks", "anon_root", "" },

	/* numbers */
	{ "max_clients=abc\n", ERROR, 1, "max_clients=abc/not a number/as 0/no limit" },
	{ "listen_port=ftp\n", ERROR, 1, "not a number/as 0/0 to 65535" },
	{ "max_clients=\n", ERROR, 1, "max_clients has no value" },
	{ "max_clients=022\n", ERROR, 1, "begins with 0/octal, which is 18/write 22 or 18" },
	{ "max_clients=089\n", ERROR, 1, "begins with 0/write 89" },
	{ "max_clients=-1\n", ERROR, 1, "not a number/digits only" },
	{ "max_clients=+1\n", ERROR, 1, "not a number/digits only" },
	{ "max_clients=0x10\n", ERROR, 1, "not a number/digits only" },
	{ "anon_max_rate=10k\n", ERROR, 1, "not a number/without a sign or a unit/Bytes a second" },
	{ "idle_session_timeout=5m\n", ERROR, 1, "not a number/Seconds" },
	{ "max_clients=5 # five\n", ERROR, 1, "not a number/comment needs a line of its own" },
	{ "max_clients=\"5\"\n", ERROR, 1, "not a number/without quotes" },
	{ "listen_port=65536\n", ERROR, 1, "out of range/0 to 65535" },
	{ "ftp_data_port=0\n", ERROR, 1, "out of range/1 to 65535" },
	{ "listen_port=99999999999999999999999999\n", ERROR, 1, "out of range" },
	{ "idle_session_timeout=0\n", WARN, 1, "no limit in vsftpd/604800", "idle_session_timeout",
	    "604800" },
	{ "pasv_min_port=0\npasv_max_port=0\n", WARN, 2, "any port/65535", "pasv_min_port", "1024" },
	{ "max_login_fails=0\n", WARN, 1, "first wrong password/1 is taken", "max_login_fails", "1" },

	/* octal numbers */
	{ "local_umask=22\n", WARN, 1, "no leading 0/octal 026/022 is taken/Write 022",
	    "local_umask", "022" },
	{ "anon_umask=77\n", WARN, 1, "octal 0115/077 is taken", "anon_umask", "077" },
	{ "file_open_mode=666\n", WARN, 1, "octal 01232/0666 is taken", "file_open_mode", "0666" },
	{ "local_umask=18\n", ERROR, 1, "not an octal number/0 to 7" },
	{ "local_umask=\n", ERROR, 1, "local_umask is not an octal number" },
	{ "local_umask=rw-r--r--\n", ERROR, 1, "not an octal number" },
	{ "local_umask=01777\n", ERROR, 1, "out of range/0777" },
	{ "local_umask=7777777777777777777777777777\n", ERROR, 1, "out of range" },

	/* switches */
	{ "listen=\n", ERROR, 1, "listen has no value/YES or NO" },
	{ "listen=on\n", ERROR, 1, "listen=on/neither YES nor NO" },
	{ "listen=YES!\n", ERROR, 1, "neither" },
	{ "listen=YE\n", ERROR, 1, "neither" },
	{ "listen=\"YES\"\n", ERROR, 1, "neither/without quotes" },
	{ "listen=YES # both\n", ERROR, 1, "neither/comment needs a line of its own" },

	/* strings */
	{ "ftpd_banner=\"Hi\"\n", WARN, 1, "quotes are part", "ftpd_banner", "\"Hi\"" },
	{ "ftpd_banner='Hi'\n", WARN, 1, "quotes are part", "ftpd_banner", "'Hi'" },
	{ "anon_root=/srv # here\n", WARN, 1, "# and what follows/line of its own", "anon_root",
	    "/srv # here" },

	/* lines that are no settings */
	{ "\nlisten\n", ERROR, 2, "listen has no =/listen=VALUE" },
	{ "listen YES\n", ERROR, 1, "listen has no =" },
	{ "listen: YES\n", ERROR, 1, "listen has no =" },
	{ "lisen\n", ERROR, 1, "not a setting/listen=VALUE" },
	{ "; comment\n", ERROR, 1, "comment begins with #" },
	{ "// comment\n", ERROR, 1, "comment begins with #" },
	{ "*** ***\n", ERROR, 1, "not a setting/NAME=VALUE" },
	{ "=YES\n", ERROR, 1, "no option's name" },
	{ " = YES\n", ERROR, 1, "no option's name" },

	/* sections */
	{ "[host ftp.example.com]\nwrite_enable=YES\n", FINE },
	{ "[network 10.0.0.0/8]\r\nport_enable=NO\r\n", FINE },
	{ "[network 2001:db8::/32]\n[network 10.1.2.3]\n", FINE },
	{ "[host a.example]\nwrite_enable=YES\n[host b.example]\nwrite_enable=YES\n", FINE },
	{ "[host ftp.example.com]\nlisten=NO\n", ERROR, 2,
	    "listen cannot stand in [host ftp.example.com]/whole server/before the first" },
	{ "[network 10.0.0.0/8]\nanon_root=/srv\n", ERROR, 2,
	    "anon_root cannot stand in [network 10.0.0.0/in [host] sections/before the first" },
	{ "[host x.example]\nmax_per_ip=2\n", ERROR, 2, "max_per_ip cannot/in [network] sections" },
	{ "[host x.example]\nwrit_enable=NO\n", ERROR, 2, "did you mean write_enable?" },
	{ "[host x.example]\nwrite_enable=maybe\n", ERROR, 2, "neither YES nor NO" },
	{ "[host x.example]\nwrite_enable=NO\nwrite_enable=YES\n", WARN, 3, "is in line 2 too" },
	{ "[host x.example]\n[host X.Example.]\n", ERROR, 2, "x.example] begins in line 1 of test already" },
	{ "[network 10.0.0.0/8]\n[network 10.0.0.0/8]\n", ERROR, 2, "begins in line 1" },
	{ "[host 192.0.2.1]\n", ERROR, 1, "that is an address/ask for a host by its name" },
	{ "[host a..b]\n", ERROR, 1, "no host name" },
	{ "[host a b]\n", ERROR, 1, "no host name" },
	{ "[host a:21]\n", ERROR, 1, "no host name" },
	{ "[network example.com]\n", ERROR, 1, "no network" },
	{ "[network 10.0.0.0/33]\n", ERROR, 1, "no network" },
	{ "[network 10.0.0.0/]\n", ERROR, 1, "no network" },
	{ "[network fe80::1%2]\n", ERROR, 1, "no network" },
	{ "[network 10.1.0.0/8]\n", ERROR, 1, "bits behind its prefix/write 10.0.0.0" },
	{ "[network 2001:db8::1/32]\n", ERROR, 1, "write 2001:db8::" },
	{ "[hostx y]\n", ERROR, 1, "not a section" },
	{ "[host  ]\n", ERROR, 1, "not a section" },
	{ "[global]\n", ERROR, 1, "not a section/[host NAME]" },
	{ "[host x\n", ERROR, 1, "not a section" },
	{ "[host]\n", ERROR, 1, "not a section" },
	{ "[\n", ERROR, 1, "not a section" },
	{ "\033[2Jlisten=NO\n", ERROR, 1, "column 1/control byte \\033" },

	/* unknown options */
	{ "# a\nlisten_prot=21\n", ERROR, 2, "listen_prot is not an option/did you mean listen_port?" },
	{ "Listen=YES\n", ERROR, 1, "small letters: listen" },
	{ "completely_different_thing=YES\n", ERROR, 1, "is not an option" },
	{ "\xef\xbb\xbflisten=NO\n", WARN, 1, "byte order mark", "listen", "NO" },
};
/* clang-format on */

static int
compare_row(const char *name, const char *value, const char *def, const char *help,
    bool changed, bool honoured, void *user)
{
	const struct parse_case *pc = user;

	if (strcmp(name, pc->option) != 0)
		return 0;
	if (strcmp(value, pc->value) != 0)
		fail_msg("after \"%s\" %s is \"%s\"", pc->text, name, value);
	return 1;
}

static void
parser(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(parse_cases); i++) {
		const struct parse_case *pc = &parse_cases[i];
		struct told told = {0};
		struct conf c;

		assert_int_equal(conf_init(&c), 0);
		int r = conf_parse(&c, "test", pc->text, strlen(pc->text), tell, &told);
		bool as_expected =
		    r == (pc->expect == ERROR ? -FERRY_EINVAL : 0) &&
		    (pc->expect != FINE || told.n == 0) &&
		    (pc->expect == ERROR || errors(&told) == 0) &&
		    (pc->expect == FINE ||
			was_told(&told, pc->expect == ERROR ? CONF_ERROR : CONF_WARNING,
			    pc->line, pc->words));
		if (!as_expected) {
			show(&told);
			fail_msg(
			    "\"%s\": result %d, wanted \"%s\"", pc->text, r, pc->words);
		}
		if (pc->option != NULL)
			assert_int_equal(conf_each(&c, compare_row, (void *)pc), 1);
		conf_free(&c);
	}
}

/* One blank around the = is one warning, not three. */
static void
one_mistake_is_told_once(void **state)
{
	static const char *const texts[] = {"listen = NO\n", " # x\n", "listen_prot=1\n",
	    "=\n", "local_umask=22\n", "max_clients=022\n", "[host x:1]\nlisten=NO\n"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct told told = {0};
		struct conf c;

		assert_int_equal(conf_init(&c), 0);
		conf_parse(&c, "test", texts[i], strlen(texts[i]), tell, &told);
		if (told.n != 1) {
			show(&told);
			fail_msg("%zu problems for \"%s\"", told.n, texts[i]);
		}
		conf_free(&c);
	}
}

static void
every_problem_is_told(void **state)
{
	static const char text[] =
	    "lisen=YES\nlisten=maybe\nmax_clients=abc\nlocal_umask=22\n"
	    "listen_port=2121\n";
	struct told told = {0};
	struct conf c;

	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(
	    conf_parse(&c, "test", text, strlen(text), tell, &told), -FERRY_EINVAL);
	assert_int_equal(told.n, 4);
	assert_int_equal(errors(&told), 3);
	assert_true(was_told(&told, CONF_ERROR, 1, "did you mean listen"));
	assert_true(was_told(&told, CONF_ERROR, 2, "listen=maybe"));
	assert_true(was_told(&told, CONF_ERROR, 3, "max_clients=abc"));
	assert_true(was_told(&told, CONF_WARNING, 4, "local_umask=22"));
	/* The result does not hang on anybody listening. */
	assert_int_equal(
	    conf_parse(&c, "test", text, strlen(text), NULL, NULL), -FERRY_EINVAL);
	conf_free(&c);
}

static void
nul_bytes_are_refused(void **state)
{
	static const char text[] = "listen=NO\nanon_root=/srv\0/etc\n";
	struct told told = {0};
	struct conf c;

	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(
	    conf_parse(&c, "t", text, sizeof(text) - 1, tell, &told), -FERRY_EINVAL);
	assert_true(was_told(&told, CONF_ERROR, 2, "NUL/column 15"));
	assert_null(c.anon_root);
	conf_free(&c);
}

/* Lengths at and past what a line, a value and a name may have. */
static void
long_lines(void **state)
{
	static const struct {
		size_t value;
		int result;
	} cases[] = {{OPTION_VALUE_MAX, 0}, {OPTION_VALUE_MAX + 1, -FERRY_EINVAL},
	    {OPTION_VALUE_MAX + 1000, -FERRY_EINVAL}, {100000, -FERRY_EINVAL}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = strlen("ftpd_banner=") + cases[i].value;
		_cleanup_free_ char *text = malloc(n + 1);
		struct told told = {0};
		struct conf c;

		memset(text, 'x', n + 1);
		memcpy(text, "ftpd_banner=", strlen("ftpd_banner="));
		assert_int_equal(conf_init(&c), 0);
		assert_int_equal(
		    conf_parse(&c, "t", text, n, tell, &told), cases[i].result);
		assert_int_equal(told.n, cases[i].result == 0 ? 0 : 1);
		if (cases[i].result == 0)
			assert_int_equal(strlen(c.ftpd_banner), cases[i].value);
		memset(text, 'x', n + 1); /* all of it a name, with and without a value */
		assert_int_equal(
		    conf_parse(&c, "t", text, n, tell, &told), -FERRY_EINVAL);
		text[n - 1] = '=';
		assert_int_equal(
		    conf_parse(&c, "t", text, n, tell, &told), -FERRY_EINVAL);
		conf_free(&c);
	}
}

static void
nearest_names(void **state)
{
	/* clang-format off */
	static const struct {
		const char *typed, *meant;
	} cases[] = {
		{ "listen_prot", "listen_port" }, { "lisen", "listen" }, { "LISTEN", "listen" },
		{ "pasv_minport", "pasv_min_port" }, { "pasv_min_ports", "pasv_min_port" },
		{ "pasv_max_prot", "pasv_max_port" }, { "pasv_adress", "pasv_address" },
		{ "anonymus_enable", "anonymous_enable" }, { "write_enabled", "write_enable" },
		{ "chroot_local_users", "chroot_local_user" }, { "local_unmask", "local_umask" },
		{ "allow_writable_chroot", "allow_writeable_chroot" },
		{ "connect_from_port20", "connect_from_port_20" },
		{ "pasv_address_resolve", "pasv_addr_resolve" },
		{ "ssl_enabled", "ssl_enable" }, { "delet_failed_upload", "delete_failed_uploads" },
		{ "idle_timeout", NULL }, { "completely_different_thing", NULL }, { "", NULL },
		{ "x", NULL }, { "ab", NULL },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789", NULL },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *nearest = option_nearest(cases[i].typed);

		if ((nearest == NULL) != (cases[i].meant == NULL) ||
		    (nearest != NULL && strcmp(nearest, cases[i].meant) != 0))
			fail_msg(
			    "%s: %s, wanted %s", cases[i].typed, nearest, cases[i].meant);
	}
}

/* ---- the whole ---- */

#define CERT_USER \
	"ssl_enable=YES\nvalidate_cert=YES\nca_certs_file=x\ncert_user=CN\n"

struct check_case {
	const char *text;
	enum expect expect;
	const char *words;
};

/* clang-format off */
static const struct check_case check_cases[] = {
	{ "", FINE },
	{ "listen=NO\n", ERROR, "listen_ipv6/inetd" },
	{ "listen=NO\nlisten_ipv6=YES\n", FINE },
	{ "listen_address=192.0.2.1\n", FINE },
	{ "listen_address=ftp.example.com\n", ERROR, "not an IPv4 address" },
	{ "listen_address=::1\n", ERROR, "not an IPv4 address" },
	{ "listen_ipv6=YES\nlisten_address6=2001:db8::1\n", FINE },
	{ "listen_ipv6=YES\nlisten_address6=192.0.2.1\n", ERROR, "not an IPv6 address" },
	{ "listen_address6=::1\n", WARN, "no effect without listen_ipv6" },
	{ "listen=NO\nlisten_ipv6=YES\nlisten_address=192.0.2.1\n", WARN, "no effect without listen=" },

	{ "anonymous_enable=NO\n", ERROR, "nobody can log in" },
	{ "anonymous_enable=NO\nguest_enable=YES\n", ERROR, "nobody can log in/guests need" },
	{ "anonymous_enable=NO\nlocal_enable=YES\n", FINE },
	{ "guest_enable=YES\n", WARN, "guest_enable has no effect without local_enable" },
	{ "local_enable=YES\npam_service_name=\n", ERROR, "pam_service_name is empty" },
	{ "nopriv_user=\n", ERROR, "nopriv_user is empty" },
	{ "nopriv_user=root\n", ERROR, "nopriv_user=root/must not" },
	{ "ftp_username=\n", ERROR, "ftp_username is empty" },
	{ "ftp_username=\nanonymous_enable=NO\nlocal_enable=YES\n", FINE },
	{ "local_enable=YES\nguest_enable=YES\nguest_username=root\n", ERROR, "guests must not" },

	{ "anon_root=srv/ftp\n", ERROR, "anon_root=srv/ftp/does not begin with" },
	{ "ftpd_banner=Hello\nbanner_file=/etc/motd\n", WARN, "banner_file wins" },
	{ "pasv_enable=NO\nport_enable=NO\n", WARN, "no data connection" },
	{ "port_promiscuous=YES\n", WARN, "RFC 2577" },
	{ "pasv_promiscuous=YES\n", WARN, "client or not" },

	{ "pasv_min_port=62000\npasv_max_port=61500\n", ERROR, "over pasv_max_port=61500" },
	{ "pasv_min_port=62000\n", ERROR, "pasv_min_port is set/pasv_max_port has its default, 61199/Set both" },
	{ "pasv_max_port=50000\n", ERROR, "pasv_max_port is set/pasv_min_port has its default, 61000/Set both" },
	{ "pasv_min_port=61100\n", WARN, "pasv_max_port has its default/61100 to 61199/firewall" },
	{ "pasv_min_port=62000\npasv_max_port=61500\npasv_enable=NO\n", FINE },
	{ "pasv_min_port=1000\npasv_max_port=2000\n", ERROR, "below 1024" },
	{ "pasv_min_port=40000\npasv_max_port=50000\n", WARN, "40000 to 50000/32768 to 60999" },
	{ "pasv_min_port=60999\npasv_max_port=65000\n", WARN, "60999 to 65000/ip_local_port_range" },
	{ "pasv_min_port=61001\npasv_max_port=65535\n", FINE },
	{ "pasv_min_port=2000\npasv_max_port=32767\n", FINE },
	{ "pasv_min_port=1000\npasv_max_port=1000\nmax_clients=100\n", FINE },
	{ "pasv_min_port=32768\npasv_max_port=32768\n", WARN, "overlap" },
	{ "max_clients=201\n", WARN, "201 sessions/200 passive ports" },
	{ "max_clients=200\n", FINE },

	{ "data_peer=resumed\n", WARN, "data_peer=resumed has no effect/ssl_enable" },
	{ "data_peer=anyone\n", ERROR, "data_peer=anyone/same or resumed" },
	{ "data_peer=same\n", FINE },

	{ "proxy_protocol_from=192.0.2.7, 10.0.0.0/8,2001:db8::/32\n", FINE },
	{ "proxy_protocol_from=\n", FINE },
	{ "proxy_protocol_from=proxy.example.com\n", ERROR, "proxy_protocol_from: proxy.example.com is no address/such as 192.0.2.0" },
	{ "proxy_protocol_from=192.0.2.7,192.0.2.1/33\n", ERROR, "proxy_protocol_from: 192.0.2.1/33 is no address" },
	{ "proxy_protocol_from=192.0.2.7/24\n", ERROR, "proxy_protocol_from: 192.0.2.7/24 has bits behind/write 192.0.2.0" },
	{ "proxy_protocol_from=0.0.0.0/0\n", ERROR, "proxy_protocol_from: 0.0.0.0/0 is everybody" },
	{ "proxy_protocol_from=192.0.2.7,::/0\n", ERROR, "proxy_protocol_from: ::/0 is everybody" },

	{ "pasv_address=192.0.2.1\n", FINE },
	{ "pasv_address=192.0.2.1\npasv_addr_resolve=YES\n", FINE },
	{ "pasv_address=ftp.example.com\npasv_addr_resolve=YES\n", FINE },
	{ "pasv_address=ftp.example.com\n", ERROR, "not an IPv4 address/pasv_addr_resolve=YES" },
	{ "pasv_address=192.0.2.256\n", ERROR, "not an IPv4 address/0 to 255" },
	{ "pasv_address=192.0.2\npasv_addr_resolve=YES\n", ERROR, "four numbers" },
	{ "pasv_address=2001:db8::1\n", ERROR, "IPv6 address/EPSV" },
	{ "pasv_addr_resolve=YES\n", WARN, "no effect without pasv_address" },

	{ "anon_upload_enable=YES\n", WARN, "anon_upload_enable/write_enable=YES" },
	{ "anon_upload_enable=YES\nwrite_enable=YES\n", FINE },
	{ "cmds_denied=STOR,DELE,rnfr, RNTO\n", FINE },
	{ "cmds_denied=STOR,DELETE\n", WARN, "cmds_denied: DELETE is not a command" },
	{ "cmds_allowed=,USER,,Q\n", WARN, "cmds_allowed: Q is not a command" },

	/* TLS */
	{ "ssl_enable=YES\n", FINE },
	{ "ssl_enable=YES\nssl_tlsv1=YES\nssl_sslv2=NO\nssl_sslv3=NO\n", FINE },
	{ "ssl_enable=YES\nssl_sslv3=YES\n", WARN, "ssl_sslv3=YES has no effect/TLS 1.2" },
	{ "ssl_enable=YES\nssl_tlsv1_1=YES\n", WARN, "ssl_tlsv1_1=YES has no effect" },
	{ "ssl_enable=YES\nssl_tlsv1_2=NO\nssl_tlsv1_3=NO\n", ERROR, "no version of TLS" },
	{ "ssl_enable=YES\nrsa_cert_file=\n", ERROR, "needs a certificate/ec_cert_file" },
	{ "ssl_enable=YES\nrsa_cert_file=\nec_cert_file=x\n", FINE },
	{ "ssl_enable=YES\ndsa_cert_file=x\n", ERROR, "DSA certificates are refused" },
	{ "ssl_enable=YES\nvalidate_cert=YES\n", ERROR, "needs ca_certs_file" },
	{ "ssl_enable=YES\nca_certs_file=x\n", WARN, "ca_certs_file has no effect" },
	{ "ssl_enable=YES\nrequire_cert=YES\n", WARN, "any certificate is accepted" },
	{ "cert_user=none\n", FINE },
	{ "cert_user=\n", FINE },
	{ "cert_user=uid\n", ERROR, "cert_user=uid/CN, SAN or none" },
	{ "cert_user=CN\n", ERROR, "cert_user=CN needs ssl_enable=YES" },
	{ "ssl_enable=YES\ncert_user=san\n", ERROR, "needs validate_cert=YES and ca_certs_file" },
	{ "ssl_enable=YES\ncert_user=CN\nrequire_cert=YES\nca_certs_file=x\n", ERROR,
	    "needs validate_cert=YES" },
	{ CERT_USER "local_enable=YES\n", FINE },
	{ CERT_USER, WARN, "cert_user has no effect without local_enable" },
	{ "ssl_enable=YES\nec_ocsp_file=x\n", WARN, "no effect without ec_cert_file" },
	{ "ssl_enable=YES\nimplicit_ssl_port=21\n", ERROR, "is listen_port" },
	{ "ssl_enable=YES\nforce_anon_logins_ssl=YES\n", ERROR, "must use TLS/may not" },
	{ "ssl_enable=YES\nforce_anon_logins_ssl=YES\nallow_anon_ssl=YES\n", FINE },
	{ "implicit_ssl=YES\n", ERROR, "implicit_ssl needs ssl_enable=YES" },
	{ "implicit_ssl_port=990\n", ERROR, "implicit_ssl_port needs ssl_enable=YES" },
	{ "force_anon_logins_ssl=YES\n", WARN, "no effect without ssl_enable" },

	/* what is not yet honoured, and what that costs */
	{ "ssl_enable=NO\nuserlist_deny=YES\nuse_sendfile=YES\n", FINE },
	{ "userlist_deny=YES\ndh_param_file=x\n", WARN, "dh_param_file is not yet/own groups" },
	{ "userlist_enable=YES\n", WARN, "userlist_enable is not yet/users who are in userlist_file" },
	{ "userlist_enable=YES\nuserlist_deny=NO\n", WARN, "users who are not in userlist_file" },
	{ "chroot_list_enable=YES\n", WARN, "not shut into" },
	{ "chroot_list_enable=YES\nchroot_local_user=YES\n", WARN, "stay shut in" },
	{ "tcp_wrappers=YES\n", WARN, "tcp_wrappers is not yet/every address may connect" },
	{ "deny_file={*.mp3}\n", WARN, "deny_file is not yet/can be read" },
	{ "hide_file=x\n", WARN, "hide_file is not yet/appear in listings" },
	{ "download_file=x\n", WARN, "can be fetched" },
	{ "upload_file=x\n", WARN, "can be stored" },
	{ "secure_email_list_enable=YES\n", WARN, "any password" },
	{ "deny_email_enable=YES\n", WARN, "banned_email_file are accepted" },
	{ "user_config_dir=/etc/u\n", WARN, "stricter ones" },
	{ "anon_max_rate=1000\n", WARN, "anon_max_rate is not yet/as fast" },
	{ "seccomp_sandbox=NO\n", WARN, "sandbox stays on" },
	{ "setproctitle_enable=YES\n", WARN, "setproctitle_enable is not yet honoured" },
};
/* clang-format on */

static void
checks_of_the_whole(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(check_cases); i++) {
		const struct check_case *cc = &check_cases[i];
		struct told told = {0};
		struct conf c;

		assert_int_equal(conf_init(&c), 0);
		assert_int_equal(
		    conf_parse(&c, "t", cc->text, strlen(cc->text), NULL, NULL), 0);
		int r = conf_check(&c, tell, &told);
		bool as_expected =
		    r == (cc->expect == ERROR ? -FERRY_EINVAL : 0) &&
		    (cc->expect != FINE || told.n == 0) &&
		    (cc->expect == FINE ||
			was_told(&told, cc->expect == ERROR ? CONF_ERROR : CONF_WARNING,
			    0, cc->words));
		if (!as_expected) {
			show(&told);
			fail_msg(
			    "\"%s\": result %d, wanted \"%s\"", cc->text, r, cc->words);
		}
		conf_free(&c);
	}
}

/* Every option that does nothing yet is named when it is set, and none that works. */
static void
every_known_only_option_is_reported(void **state)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];
		char number[32], words[OPTION_NAME_MAX + 32];
		struct told told = {0};
		struct conf c;

		assert_int_equal(conf_init(&c), 0);
		assert_int_equal(
		    conf_set(&c, o->name, other_value(o, number), "t", 1, NULL, NULL), 0);
		conf_check(&c, tell, &told);
		snprintf(words, sizeof(words), "%s is not yet honoured", o->name);
		if (was_told(&told, CONF_WARNING, 0, words) != (o->status == KNOWN))
			fail_msg("%s", words);
		conf_free(&c);
	}
}

/* ---- files of real life ---- */

/* The configuration that must work as it is. */
static void
the_passive_range_of_the_manual(void **state)
{
	static const char text[] = "pasv_enable=YES\n"
				   "pasv_min_port=40000\n"
				   "pasv_max_port=50000\n"
				   "pasv_address=192.168.1.200\n";
	struct told told = {0};
	struct conf c;

	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(
	    conf_parse(&c, "ferryd.conf", text, strlen(text), tell, &told), 0);
	assert_int_equal(told.n, 0);
	assert_int_equal(conf_check(&c, tell, &told), 0);
	assert_int_equal(errors(&told), 0);
	assert_true(c.pasv_enable);
	assert_int_equal(c.pasv_min_port, 40000);
	assert_int_equal(c.pasv_max_port, 50000);
	assert_string_equal(c.pasv_address, "192.168.1.200");
	conf_free(&c);
}

/* The settings that Debian's vsftpd comes with, with comments as such files have them. */
static const char debian[] =
    "# Example config file /etc/vsftpd.conf\n"
    "#\n"
    "# Stand-alone server? See also the next one.\n"
    "listen=NO\n"
    "#\n"
    "listen_ipv6=YES\n"
    "#\n"
    "anonymous_enable=NO\n"
    "local_enable=YES\n"
    "#write_enable=YES\n"
    "#local_umask=022\n"
    "dirmessage_enable=YES\n"
    "use_localtime=YES\n"
    "xferlog_enable=YES\n"
    "connect_from_port_20=YES\n"
    "#idle_session_timeout=600\n"
    "#ftpd_banner=Welcome to blah FTP service.\n"
    "\n"
    "secure_chroot_dir=/var/run/vsftpd/empty\n"
    "pam_service_name=vsftpd\n"
    "rsa_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem\n"
    "rsa_private_key_file=/etc/ssl/private/ssl-cert-snakeoil.key\n"
    "ssl_enable=NO\n"
    "\n"
    "#utf8_filesystem=YES\n";

static void
debian_file_works(void **state)
{
	struct told told = {0};
	struct conf c;

	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(
	    conf_parse(&c, "vsftpd.conf", debian, strlen(debian), tell, &told), 0);
	assert_int_equal(told.n, 0);
	assert_int_equal(conf_check(&c, tell, &told), 0);
	assert_int_equal(told.n, 0);
	assert_true(!c.listen && c.listen_ipv6 && !c.anonymous_enable && c.local_enable);
	assert_true(c.dirmessage_enable && c.use_localtime && c.xferlog_enable);
	assert_true(c.connect_from_port_20 && !c.write_enable);
	assert_survives_printing(&c);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_name_of_vsftpd_is_known),
	    cmocka_unit_test(rows_are_sound),
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(every_row_is_set_printed_and_parsed_back),
	    cmocka_unit_test(empty_strings_are_unset),
	    cmocka_unit_test(each_stops_when_told),
	    cmocka_unit_test(each_tells_value_default_and_marks),
	    cmocka_unit_test(a_copy_is_independent),
	    cmocka_unit_test(a_string_may_have_lines),
	    cmocka_unit_test(parser),
	    cmocka_unit_test(one_mistake_is_told_once),
	    cmocka_unit_test(every_problem_is_told),
	    cmocka_unit_test(nul_bytes_are_refused),
	    cmocka_unit_test(long_lines),
	    cmocka_unit_test(nearest_names),
	    cmocka_unit_test(checks_of_the_whole),
	    cmocka_unit_test(every_known_only_option_is_reported),
	    cmocka_unit_test(the_passive_range_of_the_manual),
	    cmocka_unit_test(debian_file_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
