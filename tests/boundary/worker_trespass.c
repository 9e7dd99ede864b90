/*
 * A worker that has been told to open a file: built like ferryd-worker, with the same
 * libraries and the same two steps into its limits. trespass.py sees it die. If it prints
 * anything, the limits failed.
 */
#include <fcntl.h>
#include <stdio.h>

#include "sandbox.h"

int
main(void)
{
	int fd;

	if (sandbox_basics() < 0 || sandbox_worker() < 0) {
		puts("the limits could not be entered");
		return 2;
	}
	fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	printf("open returned %d\n", fd);
	return fd >= 0 ? 1 : 3;
}
