/*
 * The one table of error texts, and the version. For programs that print; the library
 * itself never does.
 */
#include <ferry/ferry.h>

#include "util.h"

static const char *const error_texts[] = {
    [0] = "no error",
    [FERRY_EINVAL] = "invalid argument",
    [FERRY_ENOMEM] = "out of memory",
    [FERRY_ESYS] = "a system call failed",
    [FERRY_ESTATE] = "not possible now: not connected, or another operation is running",
    [FERRY_ERESOLVE] = "the host name has no address",
    [FERRY_ECONNECT] = "the connection to the server could not be made",
    [FERRY_ECLOSED] = "the server closed the connection",
    [FERRY_EPROTO] = "the server's answer is not FTP",
    [FERRY_ETOOBIG] = "more than the limit",
    [FERRY_ETIMEOUT] = "the server did not answer in time",
    [FERRY_ELOGIN] = "user name or password refused",
    [FERRY_ETEMPORARY] = "the server cannot do it now; trying again later may work",
    [FERRY_EREFUSED] = "the server refused",
    [FERRY_EUNSUPPORTED] = "not supported",
    [FERRY_EDATA] = "no data connection could be made",
    [FERRY_ESTALLED] = "the data connection stopped moving",
    [FERRY_ESHORT] = "the number of bytes moved is not the number announced",
    [FERRY_ELOCAL] = "stopped on this side",
    [FERRY_EABORTED] = "aborted",
    [FERRY_EOF] = "end of input",
    [FERRY_ETLS] = "the encrypted connection could not be made",
    [FERRY_ETLSCERT] = "the server's certificate is not to be trusted",
    [FERRY_ETLSNONE] = "the server does not offer encryption",
};

const char *
ferry_strerror(int error)
{
	/* Not -error: INT_MIN has no positive twin. */
	unsigned code = error < 0 ? 0u - (unsigned)error : (unsigned)error;

	if (code >= ARRAY_LEN(error_texts) || !error_texts[code])
		return "unknown error";
	return error_texts[code];
}

const char *
ferry_version(void)
{
	return FERRY_VERSION;
}
