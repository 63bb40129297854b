"""What does a delivery status notification say? RFC 3464, 6522."""
import dataclasses
import email
import email.policy
import quopri
import re


@dataclasses.dataclass
class Report:
    data: bytes
    message: object             # email.message
    text: str                   # the part for people
    per_message: dict           # field names in lower case
    recipients: list            # one dict each
    returned: object            # the last part
    returned_type: str

    @property
    def statuses(self):
        return {address(r['final-recipient']): r['status'] for r in self.recipients}

    @property
    def actions(self):
        return {address(r['final-recipient']): r['action'] for r in self.recipients}


def address(field):
    return field.split(';', 1)[1].strip()


def fields(text):
    text = re.sub(r'\r?\n[ \t]+', ' ', text)
    pairs = (line.partition(':') for line in text.splitlines() if ':' in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def parse(data):
    message = email.message_from_bytes(data, policy=email.policy.default)
    parts = list(message.iter_parts())
    raw = [p for p in data.split(b'--' + message.get_boundary().encode())[1:]]
    head, status = raw[1].split(b'\r\n\r\n', 1)
    if fields(head.decode()).get('content-transfer-encoding') == 'quoted-printable':    # RFC 6533 4
        status = quopri.decodestring(status)
    status = status.decode('utf-8', 'replace')
    groups = [fields(g) for g in re.split(r'\r\n[ \t]*\r\n', status) if g.strip()]
    return Report(data, message, parts[0].get_content(), groups[0], groups[1:], parts[2] if len(parts) > 2 else None,
                  parts[2].get_content_type() if len(parts) > 2 else None)
