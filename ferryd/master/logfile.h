/*
 * Where log lines end up: standard error, syslog, vsftpd_log_file, xferlog_file. The only
 * place that writes them. For the master alone.
 */
#ifndef FERRYD_MASTER_LOGFILE_H
#define FERRYD_MASTER_LOGFILE_H

#include <stdbool.h>

#include "conf.h"

/* Opens what the configuration names and becomes the sink of log.h. With daemon, standard
 * error is not used: events go to syslog (syslog_enable) or vsftpd_log_file. 0, or
 * -FERRY_ESYS with *ret_what naming the file that could not be opened. Called again after
 * SIGHUP: files are opened anew (log rotation). */
int logfile_open(const struct conf *conf, bool daemon, const char **ret_what);

#endif
