/* See world.h. Every wait ends after ten seconds, and then the test fails. */
#include "world.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdpass.h"
#include "util.h"

#define PATIENCE 10000

static char place[] = "/tmp/ferry-auth-XXXXXX";
static int fifo = -1;

/* ---- the private /etc ---- */

static bool
write_file(const char *name, const char *fmt, ...)
{
	char path[256];
	va_list ap;
	FILE *f;

	snprintf(path, sizeof(path), "%s/etc/%s", place, name);
	f = fopen(path, "w");
	if (f == NULL)
		return false;
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	return fclose(f) == 0;
}

static bool
enter_namespace(void)
{
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();
	int fd;

	if (uid == 0)
		return unshare(CLONE_NEWNS) == 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, "deny", 4);
		close(fd);
	}
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (fd < 0 || write(fd, map, strlen(map)) < 0)
		return false;
	close(fd);
	fd = open("/proc/self/gid_map", O_WRONLY | O_CLOEXEC);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	if (fd < 0 || write(fd, map, strlen(map)) < 0)
		return false;
	close(fd);
	return true;
}

/* The passwords of carol and dave are "secret word" too (SHA-256 crypt, 1000 rounds);
 * dave's account has expired. */
#define HASH "$5$rounds=1000$ferrytest$k0tgt/j5CF5ZS0T1LDq8hf0TL9yFzzSoSL.oQfVTHV0"

static bool
write_etc(const char *module)
{
	static const char *const services[] = {"auth", "account", "session"};
	char path[256], text[2048] = "";
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "%s required %s fifo=%s/fifo\n", services[i], module, place);
	snprintf(path, sizeof(path), "%s/etc/pam.d", place);
	if (mkdir(path, 0755) < 0)
		return false;
	return write_file("passwd",
		   "root:x:0:0::/root:/bin/sh\n"
		   "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
		   "ftp:x:101:102::/srv/anonymous:/usr/sbin/nologin\n"
		   "carol:x:1200:1201::/home/carol:/bin/sh\n"
		   "dave:x:1202:1203::/home/dave:/bin/sh\n"
		   "prompts:x:1204:1204::/home/prompts:/bin/sh\n"
		   "rude:x:1205:1205::/home/rude:/bin/sh\n"
		   "nosession:x:1206:1206::/home/nosession:/bin/sh\n") &&
	       write_file("shadow", "carol:" HASH ":19000:0:99999:7:::\n"
				    "dave:" HASH ":19000:0:99999:7::1:\n") &&
	       write_file("group", "root:x:0:\nnogroup:x:65534:\n") &&
	       write_file("shells", "/bin/sh\n") &&
	       write_file(
		   "nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\n") &&
	       write_file("pam.d/ferry", "%s", text) &&
	       write_file("pam.d/unix",
		   "auth required pam_unix.so\naccount required pam_unix.so\n") &&
	       write_file("pam.d/broken", "auth required /no/such/module.so\n") &&
	       write_file("pam.d/other",
		   "auth required pam_deny.so\naccount required pam_deny.so\n");
}

bool
world_make(const char *module)
{
	char path[256];

	/* A failed test must not hang: nobody inherits the ends that tell others of our
	 * end. */
	signal(SIGPIPE, SIG_IGN);
	if (!enter_namespace() ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		perror("no mount namespace of our own");
		return false;
	}
	if (mkdtemp(place) == NULL || chmod(place, 0755) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/fifo", place);
	if (mkfifo(path, 0600) < 0)
		return false;
	fifo = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/etc", place);
	if (fifo < 0 || mkdir(path, 0755) < 0 || !write_etc(module) ||
	    mount(path, "/etc", NULL, MS_BIND, NULL) < 0) {
		perror("no /etc of our own");
		return false;
	}
	return true;
}

void
world_remove(void)
{
	static const char *const names[] = {"etc/pam.d/ferry", "etc/pam.d/unix",
	    "etc/pam.d/broken", "etc/pam.d/other", "etc/pam.d", "etc/passwd",
	    "etc/shadow", "etc/group", "etc/shells", "etc/nsswitch.conf", "etc", "fifo",
	    ""};
	char path[256];

	umount2("/etc", MNT_DETACH);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", place, names[i]);
		remove(path);
	}
}

/* ---- one ferryd-auth ---- */

static void
send_to(int sock, enum role self, const struct msg *m, int fd)
{
	assert_int_equal(wire_send(sock, self, ROLE_AUTH, m, &fd, fd >= 0 ? 1 : 0), 0);
}

