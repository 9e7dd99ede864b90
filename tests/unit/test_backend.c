/*
 * auth's backends behind their one table: who claims which name, what each answers, the
 * failing ones; the PAM conversation with every rudeness of modules; the report of a
 * checking process, whole, cut and forged.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <ferry/ferry.h>
#include <string.h>
#include <unistd.h>

#include "auth.h"
#include "backend.h"
#include "grant.h"
#include "pam_talk.h"
#include "report.h"
#include "util.h"

static const struct backend *const all[] = {
    &backend_anonymous,
    &backend_single,
    &backend_pam,
    &backend_fail,
    &backend_fail_now,
    NULL,
};

/* auth.c wants them; the program has backends.c. */
const struct backend *const auth_backends[] = {NULL};
const struct auth_limits auth_limits = {.running = 1};

/* options: "name=value ..."; user NULL: no --user. */
static void
setup_make(struct setup *s, struct conf *c, const char *options, const char *user,
    const char *password, bool anonymous)
{
	_cleanup_free_ char *copy = strdup(options);
	char *save = NULL;

	*s = (struct setup){0};
	assert_int_equal(conf_init(c), 0);
	for (char *o = strtok_r(copy, " ", &save); o != NULL;
	     o = strtok_r(NULL, " ", &save)) {
		char *value = strchr(o, '=');

		*value++ = '\0';
		assert_int_equal(conf_set(c, o, value, "test", 1, NULL, NULL), 0);
	}
	if (user != NULL) {
		const struct msg m = {
		    .type = MSG_AUTH_USER,
		    .auth_user =
			{
			    .user = bytes_of(user),
			    .password = bytes_of(password),
			    .uid = 77,
			    .gid = 78,
			    .anonymous = anonymous,
			},
		};

		auth_early(&m, &s->single);
	}
	assert_int_equal(auth_prepare(s, c, false), 0);
}

static void
setup_clear(struct setup *s)
{
	auth_unprepare(s);
}

/* Every backend must be usable by auth.c without a look at which one it is. */
static void
test_table(void **state)
{
	for (size_t i = 0; all[i] != NULL; i++) {
		const struct backend *b = all[i];

		assert_non_null(b->name);
		assert_non_null(b->claims);
		assert_non_null(b->check);
		if ((b->flags & BACKEND_SESSIONS) != 0) {
			assert_true(b->flags & BACKEND_BLOCKS);
			assert_non_null(b->open_session);
			assert_non_null(b->end);
		}
		/* state is only kept where there is a process to keep it */
		if ((b->flags & BACKEND_BLOCKS) == 0)
			assert_null(b->end);
	}
}

