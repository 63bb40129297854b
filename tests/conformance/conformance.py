#!/usr/bin/env python3
"""Which requirement is met where, and what proves it?

docs/requirements.tsv lists every requirement; source and tests cite them by id in comments (DANE-042, "SC-052…057",
"DANE-060, 062"). This joins the two into docs/conformance.md:

docs/field-cases.tsv lists faults of mail servers, DNS software and their operators as publicly reported, with the tests that show
Danelaw free of them.

    tests/conformance/conformance.py            writes the page
    tests/conformance/conformance.py --check    says what is wrong with list, citations and page; status 1 if anything is
"""
import collections
import csv
import dataclasses
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIST = os.path.join(ROOT, 'docs', 'requirements.tsv')
CASES = os.path.join(ROOT, 'docs', 'field-cases.tsv')
PAGE = os.path.join(ROOT, 'docs', 'conformance.md')
FAMILIES = {
    'DANE': 'DANE for outbound SMTP (RFC 7672, 7671, 6698)',
    'SC': 'SMTP client (RFC 5321 and its extensions)',
    'SS': 'SMTP server',
    'DQ': 'Queue and delivery status notifications (RFC 3461, 3464, 6522, 6533)',
    'MS': 'MTA-STS (RFC 8461)',
    'TR': 'TLS reporting (RFC 8460)',
    'D': 'Choices where the standards leave room',
}
CASE = re.compile(r'\bH\d{2,3}\b')
CITED = re.compile(r'\b(DANE|SC|SS|DQ|MS|TR|D)-(A?\d{2,3})((?:(?:…|, ?)(?:DANE-|SC-|SS-|DQ-|MS-|TR-|D-)?A?\d{2,3}\b(?!-))*)')
MORE = re.compile(r'(…|, ?)((?:DANE|SC|SS|DQ|MS|TR|D)-)?(A?\d{2,3})')
SOURCES = ('.cpp', '.hpp', '.py', '.js', '.html', '.txt')
# Citations of these are about citing, or are data.
NOT_READ = {'tests/conformance'}


@dataclasses.dataclass(frozen=True)
class Requirement:
    id: str
    level: str          # MUST · SHOULD · MAY, or CHOICE (D-…): which nothing outside demands
    statement: str
    open: str           # why it is not met yet; empty: met

    @property
    def family(self):
        return self.id.split('-')[0]


@dataclasses.dataclass(frozen=True)
class Case:
    id: str
    case: str
    source: str         # the public reports
    tests: str          # path:name (C++: path:Suite.Name), relative to tests/, separated by blanks
    open: str           # why there is no test; empty: there is


def _table(path, kind):
    with open(path, encoding='utf-8', newline='') as f:
        return [kind(**row) for row in csv.DictReader(f, delimiter='\t', quoting=csv.QUOTE_NONE)]


def requirements(path=LIST):
    return _table(path, Requirement)


def cases(path=CASES):
    return _table(path, Case)


def _number(text):
    return text.startswith('A'), int(text.lstrip('A')), len(text.lstrip('A'))


def cited_in(text, known):
    """Ids cited in text. A range stands for the known ids within it; a single id is returned even if unknown."""
    out = set()
    for match in CITED.finditer(text):
        family, last, rest = match.groups()
        out.add(f'{family}-{last}')
        for sign, other, number in MORE.findall(rest):
            if other:
                family = other[:-1]
            if sign == '…':
                attack, low, width = _number(last)
                _, high, _ = _number(number)
                names = (f'{family}-{"A" if attack else ""}{n:0{width}}' for n in range(low + 1, high))
                out.update(n for n in names if n in known)
            elif not other and len(number.lstrip('A')) != len(last.lstrip('A')):
                continue                # "DQ-017, 60 s": a figure, not an id
            out.add(f'{family}-{number}')
            last = number
    return out


def citations(root, top, known):
    """id -> files below root/top that cite it, as paths relative to root."""
    found = collections.defaultdict(set)
    for folder, folders, names in os.walk(os.path.join(root, top)):
        folders[:] = [d for d in folders if d != '__pycache__']
        relative = os.path.relpath(folder, root)
        if any(relative == n or relative.startswith(n + os.sep) for n in NOT_READ):
            continue
        for name in names:
            if name.endswith(SOURCES):
                with open(os.path.join(folder, name), encoding='utf-8', errors='replace') as f:
                    for cited in cited_in(f.read(), known):
                        found[cited].add(os.path.join(relative, name))
    return found


def case_complaints(rows, root=ROOT):
    """Cases without a test, tests that are not there, and citations of cases that are not listed."""
    out = []
    known = {r.id for r in rows}
    for row in rows:
        if bool(row.tests) == bool(row.open):
            out.append(f'{row.id}: needs either tests or a reason in "open"')
        for test in row.tests.split():
            path, _, name = test.partition(':')
            wanted = rf'TEST(_F|_P)?\({name.replace(".", ", ")}\)' if path.endswith('.cpp') else rf'\bdef {name}\('
            try:
                with open(os.path.join(root, 'tests', path), encoding='utf-8') as f:
                    there = re.search(wanted, f.read())
            except FileNotFoundError:
                there = False
            if not there:
                out.append(f'{row.id}: no such test: {test}')
    for top in ('src', 'include', 'tests'):
        for folder, _, names in os.walk(os.path.join(root, top)):
            if os.path.relpath(folder, root) in NOT_READ:
                continue
            for name in names:
                if name.endswith(SOURCES):
                    with open(os.path.join(folder, name), encoding='utf-8', errors='replace') as f:
                        unknown = set(CASE.findall(f.read())) - known
                    out += [f'{c}: cited in {os.path.join(folder, name)}, not in docs/field-cases.tsv' for c in sorted(unknown)]
    return out


