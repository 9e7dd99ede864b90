/*
 * What only the whole configuration can tell: options that contradict each other, name
 * nothing, or do less than they seem to. For the master, before anything is started.
 * Looks at no file and at no account: whether those exist is the master's question.
 */
#include <ferry/ferry.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cert_user.h"
#include "conf_honour.h"
#include "endpoint.h"
#include "log.h"
#include "option.h"
#include "proxy_from.h"
#include "section.h"
#include "util.h"

#define SHOWN_MAX 160
/* net.ipv4.ip_local_port_range, as Linux has it unless somebody changed it. */
#define EPHEMERAL_LOW 32768
#define EPHEMERAL_HIGH 60999

#define VERB(name, ...) #name,
static const char *const verbs[] = {
#include "verbs.def"
};
#undef VERB

/* A value as it may be told: it may hold any byte. */
static const char *
show(const char *value, char out[SHOWN_MAX])
{
	return log_escape(value, strlen(value), out, SHOWN_MAX);
}

typedef void check_fn(const struct conf *c, struct conf_teller *t);

static void
check_listen(const struct conf *c, struct conf_teller *t)
{
	struct endpoint ep;
	char shown[SHOWN_MAX];

	if (!c->listen && !c->listen_ipv6)
		conf_tell(t, CONF_ERROR,
		    "listen and listen_ipv6 are both NO: vsftpd would be started by "
		    "inetd for each client, ferryd always listens itself. Set "
		    "listen=YES, listen_ipv6=YES or both");
	if (c->listen_address != NULL &&
	    (endpoint_from_text(c->listen_address, &ep) < 0 || ep.family != AF_INET))
		conf_tell(t, CONF_ERROR,
		    "listen_address=%s is not an IPv4 address such as 192.0.2.1",
		    show(c->listen_address, shown));
	if (c->listen_address6 != NULL &&
	    (endpoint_from_text(c->listen_address6, &ep) < 0 || ep.family != AF_INET6))
		conf_tell(t, CONF_ERROR,
		    "listen_address6=%s is not an IPv6 address such as 2001:db8::1",
		    show(c->listen_address6, shown));
	if (c->listen_address != NULL && !c->listen)
		conf_tell(
		    t, CONF_WARNING, "listen_address has no effect without listen=YES");
	if (c->listen_address6 != NULL && !c->listen_ipv6)
		conf_tell(t, CONF_WARNING,
		    "listen_address6 has no effect without listen_ipv6=YES");
}

static void
check_logins(const struct conf *c, struct conf_teller *t)
{
	if (!c->anonymous_enable && !c->local_enable)
		conf_tell(t, CONF_ERROR,
		    "nobody can log in: anonymous_enable and local_enable are both NO%s",
		    c->guest_enable ? "; guests need local_enable=YES" : "");
	else if (c->guest_enable && !c->local_enable)
		conf_tell(t, CONF_WARNING,
		    "guest_enable has no effect without local_enable=YES");
	if (c->local_enable && c->pam_service_name == NULL)
		conf_tell(t, CONF_ERROR,
		    "pam_service_name is empty, but local_enable=YES needs a PAM service "
		    "to check passwords");
}

/* An account that some process runs as. */
static void
check_account(
    const char *option, const char *account, const char *who, struct conf_teller *t)
{
	if (account == NULL)
		conf_tell(t, CONF_ERROR, "%s is empty, but %s need an account to run as",
		    option, who);
	else if (strcmp(account, "root") == 0)
		conf_tell(t, CONF_ERROR, "%s=root: %s must not run as root", option, who);
}

static void
check_accounts(const struct conf *c, struct conf_teller *t)
{
	check_account(
	    "nopriv_user", c->nopriv_user, "the processes that talk to clients", t);
	if (c->anonymous_enable)
		check_account("ftp_username", c->ftp_username, "anonymous users", t);
	if (c->guest_enable)
		check_account("guest_username", c->guest_username, "guests", t);
}

static void
check_paths(const struct conf *c, struct conf_teller *t)
{
	const struct {
		const char *name, *value;
	} paths[] = {
	    {"anon_root", c->anon_root},
	    {"banner_file", c->banner_file},
	    {"vsftpd_log_file", c->vsftpd_log_file},
	    {"xferlog_file", c->xferlog_file},
	};
	char shown[SHOWN_MAX];

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (paths[i].value != NULL && paths[i].value[0] != '/')
			conf_tell(t, CONF_ERROR,
			    "%s=%s does not begin with /; only a whole path is the same "
			    "wherever ferryd is started",
			    paths[i].name, show(paths[i].value, shown));
	if (c->banner_file != NULL && c->ftpd_banner != NULL)
		conf_tell(t, CONF_WARNING,
		    "banner_file and ftpd_banner are both set; banner_file wins");
}

