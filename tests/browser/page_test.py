"""Does the web page show what is, do its buttons do what they say, and does nothing that a remote server says become code?
Real Chromium, the real daemon. Screenshots: DANELAW_SCREENSHOTS=DIRECTORY.
"""
import os
import subprocess

import pytest

from world import relay as world_relay
from world import scenario, waiting

selenium = pytest.importorskip('selenium', reason='python3-selenium is not installed')
from selenium.webdriver.common.keys import Keys  # noqa: E402

HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'


@pytest.fixture
def mixed(world, relay):
    """Mail delivered under DANE, deferred for a wrong TLSA record, and refused for now with hostile words."""
    good, bad, evil = world.domain(), world.domain(), world.domain()
    good.host(tlsa=['3 1 1'])
    bad.host(tlsa=['3 1 1 wrong'])
    evil.host(tlsa=['3 1 1'], replies={'RCPT': '450 4.2.0 ' + HOSTILE})
    relay.configure(policies=[{'match': ['partner.test'], 'tls': 'dane-only', 'note': 'they ask for it'},
                              {'match': ['broken.test'], 'tls': 'may', 'note': 'case 4711', 'until': '2099-01-31'}])

    def send():
        sent = [relay.send(d.user()) for d in (good, bad, evil)]
        scenario.delivered(sent[0], good.hosts[0], 'dane-ee')
        scenario.deferred(sent[1], 'tlsa-invalid')
        sent[2].outcome()
        return sent
    return type('Mixed', (), {'good': good, 'bad': bad, 'evil': evil, 'send': staticmethod(send)})


VIEWS = ['overview', 'queue', 'destinations', 'failures', 'check', 'policies', 'reports']


@pytest.mark.smoke
def test_every_view_shows_what_is(browser, mixed):
    page = browser()
    delivered, bad, evil = mixed.send()
    page.open()
    page.sees('All is well', 'Last failures', 'tlsa-invalid', mixed.bad.name, '1 of 1 to a proven server')
    assert page.script('return document.querySelectorAll("canvas").length') == 2
    waiting.until(lambda: page.script('return Chart.getChart(document.querySelector("canvas")).data.datasets[1].data.some((p) => p.y > 0)'),
                  timeout=30, what='the delivery in the chart')
    page.picture('overview')
    page.click('#nav a', 'Queue')
    page.sees(bad.id, evil.id, 'tlsa-invalid')
    assert delivered.id not in page.text
    page.picture('queue')
    page.click('a.id', bad.id)
    page.sees('1 attempt', 'DNS', 'PLAN', 'HOST', 'TLS', 'SMTP', 'What helps:', 'must publish TLSA records', '3 1 1')
    marks = [s.get_attribute('class').split()[1] for s in page.all('.story .step')]
    assert marks == ['good', 'good', 'good', 'bad', 'idle']
    page.picture('message')
    page.click('#nav a', 'Destinations')
    page.sees(mixed.bad.name, mixed.evil.name)
    page.picture('destinations')
    page.click('#nav a', 'Failures')
    page.sees('Nothing was sent to it.', 'What helps:')
    page.picture('failures')
    page.click('#nav a', 'Policies')
    page.sees('dane-only', 'they ask for it', 'until 2099-01-31', 'No rule')
    page.picture('policies')
    page.click('#nav a', 'TLS reports')
    page.sees('No report')
    page.click('.brand')
    page.sees('All is well')
    # A trace of what is delivered stays.
    page.open(f'message/{delivered.id}')
    page.sees('delivered', 'dane-ee', 'Matched')
    assert 'Try now' not in page.text           # there is nothing left to try
    page.picture('delivered')
    assert page.complaints() == []


@pytest.mark.smoke
def test_what_a_remote_server_says_stays_text(browser, mixed):
    """A reply full of HTML is shown as it is, in every view, and runs nowhere; inline code would not run either."""
    page = browser()
    _, _, evil = mixed.send()
    for view in ('overview', 'queue', 'failures', f'message/{evil.id}'):
        page.open(view)
        page.sees('<img src=x onerror=')
        assert page.script('return window.pwned') is None
        assert page.all('main img') == [] and page.all('main script') == []
    assert '450 4.2.0 450' not in page.text
    page.picture('hostile')
    assert page.complaints() == []
    # The policy of the page: even code that got in would not run.
    for code in ("document.body.innerHTML = '<b>x</b>'", "document.createElement('script').textContent = 'window.pwned = 2'"):
        assert page.script(f'try {{ {code}; return "taken"; }} catch (e) {{ return e.name; }}') == 'TypeError', code
    assert page.script('return window.pwned') is None
    reached = page.driver.execute_async_script('''const done = arguments[0]; fetch('http://127.0.0.1:2525/').then(() => done('reached'), () => done('refused'));''')
    assert reached == 'refused'


def choose(page, mail):
    page.click(f'tr[data-id="{mail.id}"] input')
    page.sees('1 message chosen')


