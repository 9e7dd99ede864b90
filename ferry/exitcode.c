/*
 * From libferry's error codes to ferry's exit codes: by the stage that failed.
 */
#include "exitcode.h"

#include "own.h"

#include <ferry/ferry.h>

static const enum exitcode code_of_error[] = {
    [FERRY_EINVAL] = EXITCODE_USAGE,
    [FERRY_ENOMEM] = EXITCODE_LOCAL,
    [FERRY_ESYS] = EXITCODE_LOCAL,
    [FERRY_ESTATE] = EXITCODE_USAGE,
    [FERRY_ERESOLVE] = EXITCODE_CONNECT,
    [FERRY_ECONNECT] = EXITCODE_CONNECT,
    [FERRY_ECLOSED] = EXITCODE_INCOMPLETE,
    [FERRY_EPROTO] = EXITCODE_PROTOCOL,
    [FERRY_ETOOBIG] = EXITCODE_PROTOCOL,
    [FERRY_ETIMEOUT] = EXITCODE_TIMEOUT,
    [FERRY_ELOGIN] = EXITCODE_LOGIN,
    [FERRY_ETEMPORARY] = EXITCODE_LATER,
    [FERRY_EREFUSED] = EXITCODE_REFUSED,
    [FERRY_EUNSUPPORTED] = EXITCODE_REFUSED,
    [FERRY_EDATA] = EXITCODE_DATA,
    [FERRY_ESTALLED] = EXITCODE_TIMEOUT,
    [FERRY_ESHORT] = EXITCODE_INCOMPLETE,
    [FERRY_ELOCAL] = EXITCODE_LOCAL,
    [FERRY_EABORTED] = EXITCODE_INTERRUPTED,
    [FERRY_ETLS] = EXITCODE_TLS,
    [FERRY_ETLSCERT] = EXITCODE_CERTIFICATE,
    [FERRY_ETLSNONE] = EXITCODE_TLS,
};

enum exitcode
exitcode_of(int result)
{
	size_t error = result < 0 ? -(size_t)result : (size_t)result;

	if (result == 0)
		return EXITCODE_OK;
	if (error >= ARRAY_LEN(code_of_error) || code_of_error[error] == EXITCODE_OK)
		return EXITCODE_PROTOCOL;
	return code_of_error[error];
}