static void
test_choose(void **state)
{
	static const struct {
		const char *options;
		const char *single; /* --user */
		bool anonymous;     /* with --user */
		const char *user;
		const char *backend; /* NULL: nobody's */
	} cases[] = {
	    {"", NULL, false, "anonymous", "anonymous"},
	    {"", NULL, false, "Anonymous", "anonymous"},
	    {"", NULL, false, "FTP", "anonymous"},
	    {"", NULL, false, "ftp ", NULL},
	    {"", NULL, false, "alice", NULL},
	    {"anonymous_enable=NO", NULL, false, "ftp", NULL},
	    {"anonymous_enable=NO local_enable=YES", NULL, false, "ftp", "pam"},
	    {"local_enable=YES", NULL, false, "ftp", "anonymous"},
	    {"local_enable=YES", NULL, false, "alice", "pam"},
	    {"local_enable=YES pam_service_name=", NULL, false, "alice", NULL},
	    {"guest_enable=YES", NULL, false, "alice", NULL},
	    {"", "alice", false, "alice", "single"},
	    {"", "alice", false, "bob", "single"},
	    {"", "alice", false, "anonymous", "single"},
	    {"", "alice", true, "anonymous", "anonymous"},
	    {"anonymous_enable=NO", "alice", true, "anonymous", "anonymous"},
	    {"local_enable=YES", "alice", true, "bob", "single"},
	    {"", "", true, "FTP", "anonymous"},
	    {"", "", true, "bob", "single"},
	    {"", NULL, false, "fail-no", "fail"},
	    {"", NULL, false, "now-no", "fail-now"},
	    {"", NULL, false, "fail-sideways", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct backend *b;
		_cleanup_(conf_free)
		struct conf c;
		_cleanup_(setup_clear)
		struct setup s;

		print_message("%s for %s\n", cases[i].options, cases[i].user);
		setup_make(
		    &s, &c, cases[i].options, cases[i].single, "pw", cases[i].anonymous);
		b = backend_choose(all, &s, cases[i].user);
		if (cases[i].backend == NULL)
			assert_null(b);
		else
			assert_string_equal(b->name, cases[i].backend);
	}
}

static enum answer
ask(const struct setup *s, const char *user, const char *password, struct decision *ret)
{
	const struct attempt a = {
	    .session = 1, .user = user, .password = password, .peer = "192.0.2.1"};
	const struct backend *b = backend_choose(all, s, user);
	void *ignored = NULL;

	assert_non_null(b);
	decision_init(ret);
	backend_decide(b, s, &a, ret, &ignored);
	return ret->answer;
}

static void
test_anonymous(void **state)
{
	static const char *const passwords[] = {"", "me@example.com", "anything \xff"};
	_cleanup_(conf_free)
	struct conf c;
	_cleanup_(setup_clear)
	struct setup s;

	setup_make(&s, &c, "anon_root=/srv", NULL, NULL, false);
	if (s.anonymous->root == NULL)
		fail_msg("%s", (const char *)buf_data(s.anonymous_why));
	for (size_t i = 0; i < ARRAY_LEN(passwords); i++) {
		_cleanup_(decision_clear)
		struct decision d;

		assert_int_equal(ask(&s, "FTP", passwords[i], &d), ANSWER_YES);
		assert_string_equal(buf_cstr(&d.user), "FTP");
		assert_string_equal(d.identity.root, "/srv");
		assert_true(d.identity.anonymous);
		assert_int_equal(d.identity.uid, geteuid());
	}
}

/* Without an account to serve it as, anonymous is refused, and the operator is told why.
 */
static void
test_anonymous_unavailable(void **state)
{
	_cleanup_(conf_free)
	struct conf c;
	_cleanup_(setup_clear)
	struct setup s;
	_cleanup_(decision_clear)
	struct decision d;

	setup_make(&s, &c, "ftp_username=no-such-account-here", NULL, NULL, false);
	assert_int_equal(ask(&s, "anonymous", "x", &d), ANSWER_NO);
	assert_non_null(strstr(buf_cstr(&d.why), "no-such-account-here"));
	assert_null(d.identity.root);
}

static void
test_single(void **state)
{
	static const struct {
		const char *user, *password;
		enum answer answer;
	} cases[] = {
	    {"alice", "secret", ANSWER_YES},
	    {"alice", "Secret", ANSWER_NO},
	    {"alice", "secret ", ANSWER_NO},
	    {"alice", "secre", ANSWER_NO},
	    {"alice", "", ANSWER_NO},
	    {"Alice", "secret", ANSWER_NO},
	    {"alic", "esecret", ANSWER_NO},
	    {"bob", "secret", ANSWER_NO},
	    {"anonymous", "secret", ANSWER_NO},
	};
	_cleanup_(conf_free)
	struct conf c;
	_cleanup_(setup_clear)
	struct setup s;

	setup_make(&s, &c, "", "alice", "secret", false);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(decision_clear)
		struct decision d;

		assert_int_equal(
		    ask(&s, cases[i].user, cases[i].password, &d), cases[i].answer);
		if (d.answer != ANSWER_YES)
			continue;
		assert_int_equal(d.identity.uid, 77);
		assert_int_equal(d.identity.gid, 78);
		assert_string_equal(d.identity.root, "");
		assert_int_equal(d.identity.rights, RIGHT_ALL);
	}
}

