/*
 * The backends of ferryd-auth-fail, the same program as ferryd-auth with ways to fail,
 * and with limits small enough for a test to reach.
 */
#include "backend.h"

const struct backend *const auth_backends[] = {
    &backend_anonymous,
    &backend_fail,
    &backend_fail_now,
    NULL,
};

const struct auth_limits auth_limits = {
    .running = 4,
    .waiting = 3,
    .logins = 10,
    .check_ms = 2000,
};
