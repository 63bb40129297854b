"""Does a crowd of clients get through, each heard and none refused below the limits, in bounded memory? SS-025, SS-063."""
import asyncio
import os
import resource

import pytest

CLIENTS = 2000
ROUNDS = 3


def resident(process):
    with open(f'/proc/{process.pid}/statm') as f:
        return int(f.read().split()[1]) * os.sysconf('SC_PAGESIZE')


async def reply(reader):
    while True:
        line = await reader.readline()
        if line[3:4] != b'-':
            return line


async def client(number, address, recipient, all_here, spent):
    """All are connected before any speaks; each then sends messages over its one connection."""
    reader, writer = await asyncio.open_connection(*address)
    refused = []

    async def say(data, code):
        writer.write(data)
        got = await reply(reader)
        if not got.startswith(code):
            refused.append((number, data[:40], got))

    await say(b'', b'220')
    await all_here.wait()
    await say(b'EHLO client.test\r\n', b'250')
    for turn in range(ROUNDS):
        sender = f'c{number}-{turn}@sender.test'.encode()
        await say(b'MAIL FROM:<%s>\r\n' % sender, b'250')
        await say(b'RCPT TO:<%s>\r\n' % recipient.encode(), b'250')
        await say(b'DATA\r\n', b'354')
        began = asyncio.get_running_loop().time()
        await say(b'Subject: x\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <%s>\r\n\r\n' % sender + b'x' * 2000 + b'\r\n.\r\n',
                  b'250')
        spent.append(asyncio.get_running_loop().time() - began)
    await say(b'QUIT\r\n', b'221')
    writer.close()
    return refused


@pytest.fixture
def many_files():
    """The relay inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CLIENTS + 500:
        pytest.skip(f'{CLIENTS} clients need as many file descriptors; the limit here is {hard}')
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CLIENTS + 500), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_thousand_clients_at_once(world, relay, many_files, record_property):
    relay.configure(limits={'connections': CLIENTS + 100, 'connections_per_client': CLIENTS + 100, 'command_timeout': '5m'})
    domain = world.domain(insecure=True)
    domain.host(replies={'RCPT': '450 4.2.0 busy'})         # the queue keeps them all
    relay.start()
    before = resident(relay.process)
    spent = []

    async def crowd():
        all_here = asyncio.Barrier(CLIENTS)
        tasks = [asyncio.create_task(client(n, relay.address, domain.user(), all_here, spent)) for n in range(CLIENTS)]
        return [r for refused in await asyncio.gather(*tasks) for r in refused]

    refused = asyncio.run(crowd())
    assert refused == []
    assert relay.status()['queue']['messages'] == CLIENTS * ROUNDS
    grown = resident(relay.process) - before
    assert grown < CLIENTS * 100 * 1024, f'{grown / CLIENTS / 1024:.0f} KiB a client'
    spent.sort()
    record_property('p99_ms', round(spent[len(spent) * 99 // 100] * 1000))
    print(f'reply to the dot: p50 {spent[len(spent) // 2] * 1000:.0f} ms, p99 {spent[len(spent) * 99 // 100] * 1000:.0f} ms; '
          f'{grown / CLIENTS / 1024:.0f} KiB a client')
