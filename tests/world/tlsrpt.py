"""What does a receiver of TLS reports make of what it gets? Written from RFC 8460 alone: unpack, validate, add up.

Clock moves the relay's time: reports are daily, tests are not.
"""
import datetime
import email
import email.policy
import gzip
import json
import re

import jsonschema

from . import clock

TEXT = {'type': 'string', 'minLength': 1}
COUNT = {'type': 'integer', 'minimum': 0}
ADDRESS = {'type': 'string', 'pattern': r'^[0-9a-f.:]+$'}
RESULTS = ['starttls-not-supported', 'certificate-host-mismatch', 'certificate-expired', 'certificate-not-trusted',
           'validation-failure', 'tlsa-invalid', 'dnssec-invalid', 'dane-required', 'sts-policy-fetch-error',
           'sts-policy-invalid', 'sts-webpki-invalid']


def thing(required, optional=None):
    return {'type': 'object', 'properties': {**required, **(optional or {})}, 'required': list(required),
            'additionalProperties': False}


# RFC 8460 4.4 with erratum 6241 (mx-host is an array).
SCHEMA = thing({
    'organization-name': TEXT,
    'date-range': thing({'start-datetime': {'type': 'string', 'pattern': r'^\d{4}-\d\d-\d\dT00:00:00Z$'},
                         'end-datetime': {'type': 'string', 'pattern': r'^\d{4}-\d\d-\d\dT23:59:59Z$'}}),
    'contact-info': {'type': 'string', 'pattern': r'^[^@\s]+@[a-z0-9.-]+$'},
    'report-id': TEXT,
    'policies': {'type': 'array', 'minItems': 1, 'items': thing({
        'policy': thing({'policy-type': {'enum': ['tlsa', 'sts', 'no-policy-found']}, 'policy-domain': TEXT},
                        {'policy-string': {'type': 'array', 'items': TEXT}, 'mx-host': {'type': 'array', 'items': TEXT}}),
        'summary': thing({'total-successful-session-count': COUNT, 'total-failure-session-count': COUNT}),
    }, {
        'failure-details': {'type': 'array', 'items': thing({
            'result-type': {'enum': RESULTS}, 'failed-session-count': {'type': 'integer', 'minimum': 1}}, {
            'sending-mta-ip': ADDRESS, 'receiving-ip': ADDRESS, 'receiving-mx-hostname': TEXT, 'receiving-mx-helo': TEXT,
            'additional-information': TEXT, 'failure-reason-code': TEXT})},
    })},
})


def unique_keys(pairs):
    """RFC 7493 2.3: no member twice."""
    assert len({k for k, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


class Report:
    """Unpacked and found well-formed."""

    def __init__(self, compressed, name=None):
        assert compressed[:2] == b'\x1f\x8b'                            # TR-033
        text = gzip.decompress(compressed).decode('utf-8')
        self.json = json.loads(text, object_pairs_hook=unique_keys)
        jsonschema.validate(self.json, SCHEMA)
        for policy in self.json['policies']:                            # RFC 8460 4.3: they add up
            details = sum(d['failed-session-count'] for d in policy.get('failure-details', []))
            assert details == policy['summary']['total-failure-session-count'], policy
        start = datetime.datetime.fromisoformat(self.json['date-range']['start-datetime'].replace('Z', '+00:00'))
        end = datetime.datetime.fromisoformat(self.json['date-range']['end-datetime'].replace('Z', '+00:00'))
        assert end - start == datetime.timedelta(seconds=86399)
        self.day = start.date().isoformat()
        self.name = name
        if name:                                                        # TR-032
            sender, domain, begin, finish, unique, _ = re.fullmatch(
                r'([^!]+)!([^!]+)!(\d+)!(\d+)!([^!]+?)(\.json\.gz)', name).groups()
            assert (int(begin), int(finish)) == (int(start.timestamp()), int(end.timestamp()))
            assert sender == self.json['contact-info'].split('@')[1]
            self.domain = domain

    @property
    def successes(self):
        return sum(p['summary']['total-successful-session-count'] for p in self.json['policies'])

    @property
    def failures(self):
        """{(policy type, result): sessions}"""
        out = {}
        for policy in self.json['policies']:
            for detail in policy.get('failure-details', []):
                key = (policy['policy']['policy-type'], detail['result-type'])
                out[key] = out.get(key, 0) + detail['failed-session-count']
        return out

    def policy(self, kind, domain=None):
        found = [p for p in self.json['policies'] if p['policy']['policy-type'] == kind and
                 domain in (None, p['policy']['policy-domain'])]
        assert len(found) == 1, self.json
        return found[0]

    def details(self):
        return [d for p in self.json['policies'] for d in p.get('failure-details', [])]


def from_mail(data):
    """TR-042, TR-043."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert message.get_content_type() == 'multipart/report' and message.get_param('report-type') == 'tlsrpt'
    text, attached = message.iter_parts()
    assert text.get_content_type() == 'text/plain' and attached.get_content_type() == 'application/tlsrpt+gzip'
    assert attached.get_content_disposition() == 'attachment'
    report = Report(attached.get_payload(decode=True), attached.get_filename())
    assert message['TLS-Report-Domain'] == report.domain
    assert message['TLS-Report-Submitter'] == report.json['contact-info'].split('@')[1]
    assert message['Subject'].split() == ['Report', 'Domain:', report.domain, 'Submitter:', message['TLS-Report-Submitter'],
                                          'Report-ID:', f'<{report.json["report-id"]}>']
    assert message['TLS-Required'] == 'No' and message['Auto-Submitted'] == 'auto-generated'
    assert message['Date'] and message['Message-ID'] and not message.defects
    report.message = message
    return report


class Clock(clock.Clock):
    """Goes through days of reports."""
    offset = 0

    def move(self, hours=0):
        self.offset += int(hours * 3600)
        self.set(f'{self.offset:+d}')

    @property
    def now(self):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.offset)

    @property
    def day(self):
        return self.now.date().isoformat()

    def to_noon(self):
        """Far from midnight: a test's sessions are of one day."""
        self.move(((12 - self.now.hour) % 24))

    def to_report_time(self):
        """The next day, when every report is due (TR-030: within four hours)."""
        self.move(24 - self.now.hour + 5)
