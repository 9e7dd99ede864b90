/*
 * The narration, word by word: sequences of events in, the exact text out. The examples
 * are the ones that the documents show.
 */
#include "explain.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

/* One event; addresses are written "192.0.2.1 21". */
struct step {
	enum ferry_event_kind kind;
	enum ferry_channel channel;
	enum ferry_mode mode;
	const char *text, *cipher;
	const char *local, *remote, *used;
	int code;
	uint64_t bytes;
	bool upload;
	int sys_errno;
	double seconds, time;
};

static struct sockaddr_storage
place(const char *text)
{
	struct sockaddr_storage out = {.ss_family = AF_UNSPEC};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out;
	char address[64];
	unsigned port;

	if (text == NULL)
		return out;
	assert_int_equal(sscanf(text, "%63s %u", address, &port), 2);
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
	}
	return out;
}

static void
feed(struct explain *x, const struct step *s)
{
	struct ferry_event ev = {
	    .struct_size = sizeof ev,
	    .kind = s->kind,
	    .channel = s->channel,
	    .mode = s->mode,
	    .text = s->text,
	    .cipher = s->cipher,
	    .local = place(s->local),
	    .remote = place(s->remote),
	    .used = place(s->used),
	    .code = s->code,
	    .bytes = s->bytes,
	    .upload = s->upload,
	    .sys_errno = s->sys_errno,
	    .seconds = s->seconds,
	    .time = s->time,
	};

	explain_event(x, &ev);
}

struct story {
	const char *name;
	enum ferry_mode mode;
	const char *verb, *path;
	const struct step *steps;
	int result;
	const char *sentence;
	const char *text;
};

#define DIALLED(l, r)                                                                    \
	{                                                                                \
		.kind = FERRY_EV_CONNECTED, .local = l, .remote = r                      \
	}
#define MODE(m)                                                                          \
	{                                                                                \
		.kind = FERRY_EV_MODE, .mode = m                                         \
	}
#define SENT(t)                                                                          \
	{                                                                                \
		.kind = FERRY_EV_COMMAND, .text = t                                      \
	}
#define GOT(c, t)                                                                        \
	{                                                                                \
		.kind = FERRY_EV_REPLY, .code = c, .text = t                             \
	}
#define END                                                                              \
	{                                                                                \
		.kind = 0                                                                \
	}

static const struct step active_lan[] = {
    DIALLED("192.168.1.100 49320", "192.168.1.10 21"),
    MODE(FERRY_MODE_PORT),
    {.kind = FERRY_EV_LISTENING, .channel = FERRY_DATA, .local = "192.168.1.100 1347"},
    SENT("PORT 192,168,1,100,5,67"),
    GOT(200, "200 PORT command successful"),
    SENT("RETR report.txt"),
    {.kind = FERRY_EV_ACCEPTED,
	.channel = FERRY_DATA,
	.local = "192.168.1.100 1347",
	.remote = "192.168.1.10 20"},
    GOT(150, "150 Opening data connection"),
    {.kind = FERRY_EV_DATA_END, .channel = FERRY_DATA, .bytes = 18432},
    GOT(226, "226 Transfer complete"),
    END,
};

static const struct step passive_router[] = {
    {.kind = FERRY_EV_RESOLVED, .text = "ftp.example.org"},
    DIALLED("192.168.1.50 49320", "203.0.113.10 21"),
    SENT("USER anonymous"),
    GOT(331, "331 Please"),
    SENT("PASS ****"),
    GOT(230, "230 Welcome"),
    MODE(FERRY_MODE_PASV),
    SENT("PASV"),
    GOT(227, "227 Entering Passive Mode (203,0,113,10,238,89)"),
    {.kind = FERRY_EV_ADDRESS,
	.remote = "203.0.113.10 61017",
	.used = "203.0.113.10 61017"},
    {.kind = FERRY_EV_CONNECTED,
	.channel = FERRY_DATA,
	.local = "192.168.1.50 49322",
	.remote = "203.0.113.10 61017"},
    SENT("RETR report.txt"),
    GOT(150, "150 Opening data connection"),
    /* the last reply overtakes the last bytes: told in the order of the story */
    GOT(226, "226 Transfer complete"),
    {.kind = FERRY_EV_DATA_END, .channel = FERRY_DATA, .bytes = 18432},
    END,
};