@dataclasses.dataclass
class State:
    rows: list
    code: dict
    tests: dict
    cases: list = dataclasses.field(default_factory=list)


def state(root=ROOT):
    rows = requirements(os.path.join(root, 'docs', 'requirements.tsv'))
    known = {r.id for r in rows}
    code = citations(root, 'src', known)
    for cited, files in citations(root, 'include', known).items():
        code[cited] |= files
    return State(rows, code, citations(root, 'tests', known), cases(os.path.join(root, 'docs', 'field-cases.tsv')))


def status(row, code, tests):
    if row.open:
        return 'open: ' + row.open
    if row.level == 'CHOICE':
        return 'in force'
    if tests:
        return 'met'
    return 'met, no test of its own' if code else 'not claimed'


def complaints(now):
    out = []
    known = collections.Counter(r.id for r in now.rows)
    out += [f'{i}: listed {n} times' for i, n in known.items() if n > 1]
    for row in now.rows:
        if row.level not in ('MUST', 'SHOULD', 'MAY', 'CHOICE') or not row.statement:
            out.append(f'{row.id}: level {row.level!r}, statement {row.statement!r}')
        tests, code = now.tests.get(row.id), now.code.get(row.id)
        if row.level == 'MUST' and not tests and not row.open:
            out.append(f'{row.id}: a MUST that no test cites: {row.statement}')
        if row.open and tests and code:
            out.append(f'{row.id}: listed as open, but has code ({", ".join(sorted(code))}) and a test '
                       f'({", ".join(sorted(tests))}): empty its "open" column')
    for where, found in (('code', now.code), ('tests', now.tests)):
        out += [f'{i}: cited in {where} ({", ".join(sorted(files))}), not in docs/requirements.tsv'
                for i, files in sorted(found.items()) if i not in known]
    return out + case_complaints(now.cases) if now.cases else out


def _files(files):
    short = (f.replace('include/danelaw/', '').removeprefix('src/').removeprefix('tests/') for f in sorted(files or ()))
    return '<br>'.join(f'`{s}`' for s in short) or '–'


def page(now):
    lines = ['# Conformance', '',
             'Every requirement Danelaw is held to, where the code minds it, and the tests that prove it. Written by',
             '`tests/conformance/conformance.py` from `docs/requirements.tsv` and from the ids that code and tests cite; a test',
             'fails when this page is stale. Paths are below `src/` or `include/danelaw/`, and below `tests/`. Code that leaves a',
             'duty to a library (validation to libunbound, path building to OpenSSL) may cite nothing; the tests do.', '']
    lines += ['| | requirements | met | open | not claimed |', '|---|---|---|---|---|']
    for family, title in FAMILIES.items():
        rows = [r for r in now.rows if r.family == family]
        words = [status(r, now.code.get(r.id), now.tests.get(r.id)).split(':')[0].split(',')[0] for r in rows]
        good = words.count('met') + words.count('in force')
        lines.append(f'| {title} | {len(rows)} | {good} | {words.count("open")} | {words.count("not claimed")} |')
    for family, title in FAMILIES.items():
        lines += ['', f'## {title}', '', '| id | level | requirement | code | tests | status |', '|---|---|---|---|---|---|']
        for row in (r for r in now.rows if r.family == family):
            code, tests = now.code.get(row.id), now.tests.get(row.id)
            statement = row.statement.replace('|', '\\|')
            lines.append(f'| {row.id} | {row.level if row.level != "CHOICE" else "choice"} | {statement} | {_files(code)} | '
                         f'{_files(tests)} | {status(row, code, tests)} |')
    lines += ['', '## Cases from the field', '', 'Faults as publicly reported, and the tests that show Danelaw free of them.', '',
              '| id | case | reported | tests |', '|---|---|---|---|']
    for row in now.cases:
        tests = '<br>'.join(f'`{t}`' for t in row.tests.split()) or 'open: ' + row.open
        lines.append(f'| {row.id} | {row.case} | {row.source} | {tests} |')
    return '\n'.join(lines) + '\n'


def stale(now):
    try:
        with open(PAGE, encoding='utf-8') as f:
            return f.read() != page(now)
    except FileNotFoundError:
        return True


def main(arguments):
    now = state()
    if arguments == ['--check']:
        found = complaints(now) + (['docs/conformance.md is stale: run tests/conformance/conformance.py'] if stale(now) else [])
        print('\n'.join(found), end='\n' if found else '')
        return 1 if found else 0
    if arguments:
        print(__doc__)
        return 2
    with open(PAGE, 'w', encoding='utf-8') as f:
        f.write(page(now))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
