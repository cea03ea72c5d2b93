"""The page of predictions as a person uses it."""

import numpy as np
import pytest

from skclip import ZeroShotClassifier
from skclip.recall import PrimingPool
from skclip.report import predictions_page
from tests.report.conftest import tile


@pytest.fixture
def page(open_page):
    head = ZeroShotClassifier({"cat": [1.0, 0.0], "dog": [0.0, 1.0]}).fit()
    X = np.array([[1.0, 0.1], [0.49, 0.5], [0.1, 0.9], [0.8, 0.7]])
    shots = PrimingPool(["cat", "dog"], [[1.0, 0.0], [0.0, 1.0]], images=[tile(9), tile(99)])
    return open_page(
        predictions_page(
            head,
            X,
            ["cat", "cat", "dog", "cat"],
            images=[tile(40 * i) for i in range(4)],
            ids=["<b>a</b>", "b", "c", "d"],
            labelled=shots,
        )
    )


def cards(page) -> list[int]:
    return page.eval_on_selector_all(
        ".card", "cards => cards.map(card => Number(card.dataset.row))"
    )


def test_least_confident_come_first_and_wrong_ones_are_found(page):
    assert cards(page)[0] == 1
    page.select_option("#state", label="wrong")
    assert cards(page) == [1]
    page.select_option("#state", label="all")
    page.select_option("#sort", label="most confident first")
    assert cards(page)[-1] == 1
    page.select_option("#true", label="dog")
    assert cards(page) == [2]


def test_mistakes_lead_to_their_images(page):
    page.click("summary:has-text('Most frequent mistakes')")
    page.click("button[data-true]")
    assert cards(page) == [1]


def test_neighbours_have_pictures_and_words(page):
    page.click("#row-0 summary")
    first = page.locator("#row-0 .strip li").first
    assert "cat, labelled, 0.99" in first.inner_text()
    assert first.locator("img").count() == 1


def test_ids_stay_text(page):
    assert page.text_content("#row-0 .id") == "<b>a</b>"


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_wider_than_the_window(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_arrows_move(page):
    page.focus("#row-1")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == f"row-{cards(page)[1]}"
