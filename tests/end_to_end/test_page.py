"""The page that `predict.py page=` writes, used in Chromium: mouse, touch, keyboard, files."""

import io
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from math import cos, pi, sin
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import PROJECT
from PIL import Image

from digits.data.sources import sample
from digits.prediction.classifier import load_classifier
from digits.prediction.page import BROWSERS, build_page

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

Line = Sequence[tuple[float, float]]  # points (x, y) in the drawing area, from 0 to 1


def arc(x: float, y: float, radii: tuple[float, float], start: float, end: float) -> Line:
    """Part of an ellipse around (x, y); angles in degrees, clockwise from the right."""
    angles = [(start + (end - start) * step / 20) * pi / 180 for step in range(21)]
    return [(x + radii[0] * cos(angle), y + radii[1] * sin(angle)) for angle in angles]


DIGITS: list[list[Line]] = [
    [arc(0.5, 0.5, (0.2, 0.33), -90, 270)],
    [[(0.52, 0.15), (0.5, 0.5), (0.48, 0.85)]],
    [[*arc(0.5, 0.33, (0.2, 0.17), 180, 390), (0.3, 0.8), (0.73, 0.8)]],
    [[*arc(0.48, 0.32, (0.2, 0.16), 200, 440), *arc(0.48, 0.66, (0.23, 0.19), -80, 160)]],
    [[(0.35, 0.2), (0.3, 0.5), (0.7, 0.5)], [(0.65, 0.2), (0.62, 0.85)]],
    [[(0.68, 0.18), (0.38, 0.18), (0.36, 0.45), *arc(0.48, 0.62, (0.2, 0.19), -110, 140)]],
    [[(0.6, 0.15), (0.42, 0.38), *arc(0.5, 0.65, (0.17, 0.17), 190, 560)]],
    [[(0.28, 0.2), (0.7, 0.2), (0.55, 0.5), (0.45, 0.85)]],
    [[*arc(0.5, 0.33, (0.15, 0.15), 90, -270), *arc(0.5, 0.66, (0.18, 0.18), -90, 270)]],
    [[*arc(0.5, 0.35, (0.17, 0.17), 0, -360), (0.66, 0.6), (0.6, 0.85)]],
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "digits.html"
    path.write_text(build_page(load_classifier()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def tab(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page in a tab of its own. It must cause no request and no error. A parameter has options of the context."""
    context = browser.new_context(**getattr(request, "param", {}))
    page, problems = context.new_page(), []
    page.on("request", lambda one: problems.append(one.url) if one.url != address and "blob:" not in one.url else None)
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert problems == []


def draw(page: Any, lines: Sequence[Line]) -> None:
    box = page.locator("#drawing").bounding_box()
    for line in lines:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in line]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=2)
        page.mouse.up()


def expect_result(page: Any, pattern: str) -> None:
    playwright.expect(page.locator("#result")).to_have_text(re.compile(pattern))


def test_ten_drawn_digits_are_read(tab: Any) -> None:
    for digit, lines in enumerate(DIGITS):
        draw(tab, lines)
        expect_result(tab, f"^{digit} ")
        tab.get_by_role("button", name="Clear").click()
        expect_result(tab, "Nothing drawn")


@pytest.mark.parametrize("size", [0.25, 0.6])
def test_size_and_place_do_not_matter(tab: Any, size: float) -> None:
    draw(tab, [[(0.02 + size * x, 0.03 + size * y) for x, y in line] for line in DIGITS[5]])
    expect_result(tab, "^5 ")


def test_bars_and_features_are_shown(tab: Any) -> None:
    assert tab.locator("#features canvas").count() == 0
    draw(tab, DIGITS[3])
    expect_result(tab, "^3 ")
    percents = [float(text.removesuffix(" %")) for text in tab.locator("#bars .percent").all_inner_texts()]
    assert sum(percents) == pytest.approx(100, abs=0.6)
    assert max(range(10), key=percents.__getitem__) == 3
    assert tab.locator(".maps").count() == 6  # convolutions of compact_cnn
    maps = Image.open(io.BytesIO(tab.locator(".maps").first.screenshot())).convert("L")
    assert maps.getextrema()[1] > 100


def test_undo_removes_one_stroke(tab: Any) -> None:
    draw(tab, [*DIGITS[0], [(0.05, 0.05), (0.9, 0.05)], [(0.05, 0.95), (0.9, 0.95)]])
    for _ in range(2):
        tab.keyboard.press("Control+z")
    expect_result(tab, "^0 ")
    tab.get_by_role("button", name="Undo").click()
    expect_result(tab, "Nothing drawn")


@pytest.mark.parametrize("tab", [{"viewport": {"width": 390, "height": 844}, "has_touch": True}], indirect=True)
def test_phone_draws_with_touch_and_does_not_scroll(tab: Any) -> None:
    session = tab.context.new_cdp_session(tab)
    box = tab.locator("#drawing").bounding_box()
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    for line in DIGITS[7]:
        points = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in line]
        for index, point in enumerate(points):
            kind = "touchMove" if index else "touchStart"
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect_result(tab, "^7 ")
    assert tab.evaluate("scrollY") == 0


@pytest.mark.parametrize("tab", [{"viewport": {"width": 390, "height": 844}, "has_touch": True}], indirect=True)
def test_second_finger_draws_nothing(tab: Any) -> None:
    session = tab.context.new_cdp_session(tab)
    box = tab.locator("#drawing").bounding_box()
    palm = {"x": box["x"] + 10, "y": box["y"] + box["height"] - 10, "id": 1}
    for line in DIGITS[7]:
        for index, (x, y) in enumerate(line):
            point = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": 0}
            touches = [point, palm] if index else [point]
            session.send(
                "Input.dispatchTouchEvent", {"type": "touchMove" if index > 1 else "touchStart", "touchPoints": touches}
            )
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect_result(tab, "^7 ")


def test_keyboard_draws(tab: Any) -> None:
    tab.locator("#drawing").focus()
    for key in [*9 * ["ArrowUp"], "Space", *18 * ["ArrowDown"]]:
        tab.keyboard.press(key)
    expect_result(tab, "^1 ")
    status = tab.get_by_role("status")
    assert status.text_content() == "Nothing drawn"  # until the stroke ends
    tab.keyboard.press("Space")
    playwright.expect(status).to_have_text(re.compile("^1 "))


@pytest.mark.parametrize("button", ["Space", "mouse"])
def test_undo_during_a_stroke_ends_it(tab: Any, button: str) -> None:
    draw(tab, DIGITS[0])
    if button == "Space":
        tab.locator("#drawing").focus()
        moves = [lambda: tab.keyboard.press("ArrowDown")] * 8
        tab.keyboard.press("Space")
    else:
        box = tab.locator("#drawing").bounding_box()
        moves = [lambda y=y: tab.mouse.move(box["x"] + 50, box["y"] + y) for y in range(50, 330, 40)]
        moves[0]()
        tab.mouse.down()
    for move in moves[:4]:
        move()
    tab.keyboard.press("Control+z")
    for move in moves[4:]:
        move()
    expect_result(tab, "^0 ")
    tab.mouse.up()
    expect_result(tab, "^0 ")


def test_photo_is_read_as_predict_reads_it(tab: Any) -> None:
    tab.set_input_files("#photo", PROJECT / "docs" / "photo.jpg")
    expect_result(tab, "^7 ")  # README has the prediction of predict.py


@pytest.mark.parametrize("invert", [False, True])
def test_dropped_picture_is_read(tab: Any, invert: bool) -> None:
    train = sample().train
    for digit in range(10):
        image = train.images[int((train.labels == digit).nonzero()[3])]
        array = torch.nn.functional.pad(255 - image if invert else image, (9, 9, 9, 9), value=255 if invert else 0)
        file = io.BytesIO()
        Image.fromarray(array.numpy()).resize((230, 230)).save(file, "PNG")
        tab.evaluate(DROP, [*file.getvalue()])
        expect_result(tab, f"^{digit} ")


DROP = """(bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(bytes)], "dropped", { type: "image/png" }));
    document.getElementById("drawing").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""


def test_pasted_picture_is_read(tab: Any) -> None:
    tab.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([Uint8Array.from(bytes)], "pasted.jpg", { type: "image/jpeg" }));
            document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }""",
        [*(PROJECT / "docs" / "photo.jpg").read_bytes()],
    )
    expect_result(tab, "^7 ")


def test_file_that_is_no_picture_is_one_line(tab: Any) -> None:
    draw(tab, DIGITS[4])
    tab.set_input_files("#photo", {"name": "<b>notes.txt", "mimeType": "image/png", "buffer": b"no picture"})
    expect_result(tab, r"^<b>notes\.txt: not a picture")


def test_stroke_replaces_a_picture_that_is_still_decoded(tab: Any) -> None:
    tab.evaluate(
        """() => {
            const decode = createImageBitmap;
            window.createImageBitmap = async (file) => {
                await new Promise((resolve) => (window.release = resolve));
                return decode(file);
            };
        }"""
    )
    tab.set_input_files("#photo", PROJECT / "docs" / "photo.jpg")  # a 7
    draw(tab, DIGITS[4])
    tab.evaluate("release()")
    tab.wait_for_timeout(300)
    expect_result(tab, "^4 ")


def test_blank_picture_is_no_digit(tab: Any) -> None:
    file = io.BytesIO()
    Image.new("L", (100, 80), 255).save(file, "PNG")
    tab.evaluate(DROP, [*file.getvalue()])
    expect_result(tab, "Nothing like a digit")


def test_large_and_animated_pictures_are_read(tab: Any, tmp_path: Path) -> None:
    photo = Image.open(PROJECT / "docs" / "photo.jpg").convert("L")
    photo.resize((7500, 6700)).save(tmp_path / "large.jpg")  # 50 megapixels
    photo.save(tmp_path / "animated.gif", save_all=True, append_images=[Image.new("L", photo.size)])
    for name in ("large.jpg", "animated.gif"):
        tab.set_input_files("#photo", tmp_path / name)
        expect_result(tab, "^7 ")
        tab.get_by_role("button", name="Clear").click()


@pytest.mark.parametrize("tab", [{"color_scheme": "dark"}, {"color_scheme": "light"}], indirect=True)
def test_mode_follows_the_system_and_the_button(tab: Any) -> None:
    def is_dark() -> bool:
        color = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", color))) < 384

    starts_dark = tab.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert is_dark() == starts_dark
    tab.locator("#theme").click()
    assert is_dark() != starts_dark


@pytest.mark.parametrize("tab", [{"viewport": {"width": 1000, "height": 860}}], indirect=True)
def test_screenshot(tab: Any, tmp_path: Path) -> None:
    """SCREENSHOT=docs/page.png makes the picture of the README."""
    draw(tab, DIGITS[4])
    expect_result(tab, "^4 ")
    path = os.environ.get("SCREENSHOT", str(tmp_path / "page.png"))
    tab.evaluate("document.getElementById('time').textContent = ''")
    tab.screenshot(path=path)
    with Image.open(path) as picture, Image.open(PROJECT / "docs" / "page.png") as shown:
        assert picture.size == shown.size
        assert len(picture.convert("L").getcolors() or []) > 20