static void
send_options(struct world *w, const char *options)
{
	_cleanup_free_ char *copy = strdup(options);
	char *save = NULL;

	for (char *o = strtok_r(copy, " ", &save); o != NULL;
	     o = strtok_r(NULL, " ", &save)) {
		char *value = strchr(o, '='), *name = strchr(o, ':');
		struct msg m = {.type = MSG_OPTION};

		if (value == NULL) {
			m = (struct msg){
			    .type = MSG_SECTION,
			    .section = {.kind = o[0] == 'n', .name = bytes_of(name + 1)},
			};
			send_to(w->master, ROLE_MASTER, &m, -1);
			continue;
		}
		*value++ = '\0';
		m.option =
		    (struct msg_option){.name = bytes_of(o), .value = bytes_of(value)};
		send_to(w->master, ROLE_MASTER, &m, -1);
	}
}

void
world_start(struct world *w, const char *program, const char *options, const char *user,
    bool anonymous)
{
	const struct msg start = {.type = MSG_START};
	int pair[2];

	memset(w, 0, sizeof(*w));
	assert_int_equal(fdpass_pair(pair), 0);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pair[1] == WIRE_CHILD_FD)
			fcntl(pair[1], F_SETFD, 0);
		else
			dup2(pair[1], WIRE_CHILD_FD);
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	w->master = pair[0];
	send_options(w, options);
	if (user != NULL) {
		const struct msg m = {
		    .type = MSG_AUTH_USER,
		    .auth_user =
			{
			    .user = bytes_of(user),
			    .password = bytes_of(*user != '\0' ? PASSWORD : ""),
			    .uid = 88,
			    .gid = 89,
			    .anonymous = anonymous,
			},
		};

		send_to(w->master, ROLE_MASTER, &m, -1);
	}
	send_to(w->master, ROLE_MASTER, &start, -1);
}

static void
wait_readable(int fd, const char *what)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, PATIENCE) != 1)
		fail_msg("nothing came within ten seconds: %s", what);
}

int
world_stop(struct world *w)
{
	int status = 0;

	close(w->master);
	w->master = -1;
	for (int i = 0; i < PATIENCE / 10; i++) {
		if (waitpid(w->pid, &status, WNOHANG) == w->pid)
			return status;
		poll(NULL, 0, 10);
	}
	kill(w->pid, SIGKILL);
	waitpid(w->pid, &status, 0);
	fail_msg("ferryd-auth did not end with its master");
	return -1;
}

int
world_worker(struct world *w, uint32_t index)
{
	const struct msg m = {.type = MSG_AUTH_WORKER, .auth_worker = {.worker = index}};
	int pair[2];

	assert_int_equal(fdpass_pair(pair), 0);
	send_to(w->master, ROLE_MASTER, &m, pair[1]);
	close(pair[1]);
	return pair[0];
}

void
world_end(struct world *w, uint32_t index, uint32_t session)
{
	const struct msg m = {
	    .type = MSG_AUTH_END,
	    .auth_end = {.worker = index, .session = session},
	};

	send_to(w->master, ROLE_MASTER, &m, -1);
}

void
worker_login(int worker, uint32_t session, const char *user, const char *password)
{
	worker_login_at(worker, session, user, password, "192.0.2.7", 0);
}

void
worker_login_at(int worker, uint32_t session, const char *user, const char *password,
    const char *peer, uint32_t host)
{
	const struct msg m = {
	    .type = MSG_AUTH_LOGIN,
	    .auth_login =
		{
		    .session = session,
		    .user = bytes_of(user),
		    .password = bytes_of(password),
		    .peer = bytes_of(peer),
		    .host = host,
		},
	};

	send_to(worker, ROLE_WORKER, &m, -1);
}

void
worker_login_certified(
    int worker, uint32_t session, const char *user, const void *chain, size_t n)
{
	const struct msg m = {
	    .type = MSG_AUTH_CERTIFICATE,
	    .auth_certificate =
		{
		    .session = session,
		    .user = bytes_of(user),
		    .chain = {.p = chain, .n = n},
		    .peer = bytes_of("192.0.2.7"),
		},
	};

	send_to(worker, ROLE_WORKER, &m, -1);
}

/* ---- what comes back ---- */

uint32_t
worker_expect_denied(int worker, uint32_t low, uint32_t high, bool again)
{
	struct wire_box box;

	wait_readable(worker, "an answer to the worker");
	assert_int_equal(wire_recv(worker, ROLE_WORKER, ROLE_AUTH, &box), 0);
	assert_int_equal(box.msg.type, MSG_WORKER_DENIED);
	assert_in_range(box.msg.worker_denied.session, low, high);
	assert_int_equal(box.msg.worker_denied.again, again);
	return box.msg.worker_denied.session;
}