@pytest.mark.smoke
def test_queue_actions(browser, mixed, relay):
    """Each action asks first, says how many, and does that and no more; deleting asks for a tick besides."""
    page = browser()
    _, bad, evil = mixed.send()
    page.open('queue')
    page.sees(bad.id)
    choose(page, bad)
    page.click('[data-action=hold]')
    page.sees('1 message — the ones chosen', 'not tried until it is released')
    page.click('dialog button', 'Cancel')
    assert relay.listed('--state', 'held') == []
    page.click('[data-action=hold]')
    page.click('dialog button.primary', 'Hold: 1 message')
    page.sees('1 message held')
    assert [m['id'] for m in relay.listed('--state', 'held')] == [bad.id]
    # Release, and try now: both take nothing away.
    choose(page, bad)
    page.click('[data-action=release]')
    page.click('dialog button.primary', 'Release')
    bad.outcome(count=2)
    page.sees('1 message released')
    choose(page, bad)
    page.click('[data-action=flush]')
    page.sees('Nothing is taken away.')
    page.picture('try-now')
    assert page.all('dialog.grave') == []
    page.click('dialog button.primary', 'Try now: 1 message')
    bad.outcome(count=3)
    # Delete: red, with a tick, and the focus on Cancel so that Enter does nothing.
    choose(page, evil)
    page.click('[data-action=delete]')
    page.sees('Delete for good')
    page.picture('delete')
    assert page.focused().text == 'Cancel'
    assert not page.one('dialog button.danger').is_enabled()
    page.keys(Keys.ENTER)
    waiting.until(lambda: not page.all('dialog'), what='the dialog to close')
    assert len(relay.listed()) == 2
    page.click('[data-action=delete]')
    page.click('dialog input[type=checkbox]')
    page.click('dialog button.danger', 'Delete: 1 message')
    page.sees('1 message deleted')
    assert [m['id'] for m in relay.listed()] == [bad.id]
    # Bounce, with words of one's own.
    page.open(f'message/{bad.id}')
    page.click('[data-action=bounce]')
    page.one('dialog input[type=text]').send_keys('That project has ended')
    page.click('dialog input[type=checkbox]')
    page.click('dialog button.danger', 'Bounce')
    assert 'That project has ended' in bad.report().text
    page.sees('bounced')
    assert relay.listed() == []
    assert page.complaints() == []


def test_filters_and_rules(browser, mixed, relay):
    page = browser()
    _, bad, evil = mixed.send()
    page.open('queue')
    page.one('input[name=domain]').send_keys(mixed.bad.name, Keys.ENTER)
    page.sees(f'All: to {mixed.bad.name}', bad.id)
    waiting.until(lambda: evil.id not in page.text, what='the filter to act')
    page.click('[data-action=hold]')
    page.click('dialog .tick')
    page.click('dialog button.primary')
    page.sees('1 message held')
    page.open('policies')
    page.sees(f'to {mixed.bad.name}')
    page.click('button', 'Release')
    page.sees('No rule')
    assert relay.listed('--state', 'held') == []
    page.open('destinations')
    page.sees(mixed.evil.name)
    page.one('input[type=search]').send_keys(mixed.bad.name[:8])
    page.open('destinations?reason=tlsa-invalid')
    page.sees(mixed.bad.name)
    assert mixed.evil.name not in page.text
    page.click('button', 'Try now')
    page.click('dialog button.primary', 'Try now: 1 message')
    page.sees('1 message due now')


def test_check_form(browser, mixed):
    page = browser()
    page.open('check')
    assert page.focused().get_attribute('name') == 'domain'
    page.keys(mixed.bad.name, Keys.ENTER)
    page.sees('Mail would wait', 'the certificate matches no TLSA record', 'ASKED')
    page.picture('check')
    page.open(f'check?domain={mixed.good.name}')
    page.sees('Mail would be delivered', 'dane-ee', 'Matched TLSA')
    page.open(f'check?domain={mixed.bad.name}&probe=no')
    page.sees('Mail would be delivered', 'not probed')
    page.open('check?domain=..')
    page.sees('domain must name a domain')


def test_with_the_keyboard_alone(browser, mixed, relay):
    """Every control is reached by Tab, shows that it is, and works by Enter or Space."""
    page = browser()
    _, bad, _ = mixed.send()
    page.open('queue')
    page.sees(bad.id)
    page.script('document.activeElement.blur(); window.scrollTo(0, 0);')
    names, outlined = [], 0
    for _ in range(40):
        page.keys(Keys.TAB)
        at = page.focused()
        names.append(at.get_attribute('aria-label') or at.text or at.get_attribute('name') or '')
        outlined += page.script('const at = document.activeElement; return at === document.body || getComputedStyle(at).outlineStyle !== "none"')
    assert names[0] == 'To the content' and 'Queue' in names and 'Try now' in names and f'Choose message {bad.id}' in names
    assert outlined == 40
    page.script(f'document.querySelector(\'tr[data-id="{bad.id}"] input\').focus()')
    page.keys(Keys.SPACE)
    page.sees('1 message chosen')
    page.script('document.querySelector("[data-action=hold]").focus()')
    page.keys(Keys.ENTER)
    page.sees('not tried until it is released')
    page.keys(Keys.ESCAPE)
    waiting.until(lambda: not page.all('dialog'), what='Escape to close')
    assert relay.listed('--state', 'held') == []
    page.keys(Keys.ENTER)
    page.sees('not tried until it is released')
    page.keys(Keys.TAB, Keys.ENTER)          # from Cancel to the deed
    page.sees('1 message held')


