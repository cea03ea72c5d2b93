"""The page of predictions as a person uses it."""

import numpy as np
import pytest
from PIL import Image

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


def test_script_in_file_names_and_class_names_stays_text(open_page, tmp_path):
    script = "<img src=x onerror='window.hit = 1'>"
    paths = [tmp_path / f"{script}{i}.png" for i in range(2)]
    for path in paths:
        Image.fromarray(tile(9)).save(path)
    head = ZeroShotClassifier({script: [1.0, 0.0], "</script>{{ 7 * 7 }}": [0.0, 1.0]}).fit()
    page = open_page(
        predictions_page(head, np.eye(2), [script, script], images=paths, title=script),
        tmp_path / f"{script}.html",
    )
    assert page.evaluate("window.hit") is None
    assert page.evaluate("document.scripts.length") == 2
    assert page.evaluate("document.querySelectorAll('[onerror]').length") == 0
    assert page.text_content("h1") == script
    for row, path in enumerate(paths):
        assert page.text_content(f"#row-{row} .id").endswith(path.name)
        assert page.locator(f"#row-{row} img").count() == 1
    assert "</script>{{ 7 * 7 }}" in page.text_content("#row-1")


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
