/*
 * A world for tests of the agent: a directory of its own, the agent's own loop in a
 * thread, and the test in the places of the master and of worker 1. Started as root the
 * test becomes nobody first, so that permissions mean something. One world per process.
 */
#ifndef TESTS_AGENT_WORLD_H
#define TESTS_AGENT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <ferry/ferry.h>

#include "agent.h"
#include "chan.h"
#include "fdpass.h"
#include "grant.h"
#include "jail.h"

#define WORLD_UNUSED __attribute__((unused))

static struct world {
	char
	    dir[64]; /* the grants' root is dir/root; dir/outside must never be reached */
	int top;     /* dir */
	int root;    /* dir/root */
	struct conf conf;
	struct agent agent;
	pthread_t thread;
	int master, worker;
	uint32_t id, grant;
	struct wire_box box; /* the last answer */
	struct msg_worker_answer answer;
	char text[WIRE_MAX];
} world;

/* Root sees no permissions: be somebody else. */
static WORLD_UNUSED void
world_become_nobody(void)
{
	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0) {
		perror("cannot become nobody");
		exit(1);
	}
}

/* An empty tree in /tmp. */
static WORLD_UNUSED void
world_make_tree(void)
{
	umask(0);
	signal(SIGPIPE, SIG_IGN);
	strcpy(world.dir, "/tmp/ferry-agent-XXXXXX");
	assert_non_null(mkdtemp(world.dir));
	world.top = open(world.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(world.top, "root", 0755), 0);
	assert_int_equal(mkdirat(world.top, "outside", 0755), 0);
	world.root = openat(world.top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(world.root >= 0);
}

/* Writes a file below `at` as it is, outside of the agent. */
static WORLD_UNUSED void
put_at(int at, const char *name, const char *content, mode_t mode)
{
	_cleanup_close_ int fd =
	    openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
}

static WORLD_UNUSED void
put(const char *name, const char *content, mode_t mode)
{
	put_at(world.root, name, content, mode);
}

/* True when the file holds exactly content; NULL: when there is none. */
static WORLD_UNUSED bool
holds(const char *name, const char *content)
{
	_cleanup_close_ int fd = openat(world.root, name, O_RDONLY | O_CLOEXEC);
	char is[4096];

	if (fd < 0)
		return content == NULL;
	ssize_t n = read(fd, is, sizeof(is));
	return content != NULL && n == (ssize_t)strlen(content) &&
	       memcmp(is, content, (size_t)n) == 0;
}

/* Entries of the root whose name begins with prefix. */
static WORLD_UNUSED int
count_names(const char *prefix)
{
	DIR *dir = fdopendir(openat(world.root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int n = 0;

	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;)
		n += strncmp(e->d_name, prefix, strlen(prefix)) == 0 &&
		     strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(dir);
	return n;
}

static void *
world_loop(void *user)
{
	agent_run(&world.agent);
	return NULL;
}

static WORLD_UNUSED int
world_new_worker(uint32_t number)
{
	struct msg m = {.type = MSG_AGENT_WORKER, .agent_worker = {.worker = number}};
	int pair[2];

	assert_int_equal(fdpass_pair(pair), 0);
	assert_int_equal(
	    wire_send(world.master, ROLE_MASTER, ROLE_AGENT, &m, &pair[1], 1), 0);
	close(pair[1]);
	return pair[0];
}

/* Asks for a grant with root "" or a path. The errno in the master's answer. */
static WORLD_UNUSED uint32_t
world_grant(uint32_t worker, const char *root, const char *cwd, uint32_t rights)
{
	struct msg m = {
	    .type = MSG_AGENT_GRANT,
	    .agent_grant = {.grant = ++world.grant,
		.worker = worker,
		.root = bytes_of(root),
		.cwd = bytes_of(cwd),
		.rights = rights},
	};

	assert_int_equal(
	    wire_send(world.master, ROLE_MASTER, ROLE_AGENT, &m, NULL, 0), 0);
	assert_int_equal(wire_recv(world.master, ROLE_MASTER, ROLE_AGENT, &world.box), 0);
	assert_int_equal(world.box.msg.type, MSG_MASTER_GRANTED);
	assert_int_equal(world.box.msg.master_granted.grant, world.grant);
	return world.box.msg.master_granted.error;
}

static WORLD_UNUSED void
world_revoke(uint32_t grant)
{
	struct msg m = {.type = MSG_AGENT_REVOKE, .agent_revoke = {.grant = grant}};

	assert_int_equal(
	    wire_send(world.master, ROLE_MASTER, ROLE_AGENT, &m, NULL, 0), 0);
	/* The master's channel is served in order: an answer to a later order means that
	 * it is done. */
	world_grant(999, "", "/", 0);
}

/* The agent with that store, a channel for worker 1, and grant 1 with all rights. */
static WORLD_UNUSED void
world_start(const struct store *store)
{
	int pair[2];

	assert_int_equal(conf_init(&world.conf), 0);
	assert_int_equal(fdpass_pair(pair), 0);
	world.master = pair[0];
	assert_int_equal(
	    agent_init(&world.agent, &world.conf, store, NULL, pair[1], world.root), 0);
	assert_int_equal(pthread_create(&world.thread, NULL, world_loop, NULL), 0);
	world.worker = world_new_worker(1);
	assert_int_equal(world_grant(1, "", "/", RIGHT_ALL), 0);
}

/* Removes the tree, whatever its permissions are by now. */
static WORLD_UNUSED int
world_end(void **state)
{
	char command[192];

	if (world.thread) {
		close(world.master);
		pthread_join(world.thread, NULL);
	}
	snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", world.dir,
	    world.dir);
	return system(command) != 0;
}

/* Sends a request and takes its answer: the errno in it. */
static WORLD_UNUSED uint32_t
ask_over(int sock, struct msg *m)
{
	m->id = ++world.id;
	wire_box_close(&world.box);
	assert_int_equal(wire_send(sock, ROLE_WORKER, ROLE_AGENT, m, NULL, 0), 0);
	assert_int_equal(wire_recv(sock, ROLE_WORKER, ROLE_AGENT, &world.box), 0);
	assert_int_equal(world.box.msg.type, MSG_WORKER_ANSWER);
	assert_int_equal(world.box.msg.id, m->id);
	world.answer = world.box.msg.worker_answer;
	memcpy(world.text, world.answer.text.p, world.answer.text.n);
	world.text[world.answer.text.n] = '\0';
	if (world.answer.error)
		assert_int_equal(world.box.nfds, 0);
	return world.answer.error;
}

static WORLD_UNUSED uint32_t
ask(struct msg *m)
{
	return ask_over(world.worker, m);
}

/* The descriptor of the last answer. */
static WORLD_UNUSED int
answer_take_fd(void)
{
	assert_int_equal(world.box.nfds, 1);
	return fd_take(&world.box.fds[0]);
}

/* Requests in one line each. */
#define ASK(NAME, name, ...)                                                             \
	ask(&(struct msg){.type = MSG_AGENT_##NAME, .agent_##name = {__VA_ARGS__}})
#define PATH(p) .path = bytes_of(p)

static WORLD_UNUSED uint32_t
ask_change(uint32_t grant, enum change_what what, const char *path, uint32_t mode)
{
	return ASK(CHANGE, change, .grant = grant, .what = what, PATH(path), .mode = mode,
	    .umask = 022, .mtime = mode);
}

static WORLD_UNUSED uint32_t
ask_store(
    uint32_t grant, enum store_how how, const char *path, uint64_t offset, uint64_t size)
{
	return ASK(STORE, store, .grant = grant, .how = how, PATH(path), .offset = offset,
	    .size = size, .umask = 022);
}

static WORLD_UNUSED uint32_t
ask_commit(uint32_t grant, uint32_t upload, bool complete)
{
	return ASK(
	    COMMIT, commit, .grant = grant, .upload = upload, .complete = complete);
}

#endif
