/*
 * Who may say that a login is right: one const table of functions per way to know
 * (anonymous, the one user of --user, PAM, ...), for auth.c, which asks the first one
 * that claims the name.
 *
 * A backend decides whether the secret is right and which name it belongs to; what that
 * name may do and where is identity.c's business. A backend never logs (its `why` is
 * logged once, by auth.c) and never keeps a secret.
 */
#ifndef FERRYD_AUTH_BACKEND_H
#define FERRYD_AUTH_BACKEND_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "conf.h"
#include "identity.h"
#include "single.h"

/* Longest cause that is told to the operator. */
#define WHY_MAX 1024
/* Longest name of a login; as in messages.def. */
#define LOGIN_NAME_MAX_BYTES 255

enum answer {
	ANSWER_NO, /* the secret or the name is wrong, or the account may not log in */
	ANSWER_YES,
	ANSWER_AGAIN, /* nobody can say: the backend is broken, busy or slow */
};

/* One try to log in. Borrowed C strings; the password is wiped by its owner. */
struct attempt {
	uint32_t session;
	const char *user;
	const char *password;
	const char *peer; /* numeric address, for PAM and the log */
	/* Instead of a password: the client's certificates as certificate.h has them,
	 * and who may have signed them (NULL: nobody). n 0: a password it is. */
	struct bytes chain;
	X509_STORE *authorities;
};

/* What all backends may look at: of one host and one network. Made once at the start,
 * constant afterwards; setup_for() makes it fit a login. */
struct setup {
	const struct conf *conf;
	struct single single;          /* of --user; single.used: nobody else is served */
	struct identity_source source; /* how accounts become identities */
	/* Of one host, resolved at the start: an account lookup may block. */
	const struct identity *anonymous; /* root NULL: there is none */
	const struct buf *anonymous_why;  /* and this is why */
};

/* The login is made at that host, from that network: numbers of sections. all: what
 * auth_prepare() made; *ret borrows from it. 0; -FERRY_EPROTO: there are no such
 * sections; -FERRY_ENOMEM. */
int setup_for(const struct setup *all, size_t host, size_t network, struct setup *ret);

/* The answer of a backend. */
struct finding {
	enum answer answer;
	struct buf user; /* the name that was accepted: a backend may map it. Untouched:
			    as typed */
	struct buf why;  /* cause of NO and AGAIN, for the operator, unescaped */
};

enum backend_flags {
	/* check may block: it runs in a process of its own (checker.h) and may use
	   `state`. */
	BACKEND_BLOCKS = 1 << 0,
	/* With session_support=YES the login is a session that is opened and closed.
	   Needs BLOCKS. */
	BACKEND_SESSIONS = 1 << 1,
	/* check judges the account too (expired, shell, hours): check_shell is not for us
	   then. */
	BACKEND_JUDGES_ACCOUNT = 1 << 2,
};

/* What a right login of this backend is. */
enum backend_kind { KIND_ANONYMOUS, KIND_SINGLE, KIND_ACCOUNT };

struct backend {
	const char *name;
	unsigned flags;
	enum backend_kind kind;
	/* Is this name this backend's affair? No side effects, no look at the secret. */
	bool (*claims)(const struct setup *s, const char *user);
	/* Fills *ret. *ret_state is passed to the functions below; it may stay NULL. */
	void (*check)(const struct setup *s, const struct attempt *a, struct finding *ret,
	    void **ret_state);
	/* The same for a user who is proved already, by a certificate: what is left is
	 * whether the name is one, and what becomes of its account. NULL: no certificate
	 * is good for such names. */
	void (*vouched)(const struct setup *s, const struct attempt *a,
	    struct finding *ret, void **ret_state);
	/* After YES, when the login is wanted. 0, or -FERRY_EREFUSED with the cause in
	 * why. */
	int (*open_session)(void *state, struct buf *why);
	/* The login is over, or was not wanted. open: open_session succeeded before. */
	void (*end)(void *state, bool open);
};

/* What auth concludes: the answer, and for YES who the user is from now on. */
struct decision {
	enum answer answer;
	struct buf user;
	struct buf why;
	struct identity identity;
};

void finding_init(struct finding *f);
void finding_clear(struct finding *f);
void decision_init(struct decision *d);
void decision_clear(struct decision *d);

/* The first of the NULL-terminated backends that claims the name, or NULL. */
const struct backend *backend_choose(
    const struct backend *const *all, const struct setup *s, const char *user);

/* check, then identity. Blocks if the backend does. */
void backend_decide(const struct backend *b, const struct setup *s,
    const struct attempt *a, struct decision *ret, void **ret_state);

/* "anonymous" and "ftp", in any case. */
bool backend_name_is_anonymous(const char *user);

extern const struct backend backend_anonymous;
extern const struct backend backend_single;
extern const struct backend backend_pam;
/* For tests: the user name says how to fail. Not in ferryd-auth's table. */
extern const struct backend backend_fail;
extern const struct backend backend_fail_now;

/* How much at once. */
struct auth_limits {
	unsigned running;  /* checks in processes of their own at the same time */
	unsigned waiting;  /* logins that wait for one; more are told to try again */
	unsigned logins;   /* logins that one worker may have in all */
	unsigned check_ms; /* one check, or one opening or closing of a session */
};

/* ferryd-auth's own (backends.c); a test program links other ones. */
extern const struct backend *const auth_backends[];
extern const struct auth_limits auth_limits;

#endif
