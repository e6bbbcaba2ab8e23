"""The page that `predict.py page=` writes, used in Chromium: mouse, pen, touch, keyboard, files, a hidden canvas, kept
digits."""

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from math import cos, pi, sin
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from browser_pages import TOUCH, open_tab, save
from helpers import PROJECT, hypotheses, run_program
from PIL import Image

from digits.data.pictures.choose import choose
from digits.data.sources import file, sample
from digits.prediction.classifier import load_classifier
from digits.prediction.page import build_page
from tools.picture_scenes import SCENES, SMALL_SCENES

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
pytestmark = pytest.mark.slow

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
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "digits.html"
    path.write_text(build_page(load_classifier(needs_pytorch=True)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def tab(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page in a tab of its own. A parameter has options of the context."""
    with open_tab(browser, address, **getattr(request, "param", {})) as page:
        yield page


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


@pytest.mark.parametrize("tab", [TOUCH], indirect=True)
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


class Hands:
    """A pen or a mouse, and touches, used at the same time. Positions are (x, y) in the drawing area, from 0 to 1."""

    def __init__(self, tab: Any) -> None:
        self.session = tab.context.new_cdp_session(tab)
        self.box = tab.locator("#drawing").bounding_box()
        self.touches: dict[int, dict[str, float]] = {}

    def _place(self, x: float, y: float) -> dict[str, float]:
        return {"x": self.box["x"] + x * self.box["width"], "y": self.box["y"] + y * self.box["height"]}

    def touch(self, finger: int, x: float, y: float) -> None:
        """Puts a finger down, or moves it."""
        kind = "touchMove" if finger in self.touches else "touchStart"
        self.touches[finger] = {**self._place(x, y), "id": finger}
        self._send(kind)

    def lift(self, finger: int) -> None:
        del self.touches[finger]
        self._send("touchEnd")

    def cancel(self) -> None:
        """The system takes all touches back."""
        self.touches = {}
        self._send("touchCancel")

    def _send(self, kind: str) -> None:
        points = list(self.touches.values())
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def point(self, kind: str, x: float, y: float, pointer: str = "pen") -> None:
        """Presses, moves or releases a pen or a mouse."""
        pressed = {"button": "left", "buttons": 1, "clickCount": 1} if kind != "Released" else {"button": "left"}
        event = {"type": f"mouse{kind}", "pointerType": pointer, **self._place(x, y), **pressed}
        self.session.send("Input.dispatchMouseEvent", event)

    def draw(self, line: Line, pointer: str = "pen", meanwhile: Callable[[int], None] = lambda step: None) -> None:
        """Draws one line; calls `meanwhile` with the number of each step after it began."""
        self.point("Pressed", *line[0], pointer)
        for step, (x, y) in enumerate(line[1:]):
            meanwhile(step)
            self.point("Moved", x, y, pointer)
        self.point("Released", *line[-1], pointer)


@pytest.fixture
def hands(tab: Any) -> Hands:
    return Hands(tab)


@pytest.mark.parametrize("tab", [TOUCH], indirect=True)
def test_second_finger_draws_nothing(tab: Any, hands: Hands) -> None:
    for line in DIGITS[7]:
        for step, point in enumerate(line):
            hands.touch(0, *point)
            if step:
                hands.touch(1, 0.05, 0.95 - 0.02 * step)
    hands.lift(0)
    hands.touch(1, 0.8, 0.95)  # it stays after the first one
    hands.lift(1)
    expect_result(tab, "^7 ")


@pytest.mark.parametrize("tab", [TOUCH], indirect=True)
@pytest.mark.parametrize("pointer", ["pen", "mouse"])
def test_palm_or_finger_beside_a_stroke_draws_nothing(tab: Any, hands: Hands, pointer: str) -> None:
    """The palm lies down, moves and is lifted during the stroke, and stays or comes back after it."""

    def palm(step: int) -> None:
        if step in (3, 4, 5, 12):
            hands.touch(0, 0.9, 0.9 - 0.01 * step)
        if step == 8:
            hands.lift(0)

    hands.draw(DIGITS[0][0], pointer, palm)
    expect_result(tab, "^0 ")
    hands.touch(0, 0.2, 0.9)
    hands.lift(0)
    expect_result(tab, "^0 ")
    if pointer == "pen":
        hands.touch(0, 0.9, 0.9)
        hands.touch(0, 0.1, 0.9)
        hands.lift(0)
        expect_result(tab, "^0 ")
    assert tab.evaluate("strokes.length") == 1


@pytest.mark.parametrize("tab", [TOUCH], indirect=True)
def test_pen_replaces_the_palm_that_came_first(tab: Any, hands: Hands) -> None:
    hands.touch(0, 0.95, 0.6)
    hands.touch(0, 0.9, 0.95)
    for line in DIGITS[4]:
        hands.draw(line, meanwhile=lambda step: hands.touch(0, 0.9, 0.9 - 0.01 * step))
    hands.touch(0, 0.1, 0.95)
    hands.lift(0)
    expect_result(tab, "^4 ")
    assert tab.evaluate("strokes.length") == 2


@pytest.mark.parametrize("tab", [TOUCH], indirect=True)
def test_mouse_does_not_replace_a_finger(tab: Any, hands: Hands) -> None:
    for step, point in enumerate(DIGITS[0][0]):
        hands.touch(0, *point)
        if step == 5:
            hands.point("Pressed", 0.9, 0.9, "mouse")
        if step == 9:
            hands.point("Released", 0.1, 0.9, "mouse")
    hands.lift(0)
    expect_result(tab, "^0 ")
    assert tab.evaluate("strokes.length") == 1


@pytest.mark.parametrize("tab", [TOUCH], indirect=True)
def test_palm_outside_of_the_drawing_does_not_stop_a_finger(tab: Any, hands: Hands) -> None:
    hands.touch(0, 0.5, 1.4)
    for point in DIGITS[7][0]:
        hands.touch(1, *point)
    hands.lift(1)
    expect_result(tab, "^7 ")


@pytest.mark.parametrize("tab", [TOUCH], indirect=True)
def test_palm_on_a_button_presses_it_only_after_the_stroke(tab: Any, hands: Hands) -> None:
    clear = tab.get_by_role("button", name="Clear")

    def press(step: int) -> None:
        if step == 5:
            clear.evaluate("(button) => button.click()")

    hands.draw(DIGITS[0][0], meanwhile=press)
    expect_result(tab, "^0 ")
    clear.click()
    expect_result(tab, "Nothing drawn")


@pytest.mark.parametrize("tab", [TOUCH], indirect=True)
def test_touch_that_the_system_takes_back_is_removed(tab: Any, hands: Hands) -> None:
    for point in DIGITS[7][0]:
        hands.touch(0, *point)
    hands.lift(0)
    hands.touch(0, 0.1, 0.5)
    hands.touch(0, 0.9, 0.9)
    hands.cancel()
    expect_result(tab, "^7 ")
    assert tab.evaluate("strokes.length") == 1
    for point in [(0.3, 0.5), (0.7, 0.5)]:
        hands.touch(0, *point)
    hands.lift(0)
    assert tab.evaluate("strokes.length") == 2


@pytest.mark.parametrize("tab", [TOUCH], indirect=True)
def test_finger_draws_again_after_the_strokes_of_a_pen_are_cleared(tab: Any, hands: Hands) -> None:
    hands.draw(DIGITS[0][0])
    tab.get_by_role("button", name="Clear").click()
    for point in DIGITS[7][0]:
        hands.touch(0, *point)
    hands.lift(0)
    expect_result(tab, "^7 ")


def test_lost_capture_of_the_pointer_ends_its_stroke(tab: Any, hands: Hands) -> None:
    line = DIGITS[7][0]
    hands.point("Pressed", *line[0], "mouse")
    for point in line[1:]:
        hands.point("Moved", *point, "mouse")
    tab.evaluate("drawing.releasePointerCapture(pointer.id)")
    hands.point("Moved", 0.05, 0.95, "mouse")
    hands.point("Moved", 0.95, 0.95, "mouse")
    hands.point("Released", 0.95, 0.95, "mouse")
    expect_result(tab, "^7 ")


def test_keys_do_not_disturb_the_stroke_of_a_pointer(tab: Any, hands: Hands) -> None:
    tab.locator("#drawing").focus()
    hands.draw(DIGITS[0][0], "mouse", lambda step: tab.keyboard.press("Space" if step % 2 else "ArrowDown"))
    expect_result(tab, "^0 ")
    assert tab.evaluate("strokes.length") == 1


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


@pytest.mark.parametrize("scene", [*SMALL_SCENES, "28×28", "pencil"])
def test_made_pictures_are_read_as_predict_reads_them(tab: Any, tmp_path: Path, scene: str) -> None:
    images = sample().train.images.numpy()
    draw_scene = {**SCENES, **SMALL_SCENES}[scene]
    classifier = load_classifier(accelerator="cpu")
    different = []
    for index in range(5):
        picture = draw_scene([*images[index : index + 4]], np.random.default_rng([index, 3]))
        picture.save(tmp_path / "picture.png")
        [chosen] = choose([hypotheses(picture)], classifier.predict)
        expected = "^(Nothing|The picture seems)"
        if chosen and len(chosen.digits) == 1:
            expected = f"^{classifier.predict(chosen.digits).argmax().item()} "
        # The result of the picture before must not be taken for the one of this picture.
        tab.evaluate("document.querySelector('#result').textContent = 'Reading'")
        tab.set_input_files("#photo", tmp_path / "picture.png")
        expect_result(tab, "^(?!Reading)")
        if not re.match(expected, tab.locator("#result").inner_text()):
            different.append(index)
    assert len(different) <= 1  # the weights of the page are float16


def test_picture_of_several_digits_is_refused(tab: Any, tmp_path: Path) -> None:
    images = sample().train.images.numpy()
    SCENES["two beside"]([*images[:4]], np.random.default_rng(0)).save(tmp_path / "two.png")
    tab.set_input_files("#photo", tmp_path / "two.png")
    expect_result(tab, "seems to hold 2 digits")


def test_tiny_picture_is_refused(tab: Any, tmp_path: Path) -> None:
    Image.new("L", (30, 7), 255).save(tmp_path / "tiny.png")
    tab.set_input_files("#photo", tmp_path / "tiny.png")
    expect_result(tab, "has 30×7 pixels; at least 8×8")


HIDING = {
    "noise": "const image = read.apply(this, area); crypto.getRandomValues(image.data); return image;",
    "white": "const image = read.apply(this, area); image.data.fill(255); return image;",
    "nothing": "const image = read.apply(this, area); image.data.fill(0); return image;",
    "an error": "throw new DOMException('hidden', 'SecurityError');",
}


@pytest.mark.parametrize("hiding", HIDING)
def test_browser_that_hides_the_canvas(tab: Any, hiding: str) -> None:
    """As Firefox with privacy.resistFingerprinting, Tor Browser and LibreWolf do. Drawing reads no canvas."""
    tab.evaluate(
        f"""() => {{
            const read = CanvasRenderingContext2D.prototype.getImageData;
            CanvasRenderingContext2D.prototype.getImageData = function (...area) {{ {HIDING[hiding]} }};
        }}"""
    )
    for digit in (0, 4):
        draw(tab, DIGITS[digit])
        expect_result(tab, f"^{digit} ")
        tab.get_by_role("button", name="Clear").click()
    tab.set_input_files("#photo", PROJECT / "docs" / "photo.jpg")
    expect_result(tab, "This browser hides the pixels of pictures")
    draw(tab, DIGITS[0])
    expect_result(tab, "^0 ")


def test_browser_that_changes_the_lowest_bit_of_a_canvas_reads_pictures(tab: Any) -> None:
    tab.evaluate(
        """() => {
            const read = CanvasRenderingContext2D.prototype.getImageData;
            CanvasRenderingContext2D.prototype.getImageData = function (...area) {
                const image = read.apply(this, area);
                image.data.forEach((value, index) => (image.data[index] = value ^ (index % 3 === 0)));
                return image;
            };
        }"""
    )
    tab.set_input_files("#photo", PROJECT / "docs" / "photo.jpg")
    expect_result(tab, "^7 ")


def test_strokes_have_the_pixels_that_a_canvas_draws(tab: Any) -> None:
    """For digits whose center of mass is far from the middle between two pixels."""
    gap = tab.evaluate(
        """(digits) => Math.max(...digits.map((lines) => {
            const side = 28 * 8;
            const bounds = [0, 1].map((axis) => {
                const values = lines.flat().map((point) => point[axis]);
                return [Math.min(...values), Math.max(...values)];
            });
            const scale = (8 * (20 - 2.7)) / Math.max(...bounds.map(([low, high]) => high - low));
            const middle = bounds.map(([low, high]) => (low + high) / 2);
            const move = (point) => point.map((value, axis) => side / 2 + scale * (value - middle[axis]));
            const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
            const context = canvas.getContext("2d");
            context.lineCap = context.lineJoin = "round";
            context.lineWidth = 8 * 2.7;
            for (const line of lines) {
                const points = line.map(move);
                context.beginPath();
                context.moveTo(...points[0]);
                for (let index = 1; index < points.length - 1; index++) {
                    const [x, y] = points[index], [nextX, nextY] = points[index + 1];
                    context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
                }
                context.lineTo(...points.at(-1));
                context.stroke();
            }
            const { data } = context.getImageData(0, 0, side, side);
            const values = Float32Array.from({ length: side * side }, (_, index) => data[4 * index + 3] / 255);
            const expected = center(averageBlocks({ values, width: side, height: side }, 8, 8).values);
            return Math.max(...imageOfStrokes(lines).map((value, index) => Math.abs(value - expected[index])));
        }))""",
        [DIGITS[digit] for digit in (3, 4, 7)],
    )
    assert gap < 0.03


def test_dot_is_drawn(tab: Any) -> None:
    box = tab.locator("#drawing").bounding_box()
    tab.mouse.click(box["x"] + 50, box["y"] + 60)
    expect_result(tab, r"^\d ")
    assert tab.evaluate("imageOfStrokes(strokes).reduce((sum, value) => sum + value)") == pytest.approx(5.7, abs=0.2)


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


@pytest.mark.parametrize("tab", [{"java_script_enabled": False}], indirect=True)
def test_without_javascript_the_top_of_the_page_says_so(tab: Any) -> None:
    notice = tab.locator("noscript .notice").bounding_box()
    assert notice["y"] < tab.get_by_role("heading", name="Draw a digit").bounding_box()["y"]


def test_long_touch_selects_nothing(tab: Any) -> None:
    for area in ("#drawing", ".buttons"):
        assert tab.evaluate("(area) => getComputedStyle(document.querySelector(area)).userSelect", area) == "none"
    assert "-webkit-touch-callout: none" in tab.content()  # only Safari knows it


def test_percent_is_one_line_in_wide_letters(tab: Any) -> None:
    """Firefox broke `100.0 %` at its space."""
    draw(tab, DIGITS[0])
    expect_result(tab, "^0 ")
    tab.evaluate(
        """() => {
            document.body.style.font = "1.1rem / 1.45 monospace";
            document.querySelector("#bars .percent").textContent = "100.0 %";
            document.querySelector("#result").style.width = "4rem";
        }"""
    )
    heights = tab.locator("#bars li").evaluate_all("(rows) => rows.map((row) => row.offsetHeight)")
    assert len(set(heights)) == 1
    assert len(tab.locator("#result small").evaluate("(text) => [...text.getClientRects()].map((box) => box.top)")) == 1


@pytest.mark.parametrize("tab", [{"color_scheme": "dark"}, {"color_scheme": "light"}], indirect=True)
def test_mode_follows_the_system_and_the_button(tab: Any) -> None:
    def is_dark() -> bool:
        color = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", color))) < 384

    starts_dark = tab.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert is_dark() == starts_dark
    tab.locator("#theme").click()
    assert is_dark() != starts_dark


def keep(page: Any, *labels: int) -> None:
    """Keeps a drawn digit of each label by its button. The strokes come from a script, which is faster than a mouse."""
    for label in labels:
        strokes = [[(560 * x, 560 * y) for x, y in line] for line in DIGITS[label]]
        page.evaluate("(drawn) => { strokes = drawn; schedule(); }", strokes)
        page.get_by_role("button", name=f"Keep as {label}").click()


def kept_labels(page: Any) -> list[int]:
    return [int(text) for text in page.locator("#thumbnails li").all_inner_texts()]


def test_from_drawn_digits_to_a_network_that_reads_them(tab: Any, tmp_path: Path) -> None:
    """The commands of docs/finetuning.md, with one epoch."""
    for label in (7, 4, 0, 1, 2):
        draw(tab, DIGITS[label])
        tab.get_by_role("button", name=f"Keep as {label}").click()
    tab.get_by_role("button", name="Remove last").click()
    save(tab, "Save CSV", tmp_path)
    short = ["trainer.max_epochs=1", "trainer.accelerator=cpu", "trainer.precision=32-true"]
    finetune = ["experiment=finetune", "data.train=digits.csv", "name=mine"]
    trained = run_program("train.py", *finetune, *short, folder=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert trained.stderr == ""
    predict = ["checkpoint=outputs/mine", "input=digits.csv", "output=labels.csv"]
    predicted = run_program("predict.py", *predict, folder=tmp_path)
    assert predicted.returncode == 0, predicted.stderr
    assert pd.read_csv(tmp_path / "labels.csv")["Label"].tolist() == [7, 4, 0, 1]


@pytest.mark.parametrize("as_is", [True, False])
def test_pngs_and_csv_hold_the_same_digits(tab: Any, tmp_path: Path, as_is: bool) -> None:
    keep(tab, *range(10), 0, 1)
    csv = file(str(save(tab, "Save CSV", tmp_path))).train
    judge = load_classifier(accelerator="cpu").predict
    pngs = file(str(save(tab, "Save PNGs", tmp_path)), as_is=as_is, judge=judge).train
    assert csv.labels.tolist() == [*range(10), 0, 1]
    assert pngs.labels.equal(csv.labels)
    assert pngs.images.equal(csv.images)


def test_kept_digit_is_the_image_that_the_network_sees(tab: Any, tmp_path: Path) -> None:
    draw(tab, DIGITS[5])
    seen = tab.evaluate("Array.from(imageOfStrokes(strokes))")
    tab.keyboard.press("6")  # any label may be given
    table = pd.read_csv(save(tab, "Save CSV", tmp_path))
    assert table["label"].tolist() == [6]
    pixels = table.drop(columns="label").to_numpy()[0]
    assert np.abs(pixels - 255 * np.array(seen)).max() <= 0.51
    assert pixels.max() == 255


def test_keeping_clears_the_drawing_and_counts_the_digits(tab: Any) -> None:
    keep(tab, 3)
    expect_result(tab, "^Kept as 3$")
    playwright.expect(tab.get_by_role("status")).to_have_text("Kept as 3")
    assert tab.evaluate("strokes.length") == 0
    counts = tab.locator("#counts")
    playwright.expect(counts).to_have_text("1 digit; 0, 1, 2, 4, 5, 6, 7, 8, 9 missing")
    keep(tab, 0, 1, 2, 3, 4, 5, 6, 7, 9)
    playwright.expect(counts).to_have_text("10 digits; 8 missing")
    assert tab.locator("#labels small").all_inner_texts() == ["1", "1", "1", "2", "1", "1", "1", "1", "", "1"]


def test_predicted_label_is_marked(tab: Any) -> None:
    draw(tab, DIGITS[4])
    expect_result(tab, "^4 ")
    marked = tab.locator("#labels .predicted")
    assert marked.count() == 1
    assert marked.get_attribute("aria-label") == "Keep as 4, the prediction, 0 kept"


def test_keys_keep_digits(tab: Any) -> None:
    for label in (2, 8):
        draw(tab, DIGITS[label])
        tab.keyboard.press("Control+5")
        tab.keyboard.press(str(label))
        tab.keyboard.press(str(label))  # nothing is drawn any more
    assert kept_labels(tab) == [2, 8]


def test_key_during_a_stroke_keeps_nothing(tab: Any, hands: Hands) -> None:
    hands.draw(DIGITS[0][0], "mouse", lambda step: tab.keyboard.press("0"))
    expect_result(tab, "^0 ")
    assert tab.evaluate("kept.length") == 0


def test_keyboard_alone_draws_and_keeps(tab: Any) -> None:
    tab.locator("#drawing").focus()
    for key in [*9 * ["ArrowUp"], "Space", *18 * ["ArrowDown"], "Space"]:
        tab.keyboard.press(key)
    expect_result(tab, "^1 ")
    tab.get_by_role("button", name="Keep as 1").press("Enter")
    assert kept_labels(tab) == [1]
    assert tab.evaluate("document.activeElement.id") == "drawing"
    tab.get_by_role("button", name="Remove digit 1, a 1").press("Enter")
    assert tab.evaluate("document.activeElement.id") == "drawing"


@pytest.mark.parametrize("content", ["nothing", "cleared", "blank", "two digits"])
def test_nothing_and_refused_pictures_cannot_be_kept(tab: Any, tmp_path: Path, content: str) -> None:
    expected = "Nothing"
    if content == "cleared":
        draw(tab, DIGITS[0])
        tab.get_by_role("button", name="Clear").click()
    elif content == "blank":
        Image.new("L", (100, 80), 255).save(tmp_path / "picture.png")
        tab.set_input_files("#photo", tmp_path / "picture.png")
    elif content == "two digits":
        images = sample().train.images.numpy()
        SCENES["two beside"]([*images[:4]], np.random.default_rng(0)).save(tmp_path / "picture.png")
        tab.set_input_files("#photo", tmp_path / "picture.png")
        expected = "seems to hold 2 digits"
    expect_result(tab, expected)
    tab.keyboard.press("0")
    assert tab.locator("#labels button:disabled").count() == 10
    assert not tab.locator("#kept").is_visible()
    assert tab.evaluate("kept.length") == 0


def test_photo_is_kept_as_predict_reads_it(tab: Any, tmp_path: Path) -> None:
    photo = PROJECT / "docs" / "photo.jpg"
    tab.set_input_files("#photo", photo)
    expect_result(tab, "^7 ")
    tab.get_by_role("button", name="Keep as 7").click()
    table = pd.read_csv(save(tab, "Save CSV", tmp_path))
    assert table["label"].tolist() == [7]
    with Image.open(photo) as picture:
        [chosen] = choose([hypotheses(picture)], load_classifier(accelerator="cpu").predict)
    assert chosen is not None
    gaps = table.drop(columns="label").to_numpy()[0] - chosen.digits.reshape(784).astype(int)
    assert np.abs(gaps).mean() < 1  # decoders of JPEG differ a little


def test_any_kept_digit_is_removed(tab: Any, tmp_path: Path) -> None:
    keep(tab, 0, 1, 2, 3)
    tab.get_by_role("button", name="Remove digit 2, a 1").click()
    assert kept_labels(tab) == [0, 2, 3]
    assert tab.evaluate("document.activeElement.ariaLabel") == "Remove digit 2, a 2"
    tab.get_by_role("button", name="Remove last").click()
    assert pd.read_csv(save(tab, "Save CSV", tmp_path))["label"].tolist() == [0, 2]


@pytest.mark.parametrize("is_sure", [True, False])
def test_all_digits_are_removed_if_that_is_confirmed(tab: Any, is_sure: bool) -> None:
    tab.on("dialog", lambda dialog: dialog.accept() if is_sure else dialog.dismiss())
    keep(tab, 0, 1)
    tab.get_by_role("button", name="Remove all").click()
    assert kept_labels(tab) == ([] if is_sure else [0, 1])
    assert tab.locator("#kept").is_visible() != is_sure


def test_kept_digits_survive_a_reload(tab: Any, tmp_path: Path) -> None:
    keep(tab, 6, 9)
    before = save(tab, "Save CSV", tmp_path).read_bytes()
    tab.reload()
    assert kept_labels(tab) == [6, 9]
    assert save(tab, "Save CSV", tmp_path).read_bytes() == before
    for _ in range(2):
        tab.get_by_role("button", name="Remove last").click()
    tab.reload()
    assert kept_labels(tab) == []


def test_damaged_storage_is_an_empty_collection(tab: Any) -> None:
    keep(tab, 6)
    tab.evaluate("localStorage.setItem(STORAGE_KEY, localStorage.getItem(STORAGE_KEY).slice(8))")
    tab.reload()
    assert kept_labels(tab) == []
    keep(tab, 9)
    assert kept_labels(tab) == [9]


def test_digits_of_another_tab_are_not_overwritten(tab: Any) -> None:
    other = tab.context.new_page()
    other.goto(tab.url)
    tab.bring_to_front()  # a browser draws no tab in the background
    keep(tab, 3)
    playwright.expect(other.locator("#counts")).to_contain_text("1 digit;")
    other.bring_to_front()
    keep(other, 5)
    playwright.expect(tab.locator("#counts")).to_contain_text("2 digits;")
    assert kept_labels(tab) == [3, 5]


def warns_before_closing(page: Any) -> bool:
    """Whether the browser would ask before it closes the page."""
    event = "new Event('beforeunload', { cancelable: true })"
    warns: bool = page.evaluate(f"!dispatchEvent({event})")
    return warns


def test_browser_without_storage_warns_until_the_digits_are_saved(tab: Any, tmp_path: Path) -> None:
    """As some browsers do for a file, or when the storage is full."""
    tab.evaluate(
        "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }; }"
    )
    assert not warns_before_closing(tab)
    keep(tab, 0, 1)
    assert warns_before_closing(tab)
    assert tab.locator("#risk").is_visible()
    save(tab, "Save PNGs", tmp_path)
    assert not warns_before_closing(tab)
    assert not tab.locator("#risk").is_visible()
    keep(tab, 2)
    assert warns_before_closing(tab)
    for _ in range(3):
        tab.get_by_role("button", name="Remove last").click()
    assert not warns_before_closing(tab)


def test_stored_digits_do_not_hinder_closing(tab: Any) -> None:
    keep(tab, 0)
    assert not warns_before_closing(tab)
    assert not tab.locator("#risk").is_visible()


@pytest.mark.parametrize("tab", [TOUCH], indirect=True)
def test_kept_digits_fit_on_a_phone(tab: Any) -> None:
    keep(tab, *range(10))
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    sizes = tab.locator("button:visible, .button").evaluate_all(
        "(buttons) => buttons.map((button) => Math.min(button.offsetWidth, button.offsetHeight))"
    )
    assert len(sizes) == 4 + 10 + 10 + 4  # drawing and mode, labels, thumbnails, files
    assert min(sizes) >= 40


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
