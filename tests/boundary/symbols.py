"""What the objects of each role import from the C library: a role that cannot name a call cannot make
it by mistake. (What it could do on purpose, sandbox.c forbids.)

usage: symbols.py NM ROLE=ARCHIVE...
"""
import re
import subprocess
import sys

# The forms in which the C library exports one call: open, open64, __open_2, __open64_2, __printf_chk.
FORM = r'(?:__)?(?:{})(?:64)?(?:_2|_chk)?(?:_time64|_time64_2)?'

FILES = ['open', 'openat', 'creat', 'fopen', 'freopen', 'opendir', 'scandir', 'nftw', 'ftw', 'glob',
         'unlink', 'unlinkat', 'remove', 'rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink',
         'symlinkat', 'mkdir', 'mkdirat', 'rmdir', 'mkstemp', 'mkostemp', 'mkdtemp', 'tmpfile', 'stat',
         'lstat', 'fstatat', 'statx', 'access', 'faccessat', 'readlink', 'readlinkat', 'realpath',
         'chmod', 'fchmodat', 'chown', 'lchown', 'fchownat', 'truncate', 'utimensat', 'chdir', 'chroot',
         'mknod', 'mkfifo']
PROGRAMS = ['exec[lv]p?e?', 'fexecve', 'execveat', 'execvpe', 'posix_spawnp?', 'system', 'popen', 'fork',
            'vfork', '_Fork', 'ptrace', 'dlopen']
NETWORK = ['socket', 'socketpair', 'bind', 'listen', 'accept', 'accept4', 'connect', 'getaddrinfo',
           'gethostbyname.*']
DESCRIPTORS = ['read', 'write', 'pread', 'pwrite', 'readv', 'writev', 'send', 'sendto', 'sendmsg', 'recv',
               'recvfrom', 'recvmsg', 'poll', 'select', 'ioctl', 'mmap', 'pipe2?']
SHOUTING = ['printf', 'vprintf', 'puts', 'putchar', 'perror', 'stdout', 'fputs', 'fwrite', 'fprintf',
            'vfprintf', 'dprintf', 'syslog', 'err', 'errx', 'warn', 'warnx']
ENDING = ['exit', '_exit', '_Exit', 'quick_exit', 'abort', 'kill', 'raise']
HANDLERS = ['signal', 'sigaction', 'sigset', 'bsd_signal', 'sysv_signal']
SIGNALS = HANDLERS + ['sigprocmask', 'pthread_sigmask']

FORBIDDEN = {
    'worker': FILES + PROGRAMS + ['syscall'],
    'agent': NETWORK + PROGRAMS,
    'core': FILES + PROGRAMS + NETWORK + DESCRIPTORS + SHOUTING + ENDING + SIGNALS + ['syscall'],
    'conf': FILES + PROGRAMS + NETWORK + DESCRIPTORS + SHOUTING + ENDING + SIGNALS + ['syscall'],
    # It may block signals in a thread of its own, but handle none.
    'libferry': SHOUTING + ENDING + HANDLERS + PROGRAMS,
}


def imports(nm, archive):
    """(object, symbol) for each undefined symbol."""
    text = subprocess.run([nm, '--undefined-only', '-A', '-P', archive], check=True,
                          capture_output=True, text=True).stdout
    for line in text.splitlines():
        where, symbol = line.split(': ')[0], line.split(': ')[1].split()[0]
        yield where, symbol.split('@')[0]


def check(nm, role, archive):
    forbidden = re.compile(FORM.format('|'.join(FORBIDDEN[role])))
    seen, bad = 0, []
    for where, symbol in imports(nm, archive):
        seen += 1
        if forbidden.fullmatch(symbol):
            bad.append(f'{role}: {where} imports {symbol}')
    if seen == 0:
        bad.append(f'{role}: {archive} imports nothing at all: is it the right one?')
    return bad


def main():
    nm, bad = sys.argv[1], []
    for argument in sys.argv[2:]:
        role, archive = argument.split('=', 1)
        bad += check(nm, role, archive)
    print('\n'.join(bad) or f'{len(sys.argv) - 2} archives are as they should be')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
