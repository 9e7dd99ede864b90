/*
 * The option cert_user: what of a client's certificate has to be the user's name.
 */
#ifndef FERRYD_CONF_CERT_USER_H
#define FERRYD_CONF_CERT_USER_H

#include "conf.h"

enum cert_user {
	CERT_USER_NONE, /* certificates log nobody in */
	CERT_USER_CN,   /* the one common name of its subject */
	CERT_USER_SAN,  /* one of its alternative names: DNS, mail address, UPN */
};

/* 0, or -FERRY_EINVAL when the option's value is none of its words. Any case. */
int cert_user_parse(const struct conf *c, enum cert_user *ret);
/* As conf_check() has let it through. */
enum cert_user cert_user_of(const struct conf *c);

#endif
