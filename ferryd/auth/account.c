/*
 * The system's account database, as identity.c needs it. The only file of auth that reads
 * it. A look-up may ask a directory service and block: never from the event loop.
 */
#include <ferry/ferry.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "identity.h"
#include "util.h"

/* An entry that needs more than this is damaged. */
#define ENTRY_MAX (1024 * 1024)

void
account_clear(struct account *a)
{
	free(a->name);
	free(a->home);
	free(a->shell);
	*a = (struct account){0};
}

static int
account_copy(const struct passwd *pw, struct account *ret)
{
	struct account a = {
	    .name = strdup(pw->pw_name),
	    .home = strdup(pw->pw_dir != NULL ? pw->pw_dir : ""),
	    .shell = strdup(pw->pw_shell != NULL ? pw->pw_shell : ""),
	    .uid = pw->pw_uid,
	    .gid = pw->pw_gid,
	};

	if (a.name == NULL || a.home == NULL || a.shell == NULL) {
		account_clear(&a);
		return -FERRY_ENOMEM;
	}
	*ret = a;
	return 0;
}

/* getpwnam_r(3) has several ways to say "no such name". */
static bool
means_unknown(int error)
{
	return error == 0 || error == ENOENT || error == ESRCH || error == EBADF ||
	       error == EPERM;
}

int
account_find(const char *name, struct account *ret)
{
	size_t size = 4096;

	for (;;) {
		_cleanup_free_ char *space = malloc(size);
		struct passwd pw, *found = NULL;
		int error;

		if (space == NULL)
			return -FERRY_ENOMEM;
		error = getpwnam_r(name, &pw, space, size, &found);
		if (found != NULL)
			return account_copy(found, ret);
		if (error != ERANGE || size >= ENTRY_MAX)
			return means_unknown(error) ? -FERRY_EREFUSED : -FERRY_ESYS;
		size *= 2;
	}
}

/* Name by name, a line each; what cannot be read denies everybody. */
bool
account_denied(const char *name)
{
	_cleanup_free_ char *line = NULL;
	FILE *list = fopen("/etc/ftpusers", "re");
	size_t size = 0;
	bool denied = list == NULL && errno != ENOENT;

	while (list != NULL && !denied && getline(&line, &size, list) >= 0) {
		char *word = line + strspn(line, " \t");

		word[strcspn(word, " \t\r\n#")] = '\0';
		denied = strcmp(word, name) == 0;
	}
	if (list != NULL) {
		denied = denied || ferror(list) != 0;
		fclose(list);
	}
	return denied;
}

bool
account_shell_listed(const char *shell)
{
	const char *listed;
	bool found = false;

	setusershell();
	while (!found && (listed = getusershell()) != NULL)
		found = strcmp(listed, shell) == 0;
	endusershell();
	return found;
}
