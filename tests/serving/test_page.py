"""The page for people, in a real browser that can reach nothing but this machine."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from made import COLUMNS, GOOD, IMAGE, add_model, bentoml, eventually, make_project

from serving.desk import Desk
from serving.front import Front
from ssgan.config import ServeParams
from ssgan.learn.parts import encode_image
from ssgan.project import Project
from ssgan.records import Calibration, ColumnRange
from ssgan.ship.champion import model_folder, promote
from ssgan.ship.keys import make_key

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("there is no browser: `apt-get install chromium chromium-driver`", allow_module_level=True)

from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    """A service that asks for a key; the key is `url`'s part after the mark."""
    project = make_project(tmp_path_factory.mktemp("page") / "project")
    ranges = (
        ColumnRange(column="age", seen=(20.0, 90.0), limits=(10.0, 100.0)),
        ColumnRange(column="ward", seen=None, limits=None, unseen=("south, upper",)),
    )
    calibration = Calibration(rows=90, coverage=0.9, thresholds=(0.6, 0.6), ranges=ranges)
    columns = {**COLUMNS, "<b>odd</b>": {"type": "number", "nullable": True}}
    tag = add_model(project, columns=columns, calibration=calibration)
    promote(project, tag)
    key = make_key(project.root / "keys.txt", "page")
    with running(project, tag, ServeParams(keys="keys.txt")) as address:
        yield f"{address}#{key}"


@pytest.fixture(scope="module")
def url_of_images(tmp_path_factory) -> Iterator[str]:
    """A service that takes images."""
    project = make_project(tmp_path_factory.mktemp("page") / "images")
    ranges = (ColumnRange(column="brightness", seen=(0.1, 0.6), limits=(0.0, 0.7)),)
    tag = add_model(project, columns=IMAGE, calibration=Calibration(rows=90, coverage=0.9, ranges=ranges))
    promote(project, tag)
    with running(project, tag, ServeParams()) as address:
        yield address


@pytest.fixture(scope="module")
def url_of_flags(tmp_path_factory) -> Iterator[str]:
    """A service with columns of odd names, one of truth values, and a class with a long name."""
    project = make_project(tmp_path_factory.mktemp("page") / "flags")
    flag = {"type": "category", "values": ["False", "True"], "nullable": True}
    number = {"type": "number", "nullable": True}
    label = {"column": "state", "classes": ["ill", "well_" * 12]}
    tag = add_model(project, columns={"ask": number, "field-0": number, "smoker": flag}, label=label)
    promote(project, tag)
    with running(project, tag, ServeParams()) as address:
        yield address


@contextmanager
def running(project: Project, tag: str, params: ServeParams) -> Iterator[str]:
    """Serves a model over real HTTP; the address of the page."""
    import uvicorn

    desk = Desk(params, project.root)
    desk.open(model_folder(project, tag))
    server = uvicorn.Server(uvicorn.Config(Front(bentoml, desk), log_level="warning", http="h11"))
    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
        thread.start()
        eventually(lambda: server.started)
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/ui"
        server.should_exit = True
        thread.join()
    desk.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    nowhere = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,1400", nowhere):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, url) -> webdriver.Chrome:
    """The page with its form drawn, after the key was given by keyboard alone."""
    browser.get("about:blank")
    address, _, key = url.partition("#")
    browser.get(address)
    wait(browser, lambda: browser.switch_to.active_element.get_attribute("id") == "key")
    browser.switch_to.active_element.send_keys(key, Keys.TAB, Keys.ENTER)
    wait(browser, lambda: find(browser, "#field-0"))
    return browser


def wait(browser, holds) -> None:
    WebDriverWait(browser, 30).until(lambda _: holds())


def find(browser, selector: str):
    found = browser.find_elements(By.CSS_SELECTOR, selector)
    return found[0] if found else None


def test_a_record_is_filled_in_and_answered_by_keyboard_alone(page) -> None:
    find(page, "#field-0").click()
    page.switch_to.active_element.send_keys("61", Keys.TAB, "140,5", Keys.TAB, "north", Keys.TAB, Keys.TAB, Keys.ENTER)
    wait(page, lambda: find(page, ".said"))
    assert find(page, ".said").text in ("ill", "well")
    answer = find(page, "#answer").text
    assert "With 90 % confidence" in answer or "No class is likely enough" in answer
    assert answer.count(" %") >= 3
    assert "fake" in answer
    find(page, "#answer summary").click()
    assert "ssgan-toy:" in find(page, "#answer dl").text
    assert find(page, "#answer").get_attribute("aria-live") == "polite"


def test_columns_unlike_the_training_data_are_named_with_what_was_seen(page) -> None:
    find(page, "#field-0").send_keys("110")
    find(page, "#field-2").send_keys("south, upper")
    find(page, "#ask").click()
    wait(page, lambda: find(page, ".flag"))
    told = [item.text for item in page.find_elements(By.CSS_SELECTOR, ".flag li")]
    assert told == ["age is 110; training rows have 20.0 to 90.0", "ward is south, upper, as in no training row"]


def test_what_is_strange_of_an_image_is_named_with_what_training_images_have(
    browser, url_of_images, tmp_path: Path
) -> None:
    png = tmp_path / "bright.png"
    png.write_bytes(encode_image(np.full((8, 8, 1), 250, np.uint8)))
    browser.get(url_of_images)
    wait(browser, lambda: find(browser, "#field-0"))
    find(browser, "#field-0").send_keys(str(png))
    find(browser, "#ask").click()
    wait(browser, lambda: find(browser, ".flag"))
    assert find(browser, ".flag li").text == "brightness lies outside of 0.100 to 0.600, where training images are"