static void
check_logs(const struct conf *c, struct conf_teller *t)
{
	if (c->background && !c->syslog_enable && c->vsftpd_log_file == NULL)
		conf_tell(t, CONF_ERROR,
		    "vsftpd_log_file is empty, but background=YES needs a log: name a "
		    "file, or set syslog_enable=YES");
	if (option_changed(c, option_find("vsftpd_log_file")) &&
	    (!c->background || c->syslog_enable))
		conf_tell(t, CONF_WARNING, "vsftpd_log_file has no effect %s",
		    c->syslog_enable
			? "with syslog_enable=YES"
			: "without background=YES: the log goes to standard error");
	if (c->xferlog_enable && c->xferlog_std_format && c->xferlog_file == NULL)
		conf_tell(t, CONF_ERROR,
		    "xferlog_file is empty, but xferlog_std_format=YES needs a file");
}

static void
check_modes(const struct conf *c, struct conf_teller *t)
{
	if (!c->pasv_enable && !c->port_enable)
		conf_tell(t, CONF_WARNING,
		    "pasv_enable and port_enable are both NO: no data connection can be "
		    "made, so no file and no listing can be moved");
	if (c->port_promiscuous)
		conf_tell(t, CONF_WARNING,
		    "port_promiscuous=YES: clients can make this server connect to any "
		    "other host (RFC 2577)");
	if (c->pasv_promiscuous)
		conf_tell(t, CONF_WARNING,
		    "pasv_promiscuous=YES: whoever connects to a passive port first gets "
		    "the data, client or not");
}

/* min over max. When only one of them is set the other one is still the default, and
 * nothing in the file shows it. */
static void
tell_empty_range(const struct conf *c, struct conf_teller *t)
{
	bool min_set = option_changed(c, option_find("pasv_min_port"));
	bool max_set = option_changed(c, option_find("pasv_max_port"));
	uint64_t min = c->pasv_min_port, max = c->pasv_max_port;

	if (min_set == max_set)
		conf_tell(t, CONF_ERROR,
		    "pasv_min_port=%" PRIu64 " is over pasv_max_port=%" PRIu64
		    ": no passive port is left",
		    min, max);
	else
		conf_tell(t, CONF_ERROR,
		    "%s is set, and %s has its default, %" PRIu64 ": from %" PRIu64
		    " to %" PRIu64 " no passive port is left. Set both",
		    min_set ? "pasv_min_port" : "pasv_max_port",
		    min_set ? "pasv_max_port" : "pasv_min_port", min_set ? max : min, min,
		    max);
}

static void
check_port_range(const struct conf *c, struct conf_teller *t)
{
	bool min_set = option_changed(c, option_find("pasv_min_port"));
	bool max_set = option_changed(c, option_find("pasv_max_port"));
	uint64_t min = c->pasv_min_port, max = c->pasv_max_port;

	if (!c->pasv_enable)
		return;
	if (min > max) {
		tell_empty_range(c, t);
		return;
	}
	if (min < 1024 && !conf_one_passive_port(c)) /* the one port is the master's */
		conf_tell(t, CONF_ERROR,
		    "pasv_min_port=%" PRIu64
		    ": ports below 1024 are the system's, and the process that listens "
		    "has no right to them; begin at 1024 or higher",
		    min);
	if (min_set != max_set)
		conf_tell(t, CONF_WARNING,
		    "%s is set, and %s has its default: passive ports are %" PRIu64
		    " to %" PRIu64 ", and a firewall must let all of them through",
		    min_set ? "pasv_min_port" : "pasv_max_port",
		    min_set ? "pasv_max_port" : "pasv_min_port", min, max);
	if (c->max_clients > max - min + 1 && !conf_one_passive_port(c))
		conf_tell(t, CONF_WARNING,
		    "max_clients=%" PRIu64 " sessions have %" PRIu64
		    " passive ports between them; those that find none free get 425",
		    c->max_clients, max - min + 1);
	if (min <= EPHEMERAL_HIGH && max >= EPHEMERAL_LOW)
		conf_tell(t, CONF_WARNING,
		    "the passive ports %" PRIu64 " to %" PRIu64
		    " overlap %d to %d, from which Linux takes ports for outgoing "
		    "connections (net.ipv4.ip_local_port_range): some may be busy at "
		    "times, ferryd then tries others. A range above %d avoids it",
		    min, max, EPHEMERAL_LOW, EPHEMERAL_HIGH, EPHEMERAL_HIGH);
}

