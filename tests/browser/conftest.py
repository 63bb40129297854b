"""A real Chromium on the relay's web page, in the network namespace of the test."""
import contextlib
import os
import shutil

import pytest

from world import adminapi, waiting

CHROMIUM, DRIVER = shutil.which('chromium'), shutil.which('chromedriver')
with contextlib.suppress(ImportError):
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.by import By

ADDRESS = '127.0.0.1:8025'


class Page:
    """What an operator does and sees. Elements are found by the words on them."""

    def __init__(self, driver, relay):
        self.driver, self.relay = driver, relay
        self.api = adminapi.Client(ADDRESS)

    def open(self, view='overview'):
        self.driver.get('about:blank')
        self.driver.get(f'http://{ADDRESS}/#/{view}')
        return self

    @property
    def text(self):
        return self.driver.find_element(By.TAG_NAME, 'body').text

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css, words=''):
        """The first shown element that fits, waited for."""
        def find():
            for element in self.all(css):
                with contextlib.suppress(StaleElementReferenceException):
                    if element.is_displayed() and words in element.text:
                        return element
            return None
        return waiting.until(find, what=f'{css} with {words!r}')

    def click(self, css, words=''):
        def done():
            try:
                self.one(css, words).click()
                return True
            except StaleElementReferenceException:     # drawn anew in between
                return False
        waiting.until(done, what=f'click on {css} {words!r}')

    def sees(self, *words):
        waiting.until(lambda: all(w in self.text for w in words), what=f'{words} on the page:\n{self.text[:1500]}')

    def script(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def keys(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains
        ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self):
        return self.driver.switch_to.active_element

    def picture(self, name):
        """Into DANELAW_SCREENSHOTS, when set: to be looked at."""
        where = os.environ.get('DANELAW_SCREENSHOTS')
        if where:
            os.makedirs(where, exist_ok=True)
            self.driver.save_screenshot(os.path.join(where, name + '.png'))

    def complaints(self):
        """What the browser's console says: refused scripts, errors."""
        return [e['message'] for e in self.driver.get_log('browser') if e['level'] in ('SEVERE', 'WARNING')]


def start(phone=False, dark=False):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--lang=en', '--window-size=1280,900',
                   '--disable-background-networking', '--no-first-run'):
        options.add_argument(switch)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    if phone:
        options.add_experimental_option('mobileEmulation', {'deviceMetrics': {'width': 390, 'height': 844, 'pixelRatio': 2}})
    driver = webdriver.Chrome(service=webdriver.chrome.service.Service(DRIVER), options=options)
    if dark:
        driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [{'name': 'prefers-color-scheme', 'value': 'dark'}]})
    driver.set_script_timeout(20 * waiting.SLOW)
    return driver


@pytest.fixture
def browser(relay, request):
    """browser(phone=..., dark=..., admin={...}) starts the relay and a browser, and returns the Page."""
    if not (CHROMIUM and DRIVER):
        pytest.skip('Chromium (Debian: chromium, chromium-driver) is not installed')
    pytest.importorskip('selenium')
    drivers = []

    def go(phone=False, dark=False, admin=None):
        relay.configure(admin={'address': ADDRESS, **(admin or {})})
        if not relay.running:
            relay.start()
        drivers.append(start(phone, dark))
        return Page(drivers[-1], relay)
    yield go
    for driver in drivers:
        driver.quit()
