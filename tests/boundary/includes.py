"""The layout enforced: which folder's headers a folder's files may include.

A role of the server sees its own headers, what all processes share (wire, conf) and the protocol (lib);
the client program sees <ferry/...> and nothing else of ours; the protocol sees neither. Passing
descriptors happens in fdpass.c alone.

usage: includes.py SOURCE_ROOT
"""
import os
import re
import sys

# folder -> folders whose headers it may include with "", besides its own
MAY = {
    'lib': [],
    'lib/client': ['lib'],
    'ferry': [],
    'ferryd/wire': ['lib'],
    'ferryd/conf': ['lib', 'ferryd/wire'],
    'ferryd/tls': ['lib', 'ferryd/wire', 'ferryd/conf'],
}
# ferryd check looks at the machine before any process is started; the command (master/main.c) calls it.
MAY['ferryd/check'] = ['lib', 'ferryd/wire', 'ferryd/conf']
ROLES = ['master', 'worker', 'agent', 'auth', 'status']
for role in ROLES:
    MAY['ferryd/' + role] = ['lib', 'ferryd/wire', 'ferryd/conf']
MAY['ferryd/master'].append('ferryd/check')
# Who speaks TLS, who reads its keys, and who verifies certificates.
for role in ['master', 'worker', 'auth']:
    MAY['ferryd/' + role].append('ferryd/tls')

INCLUDE = re.compile(r'^\s*#\s*include\s*(<[^>]*>|"[^"]*"|\S+)', re.M)
PASSING = re.compile(r'\b(SCM_RIGHTS|CMSG_DATA|cmsg_type)\b')
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*', re.S)


def sources(folder):
    if not os.path.isdir(folder):
        return []
    return sorted(n for n in os.listdir(folder) if n.endswith(('.c', '.h', '.def')))


def check_one(included, own, may, headers):
    """None, or why this include may not stand in folder own."""
    if included[0] == '<':
        inside = included[1:-1]
        if inside.startswith('ferry/'):
            return None
        # <worker/x.h>, <ferryd/...>: ours in disguise
        if any(inside.split('/')[0] == f.split('/')[-1] for f in headers if f != 'lib'):
            return 'names a folder of ours'
        return None
    if included[0] != '"':
        return 'is a macro: nobody can tell what it includes'
    name = included[1:-1]
    if name.startswith('ferry/'):
        return None
    if '/' in name:
        return 'has a path: headers are named without one'
    if name in headers[own] or any(name in headers[f] for f in may):
        return None
    homes = [f for f in headers if name in headers[f]]
    return f'belongs to {homes[0]}' if homes else 'is no header that this folder may see'


def check_folder(root, own, may, headers):
    bad = []
    for name in sources(os.path.join(root, own)):
        path = os.path.join(root, own, name)
        with open(path, encoding='utf-8') as f:
            text = COMMENT.sub('', f.read())
        for included in INCLUDE.findall(text):
            why = check_one(included, own, may, headers)
            if why:
                bad.append(f'{own}/{name}: {included} {why}')
        if own.startswith('ferryd') and name != 'fdpass.c' and PASSING.search(text):
            bad.append(f'{own}/{name}: passes descriptors: that is fdpass.c\'s business')
    return bad


def folders_unknown(root):
    """A new folder needs a row in MAY, or it would go unchecked."""
    found = ['lib', 'ferry'] + ['ferryd/' + n for n in os.listdir(os.path.join(root, 'ferryd'))]
    for top in ('lib', 'ferry'):
        found += [f'{top}/{n}' for n in os.listdir(os.path.join(root, top))]
    return [f'{f}: has no row in includes.py' for f in sorted(set(found))
            if os.path.isdir(os.path.join(root, f)) and sources(os.path.join(root, f))
            and f not in MAY]


def main():
    root = sys.argv[1]
    headers = {f: set(sources(os.path.join(root, f))) for f in MAY}
    bad = folders_unknown(root)
    for own, may in MAY.items():
        bad += check_folder(root, own, may, headers)
    print('\n'.join(bad) or f'{sum(map(len, headers.values()))} files include what they may')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
