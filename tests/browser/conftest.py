"""One browser for all tests of pages, with all the time it takes; skipped where there is none."""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.waiting import HANG

if TYPE_CHECKING:
    from selenium import webdriver

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker("slow")


@pytest.fixture(scope="session")
def browser() -> Iterator["webdriver.Chrome"]:
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="selenium is not installed: pip install selenium"
    )
    if not (CHROMIUM and DRIVER):
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("browserStartupTimeout", round(1000 * HANG))
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.command_executor.client_config.timeout = HANG
    driver.set_page_load_timeout(HANG)
    driver.set_script_timeout(HANG)
    yield driver
    driver.quit()
