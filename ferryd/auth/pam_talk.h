/*
 * What PAM modules ask, answered with the one name and the one password that FTP has. For
 * backend_pam.c. Modules are taken as they are found: wrong counts, NULL pointers,
 * chatter.
 */
#ifndef FERRYD_AUTH_PAM_TALK_H
#define FERRYD_AUTH_PAM_TALK_H

#include <security/pam_appl.h>

#include "buf.h"

struct pam_talk {
	const char *user;
	const char *password; /* NULL once it is forgotten */
	struct buf said;      /* what modules told the user: for the operator */
};

/* Borrows both until pam_talk_forget. */
void pam_talk_init(struct pam_talk *t, const char *user, const char *password);
void pam_talk_forget(struct pam_talk *t);
void pam_talk_clear(struct pam_talk *t);

/* The conversation function of struct pam_conv; user is a struct pam_talk. */
int pam_talk(
    int n, const struct pam_message **msgs, struct pam_response **ret, void *user);

#endif
