"""Do the layers hold, and would the check notice if they did not?"""
import os
import re

import pytest

import layers

pytestmark = pytest.mark.smoke


def test_every_module_uses_only_what_stands_before_it():
    assert not layers.complaints()


def test_all_sources_are_looked_at():
    seen = {layers.module_of(path) for path in layers.files(layers.ROOT)}
    assert seen == {None, *layers.ORDER}


def test_the_page_on_architecture_tells_the_same_order():
    with open(os.path.join(layers.ROOT, 'docs', 'architecture.md'), encoding='utf-8') as f:
        rows = [line.split('|')[2] for line in f if line.startswith('|')]
    assert [m for row in rows for m in re.findall(r'`(\w+)`', row)] == layers.ORDER


@pytest.mark.parametrize('path, text, word', [
    # the order
    ('src/dane/x.cpp', '#include "danelaw/dns/name.hpp"', None),
    ('src/dane/x.cpp', '#include "danelaw/dane/plan.hpp"', None),
    ('src/dane/x.cpp', '#include "danelaw/smtp/reply.hpp"', 'smtp/reply.hpp", but smtp stands after'),
    ('include/danelaw/tls/x.hpp', '#include "danelaw/store/queue.hpp"', 'store stands after'),
    ('src/relay/x.cpp', '  #  include "danelaw/delivery/agent.hpp"', 'delivery stands after'),
    ('src/relay/x.cpp', '// #include "danelaw/delivery/agent.hpp"', None),
    ('src/relay/x.cpp', '/* not\n#include "danelaw/delivery/agent.hpp"\n*/', None),
    ('src/relay/x.cpp', '#include <danelaw/delivery/agent.hpp>', 'quotation marks'),
    ('src/relay/x.cpp', '#include "danelaw/nowhere/x.hpp"', 'no module'),
    ('src/nowhere/x.cpp', '', 'no place'),
    ('src/main.cpp', '#include "danelaw/app/serve.hpp"', None),
    # private headers
    ('src/store/x.cpp', '#include "codec.hpp"', None),
    ('src/store/x.cpp', '#include "../tls/openssl_priv.hpp"', 'another folder'),
    ('src/relay/x.cpp', '#include "store/codec.hpp"', 'another folder'),
    ('include/danelaw/store/x.hpp', '#include "codec.hpp"', 'private one'),
    # libraries
    ('src/dane/x.cpp', '#include <string_view>', None),
    ('src/dane/x.cpp', '#include <openssl/ssl.h>', 'belongs to net, tls'),
    ('src/policy/x.cpp', '#include <boost/asio/awaitable.hpp>', 'boost/asio'),
    ('src/schedule/x.cpp', '#include <sqlite3.h>', 'belongs to store'),
    ('src/delivery/x.cpp', '#include <sqlite3.h>', 'belongs to store'),
    ('src/delivery/x.cpp', '#include <unbound.h>', 'belongs to resolver'),
    ('src/relay/x.cpp', '#include <openssl/ssl.h>', 'belongs to net, tls'),
    ('src/relay/x.cpp', '#include <yaml-cpp/yaml.h>', 'belongs to config'),
    ('src/relay/x.cpp', '#include <curl/curl.h>', 'no module owns'),
    # purity
    ('src/smtp/x.cpp', '#include <sys/socket.h>', 'pure'),
    ('src/smtp/x.cpp', '#include <arpa/inet.h>', 'pure'),
    ('src/base/x.cpp', '#include <arpa/inet.h>', None),
    ('src/net/x.cpp', '#include <sys/socket.h>', None),
    ('src/schedule/x.cpp', 'auto now = std::chrono::steady_clock::now();', 'steady_clock::now in schedule'),
    ('src/schedule/x.cpp', '// never steady_clock::now()', None),
    ('src/policy/x.cpp', 'std::random_device seed;', 'random_device'),
    ('src/message/x.cpp', 'if (getenv("TZ"))', 'getenv'),
    ('src/delivery/x.cpp', 'auto now = std::chrono::steady_clock::now();', None),
])
def test_what_is_complained_about(path, text, word):
    found = layers.file_complaints(path, text)
    assert (word is None and not found) or (word and len(found) == 1 and word in found[0]), found


def build(modules, extra=''):
    return '\n'.join(f'danelaw_module({m})' for m in modules) + extra


@pytest.mark.parametrize('text, word', [
    (build(layers.ORDER), None),
    (build(layers.ORDER).replace('(dane)', '(dane USES base dns LIBS smtp)'), None),
    (build(layers.ORDER).replace('(dane)', '(dane USES base smtp LIBS x)'), 'dane uses smtp, which does not stand before'),
    (build(layers.ORDER).replace('(dane)', '(dane USES dane)'), 'does not stand before'),
    (build(layers.ORDER).replace('(tls)', '(tls USES net\n  store)'), 'tls uses store'),
    (build(layers.ORDER).replace('(app)', '(app USES everything)'), 'everything, which has no place'),
    (build(reversed(layers.ORDER)), 'the order is'),
    (build(layers.ORDER[:-1]), 'the order is'),
])
def test_what_the_build_may_link(text, word):
    found = layers.build_complaints(text)
    assert (word is None and not found) or (word and len(found) == 1 and word in found[0]), found
