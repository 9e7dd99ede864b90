/*
 * ferryd-auth's own choice of backends, in the order in which they are asked, and its
 * limits. A file of its own, so that a test program can link another choice.
 */
#include "backend.h"

const struct backend *const auth_backends[] = {
    &backend_anonymous,
    &backend_single,
    &backend_pam,
    NULL,
};

const struct auth_limits auth_limits = {
    .running = 32,
    .waiting = 256,
    .logins = 100000,
    .check_ms = 60000,
};