static void
check_data_peer(const struct conf *c, struct conf_teller *t)
{
	char shown[SHOWN_MAX];

	if (conf_trusts_resumed(c)) {
		if (!c->ssl_enable)
			conf_tell(t, CONF_WARNING,
			    "data_peer=resumed has no effect without ssl_enable=YES");
		return;
	}
	if (c->data_peer == NULL || strcmp(c->data_peer, "same") == 0)
		return;
	show(c->data_peer, shown);
	conf_tell(t, CONF_ERROR, "data_peer=%s: it is same or resumed", shown);
}

/* One word of proxy_protocol_from. */
static void
check_proxy(struct bytes word, struct conf_teller *t)
{
	char shown[SHOWN_MAX], right[ENDPOINT_TEXT_MAX];
	struct network n;
	bool exact;

	log_escape((const char *)word.p, word.n, shown, sizeof(shown));
	if (proxy_from_parse(word, &n, &exact) < 0) {
		conf_tell(t, CONF_ERROR,
		    "proxy_protocol_from: %s is no address, and no network such as "
		    "192.0.2.0/24",
		    shown);
	} else if (n.prefix == 0) {
		conf_tell(t, CONF_ERROR,
		    "proxy_protocol_from: %s is everybody, and everybody could claim to "
		    "come from anywhere; name the proxies",
		    shown);
	} else if (!exact) {
		network_format(&n, right);
		conf_tell(t, CONF_ERROR,
		    "proxy_protocol_from: %s has bits behind its prefix; write %s", shown,
		    right);
	}
}

static void
check_proxies(const struct conf *c, struct conf_teller *t)
{
	const char *at = c->proxy_protocol_from;
	struct bytes word;

	while (proxy_from_next(&at, &word))
		check_proxy(word, t);
}

static void
check_pasv_address(const struct conf *c, struct conf_teller *t)
{
	struct endpoint ep;
	char shown[SHOWN_MAX];

	if (c->pasv_address == NULL) {
		if (c->pasv_addr_resolve)
			conf_tell(t, CONF_WARNING,
			    "pasv_addr_resolve has no effect without pasv_address");
		return;
	}
	show(c->pasv_address, shown);
	if (endpoint_from_text(c->pasv_address, &ep) == 0) {
		if (ep.family != AF_INET)
			conf_tell(t, CONF_ERROR,
			    "pasv_address=%s is an IPv6 address, and PASV can tell IPv4 "
			    "ones only; EPSV, which IPv6 uses, needs none",
			    shown);
		return;
	}
	if (strspn(c->pasv_address, "0123456789.") == strlen(c->pasv_address))
		conf_tell(t, CONF_ERROR,
		    "pasv_address=%s is not an IPv4 address: those are four numbers from "
		    "0 to 255 with dots between them",
		    shown);
	else if (!c->pasv_addr_resolve)
		conf_tell(t, CONF_ERROR,
		    "pasv_address=%s is not an IPv4 address such as 192.0.2.1; if it is "
		    "a host name, set pasv_addr_resolve=YES",
		    shown);
}

/* Rights that need write_enable, which is NO unless set. */
static void
check_writing(const struct conf *c, struct conf_teller *t)
{
	const struct {
		const char *name;
		bool on;
	} rights[] = {
	    {"anon_upload_enable", c->anon_upload_enable},
	    {"anon_mkdir_write_enable", c->anon_mkdir_write_enable},
	    {"anon_other_write_enable", c->anon_other_write_enable},
	};

	for (size_t i = 0; i < ARRAY_LEN(rights) && !c->write_enable; i++)
		if (rights[i].on)
			conf_tell(t, CONF_WARNING,
			    "%s has no effect without write_enable=YES", rights[i].name);
}

static bool
is_verb(const char *word, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strlen(verbs[i]) == n && strncasecmp(verbs[i], word, n) == 0)
			return true;
	return false;
}

