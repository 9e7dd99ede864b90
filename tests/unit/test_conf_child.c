/*
 * How a child of the master gets its configuration: options, then START, over
 * descriptor 3. The master is played here; the child is a forked process, since
 * descriptor 3 must be its channel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "chan.h"
#include "child.h"
#include "fdpass.h"
#include "section.h"

/* What the child tells by its exit status. */
enum { GOT_START = 0, GOT_WRONG = 1, GOT_ERROR = 100 /* and the code */ };

static void
early(const struct msg *m, void *user)
{
	*(bool *)user = m->type == MSG_AUTH_USER && m->auth_user.password.n == 6;
}

static int
play_child(bool with_early)
{
	static struct wire_box box;
	bool user_came = false;
	struct conf conf;
	int r = child_receive_start(
	    ROLE_AUTH, &conf, &box, with_early ? early : NULL, &user_came);

	if (r < 0)
		return GOT_ERROR - r;
	bool right = conf.pasv_min_port == 40000 && conf.local_umask == 027 &&
		     !conf.listen && strcmp(conf.ftpd_banner, "line 1\nline 2") == 0 &&
		     conf.nopriv_user == NULL && conf.pasv_max_port == 61199 &&
		     box.msg.type == MSG_START && box.msg.start.uid == 7 &&
		     user_came == with_early;
	wire_box_close(&box);
	conf_free(&conf);
	return right ? GOT_START : GOT_WRONG;
}

static pid_t
start_child(bool with_early, int *ret_sock)
{
	int pair[2];

	assert_int_equal(fdpass_pair(pair), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* The pair may already hold the number; the master's end must not
		 * survive. */
		int own = dup(pair[1]);

		close(pair[0]);
		close(pair[1]);
		if (own != WIRE_CHILD_FD &&
		    (dup2(own, WIRE_CHILD_FD) < 0 || close(own) < 0))
			_exit(GOT_WRONG);
		_exit(play_child(with_early));
	}
	close(pair[1]);
	*ret_sock = pair[0];
	return pid;
}

static int
end_child(pid_t pid, int sock)
{
	int status;

	close(sock);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
send_msg(int sock, const struct msg *m)
{
	assert_int_equal(wire_send(sock, ROLE_MASTER, ROLE_AUTH, m, NULL, 0), 0);
}

static void
send_option(int sock, const char *name, const char *value)
{
	struct msg m = {.type = MSG_OPTION,
	    .option = {.name = bytes_of(name), .value = bytes_of(value)}};

	send_msg(sock, &m);
}

static void
send_start(int sock)
{
	struct msg m = {.type = MSG_START, .start = {.uid = 7}};

	send_msg(sock, &m);
}

static void
send_user(int sock)
{
	struct msg m = {.type = MSG_AUTH_USER,
	    .auth_user = {.user = bytes_of("anna"), .password = bytes_of("secret")}};

	send_msg(sock, &m);
}

static void
send_options(int sock)
{
	send_option(sock, "pasv_min_port", "40000");
	send_option(sock, "local_umask", "027");
	send_option(sock, "listen", "NO");
	send_option(sock, "ftpd_banner", "line 1\nline 2");
	send_option(sock, "nopriv_user", "");
}

static void
options_then_start(void **state)
{
	int sock;
	pid_t pid = start_child(false, &sock);

	send_options(sock);
	send_start(sock);
	assert_int_equal(end_child(pid, sock), GOT_START);
}

static void
early_messages_are_handed_on(void **state)
{
	int sock;
	pid_t pid = start_child(true, &sock);

	send_options(sock);
	send_user(sock);
	send_start(sock);
	assert_int_equal(end_child(pid, sock), GOT_START);
}

static void
send_section(int sock, enum section_kind kind, const char *name)
{
	struct msg m = {
	    .type = MSG_SECTION, .section = {.kind = kind, .name = bytes_of(name)}};

	send_msg(sock, &m);
}

/* What follows a section's name is the section's: the head stays as it was. */
static void
sections_come_behind_the_head(void **state)
{
	int sock;
	pid_t pid = start_child(false, &sock);

	send_options(sock);
	send_section(sock, SECTION_HOST, "a.example");
	send_option(sock, "local_umask", "022");
	send_section(sock, SECTION_NETWORK, "10.0.0.0/8");
	send_option(sock, "pasv_address", "10.0.0.1");
	send_start(sock);
	assert_int_equal(end_child(pid, sock), GOT_START);
}

static void
a_wrong_section_ends_it(void **state)
{
	static const char *const names[] = {"a b", "10.0.0.0/8", "a.example/8"};

	for (size_t i = 0; i < 3; i++) {
		int sock;
		pid_t pid = start_child(false, &sock);

		send_section(sock, SECTION_HOST, names[i]);
		assert_int_equal(end_child(pid, sock), GOT_ERROR + FERRY_EPROTO);
	}
}

static void
an_option_out_of_its_place_ends_it(void **state)
{
	int sock;
	pid_t pid = start_child(false, &sock);

	send_section(sock, SECTION_NETWORK, "10.0.0.0/8");
	send_option(sock, "pasv_min_port", "40000");
	assert_int_equal(end_child(pid, sock), GOT_ERROR + FERRY_EPROTO);
}

static void
unexpected_message_ends_it(void **state)
{
	int sock;
	pid_t pid = start_child(false, &sock);

	send_user(sock);
	assert_int_equal(end_child(pid, sock), GOT_ERROR + FERRY_EPROTO);
}

static void
unknown_option_ends_it(void **state)
{
	int sock;
	pid_t pid = start_child(false, &sock);

	send_option(sock, "listen_prot", "21");
	assert_int_equal(end_child(pid, sock), GOT_ERROR + FERRY_EPROTO);
}

static void
wrong_value_ends_it(void **state)
{
	int sock;
	pid_t pid = start_child(false, &sock);

	send_option(sock, "listen_port", "65536");
	assert_int_equal(end_child(pid, sock), GOT_ERROR + FERRY_EPROTO);
}

static void
master_gone_before_start(void **state)
{
	int sock;
	pid_t pid = start_child(false, &sock);

	send_options(sock);
	assert_int_equal(end_child(pid, sock), GOT_ERROR + FERRY_EOF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_then_start),
	    cmocka_unit_test(early_messages_are_handed_on),
	    cmocka_unit_test(sections_come_behind_the_head),
	    cmocka_unit_test(a_wrong_section_ends_it),
	    cmocka_unit_test(an_option_out_of_its_place_ends_it),
	    cmocka_unit_test(unexpected_message_ends_it),
	    cmocka_unit_test(unknown_option_ends_it),
	    cmocka_unit_test(wrong_value_ends_it),
	    cmocka_unit_test(master_gone_before_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
