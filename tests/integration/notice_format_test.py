"""Notices as other software reads them: the golden files of the unit tests through Python's mail parser (DQ-040…DQ-056)."""
import email
import email.policy
import pathlib
import quopri

import pytest

GOLDEN = sorted((pathlib.Path(__file__).parent.parent / 'unit/message/golden').glob('*.eml'))


@pytest.mark.parametrize('path', GOLDEN, ids=lambda p: p.stem)
def test_notice_is_a_report(path):
    data = path.read_bytes()
    assert b'\n' not in data.replace(b'\r\n', b'')
    msg = email.message_from_bytes(data, policy=email.policy.default)
    assert msg.get_content_type() == 'multipart/report'
    assert msg.get_param('report-type') == 'delivery-status'
    assert msg['Auto-Submitted'] == 'auto-replied' and msg['MIME-Version'] == '1.0'
    assert msg['Date'].datetime and msg['Message-ID'].startswith('<')
    assert 'Return-Path' not in msg and 'Precedence' not in msg and 'X-Evil' not in msg
    text, status, returned = msg.get_payload()
    assert text.get_content_type() == 'text/plain'
    assert 'mail system at relay.example.com' in text.get_content()
    assert status.get_content_type() in ('message/delivery-status', 'message/global-delivery-status')
    assert returned.get_content_type() in ('message/rfc822', 'text/rfc822-headers', 'message/global')


@pytest.mark.parametrize('path', [p for p in GOLDEN if not p.stem.startswith('utf8_message')], ids=lambda p: p.stem)
def test_status_groups(path):
    msg = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)
    groups = msg.get_payload()[1].get_payload()
    head, recipients = groups[0], groups[1:]
    assert head['Reporting-MTA'] == 'dns; relay.example.com' and head['Arrival-Date']
    assert recipients
    for r in recipients:
        action, status = r['Action'], r['Status']
        assert {'failed': '54', 'delayed': '4', 'relayed': '2'}[action].find(status[0]) >= 0
        assert r['Final-Recipient'].split(';')[0] in ('rfc822', 'utf-8')
        assert (r['Remote-MTA'] is None) == (not r['Diagnostic-Code'].startswith('smtp;'))
        assert 'X-Evil' not in r


def test_utf8_status_is_native_when_decoded():
    for path in GOLDEN:
        if path.stem.startswith('utf8_message'):
            assert 'utf-8; ü@dest.example'.encode() in quopri.decodestring(path.read_bytes())


def test_returned_message_is_octet_exact():
    data = next(p for p in GOLDEN if p.stem == 'failed').read_bytes()
    want = b'Received: from x\r\n\tby y\r\nSubject: Hello\r\nMessage-ID: <1@client.example>\r\n\r\nHi Joe\r\n'
    assert b'Content-Type: message/rfc822\r\n\r\n' + want + b'\r\n--' in data