/* A command that does not exist is a typing mistake: in cmds_denied it leaves a door
 * open. */
static void
check_commands(const char *option, const char *list, struct conf_teller *t)
{
	static const char separators[] = ", \t";
	char shown[SHOWN_MAX];

	for (const char *p = list; p != NULL && *p != '\0';) {
		p += strspn(p, separators);
		size_t n = strcspn(p, separators);
		if (n > 0 && !is_verb(p, n))
			conf_tell(t, CONF_WARNING,
			    "%s: %s is not a command of this server", option,
			    log_escape(p, n, shown, sizeof(shown)));
		p += n;
	}
}

static void
check_command_lists(const struct conf *c, struct conf_teller *t)
{
	check_commands("cmds_allowed", c->cmds_allowed, t);
	check_commands("cmds_denied", c->cmds_denied, t);
}

/* Old versions: what an existing vsftpd.conf asks for is not given, and it says so. */
static void
check_tls_versions(const struct conf *c, struct conf_teller *t)
{
	const struct {
		const char *name;
		bool on;
	} old[] = {
	    {"ssl_sslv2", c->ssl_sslv2},
	    {"ssl_sslv3", c->ssl_sslv3},
	    {"ssl_tlsv1_1", c->ssl_tlsv1_1},
	};

	for (size_t i = 0; i < ARRAY_LEN(old); i++)
		if (old[i].on)
			conf_tell(t, CONF_WARNING,
			    "%s=YES has no effect: TLS 1.2 and 1.3 are offered, what is "
			    "older is not secure",
			    old[i].name);
	if (!c->ssl_tlsv1_2 && !c->ssl_tlsv1_3)
		conf_tell(t, CONF_ERROR,
		    "ssl_tlsv1_2 and ssl_tlsv1_3 are both NO: no version of TLS is left");
}

static void
check_tls_files(const struct conf *c, struct conf_teller *t)
{
	if (c->dsa_cert_file != NULL || c->dsa_private_key_file != NULL)
		conf_tell(t, CONF_ERROR,
		    "dsa_cert_file, dsa_private_key_file: DSA certificates are refused, "
		    "since no client of today takes them; use rsa_cert_file or "
		    "ec_cert_file");
	if (c->rsa_cert_file == NULL && c->ec_cert_file == NULL)
		conf_tell(t, CONF_ERROR,
		    "ssl_enable=YES needs a certificate: set rsa_cert_file, ec_cert_file "
		    "or both");
	if (c->rsa_cert_file == NULL &&
	    (c->rsa_private_key_file != NULL || c->rsa_ocsp_file != NULL))
		conf_tell(t, CONF_WARNING,
		    "rsa_private_key_file and rsa_ocsp_file have no effect without "
		    "rsa_cert_file");
	if (c->ec_cert_file == NULL &&
	    (c->ec_private_key_file != NULL || c->ec_ocsp_file != NULL))
		conf_tell(t, CONF_WARNING,
		    "ec_private_key_file and ec_ocsp_file have no effect without "
		    "ec_cert_file");
	if (c->validate_cert && c->ca_certs_file == NULL)
		conf_tell(t, CONF_ERROR,
		    "validate_cert=YES needs ca_certs_file: the authorities that sign "
		    "clients' certificates");
	if (c->ca_certs_file != NULL && !c->validate_cert)
		conf_tell(t, CONF_WARNING,
		    "ca_certs_file has no effect without validate_cert=YES: any "
		    "certificate is accepted");
	if (c->require_cert && !c->validate_cert)
		conf_tell(t, CONF_WARNING,
		    "require_cert=YES without validate_cert=YES: any certificate is "
		    "accepted, also one that the client made itself");
}

