/*
 * The exit codes of ferry: one table, also the source of the EXIT STATUS section of
 * ferry(1). Scripts depend on the numbers: add rows, never renumber.
 */
#ifndef FERRY_EXITCODE_H
#define FERRY_EXITCODE_H

/* clang-format off */
/*         name        code  meaning */
#define EXIT_CODES(ROW) \
	ROW(OK, 0, "everything asked for was done") \
	ROW(USAGE, 1, "wrong usage: an option, an argument or a URL") \
	ROW(CONNECT, 2, "the server cannot be reached: no address, or no answer at its port") \
	ROW(LOGIN, 3, "the server refused the user name or the password") \
	ROW(DATA, 4, "no data connection could be made, in any mode that was allowed") \
	ROW(REFUSED, 5, "no such file or directory, or the server refused") \
	ROW(INCOMPLETE, 6, "a transfer began but is incomplete, or the server hung up") \
	ROW(LOCAL, 7, "a local file or the system failed: open, write, disk full, memory") \
	ROW(TIMEOUT, 8, "the server fell silent") \
	ROW(PROTOCOL, 9, "the server's answer is not FTP") \
	ROW(LATER, 10, "the server said that trying again later may work") \
	ROW(TLS, 11, "no encrypted connection, although one was wanted or offered") \
	ROW(CERTIFICATE, 12, "the server's certificate is not trusted") \
	ROW(FINDINGS, 13, "doctor: files move, but it found something that other programs or modes stumble over") \
	ROW(INTERRUPTED, 130, "interrupted by the user")
/* clang-format on */

enum exitcode {
#define ROW(name, code, meaning) EXITCODE_##name = code,
	EXIT_CODES(ROW)
#undef ROW
};

/* The exit code for a result of libferry: 0, or an enum ferry_error, negated or not. */
enum exitcode exitcode_of(int result);

#endif
