"""What does Danelaw do, seen in one minute? Run by packaging/quickstart.

A private internet comes up, the daemon with its embedded queue in it; swaks submits a message to each of seven
destinations that differ in their DNS and in their servers' honesty; a table tells what became of each and why.
"""
import argparse
import os
import subprocess
import sys
import textwrap

from . import lab as world_lab
from . import pki, relay as world_relay


def destinations(world):
    """(Domain, what its DNS says, what is wanted) for each."""
    def domain(label, **kw):
        return world.domain(label, **kw)
    out = []
    d = domain('dane-ee')
    d.host(tlsa=['3 1 1'])
    out.append((d, 'signed; TLSA 3 1 1: the key of its server', ('delivered', 'dane-ee', None)))
    d = domain('dane-ta')
    d.host(tlsa=['2 0 1'], credential=pki.chain)
    out.append((d, 'signed; TLSA 2 0 1: its own certificate authority', ('delivered', 'dane-ta', None)))
    d = domain('no-dane', insecure=True)
    d.host()
    out.append((d, 'unsigned: no DANE to be had', ('delivered', 'encrypted', None)))
    d = domain('impostor')
    d.host(tlsa=['3 1 1 wrong'])
    out.append((d, 'signed; TLSA of another key than the server shows', ('deferred', None, 'tlsa-invalid')))
    d = domain('forged')
    d.host(tlsa=['3 1 1'])
    d.zone.fault('_25._tcp.mx', 'TLSA', 'corrupt')
    out.append((d, 'signed; the signature of its TLSA is broken', ('deferred', None, 'dnssec-invalid')))
    d = domain('stripped')
    d.host(tlsa=['3 1 1'], starttls='mangled')
    out.append((d, 'signed; TLSA, but a middlebox hides STARTTLS', ('deferred', None, 'starttls-not-supported')))
    d = domain('no-such-user')
    d.host(tlsa=['3 1 1'], replies={'RCPT': '550 5.1.1 no such user here'})
    out.append((d, 'signed; TLSA fits; the mailbox does not exist', ('bounced', None, 'smtp-reply')))
    return out


def submit(relay, recipient):
    done = subprocess.run(['swaks', '--server', '%s:%d' % relay.address, '--helo', 'app.test', '--from', 'quickstart@sender.test',
                           '--to', recipient, '--header', 'Subject: quickstart', '--suppress-data'], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f'swaks to {recipient} failed:\n{done.stdout}{done.stderr}')


def outcome(relay, recipient):
    return relay.events.wait_for(lambda e: e.get('event') == 'recipient' and e.get('recipient') == recipient, timeout=60,
                                 what=f'an outcome for {recipient}')


def table(rows, heads):
    widths = [max(len(r[i]) for r in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, ['-' * w for w in widths], *rows]:
        print('  ' + '  '.join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())


def show(relay, world, todo):
    """Prints what happened; returns complaints where it is not what should have."""
    rows, complaints, hostile = [], [], []
    for domain, dns, wanted in todo:
        event = outcome(relay, domain.user())
        result, level, reason = event['result'], event.get('tls_level') or None, event.get('reason') or None
        rows.append([domain.name, dns, result, level if result == 'delivered' else '-', reason or '-', event['id']])
        seen = (result, level if result == 'delivered' else None, None if result == 'delivered' else reason)
        if seen != wanted:
            complaints.append(f'{domain.name}: {seen}, wanted {wanted}: {event.get("text")}')
        if wanted[0] == 'deferred':
            hostile += domain.hosts
    print('\nWhat became of them:\n')
    table(rows, ['destination', 'what its DNS says', 'result', 'TLS level', 'reason', 'queue id'])
    report = world.sender.server.wait('message', text='quickstart@sender.test')
    print('\nThe delivery report for the bounced message arrived at the sender\'s own server, over '
          f'{"TLS (DANE)" if report.tls else "CLEAR TEXT"}.')
    print('\nWhat the servers of the deferred destinations heard:\n')
    for host in hostile:
        said = ', '.join(c.split()[0] for c in host.commands()) or 'nothing at all, not even a connection'
        mail = 'no MAIL' if host.silent else 'MAIL!'
        print(f'  {host.fqdn:24} {mail}: {said}')
        if not host.silent:
            complaints.append(f'{host.fqdn} heard MAIL')
    return rows, complaints


def look_closer(relay, rows):
    deferred = next((r for r in rows if r[2] == 'deferred'), rows[0])
    binary, admin = os.path.relpath(world_relay.binary()), relay.config['admin']['address']
    print(f'\nLooking closer (the commands an operator has):\n\n$ danelaw queue trace {deferred[5]}')
    print(textwrap.indent(relay.queue('trace', deferred[5]).out.rstrip(), '  '))
    print(f'\n$ danelaw check {deferred[0]}')
    print(textwrap.indent(relay.run('check', deferred[0]).out.rstrip(), '  '))
    print('\n$ danelaw status')
    print(textwrap.indent(relay.run('status').out.rstrip(), '  '))
    print(textwrap.dedent(f'''
        To use it from Postfix (main.cf), on a host where Danelaw listens on 127.0.0.1:2525:

            relayhost = [127.0.0.1]:2525
            smtp_tls_security_level = may        # the hop to Danelaw is local; Danelaw holds the policy
            default_destination_concurrency_limit = 20

        Here:  binary {binary} · configuration {relay.config_file} · admin {admin}'''))


def keep(relay):
    print(textwrap.dedent(f'''
        Still running. In another terminal, as the same user:

            nsenter -t {os.getpid()} -n swaks --server 127.0.0.1:2525 --from me@sender.test --to rcpt@dane-ee.test
            {os.path.relpath(world_relay.binary())} queue list --admin {relay.config["admin"]["address"]}
            tail -f {relay.work}/log

        Ctrl-C ends it and takes everything away.'''))
    try:
        relay.process.wait()
    except KeyboardInterrupt:
        print()


def main():
    arguments = argparse.ArgumentParser(prog='packaging/quickstart', description=__doc__.split('\n')[0])
    arguments.add_argument('--keep', action='store_true', help='leave it running until Ctrl-C')
    options = arguments.parse_args()
    lab = world_lab.Lab()
    world = lab.scene('quickstart')
    relay = world_relay.Relay(lab, before_action=world.publish)
    try:
        todo = destinations(world)
        relay.start()
        print('A private internet is up: signed zones below test., and a mail server for each destination.')
        print('Submitting a message to each with swaks, at 127.0.0.1:2525 ...')
        for domain, _, _ in todo:
            submit(relay, domain.user())
        rows, complaints = show(relay, world, todo)
        look_closer(relay, rows)
        if options.keep:
            keep(relay)
        complaints += relay.close()
    finally:
        if relay.running:
            relay.kill9()
        world.close()
        lab.close()
    for complaint in complaints:
        print('NOT AS IT SHOULD BE:', complaint)
    if not complaints:
        print('\nEverything went as it should.')
    return 1 if complaints else 0


if __name__ == '__main__':
    sys.exit(main())