/* A name without a password is no login, and neither is a second AUTH_USER. */
static void
test_single_none(void **state)
{
	static const char *const users[] = {"", "alice"};

	for (size_t i = 0; i < ARRAY_LEN(users); i++) {
		_cleanup_(conf_free)
		struct conf c;
		_cleanup_(setup_clear)
		struct setup s;
		_cleanup_(decision_clear)
		struct decision d, anon;

		setup_make(&s, &c, "", users[i], "", true);
		assert_int_equal(ask(&s, "alice", "", &d), ANSWER_NO);
		assert_int_equal(ask(&s, "anonymous", "", &anon), ANSWER_YES);
		assert_int_equal(anon.identity.rights, RIGHT_READ_ONLY | RIGHT_PRIVATE);
		assert_int_equal(anon.identity.uid, 77);
	}
}

static void
test_single_twice(void **state)
{
	_cleanup_(conf_free)
	struct conf c;
	_cleanup_(setup_clear)
	struct setup s;
	_cleanup_(decision_clear)
	struct decision d;
	const struct msg again = {
	    .type = MSG_AUTH_USER,
	    .auth_user = {.user = bytes_of("bob"), .password = bytes_of("pw")},
	};

	setup_make(&s, &c, "", "alice", "secret", false);
	auth_early(&again, &s.single);
	assert_int_equal(ask(&s, "alice", "secret", &d), ANSWER_NO);
	decision_clear(&d);
	assert_int_equal(ask(&s, "bob", "pw", &d), ANSWER_NO);
}

/* Neither name nor password can be found in what is kept. */
static void
test_single_keeps_no_secret(void **state)
{
	_cleanup_(conf_free)
	struct conf c;
	_cleanup_(setup_clear)
	struct setup s;

	setup_make(&s, &c, "", "aliceinwonderland", "correcthorsebattery", false);
	assert_null(memmem(&s.single, sizeof(s.single), "alicein", 7));
	assert_null(memmem(&s.single, sizeof(s.single), "correct", 7));
}

static void
test_fail(void **state)
{
	static const struct {
		const char *user;
		enum answer answer;
		const char *why;
	} cases[] = {
	    {"now-no", ANSWER_NO, "told to"},
	    {"now-again", ANSWER_AGAIN, "unable"},
	    {"now-silent", ANSWER_NO, "no cause"},
	    {"now-unknown", ANSWER_NO, "no-such-account"},
	    {"now-root", ANSWER_NO, "user id 0"},
	    {"now-not", ANSWER_YES, ""},
	};
	_cleanup_(conf_free)
	struct conf c;
	_cleanup_(setup_clear)
	struct setup s;

	setup_make(&s, &c, "check_shell=NO local_root=/srv", NULL, NULL, false);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(decision_clear)
		struct decision d;

		print_message("%s\n", cases[i].user);
		assert_int_equal(ask(&s, cases[i].user, "", &d), cases[i].answer);
		assert_non_null(strstr(buf_cstr(&d.why), cases[i].why));
		assert_int_equal(d.identity.root != NULL, cases[i].answer == ANSWER_YES);
	}
}

/* ---- the PAM conversation ---- */

static void
free_responses(struct pam_response *r, int n)
{
	for (int i = 0; i < n; i++)
		free(r[i].resp);
	free(r);
}