static const struct step upload_ipv6[] = {
    DIALLED("2001:db8:1:2:3:4:5:100 49320", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:10 21"),
    MODE(FERRY_MODE_EPSV),
    SENT("EPSV"),
    GOT(229, "229 Entering Extended Passive Mode (|||61017|)"),
    {.kind = FERRY_EV_ADDRESS,
	.remote = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:10 61017",
	.used = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:10 61017"},
    {.kind = FERRY_EV_CONNECTED,
	.channel = FERRY_DATA,
	.local = "2001:db8:1:2:3:4:5:100 49322",
	.remote = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:10 61017"},
    SENT("STOR a\033[31m.txt"),
    GOT(150, "150 Ok"),
    {.kind = FERRY_EV_DATA_END, .channel = FERRY_DATA, .bytes = 1, .upload = true},
    GOT(226, "226 Transfer complete"),
    END,
};

static const struct step active_ipv6[] = {
    DIALLED("2001:db8::100 49320", "2001:db8::10 2121"),
    MODE(FERRY_MODE_EPRT),
    {.kind = FERRY_EV_LISTENING, .channel = FERRY_DATA, .local = "2001:db8::100 50187"},
    SENT("EPRT |2|2001:db8::100|50187|"),
    GOT(200, "200 Ok"),
    SENT("MLSD"),
    {.kind = FERRY_EV_ACCEPTED,
	.channel = FERRY_DATA,
	.local = "2001:db8::100 50187",
	.remote = "2001:db8::10 40112"},
    GOT(150, "150 Ok"),
    {.kind = FERRY_EV_DATA_END, .channel = FERRY_DATA, .bytes = 1234567},
    GOT(226, "226 Done"),
    END,
};

/* F1: the address in 227 is private and its port filtered. */
static const struct step silent_private[] = {
    DIALLED("192.168.1.50 49320", "203.0.113.10 21"),
    MODE(FERRY_MODE_PASV),
    SENT("PASV"),
    GOT(227, "227 Entering Passive Mode (192,168,1,100,5,67)"),
    {.kind = FERRY_EV_ADDRESS,
	.remote = "192.168.1.100 1347",
	.used = "203.0.113.10 1347"},
    {.kind = FERRY_EV_CONNECT_FAILED,
	.channel = FERRY_DATA,
	.local = "192.168.1.50 49322",
	.remote = "203.0.113.10 1347",
	.sys_errno = ETIMEDOUT,
	.seconds = 5.0},
    {.kind = FERRY_EV_MODE_FAILED, .mode = FERRY_MODE_PASV, .text = "no answer"},
    END,
};

/* F2: active mode behind a router. */
static const struct step active_refused[] = {
    DIALLED("192.168.1.50 49320", "203.0.113.10 21"),
    MODE(FERRY_MODE_PORT),
    {.kind = FERRY_EV_LISTENING, .channel = FERRY_DATA, .local = "192.168.1.50 50187"},
    SENT("PORT 192,168,1,50,196,11"),
    GOT(500, "500 Illegal PORT command"),
    {.kind = FERRY_EV_MODE_FAILED, .mode = FERRY_MODE_PORT, .text = "500 Illegal"},
    END,
};

/* The same, and the server tells where it sees us; and with --active-address. */
static const struct step active_seen[] = {
    DIALLED("192.168.1.50 49320", "203.0.113.10 21"),
    MODE(FERRY_MODE_PORT),
    {.kind = FERRY_EV_LISTENING, .channel = FERRY_DATA, .local = "192.168.1.50 50187"},
    SENT("PORT 192,168,1,50,196,11"),
    GOT(500, "500 PORT names 192.168.1.50 but you come from 198.51.100.7 (NAT?)."),
    {.kind = FERRY_EV_MODE_FAILED, .mode = FERRY_MODE_PORT, .text = "500 PORT"},
    END,
};

/* F3: encrypted, and the port filtered. */
static const struct step silent_tls[] = {
    DIALLED("198.51.100.7 49320", "203.0.113.10 21"),
    {.kind = FERRY_EV_TLS, .text = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384"},
    MODE(FERRY_MODE_EPSV),
    SENT("EPSV"),
    GOT(229, "229 Entering Extended Passive Mode (|||61042|)"),
    {.kind = FERRY_EV_ADDRESS,
	.remote = "203.0.113.10 61042",
	.used = "203.0.113.10 61042"},
    {.kind = FERRY_EV_CONNECT_FAILED,
	.channel = FERRY_DATA,
	.local = "198.51.100.7 49322",
	.remote = "203.0.113.10 61042",
	.sys_errno = ETIMEDOUT,
	.seconds = 5.0},
    {.kind = FERRY_EV_MODE_FAILED, .mode = FERRY_MODE_EPSV, .text = "no answer"},
    END,
};

/* Refused, and another way refused by a firewall: P12 and P13. */
static const struct step refused_twice[] = {
    DIALLED("198.51.100.7 49320", "203.0.113.10 21"),
    MODE(FERRY_MODE_EPSV),
    SENT("EPSV"),
    GOT(229, "229 Entering Extended Passive Mode (|||61017|)"),
    {.kind = FERRY_EV_ADDRESS,
	.remote = "203.0.113.10 61017",
	.used = "203.0.113.10 61017"},
    {.kind = FERRY_EV_CONNECT_FAILED,
	.channel = FERRY_DATA,
	.remote = "203.0.113.10 61017",
	.sys_errno = ECONNREFUSED,
	.seconds = 0.04},
    {.kind = FERRY_EV_MODE_FAILED, .mode = FERRY_MODE_EPSV, .text = "refused"},
    MODE(FERRY_MODE_PASV),
    SENT("PASV"),
    GOT(227, "227 Entering Passive Mode (203,0,113,10,238,90)"),
    {.kind = FERRY_EV_ADDRESS,
	.remote = "203.0.113.10 61018",
	.used = "203.0.113.10 61018"},
    {.kind = FERRY_EV_CONNECT_FAILED,
	.channel = FERRY_DATA,
	.remote = "203.0.113.10 61018",
	.sys_errno = EHOSTUNREACH,
	.seconds = 0.04},
    {.kind = FERRY_EV_MODE_FAILED, .mode = FERRY_MODE_PASV, .text = "no route"},
    END,
};

/* Slow 425: A02. */
static const struct step slow_425[] = {
    DIALLED("198.51.100.7 49320", "203.0.113.10 21"),
    MODE(FERRY_MODE_PORT),
    {.kind = FERRY_EV_LISTENING, .channel = FERRY_DATA, .local = "198.51.100.7 50187"},
    SENT("PORT 198,51,100,7,196,11"),
    GOT(200, "200 PORT command successful"),
    {.kind = FERRY_EV_COMMAND, .text = "RETR report.txt", .time = 1.0},
    {.kind = FERRY_EV_REPLY,
	.code = 425,
	.text = "425 Failed to establish connection.",
	.time = 31.0},
    END,
};

static const struct step login_refused[] = {
    DIALLED("198.51.100.7 49320", "203.0.113.10 21"),
    GOT(220, "220 Hello"),
    SENT("USER bob"),
    GOT(331, "331 Password"),
    SENT("PASS ****"),
    GOT(530, "530 Login incorrect."),
    END,
};

static const struct story stories[] = {
#include "explain_stories.inc"
};

static void
tells_the_story(void **state)
{
	const struct story *s = *state;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	struct explain *x = NULL;

	assert_non_null(f);
	assert_int_equal(explain_new(f, false, &x), 0);
	explain_plan(x, s->mode, s->verb, s->path);
	for (const struct step *step = s->steps; step->kind != 0; step++)
		feed(x, step);
	explain_end(x, s->result, s->sentence);
	explain_free(x);
	fclose(f);
	assert_string_equal(text, s->text);
	free(text);
}

/* Rules that hold for every story: no line is longer than 100 columns, and no jargon. */
static void
keeps_the_rules(void **state)
{
	for (size_t i = 0; i < sizeof stories / sizeof stories[0]; i++) {
		const char *p = stories[i].text;
		assert_null(strstr(p, "socket"));
		while (*p != '\0') {
			size_t n = strcspn(p, "\n");
			assert_in_range(n, 0, 100);
			p += n + (p[n] == '\n');
		}
	}
}

int
main(void)
{
	struct CMUnitTest tests[sizeof stories / sizeof stories[0] + 1];
	size_t n = 0;

	for (; n < sizeof stories / sizeof stories[0]; n++)
		tests[n] = (struct CMUnitTest){.name = stories[n].name,
		    .test_func = tells_the_story,
		    .initial_state = (void *)&stories[n]};
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(keeps_the_rules);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
