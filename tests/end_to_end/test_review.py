"""The page that `predict.py review=` writes, used in Chromium: labels by click and by key, storage, the saved CSV."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser_pages import TOUCH, open_tab, save
from helpers import run_program

from digits.data.sources import sample

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
pytestmark = pytest.mark.slow

COUNT = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits with a wrong label first, and their page."""
    path = tmp_path_factory.mktemp("review")
    digits = sample().train
    labels = digits.labels[:COUNT].numpy().copy()
    labels[0] = (labels[0] + 1) % 10
    np.savez(path / "digits.npz", x_test=digits.images[:COUNT].numpy(), y_test=labels)
    predicted = run_program("predict.py", "input=digits.npz", "output=labels.csv", "review=wrong.html", folder=path)
    assert predicted.returncode == 0, predicted.stderr
    return path


@pytest.fixture
def tab(browser: Any, folder: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    with open_tab(browser, (folder / "wrong.html").as_uri(), **getattr(request, "param", {})) as page:
        yield page


def chosen(page: Any) -> list[str]:
    """The chosen labels, card by card; "" without one."""
    labels = []
    for card in page.locator(".card").all():
        pressed = card.locator("button[aria-pressed=true]")
        labels.append(pressed.inner_text() if pressed.count() else "")
    return labels


def test_from_predictions_to_corrected_digits_that_train(tab: Any, folder: Path, tmp_path: Path) -> None:
    digits = sample().train
    right, wrong = int(digits.labels[0]), (int(digits.labels[0]) + 1) % 10
    card = tab.locator(".card").first
    playwright.expect(card.locator(".prediction")).to_contain_text(f"labeled {wrong}")
    card.get_by_role("button", name=str(right), exact=True).click()
    tab.locator(".card").nth(3).focus()
    tab.keyboard.press("8")
    tab.reload()
    assert [label for label in chosen(tab) if label] == [str(right), "8"]
    table = pd.read_csv(save(tab, "Save CSV", tmp_path))
    assert table["label"].tolist() == [right, 8]
    assert np.array_equal(table.iloc[0, 1:].to_numpy(), digits.images[0].flatten().numpy())
    short = ["trainer.max_epochs=1", "trainer.accelerator=cpu", "trainer.precision=32-true"]
    finetune = ["experiment=finetune", "data.train=corrected.csv", "name=corrected", *short]
    trained = run_program("train.py", *finetune, folder=tmp_path)
    assert trained.returncode == 0, trained.stderr


def test_keys_choose_move_and_remove(tab: Any) -> None:
    columns = tab.evaluate("countColumns()")
    for key in ("1", "2", "ArrowRight", "4", "ArrowLeft", "Backspace", "ArrowLeft", "5", "Control+6"):
        tab.keyboard.press(key)
    assert chosen(tab) == ["1", "2", "5", *[""] * (COUNT - 3)]
    playwright.expect(tab.locator("#count")).to_have_text(f"3 of {COUNT} chosen")
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowDown", "8", "ArrowUp", "ArrowLeft", "9"):
        tab.keyboard.press(key)
    assert chosen(tab)[0] == "9"
    assert chosen(tab)[columns] == "8"


def test_keys_follow_a_click(tab: Any) -> None:
    tab.locator(".card").nth(3).get_by_role("button", name="6").click()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("2")
    assert chosen(tab)[3:5] == ["6", "2"]


def test_two_tabs_share_their_choices(tab: Any) -> None:
    other = tab.context.new_page()
    other.goto(tab.url)
    tab.bring_to_front()
    tab.keyboard.press("4")
    playwright.expect(other.locator(".card").first.locator("button[aria-pressed=true]")).to_have_text("4")
    other.bring_to_front()
    other.locator(".card").nth(1).get_by_role("button", name="6").click()
    tab.bring_to_front()
    playwright.expect(tab.locator(".card").nth(1).locator("button[aria-pressed=true]")).to_have_text("6")
    assert chosen(tab)[:2] == ["4", "6"]


def test_second_click_removes_the_choice(tab: Any) -> None:
    button = tab.locator(".card").first.get_by_role("button", name="7")
    button.click()
    assert chosen(tab)[0] == "7"
    button.click()
    assert chosen(tab)[0] == ""
    assert tab.get_by_role("button", name="Save CSV").is_disabled()


def test_tabulator_passes_over_the_cards_in_one_step(tab: Any) -> None:
    tab.locator(".card").nth(2).focus()
    tab.keyboard.press("Shift+Tab")
    assert not tab.evaluate("document.activeElement.closest('.card') !== null")
    tab.keyboard.press("Tab")
    assert tab.evaluate("[...document.querySelectorAll('.card')].indexOf(document.activeElement)") == 2


def test_browser_without_storage_warns_until_the_choices_are_saved(tab: Any, tmp_path: Path) -> None:
    tab.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    tab.locator(".card").first.focus()
    tab.keyboard.press("1")
    playwright.expect(tab.locator("#risk")).to_be_visible()
    save(tab, "Save CSV", tmp_path)
    playwright.expect(tab.locator("#risk")).to_be_hidden()


@pytest.mark.parametrize("stored", ["{", "null", "7", '["a", 12, "", {}, "<b>"]'])
def test_damaged_storage_is_ignored(tab: Any, stored: str) -> None:
    tab.evaluate("(text) => localStorage.setItem(STORAGE_KEY, text)", stored)
    tab.reload()
    assert chosen(tab) == [""] * COUNT


@pytest.mark.parametrize("tab", [TOUCH], indirect=True)
def test_page_fits_a_phone(tab: Any) -> None:
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    smallest = tab.evaluate("Math.min(...[...document.querySelectorAll('button')].map((one) => one.offsetHeight))")
    assert smallest >= 44
