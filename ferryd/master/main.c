/*
 * ferryd: the command. Decides what is to be done and hands over; see ARCHITECTURE.md for
 * the processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "cmdline.h"
#include "embedded.h"
#include "load.h"
#include "logfile.h"
#include "master.h"
#include "section.h"
#include "util.h"

static int
show_option(const char *name, const char *value, const char *def, const char *help,
    bool changed, bool honoured, void *user)
{
	printf("# %s%s%s%s\n%s=%s\n", help, honoured ? "" : " (not yet honoured)",
	    changed ? " Default: " : "", changed ? (def[0] != '\0' ? def : "none") : "",
	    name, value);
	return 0;
}

static int
show_section_option(const char *name, const char *value, const char *def,
    const char *help, bool changed, bool honoured, void *user)
{
	const struct section *s = user;

	if (section_sets(s, name))
		printf("# %s\n%s=%s\n", help, name, value);
	return 0;
}

static void
show_sections(const struct conf *conf)
{
	for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
		struct section *s;

		for (size_t i = 1; (s = section_get(conf, kind, i)) != NULL; i++) {
			printf("\n[%s %s]\n", section_kind_name(kind), s->name);
			conf_each(&s->conf, show_section_option, s);
		}
	}
}

static int
show_config(const struct cmdline *cl)
{
	struct conf conf;

	if (load_config(cl, &conf, load_tell, NULL) < 0)
		return EXIT_FAILURE;
	conf_each(&conf, show_option, NULL);
	show_sections(&conf);
	conf_free(&conf);
	return EXIT_SUCCESS;
}

static int
check_config(const struct cmdline *cl)
{
	struct conf conf;

	if (load_config(cl, &conf, load_tell, NULL) < 0)
		return EXIT_FAILURE;
	printf("%s: can be used\n", cl->files[cl->nfiles - 1]);
	conf_free(&conf);
	return EXIT_SUCCESS;
}

/* For ferryd check and ferryd failures: the daemon's configuration, or what `ferryd DIR`
 * would have with these options. */
static int
command_config(const struct cmdline *cl, struct conf *ret)
{
	if (cl->nfiles > 0)
		return load_config(cl, ret, load_tell, NULL);
	int r = embedded_config(cl, ret);

	if (r == 0)
		r = conf_set(ret, "listen_port", cl->port != NULL ? cl->port : "2121",
		    NULL, 0, load_tell, NULL);
	return r;
}

static int
check_machine(const struct cmdline *cl)
{
	struct conf conf;
	int status;

	if (command_config(cl, &conf) < 0)
		return 2;
	status = cl->watch ? watch_run(&conf, (unsigned)cl->seconds, cl->json)
			   : check_run(&conf, cl->json);
	conf_free(&conf);
	return status;
}

static int
show_failures(const struct cmdline *cl)
{
	struct conf conf;
	int status;

	if (load_config(cl, &conf, load_tell, NULL) < 0)
		return EXIT_FAILURE;
	status = failures_run(&conf, cl->json);
	conf_free(&conf);
	return status;
}

/* background=YES: the parent waits until clients can come, then leaves with the result.
 * Returns the descriptor to tell it by, in the child. log: where it will write what goes
 * wrong. */
static int
go_background(const char *log)
{
	int pipefd[2], null;
	char byte;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		perror("ferryd: background");
		exit(EXIT_FAILURE);
	}
	if (pid > 0) {
		close(pipefd[1]);
		if (read(pipefd[0], &byte, 1) == 1)
			_exit(EXIT_SUCCESS);
		fprintf(stderr, "ferryd: it did not start; its log says why (%s)\n", log);
		_exit(EXIT_FAILURE);
	}
	setsid();
	close(pipefd[0]);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	return pipefd[1];
}

static int
daemon_run(const struct cmdline *cl)
{
	struct master_plan plan = {.cmdline = cl, .ready_fd = -1};
	struct listeners listeners;
	const char *why = NULL;
	struct conf conf;
	int status;

	if (load_config(cl, &conf, load_tell, NULL) < 0 ||
	    load_world(&conf, load_tell, NULL) < 0)
		return EXIT_FAILURE;
	if (listeners_open(&conf, &listeners, &why) < 0) {
		fprintf(stderr, "ferryd: %s\n", why);
		return EXIT_FAILURE;
	}
	if (logfile_open(&conf, conf.background, &why) < 0) {
		fprintf(stderr, "ferryd: %s: %s\n", why, strerror(errno));
		return EXIT_FAILURE;
	}
	plan.conf = &conf;
	plan.listeners = &listeners;
	if (conf.background)
		plan.ready_fd =
		    go_background(conf.syslog_enable ? "syslog" : conf.vsftpd_log_file);
	status = master_run(&plan);
	conf_free(&conf);
	return status;
}

int
main(int argc, char **argv)
{
	struct cmdline cl;

	if (cmdline_parse(argc, argv, &cl) < 0)
		return 2;
	switch (cl.action) {
	case ACTION_SERVE_DIRECTORY:
		return embedded_run(&cl);
	case ACTION_DAEMON:
		return daemon_run(&cl);
	case ACTION_SHOW_CONFIG:
		return show_config(&cl);
	case ACTION_CHECK_CONFIG:
		return check_config(&cl);
	case ACTION_CHECK:
		return check_machine(&cl);
	case ACTION_FAILURES:
		return show_failures(&cl);
	case ACTION_VERSION:
		printf("ferryd %s\n", FERRY_VERSION);
		return EXIT_SUCCESS;
	case ACTION_HELP:
		cmdline_help();
		return EXIT_SUCCESS;
	}
	return EXIT_FAILURE;
}
