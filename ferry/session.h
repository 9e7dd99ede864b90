/*
 * One session with one server, for the one-shot commands and the prompt: a handle of
 * libferry, its settings, the view of its events, and ^C.
 *
 * Every call to libferry runs event-driven here, as session_run(s, ferry_call(s->h,
 * ...)), so that ^C is obeyed wherever it comes: the first stops the operation (ABOR) and
 * keeps the session, the second, or one before the login is done, ends the connection.
 */
#ifndef FERRY_SESSION_H
#define FERRY_SESSION_H

#include "memory.h"
#include "options.h"
#include "target.h"
#include "trust.h"
#include "view.h"

struct login;

struct session {
	struct ferry *h; /* never NULL; a new one after the connection was dropped */
	const struct options *opt;
	struct view view;
	enum ferry_mode mode;
	enum ferry_coding coding;
	bool active_allowed;
	bool binary;
	bool may_ask;                /* is there a person to ask for a password? */
	bool secret_from_input;      /* a script: the next line of standard input is the
					password */
	struct trust trust;          /* what is known of the server */
	struct memory memory;        /* which way worked before */
	/* ends of the command connection, or of the last one */
	struct sockaddr_storage own, peer;
	bool stopping;               /* ^C was typed once in this operation */
	bool drops_at_once;          /* the first ^C ends the connection too */
	const char *prompt_password; /* text of the question */
	struct login *login; /* what a person was asked is kept there, and not asked again;
				borrowed, or NULL */
	bool keeps_password;         /* a person is asked for it once only */
	char *kept_password;         /* then this one; or NULL */
	double asked_seconds;        /* that a person took to answer questions */
	double limit;      /* on the monotonic clock: whatever runs then is ended, and the
			      connection; 0: none */
	char message[600]; /* a failure on our side, in words; "" when the handle has the
			      words */
};

/* 0 or -FERRY_ENOMEM, -FERRY_EINVAL for an address in the options that is none, or what
 * trace_check() says. */
int session_init(struct session *s, const struct options *opt);
void session_free(struct session *s);
/* Writes the file of --trace, if there is to be one; what goes wrong is told on standard
 * error. 0 or -FERRY_ELOCAL. */
int session_save_trace(struct session *s);
/* Applies mode, coding, active_allowed and binary to the handle. */
void session_apply(struct session *s);

/* Runs what a call began to its end: 0, or a negative enum ferry_error. */
int session_run(struct session *s, int result);
/* Ends the connection at once. */
void session_drop(struct session *s);

/* tls: what the URL asks for. */
int session_connect(
    struct session *s, const char *host, uint16_t port, enum ferry_tls tls);
/* Logs in as user (NULL: anonymous). password NULL: from the terminal if asked for and
 * there is one. */
int session_login(
    struct session *s, const char *user, const char *password, const char *account);
/* What to log in with. */
struct login {
	char *user;               /* or NULL: anonymous */
	char *password, *account; /* or NULL; wiped by login_clear() */
	char *passphrase;         /* of our own key, once it was asked for */
};
/* What options, target and netrc say; 0, or an error. Other than in the netrc file a
 * password can be read only once. */
int session_find_login(struct session *s, const struct target *t, struct login *ret);
void login_clear(struct login *l);
/* Connects and logs in with that. */
int session_enter(struct session *s, const struct target *t, const struct login *l);
/* All of it. */
int session_open(struct session *s, const struct target *t);
/* Fills user, password and account for a host from the netrc file: 1, 0 for none, or an
 * error with s->message. Wipe with netrc_clear(). */
struct netrc_entry;
int session_netrc(
    struct session *s, const char *host, const char *user, struct netrc_entry *ret);
/* The password that --password-file or --password-fd gives: 1, 0 for none, or an error.
 */
int session_password(struct session *s, char **ret);

/* A person was asked something since then: no limit is hurt by that. */
void session_asked(struct session *s, double begun);
/* The sentence for the last failure: harmless text; free(). */
char *session_error(const struct session *s, int result);
__attribute__((format(printf, 3, 4))) int session_fail(
    struct session *s, int result, const char *format, ...);

#endif
