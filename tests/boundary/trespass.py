"""A worker that opens a file must die of SIGSYS, at once and without a result."""
import signal
import subprocess
import sys


def main():
    done = subprocess.run([sys.argv[1]], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=30)
    if done.returncode == -signal.SIGSYS and not done.stdout:
        return 0
    print(f'{sys.argv[1]} ended with {done.returncode}, not by SIGSYS: {done.stdout!r}')
    return 1


if __name__ == '__main__':
    sys.exit(main())