static void
test_talk(void **state)
{
	static const struct {
		int n;
		int style[4];
		int result;
		const char *answers[4];
	} cases[] = {
	    {1, {PAM_PROMPT_ECHO_OFF}, PAM_SUCCESS, {"pw"}},
	    {1, {PAM_PROMPT_ECHO_ON}, PAM_SUCCESS, {"bob"}},
	    {4,
		{PAM_PROMPT_ECHO_ON, PAM_TEXT_INFO, PAM_PROMPT_ECHO_OFF,
		    PAM_PROMPT_ECHO_OFF},
		PAM_SUCCESS, {"bob", NULL, "pw", "pw"}},
	    {2, {PAM_ERROR_MSG, PAM_TEXT_INFO}, PAM_SUCCESS, {NULL, NULL}},
	    {0, {0}, PAM_CONV_ERR, {NULL}},
	    {-1, {0}, PAM_CONV_ERR, {NULL}},
	    {PAM_MAX_NUM_MSG + 1, {0}, PAM_CONV_ERR, {NULL}},
	    {INT32_MAX, {0}, PAM_CONV_ERR, {NULL}},
	    {2, {PAM_PROMPT_ECHO_OFF, PAM_BINARY_PROMPT}, PAM_CONV_ERR, {NULL}},
	    {2, {PAM_PROMPT_ECHO_OFF, 4711}, PAM_CONV_ERR, {NULL}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pam_message text[4];
		const struct pam_message *msgs[4];
		struct pam_response *r = NULL;
		struct pam_talk t;

		for (size_t k = 0; k < ARRAY_LEN(text); k++) {
			text[k] = (struct pam_message){
			    .msg_style = cases[i].style[k], .msg = "hi"};
			msgs[k] = &text[k];
		}
		pam_talk_init(&t, "bob", "pw");
		assert_int_equal(pam_talk(cases[i].n, msgs, &r, &t), cases[i].result);
		assert_int_equal(r != NULL, cases[i].result == PAM_SUCCESS);
		for (int k = 0; r != NULL && k < cases[i].n; k++) {
			if (cases[i].answers[k] == NULL)
				assert_null(r[k].resp);
			else
				assert_string_equal(r[k].resp, cases[i].answers[k]);
		}
		if (r != NULL)
			free_responses(r, cases[i].n);
		pam_talk_clear(&t);
	}
}

/* What pam_matrix does with "verbose": it tells, and wants no answer. */
static void
test_talk_null(void **state)
{
	const struct pam_message info = {
	    .msg_style = PAM_TEXT_INFO, .msg = "Authenticating"};
	const struct pam_message prompt = {
	    .msg_style = PAM_PROMPT_ECHO_OFF, .msg = "Password: "};
	const struct pam_message silent = {.msg_style = PAM_ERROR_MSG, .msg = NULL};
	const struct pam_message *one = &info, *ask_one = &prompt, *none = NULL,
				 *mute = &silent;
	struct pam_response *r = NULL;
	struct pam_talk t;

	pam_talk_init(&t, "bob", "pw");
	assert_int_equal(pam_talk(1, &one, NULL, &t), PAM_SUCCESS);
	assert_string_equal(buf_cstr(&t.said), "Authenticating");
	assert_int_equal(pam_talk(1, &ask_one, NULL, &t), PAM_CONV_ERR);
	assert_int_equal(pam_talk(1, &none, NULL, &t), PAM_CONV_ERR);
	assert_int_equal(pam_talk(1, &none, &r, &t), PAM_CONV_ERR);
	assert_int_equal(pam_talk(1, NULL, &r, &t), PAM_CONV_ERR);
	assert_int_equal(pam_talk(1, &one, &r, NULL), PAM_CONV_ERR);
	assert_int_equal(pam_talk(1, &mute, NULL, &t), PAM_SUCCESS);
	assert_null(r);
	/* once forgotten, nothing can be asked */
	pam_talk_forget(&t);
	assert_int_equal(pam_talk(1, &ask_one, &r, &t), PAM_CONV_ERR);
	pam_talk_clear(&t);
}

/* A module that talks without end costs a bounded memory. */
static void
test_talk_bounded(void **state)
{
	char text[100];
	const struct pam_message info = {.msg_style = PAM_TEXT_INFO, .msg = text};
	const struct pam_message *one = &info;
	struct pam_talk t;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	pam_talk_init(&t, "bob", "pw");
	for (int i = 0; i < 1000; i++)
		assert_int_equal(pam_talk(1, &one, NULL, &t), PAM_SUCCESS);
	assert_int_equal(buf_len(&t.said), t.said.max);
	pam_talk_clear(&t);
}

/* ---- reports ---- */

static size_t
good_report(uint8_t *bytes)
{
	_cleanup_(conf_free)
	struct conf c;
	_cleanup_(decision_clear)
	struct decision d;

	decision_init(&d);
	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(identity_served(&c, 5, 6, false, &d.identity), 0);
	d.answer = ANSWER_YES;
	buf_append_str(&d.user, "bob");
	return report_encode(&d, 3, 9, bytes);
}

static int
decode(const uint8_t *p, size_t n, uint32_t worker, uint32_t session)
{
	_cleanup_(decision_clear)
	struct decision d;

	decision_init(&d);
	return report_decode(p, n, worker, session, &d);
}

static void
test_report(void **state)
{
	_cleanup_(decision_clear)
	struct decision d;
	uint8_t bytes[REPORT_MAX];
	size_t n = good_report(bytes);

	decision_init(&d);
	assert_int_equal(report_decode(bytes, n, 3, 9, &d), 0);
	assert_int_equal(d.answer, ANSWER_YES);
	assert_string_equal(buf_cstr(&d.user), "bob");
	assert_int_equal(d.identity.uid, 5);
	assert_string_equal(d.identity.root, "");
}

static void
test_report_no(void **state)
{
	_cleanup_(decision_clear)
	struct decision d, back;
	uint8_t bytes[REPORT_MAX];
	size_t n;

	decision_init(&d);
	decision_init(&back);
	d.answer = ANSWER_NO;
	while (buf_room(&d.why) > 0)
		buf_append_byte(&d.why, 'w');
	n = report_encode(&d, 3, 9, bytes);
	assert_int_equal(report_decode(bytes, n, 3, 9, &back), 0);
	assert_int_equal(back.answer, ANSWER_NO);
	assert_int_equal(buf_len(&back.why), WHY_MAX);
	assert_null(back.identity.root);
}

/* Cut anywhere, with a byte too much, about somebody else, with an unknown answer. */
static void
test_report_forged(void **state)
{
	uint8_t bytes[REPORT_MAX];
	size_t n = good_report(bytes);

	for (size_t i = 0; i < n; i++)
		if (i != 3) /* a bare YES: the answer about a session */
			assert_int_equal(decode(bytes, i, 3, 9), -FERRY_EPROTO);
	assert_int_equal(decode(bytes, 3, 3, 9), 0);
	assert_int_equal(decode(bytes, n, 4, 9), -FERRY_EPROTO);
	assert_int_equal(decode(bytes, n, 3, 8), -FERRY_EPROTO);
	bytes[n] = 0;
	assert_int_equal(decode(bytes, n + 1, 3, 9), -FERRY_EPROTO);
	bytes[0] = ANSWER_NO; /* with an identity */
	assert_int_equal(decode(bytes, n, 3, 9), -FERRY_EPROTO);
	bytes[0] = ANSWER_AGAIN + 1;
	assert_int_equal(decode(bytes, n, 3, 9), -FERRY_EPROTO);
	bytes[0] = ANSWER_YES;
	bytes[1] = 0xff; /* a cause longer than all */
	assert_int_equal(decode(bytes, n, 3, 9), -FERRY_EPROTO);
}

/* What no message can carry is told as "cannot say", never cut. */
static void
test_report_too_long(void **state)
{
	_cleanup_(decision_clear)
	struct decision d, back;
	_cleanup_(conf_free)
	struct conf c;
	uint8_t bytes[REPORT_MAX];
	char path[5000];
	size_t n;

	decision_init(&d);
	decision_init(&back);
	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(identity_served(&c, 5, 6, false, &d.identity), 0);
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	free(d.identity.cwd);
	d.identity.cwd = strdup(path);
	d.answer = ANSWER_YES;
	buf_append_str(&d.user, "bob");
	n = report_encode(&d, 3, 9, bytes);
	assert_int_equal(report_decode(bytes, n, 3, 9, &back), 0);
	assert_int_equal(back.answer, ANSWER_AGAIN);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_choose),
	    cmocka_unit_test(test_anonymous),
	    cmocka_unit_test(test_anonymous_unavailable),
	    cmocka_unit_test(test_single),
	    cmocka_unit_test(test_single_none),
	    cmocka_unit_test(test_single_twice),
	    cmocka_unit_test(test_single_keeps_no_secret),
	    cmocka_unit_test(test_fail),
	    cmocka_unit_test(test_talk),
	    cmocka_unit_test(test_talk_null),
	    cmocka_unit_test(test_talk_bounded),
	    cmocka_unit_test(test_report),
	    cmocka_unit_test(test_report_no),
	    cmocka_unit_test(test_report_forged),
	    cmocka_unit_test(test_report_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