def test_every_control_has_a_name_for_those_who_do_not_see_it(page) -> None:
    for control in page.find_elements(By.CSS_SELECTOR, "input, select, textarea, button, summary"):
        if control.is_displayed():
            assert control.accessible_name, control.get_attribute("outerHTML")
    assert find(page, "html").get_attribute("lang") == "en"
    assert "<b>odd</b>" in [label.text for label in page.find_elements(By.CSS_SELECTOR, "label")]


def test_wrong_fields_are_marked_where_they_are(page) -> None:
    find(page, "#field-0").send_keys("200")
    find(page, "#field-1").send_keys("high")
    find(page, "#ask").click()
    wait(page, lambda: find(page, "#answer .error"))
    assert find(page, "#field-0").get_attribute("aria-invalid") == "true"
    assert "from 0 to 120 years" in find(page, "#field-0-fault").text
    assert "must be a number or null" in find(page, "#field-1-fault").text
    assert page.switch_to.active_element.get_attribute("id") == "field-0"


def test_a_file_gives_a_table_back_with_its_refused_rows(page, tmp_path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("age,blood pressure,ward,<b>odd</b>\n61,140.5,north,\n200,100,north,\n5,,,1\n")
    find(page, "#file").send_keys(str(file))
    find(page, "#send").click()
    wait(page, lambda: find(page, "#file-answer .rows"))
    assert "2 rows answered, 1 refused" in find(page, "#file-answer").text
    assert len(page.find_elements(By.CSS_SELECTOR, "#file-answer tbody tr")) == 3
    assert find(page, "#file-answer tr.refused").text.startswith("2 age: outside range")
    assert find(page, "#file-answer a").get_attribute("download") == "answers.csv"
    seen = [head.text for head in page.find_elements(By.CSS_SELECTOR, "#file-answer th")]
    assert seen[:4] == ["row", "refused", "label", "prediction set"]
    assert not [row for row in page.find_elements(By.CSS_SELECTOR, "#file-answer td") if "e-" in row.text]


def test_an_answer_says_that_the_record_was_changed_after_it(page) -> None:
    find(page, "#field-0").send_keys("61")
    find(page, "#ask").click()
    wait(page, lambda: find(page, ".said"))
    assert not find(page, "#stale").is_displayed()
    find(page, "#field-1").send_keys("1")
    assert find(page, "#stale").is_displayed()


def test_a_record_can_be_pasted_and_nothing_is_asked_of_a_network(page, browser) -> None:
    page.execute_script("document.getElementById('paste').value = arguments[0]", json.dumps(GOOD))
    page.execute_script("document.getElementById('fill').click()")
    assert find(page, "#field-0").get_attribute("value") == "61"
    loaded = page.execute_script("return performance.getEntriesByType('resource').map(each => each.name)")
    assert all(name.startswith("http://127.0.0.1:") for name in loaded)
    complaints = [line["message"] for line in browser.get_log("browser") if " 401 " not in line["message"]]
    assert not [line for line in complaints if " 400 " not in line]


def paste(browser, text: str) -> str:
    """Fills the form from JSON, and gives what is said of that."""
    browser.execute_script("document.getElementById('paste').value = arguments[0]", text)
    browser.execute_script("document.getElementById('fill').click()")
    return browser.execute_script("return document.getElementById('paste-fault').textContent")


def test_columns_may_have_the_names_of_the_page_s_own_parts(browser, url_of_flags) -> None:
    browser.get(url_of_flags)
    wait(browser, lambda: find(browser, "#field-2"))
    find(browser, "#field-0").send_keys("1e999")
    find(browser, "#field-1").send_keys("2")
    find(browser, "#ask").click()
    wait(browser, lambda: find(browser, "#answer .error"))
    assert "`ask` is '1e999': must be a number" in find(browser, "#field-0-fault").text  # and not null, as JSON has it
    find(browser, "#field-0").clear()
    find(browser, "#field-0").send_keys("1")
    find(browser, "#ask").click()
    wait(browser, lambda: find(browser, ".said"))


def test_what_is_pasted_is_filled_in_or_named(browser, url_of_flags) -> None:
    browser.get(url_of_flags)
    wait(browser, lambda: find(browser, "#field-2"))
    assert paste(browser, '{"smoker": true, "ask": 1}') == ""
    assert find(browser, "#field-2").get_attribute("value") == "True"
    assert paste(browser, '{"smoker": "perhaps", "Ask": 1, "ask": 2}') == "Not filled in: smoker, Ask"
    assert paste(browser, "[]") == "This is no record as JSON: it is no object"
    assert paste(browser, "null") == "This is no record as JSON: it is no object"


@pytest.mark.parametrize("width", [320, 400])
def test_nothing_is_wider_than_a_telephone(browser, url_of_flags, width) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.get(url_of_flags)
        wait(browser, lambda: find(browser, "#field-2"))
        find(browser, "#ask").click()
        wait(browser, lambda: find(browser, ".said"))
        assert browser.execute_script("return document.documentElement.scrollWidth") == width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_has_a_dark_dress(page) -> None:
    def background() -> str:
        return page.execute_script("return getComputedStyle(document.body).backgroundColor")

    light = background()
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    assert background() != light
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
