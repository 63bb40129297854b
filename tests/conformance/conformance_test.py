"""Is every demand listed, met or honestly open, and proven? What may be cited, and what the page says, cannot rot."""
import pytest

import conformance

KNOWN = {f'SC-{n:03}' for n in range(50, 60)} | {'DANE-060', 'DANE-061', 'DANE-062', 'DANE-A01', 'DANE-A02', 'DANE-A03', 'D-05', 'D-06'}


@pytest.mark.smoke
def test_no_demand_without_a_test_and_no_unknown_citation():
    assert not conformance.complaints(conformance.state())


@pytest.mark.smoke
def test_page_is_what_would_be_written_now():
    assert not conformance.stale(conformance.state()), 'run tests/conformance/conformance.py'


@pytest.mark.smoke
@pytest.mark.parametrize('text, cited', [
    ('(DANE-060)', {'DANE-060'}),
    ('DANE-060, 062 and more', {'DANE-060', 'DANE-062'}),
    ('SC-052…055, DANE-060', {'SC-052', 'SC-053', 'SC-054', 'SC-055', 'DANE-060'}),
    ('DANE-A01…A03', {'DANE-A01', 'DANE-A02', 'DANE-A03'}),
    ('DANE-060…062', {'DANE-060', 'DANE-061', 'DANE-062'}),
    ('D-05, 06; DANE-060, 127 octets of D-05', {'D-05', 'D-06', 'DANE-060', 'DANE-127'}),
    ('SC-050, 60 s', {'SC-050'}),
    ('DANE-060, DANE-A01', {'DANE-060', 'DANE-A01'}),
    ('XDANE-060 DANE-6 AES-128', set()),
])
def test_how_a_citation_reads(text, cited):
    assert conformance.cited_in(text, KNOWN) == cited


def requirement(**kw):
    return conformance.Requirement(**{'id': 'DANE-060', 'level': 'MUST', 'statement': 'x.', 'open': '', **kw})


@pytest.mark.smoke
@pytest.mark.parametrize('row, code, tests, word', [
    ({}, {}, {'DANE-060': {'t'}}, None),
    ({}, {'DANE-060': {'c'}}, {}, 'no test cites'),
    ({'level': 'SHOULD'}, {}, {}, None),
    ({'open': 'later'}, {}, {}, None),
    ({'open': 'later'}, {'DANE-060': {'c'}}, {}, None),
    ({'open': 'later'}, {'DANE-060': {'c'}}, {'DANE-060': {'t'}}, 'listed as open'),
    ({}, {}, {'DANE-060': {'t'}, 'DANE-999': {'t'}}, 'not in docs'),
    ({'level': 'OUGHT'}, {}, {'DANE-060': {'t'}}, 'OUGHT'),
])
def test_what_is_complained_about(row, code, tests, word):
    found = conformance.complaints(conformance.State([requirement(**row)], code, tests))
    assert (word is None and not found) or (word and word in found[0]), found


@pytest.mark.smoke
@pytest.mark.parametrize('tests, open_, word', [
    ('conformance/conformance_test.py:test_what_is_said_of_cases', '', None),
    ('', 'cannot be shown here', None),
    ('', '', 'either tests or a reason'),
    ('conformance/conformance_test.py:test_what_is_said_of_cases', 'later', 'either tests or a reason'),
    ('conformance/conformance_test.py:test_that_is_not_there', '', 'no such test'),
    ('conformance/gone_test.py:test_x', '', 'no such test'),
])
def test_what_is_said_of_cases(tests, open_, word):
    every = conformance.cases()
    mine = conformance.Case('H999', 'x', 'y', tests, open_)
    found = [c for c in conformance.case_complaints([*every, mine]) if c.startswith('H999')]
    assert (word is None and not found) or (word and word in found[0]), found