static void
check_tls(const struct conf *c, struct conf_teller *t)
{
	if (!c->ssl_enable) {
		if (c->implicit_ssl || c->implicit_ssl_port != 0)
			conf_tell(t, CONF_ERROR,
			    "%s needs ssl_enable=YES: without it no connection is "
			    "encrypted",
			    c->implicit_ssl ? "implicit_ssl" : "implicit_ssl_port");
		if (c->force_anon_logins_ssl || c->force_anon_data_ssl)
			conf_tell(t, CONF_WARNING,
			    "force_anon_logins_ssl and force_anon_data_ssl have no "
			    "effect without ssl_enable=YES");
		return;
	}
	check_tls_versions(c, t);
	check_tls_files(c, t);
	if (c->implicit_ssl_port != 0 && c->implicit_ssl_port == c->listen_port)
		conf_tell(t, CONF_ERROR,
		    "implicit_ssl_port is listen_port: one port cannot be both; use "
		    "implicit_ssl=YES if all of it is to be implicit");
	if (c->anonymous_enable && !c->allow_anon_ssl &&
	    (c->force_anon_logins_ssl || c->force_anon_data_ssl))
		conf_tell(t, CONF_ERROR,
		    "anonymous users must use TLS (force_anon_...) and may not "
		    "(allow_anon_ssl=NO)");
}

/* Whoever may log in without a password must have shown what nobody can make up. */
static void
check_cert_user(const struct conf *c, struct conf_teller *t)
{
	enum cert_user how = CERT_USER_NONE;
	char shown[SHOWN_MAX];

	if (cert_user_parse(c, &how) < 0)
		conf_tell(t, CONF_ERROR,
		    "cert_user=%s: it is CN, SAN or none, for the part of a certificate "
		    "that has to be the user's name",
		    show(c->cert_user, shown));
	if (how == CERT_USER_NONE)
		return;
	if (!c->ssl_enable)
		conf_tell(t, CONF_ERROR,
		    "cert_user=%s needs ssl_enable=YES: certificates come with TLS",
		    c->cert_user);
	else if (!c->validate_cert || c->ca_certs_file == NULL)
		conf_tell(t, CONF_ERROR,
		    "cert_user=%s needs validate_cert=YES and ca_certs_file: without "
		    "them anybody could make a certificate with any name in it",
		    c->cert_user);
	if (!c->local_enable)
		conf_tell(t, CONF_WARNING,
		    "cert_user has no effect without local_enable=YES: anonymous users "
		    "need no certificate");
}

static check_fn *const checks[] = {
    check_listen,
    check_logins,
    check_accounts,
    check_paths,
    check_logs,
    check_modes,
    check_port_range,
    check_data_peer,
    check_proxies,
    check_pasv_address,
    check_writing,
    check_command_lists,
    check_tls,
    check_cert_user,
    conf_check_honoured,
};

/* ---- sections ---- */

#define TOLD_MAX 64

/* Passes problems on and remembers them: a section that inherits one must not tell it
 * again. */
struct told {
	conf_problem_cb *cb;
	void *user;
	const struct section *section; /* NULL: before the first one */
	char *text[TOLD_MAX];
	size_t n;
};

static void
tell_head(enum conf_severity severity, const char *file, unsigned line, const char *text,
    void *user)
{
	struct told *told = user;

	if (told->n < TOLD_MAX && (told->text[told->n] = strdup(text)) != NULL)
		told->n++;
	if (told->cb != NULL)
		told->cb(severity, file, line, text, told->user);
}

static void
tell_section(enum conf_severity severity, const char *file, unsigned line,
    const char *text, void *user)
{
	const struct told *told = user;
	const struct section *s = told->section;
	struct conf_teller t = {
	    .cb = told->cb, .user = told->user, .file = s->file, .line = s->line};

	for (size_t i = 0; i < told->n; i++) {
		if (strcmp(told->text[i], text) == 0)
			return;
	}
	conf_tell(&t, severity, "[%s %s]: %s", section_kind_name(s->kind), s->name, text);
}

/* What the section makes of the head. A network from which nobody may log in is a wish
 * like any other. */
static void
check_section(const struct conf *c, struct told *told, struct conf_teller *t)
{
	const struct section *s = told->section;
	bool host = s->kind == SECTION_HOST;
	struct conf view;

	section_overlay(c, host ? s : NULL, host ? NULL : s, &view);
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		if (host || checks[i] != check_logins)
			checks[i](&view, t);
	}
}

int
conf_check(const struct conf *c, conf_problem_cb *cb, void *user)
{
	struct told told = {.cb = cb, .user = user};
	struct conf_teller t = {.cb = tell_head, .user = &told};

	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		checks[i](c, &t);
	t.cb = tell_section;
	for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
		for (size_t i = 1; (told.section = section_get(c, kind, i)) != NULL; i++)
			check_section(c, &told, &t);
	}
	for (size_t i = 0; i < told.n; i++)
		free(told.text[i]);
	return t.failed ? -FERRY_EINVAL : 0;
}
