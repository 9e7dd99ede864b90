/*
 * Any process of a crew: its start, with the configuration that it works by, what it is
 * told, and its end when it breaks a rule. For crew.c, placing.c, requests.c and login.c.
 * Must never leave a child alive that has missed a message.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <unistd.h>

#include "crew.h"
#include "log.h"
#include "section.h"
#include "util.h"

void
child_end(struct child *child, const char *why)
{
	if (child->wanted)
		log_event(LOG_WARNING, 0,
		    "process=%s index=%u pid=%d channel=ended why=\"%s\"",
		    role_name(child->role), child->index, (int)child->pid, why);
	chan_free(child->chan);
	child->chan = NULL;
	if (child->pid > 0)
		kill(child->pid, SIGKILL);
}

/* The channel has ended. If the process has not, it broke a rule, and is ended for it. */
static void
on_channel_end(struct chan *c, const char *why, void *user)
{
	child_end(user, why);
}

static int
send_option(const char *name, const char *value, const char *def, const char *help,
    bool changed, bool honoured, void *user)
{
	struct child *child = user;
	struct msg m = {
	    .type = MSG_OPTION,
	    .option = {.name = bytes_of(name), .value = bytes_of(value)},
	};

	return changed ? chan_send(child->chan, &m, -1) : 0;
}

struct section_options {
	struct child *child;
	const struct section *section;
};

static int
send_section_option(const char *name, const char *value, const char *def,
    const char *help, bool changed, bool honoured, void *user)
{
	const struct section_options *o = user;

	return section_sets(o->section, name)
		   ? send_option(name, value, def, help, true, honoured, o->child)
		   : 0;
}

/* Agents know of no sections: nothing that is different there is their affair. */
static int
send_sections(struct child *child, const struct conf *conf)
{
	struct section_options o = {.child = child};
	int r = 0;

	for (enum section_kind kind = 0;
	     kind < SECTION_KINDS && child->role != ROLE_AGENT; kind++) {
		for (size_t i = 1;
		     (o.section = section_get(conf, kind, i)) != NULL && r == 0; i++) {
			const struct msg m = {
			    .type = MSG_SECTION,
			    .section = {.kind = kind, .name = bytes_of(o.section->name)},
			};

			r = chan_send(child->chan, &m, -1);
			if (r == 0)
				r = conf_each(&o.section->conf, send_section_option, &o);
		}
	}
	return r;
}

static int
send_served_user(struct child *child, const struct served *served)
{
	struct msg m = {.type = MSG_AUTH_USER};

	m.auth_user = (struct msg_auth_user){
	    .user = bytes_of(served->user != NULL ? served->user : ""),
	    .password = bytes_of(served->password != NULL ? served->password : ""),
	    .uid = served->uid,
	    .gid = served->gid,
	    .anonymous = served->user == NULL,
	};
	return chan_send(child->chan, &m, -1);
}

void
child_close_all(const int *fds, size_t nfds)
{
	for (size_t i = 0; i < nfds; i++) {
		int fd = fds[i];

		fd_closep(&fd);
	}
}

int
child_tell(struct child *child, const struct msg *m, int fd)
{
	int r;

	if (child->chan == NULL) {
		fd_closep(&fd);
		return -FERRY_EOF;
	}
	r = chan_send(child->chan, m, fd);
	if (r == 0 || r == -FERRY_EOF || child->pid == 0)
		return r;
	log_event(LOG_ERR, 0,
	    "process=%s index=%u pid=%d killed=yes why=\"it does not take %s: %s\"",
	    role_name(child->role), child->index, (int)child->pid, msg_name(m->type),
	    ferry_strerror(r));
	kill(child->pid, SIGKILL); /* and it is reaped */
	return r;
}

int
child_start(struct child *child, const struct msg_start *start, const int *fds,
    size_t nfds, chan_msg_cb *on_msg)
{
	struct crew *crew = child->crew;
	struct msg m = {.type = MSG_START, .start = *start};
	int sock = -1, r;

	r = spawn_child(crew->programs, child->role, &child->pid, &sock);
	if (r < 0) {
		child->pid = 0;
		child_close_all(fds, nfds);
		return r;
	}
	LIST_INSERT_HEAD(&crew->children, child, next);
	child->started = uv_now(crew->loop);
	child->chan = chan_new(
	    crew->loop, sock, ROLE_MASTER, child->role, on_msg, on_channel_end, child);
	r = child->chan != NULL ? conf_each(&crew->conf, send_option, child)
				: -FERRY_ENOMEM;
	if (r == 0)
		r = send_sections(child, &crew->conf);
	if (r == 0 && child->role == ROLE_AUTH && crew->served != NULL)
		r = send_served_user(child, crew->served);
	if (r == 0)
		r = chan_send_fds(child->chan, &m, fds, nfds);
	else
		child_close_all(fds, nfds);
	if (r < 0)
		kill(child->pid, SIGKILL); /* and it is reaped */
	return r;
}

void
child_log(const struct msg_master_log *m)
{
	_cleanup_free_ char *text = bytes_dup(m->text);

	if (text != NULL)
		log_line(m->kind, m->level, m->session, text);
}
