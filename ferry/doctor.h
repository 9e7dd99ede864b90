/*
 * ferry doctor: tries every way to a data connection with one server, few times and
 * within a minute, and tells what keeps those that fail from working. Reads only; listens
 * only with consent.
 */
#ifndef FERRY_DOCTOR_H
#define FERRY_DOCTOR_H

#include "diagnosis.h"
#include "oneshot.h"

oneshot_fn doctor_main;

/* The result: a page for people, or JSON. exit_code: what the program ends with. */
void doctor_page(
    FILE *out, bool colour, const struct checkup *c, const struct diagnosis *d);
/* 0 or -FERRY_ENOMEM. */
int doctor_json(FILE *out, const struct checkup *c, const struct diagnosis *d,
    enum exitcode exit_code);
/* "EPSV" */
const char *doctor_mode_name(enum ferry_mode mode);

#endif
