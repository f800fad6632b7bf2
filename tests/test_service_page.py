"""The demo page in a real browser: every tab, on a desk and on a telephone, with a mouse and without."""

import re

import numpy as np
import pytest
from PIL import Image
from serving import running, save_emojify, save_pictures

pytestmark = pytest.mark.browser
SIZES = {"desk": {"width": 1200, "height": 900}, "telephone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The service with small models for all tabs but the last, whose model is missing."""
    folder = tmp_path_factory.mktemp("served")
    save_emojify(folder / "models" / "emojify_lstm.h5")
    save_pictures(folder / "models" / "digit_recognizer_cnn.h5", (28, 28, 1), list("0123456789"))
    save_pictures(folder / "models" / "cat_vs_dog_transfer_learning.h5", (64, 64, 3), ["cat", "dog"])
    with running(folder, models=folder / "models") as service:
        yield service


@pytest.fixture(params=SIZES)
def page(request, chromium, served):
    """The page, opened; every request it makes is noted, and what it complains about."""
    page = chromium.new_page(viewport=SIZES[request.param])
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda line: page.complaints.append(line.text) if line.type == "error" else None)
    page.goto(served.address)
    page.get_by_label("Your sentence").wait_for()
    yield page
    elsewhere = [url for url in page.asked if not url.startswith((served.address, "data:", "blob:"))]
    assert elsewhere == []
    assert page.complaints == []
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), "one has to scroll sideways"
    page.close()


def result(page):
    """The two pictures of the tab that is open."""
    pictures = page.locator(".seen img:visible")
    pictures.first.wait_for()
    return pictures


def test_a_sentence_gets_five_bars(page):
    page.get_by_label("Your sentence").fill("I love zorblax")
    page.get_by_role("button", name="Which emoji?").click()
    page.get_by_text("It left out what it does not know: zorblax.").wait_for()
    for meaning in ("love", "sports", "happy", "sad", "food"):
        assert page.get_by_text(meaning).count() >= 1
    page.get_by_label("Your sentence").fill("zorblax")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("expected at least one word that the model knows").wait_for()


def test_all_of_it_can_be_done_with_the_keyboard(page):
    assert page.evaluate("document.activeElement.tagName") in ("TEXTAREA", "INPUT")  # where one begins to type
    page.keyboard.type("I am sad")
    page.keyboard.press("Enter")
    page.get_by_text("Answered by emojify_lstm-").wait_for()
    page.get_by_role("tab", name="Digits").focus()
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.example") == "2":
            break
    page.keyboard.press("Space")
    assert result(page).count() == 2


def test_a_digit_is_drawn_answered_and_cleared(page):
    page.get_by_role("tab", name="Digits").click()
    canvas = page.get_by_role("img", name="Draw a digit here")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 30, steps=5)
    page.mouse.up()
    assert result(page).count() == 2
    assert page.get_by_text("what the network sees: 28 x 28 pixels").is_visible()
    page.get_by_role("button", name="Clear").click()
    is_white = "canvas => canvas.getContext('2d').getImageData(140, 40, 1, 1).data[0] == 255"
    assert canvas.evaluate(is_white)


def test_an_uploaded_picture_is_answered_and_not_kept(page, served, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "mine.png")
    before = {path for path in served.folder.rglob("*") if path.is_file()}
    page.get_by_role("tab", name="Pets").click()
    page.locator("input[type=file]:visible").set_input_files(tmp_path / "mine.png")
    assert result(page).count() == 2
    assert page.get_by_text(re.compile("what spoke for “(cat|dog)”")).is_visible()
    assert {path for path in served.folder.rglob("*") if path.is_file()} == before
    assert "mine.png" not in served.log.read_text(encoding="utf-8")


def test_a_file_that_is_no_picture_gets_one_sentence(page, tmp_path):
    (tmp_path / "mine.png").write_bytes(b"no picture")
    page.get_by_role("tab", name="Pets").click()
    page.locator("input[type=file]:visible").set_input_files(tmp_path / "mine.png")
    page.get_by_role("alert").get_by_text("expected a picture, such as a PNG or JPEG file; this is none").wait_for()


def test_an_example_is_answered(page):
    page.get_by_role("tab", name="Pets").click()
    page.get_by_role("button", name="example 2").click()
    assert result(page).count() == 2


def test_the_tab_without_a_model_says_how_to_train_it(page):
    page.get_by_role("tab", name="X-rays").click()
    page.get_by_text("make 06_pneumonia_vgg16_binary").wait_for()


def test_the_documentation_opens_without_any_call_to_elsewhere(chromium, served):
    page = chromium.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{served.address}/docs")
    page.get_by_text("/predict/batch").first.wait_for()
    assert [url for url in asked if not url.startswith((served.address, "data:"))] == []
    page.close()
