/*
 * ftp:// URLs, RFC 1738 3.2 and RFC 3986: parsed once, before anything is dialled.
 * The client program needs them too, so struct ferry_url, ferry_url_parse() and
 * ferry_url_clear() are public and declared in ferry/ferry.h; lib/url.c implements them.
 */
#ifndef FERRY_LIB_URL_H
#define FERRY_LIB_URL_H

#include "ferry/ferry.h"

#endif
