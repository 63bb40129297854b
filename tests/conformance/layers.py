#!/usr/bin/env python3
"""Does every module use only what stands before it, and does each library stay in the module that owns it?

The order is that of docs/architecture.md. A wrong dependency would not link either, but only when something is called:
a header with inline code or a type alone slips through, and so does a library's type in a module that decides purely.

    tests/conformance/layers.py            says what is wrong; status 1 if anything is
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PURE = ['base', 'dns', 'dane', 'sts', 'smtp', 'message', 'policy', 'schedule', 'tlsrpt']
EDGES = ['config', 'log', 'net', 'tls', 'resolver', 'store', 'http', 'dkim']
ACTS = ['relay', 'delivery', 'report', 'admin']
ORDER = PURE + EDGES + ACTS + ['cli', 'app']
ACTS_AND_TOP = {*ACTS, 'cli', 'app'}

# Who may include a library's headers: the first line whose prefix fits. Values and formatting are harmless anywhere;
# sockets, engines, files and databases belong to their edge. What is pure of OpenSSL (digests, parsing a certificate in
# memory) is named header by header.
LIBRARIES = [
    ('fmt/', set(ORDER)),
    ('idn2.h', {'dns'}),
    ('openssl/sha.h', {'tlsrpt', 'tls'}),                          # a digest of values
    ('openssl/x509.h', {'dane', 'config', 'tls'}),                 # dane: is this DER a certificate or a key at all?
    ('openssl/err.h', {'dane', 'config', 'net', 'tls', 'dkim'}),
    ('openssl/crypto.h', {'config', 'tls', 'relay', 'admin', 'cli'}),  # constant-time comparison, version
    ('openssl/bio.h', {'config', 'tls', 'dkim'}),
    ('openssl/pem.h', {'config', 'tls', 'dkim'}),
    ('openssl/evp.h', {'tls', 'dkim'}),
    ('openssl/ssl.h', {'net', 'tls'}),
    ('openssl/', {'tls'}),
    ('boost/json/', {'tlsrpt', 'log', 'store', 'http'} | ACTS_AND_TOP),
    ('boost/beast/', {'http'}),
    ('boost/asio/', {'net', 'tls', 'resolver', 'store', 'http'} | ACTS_AND_TOP),
    ('boost/version.hpp', {'cli'}),
    ('yaml-cpp/', {'config'}),
    ('spdlog/', {'log'}),
    ('systemd/sd-journal.h', {'log'}),
    ('systemd/sd-daemon.h', {'app'}),
    ('unbound.h', {'resolver', 'cli'}),                            # cli: its version
    ('sqlite3.h', {'store', 'cli'}),
    ('libpq-fe.h', {'store', 'cli'}),
    ('opendkim/', {'dkim'}),
    ('zlib.h', {'report'}),
    ('crypt.h', {'relay'}),
    ('CLI/', {'cli'}),
]
# What of the system's headers a pure module may include: text forms of addresses, and random bytes, both in base.
PURE_SYSTEM = {'base': {'arpa/inet.h', 'sys/random.h'}}
SYSTEM = re.compile(r'(sys|arpa|netinet|net|linux)/\w+\.h|(unistd|fcntl|poll|netdb|ifaddrs|syslog|nmmintrin|pwd|grp|signal)\.h')
STANDARD = re.compile(r'\w+')
# A pure module reads no clock, environment or file and rolls no dice; base owns the interfaces to clock and randomness.
IMPURE = re.compile(r'\b(?:system_clock::now|steady_clock::now|random_device|getenv|std::time|gettimeofday|clock_gettime|'
                    r'ifstream|ofstream|fopen|mutex|atomic|thread_local|getrandom)\b')
IMPURE_OWNERS = {'include/danelaw/base/time.hpp', 'src/base/random.cpp', 'src/base/id.cpp'}   # id: 35 random bits of each

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/', re.DOTALL)
MODULE = re.compile(r'^danelaw_module\((\w+)([^)]*)\)', re.MULTILINE)


def module_of(path):
    """'dane' of src/dane/plan.cpp and of include/danelaw/dane/plan.hpp; None for src/main.cpp."""
    parts = path.split('/')
    if parts[0] == 'src' and len(parts) > 2:
        return parts[1]
    return parts[2] if parts[:2] == ['include', 'danelaw'] and len(parts) > 3 else None


def library_complaint(path, module, header):
    if STANDARD.fullmatch(header):
        return None
    if SYSTEM.fullmatch(header):
        if module in PURE and header not in PURE_SYSTEM.get(module, ()):
            return f'{path}: <{header}> in {module}, which is pure: no socket, file or clock'
        return None
    for prefix, owners in LIBRARIES:
        if header.startswith(prefix):
            if module not in owners:
                return f'{path}: <{header}> in {module}; it belongs to {", ".join(m for m in ORDER if m in owners)}'
            return None
    return f'{path}: <{header}> is of a library that no module owns yet: add it to tests/conformance/layers.py'


def include_complaint(path, module, quote, header):
    if quote == '<':
        if header.startswith('danelaw/'):
            return f'{path}: <{header}>: our own headers stand in quotation marks'
        return library_complaint(path, module, header)
    if not header.startswith('danelaw/'):
        if '/' in header:
            return f'{path}: "{header}" reaches into another folder: only a module\'s own private headers have no path'
        if path.startswith('include/'):
            return f'{path}: "{header}": a public header includes a private one'
        return None
    other = module_of('include/' + header)
    if other not in ORDER:
        return f'{path}: "{header}" is of no module in the order'
    if ORDER.index(other) > ORDER.index(module):
        return f'{path}: {module} includes "{header}", but {other} stands after it'
    return None


def file_complaints(path, text):
    """path is relative to the root."""
    module = module_of(path)
    if module is None:
        return []
    if module not in ORDER:
        return [f'{path}: module {module} has no place in the order']
    code = COMMENT.sub('', text)
    found = [include_complaint(path, module, *match.groups()) for match in INCLUDE.finditer(code)]
    if module in PURE and path not in IMPURE_OWNERS:
        found += [f'{path}: {word} in {module}, which is pure' for word in sorted(set(IMPURE.findall(code)))]
    return [f for f in found if f]


def build_complaints(text):
    """Of CMakeLists.txt: each module once, in the order, and linking only earlier ones."""
    out, seen = [], []
    for name, rest in MODULE.findall(text):
        uses = re.search(r'\bUSES\b(.*?)(?:\bLIBS\b|$)', rest, re.DOTALL)
        for used in uses.group(1).split() if uses else []:
            if used not in ORDER:
                out.append(f'CMakeLists.txt: {name} uses {used}, which has no place in the order')
            elif name in ORDER and ORDER.index(used) >= ORDER.index(name):
                out.append(f'CMakeLists.txt: {name} uses {used}, which does not stand before it')
        seen.append(name)
    if seen != ORDER:
        out.append(f'CMakeLists.txt: modules {" ".join(seen)}; the order is {" ".join(ORDER)}')
    return out


def files(root):
    for top in ('src', 'include'):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith(('.cpp', '.hpp')):
                    yield os.path.relpath(os.path.join(folder, name), root)


def complaints(root=ROOT):
    out = []
    for path in files(root):
        with open(os.path.join(root, path), encoding='utf-8') as f:
            out += file_complaints(path, f.read())
    with open(os.path.join(root, 'CMakeLists.txt'), encoding='utf-8') as f:
        return sorted(out) + build_complaints(f.read())


if __name__ == '__main__':
    problems = complaints()
    print('\n'.join(problems), end='\n' if problems else '')
    sys.exit(1 if problems else 0)