@pytest.mark.parametrize('dark', [False, True], ids=['light', 'dark'])
def test_on_a_phone(browser, mixed, dark):
    """Nothing is wider than the screen, and what is touched is large enough."""
    page = browser(phone=True, dark=dark)
    _, bad, _ = mixed.send()
    for view in [*VIEWS, f'message/{bad.id}', f'check?domain={mixed.bad.name}']:
        page.open(view)
        page.one('h1')
        if view in ('queue', 'overview', 'destinations', 'failures'):
            page.sees(mixed.bad.name)
        wide = page.script('return document.documentElement.scrollWidth - window.innerWidth')
        assert wide <= 0, f'{view} is {wide} pixels too wide'
        page.picture(f'phone-{"dark" if dark else "light"}-{view.split("/")[0].split("?")[0]}{"-result" if "?" in view else ""}')
    small = page.script('''return [...document.querySelectorAll('#nav a')].filter((a) => a.getBoundingClientRect().height < 40).length''')
    assert small == 0
    ground = page.script('return getComputedStyle(document.body).backgroundColor')
    assert (ground == 'rgb(14, 20, 25)') == dark


@pytest.mark.smoke
def test_the_token(browser, mixed, relay):
    tokens = os.path.join(relay.work, 'tokens')
    with open(tokens, 'w') as f:
        f.write('the-admin-token-01234\nthe-reading-token-56789 read-only\n')
    page = browser(admin={'token_file': tokens})
    mixed.send()
    page.open('queue')
    page.sees('This relay asks for a token')
    assert mixed.bad.name not in page.text
    page.one('#token').send_keys('a guess', Keys.ENTER)
    page.sees('does not know that token')
    page.one('#token').send_keys('the-reading-token-56789', Keys.ENTER)
    page.sees(mixed.bad.name, 'read-only')
    assert page.all('[data-action]') == []               # nothing that would be refused is offered
    assert page.driver.get_cookies() == []
    page.open('check')
    page.sees('needs an admin token')
    page.click('button', 'Sign out')
    page.sees('This relay asks for a token')
    page.one('#token').send_keys('the-admin-token-01234', Keys.ENTER)
    page.sees('· admin')
    page.open('queue')
    page.one('[data-action=flush]')


def test_the_relay_goes_and_comes_back(browser, mixed, relay):
    page = browser()
    mixed.send()
    page.open()
    page.sees('Live')
    relay.stop()
    page.sees('No answer')
    relay.start()
    page.sees('Live')
    page.sees(mixed.bad.name)


@pytest.mark.slow
def test_a_hundred_thousand_destinations(browser, relay):
    """The relay pages: the browser holds fifty rows, whatever waits, and no answer grows with the queue."""
    many, messages = 100_000, 100
    filler = os.path.join(os.path.dirname(world_relay.binary()), 'store_bench')
    if not os.access(filler, os.X_OK):
        pytest.skip(f'no {filler}: it is built with the tests')
    queue = relay.config['queue']['path']
    os.makedirs(queue)
    subprocess.run([filler, queue, '0', str(messages), 'many.test', str(many)], check=True, timeout=300)
    page = browser()
    status = page.api.get('/api/status').json
    assert status['queue']['destinations'] == many and len(status['destinations']) <= 20
    page.open('overview')
    page.sees('100,000 destinations')
    page.open('destinations')
    page.sees('1–50')
    assert len(page.all('tbody tr')) == 50
    # The answer to a click comes after the page has refreshed itself: it is not lost.
    page.script('const plain = window.fetch; let first = true; window.fetch = (...asked) => {'
                '  const late = first && String(asked[0]).includes("offset=50"); first = first && !late;'
                '  return late ? new Promise((done) => setTimeout(done, 6000)).then(() => plain(...asked)) : plain(...asked); }')
    page.click('.pager button', 'Next')
    page.sees('51–100')
    page.one('input[type=search]').send_keys('d99999')
    page.sees('d99999.many.test')
    waiting.until(lambda: len(page.all('tbody tr')) == 1, what='one row')
    page.picture('destinations-100000')
    page.click('tbody a', 'd99999.many.test')                      # to its messages: one, with a thousand recipients
    page.sees('and 999 others')
    page.open('queue')
    page.sees('1–50')
    listed = page.api.get('/api/queue?limit=51&recipients=20').json
    assert [len(m['recipients']) for m in listed] == [20] * 51 and {m['recipient_count'] for m in listed} == {many // messages}
    # The far end of the list, and past it.
    last = page.api.get(f'/api/destinations?limit=50&offset={many - 50}').json
    assert len(last['destinations']) == 50 and not last['more']
    assert page.api.get(f'/api/destinations?limit=50&offset={many}').json == {'destinations': [], 'more': False}
    assert len(page.api.get('/api/destinations?limit=100000').json['destinations']) == 1000
    assert page.complaints() == []