void
worker_expect_end(int worker)
{
	struct wire_box box;

	wait_readable(worker, "the end of the worker's channel");
	assert_int_equal(wire_recv(worker, ROLE_WORKER, ROLE_AUTH, &box), -FERRY_EOF);
}

/* Takes one message of auth to the master. True: it was a log line, which is kept. */
static bool
take_log(struct world *w)
{
	size_t used = strlen(w->log);
	struct bytes text;

	assert_int_equal(wire_recv(w->master, ROLE_MASTER, ROLE_AUTH, &w->box), 0);
	if (w->box.msg.type != MSG_MASTER_LOG)
		return false;
	text = w->box.msg.master_log.text;
	print_message("log: %.*s\n", (int)text.n, (const char *)text.p);
	assert_true(used + text.n + 2 < sizeof(w->log));
	memcpy(w->log + used, text.p, text.n);
	strcpy(w->log + used + text.n, "\n");
	return true;
}

const struct msg_master_verdict *
world_expect_verdict(struct world *w, uint32_t index, uint32_t session)
{
	do
		wait_readable(w->master, "a verdict");
	while (take_log(w));
	assert_int_equal(w->box.msg.type, MSG_MASTER_VERDICT);
	assert_int_equal(w->box.msg.master_verdict.worker, index);
	assert_int_equal(w->box.msg.master_verdict.session, session);
	return &w->box.msg.master_verdict;
}

void
world_expect_log(struct world *w, const char *text)
{
	while (strstr(w->log, text) == NULL) {
		wait_readable(w->master, text);
		assert_true(take_log(w));
	}
}

void
world_expect_silence(struct world *w, int worker)
{
	struct pollfd p = {.fd = w->master, .events = POLLIN};
	struct pollfd q = {.fd = worker, .events = POLLIN};

	while (poll(&p, 1, 0) == 1)
		assert_true(take_log(w));
	assert_int_equal(poll(&q, 1, 0), 0);
}

/* The next line of the module; what it is waited for, for the failure. */
static void
module_line(char *out, size_t size, const char *what)
{
	size_t n = 0;

	while (n < size - 1) {
		wait_readable(fifo, what);
		assert_int_equal(read(fifo, &out[n], 1), 1);
		if (out[n] == '\n')
			break;
		n++;
	}
	out[n] = '\0';
}

void
module_expect(const char *line)
{
	char got[512];

	module_line(got, sizeof(got), line);
	assert_string_equal(got, line);
}

void
module_expect_ends(unsigned n)
{
	char got[512];

	while (n > 0) {
		module_line(got, sizeof(got), "setcred ... delete");
		if (strstr(got, " delete") != NULL)
			n--;
	}
}

void
module_expect_silence(void)
{
	struct pollfd p = {.fd = fifo, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 0), 0);
}

void
module_drain(void)
{
	char bytes[4096];

	while (read(fifo, bytes, sizeof(bytes)) > 0)
		continue;
}

/* ---- from outside ---- */

static pid_t
parent_of(const char *pid)
{
	char path[300], text[512];
	const char *p;
	FILE *f;
	int parent = -1;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return -1;
	if (fgets(text, sizeof(text), f) != NULL && (p = strrchr(text, ')')) != NULL &&
	    p[2] != 'Z')
		sscanf(p + 3, "%d", &parent);
	fclose(f);
	return parent;
}

unsigned
world_children(const struct world *w)
{
	DIR *dir = opendir("/proc");
	const struct dirent *e;
	unsigned n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL)
		n += parent_of(e->d_name) == w->pid;
	closedir(dir);
	return n;
}

static bool
region_has(int mem, unsigned long begin, unsigned long end, const char *text)
{
	_cleanup_free_ char *bytes = malloc(end - begin);
	ssize_t n;

	assert_non_null(bytes);
	n = pread(mem, bytes, end - begin, (off_t)begin);
	return n > 0 && memmem(bytes, (size_t)n, text, strlen(text)) != NULL;
}

bool
world_remembers(const struct world *w, const char *text)
{
	char path[64], line[512], mode[8];
	unsigned long begin, end;
	bool found = false, read_any = false;
	FILE *maps;
	int mem;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)w->pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)w->pid);
	maps = fopen(path, "r");
	assert_true(mem >= 0 && maps != NULL);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &begin, &end, mode) != 3 ||
		    mode[0] != 'r' || mode[1] != 'w' || end - begin > 64UL << 20)
			continue; /* larger ones are a sanitizer's shadow */
		read_any = true;
		found = region_has(mem, begin, end, text) || found;
	}
	fclose(maps);
	close(mem);
	assert_true(read_any);
	return found;
}
