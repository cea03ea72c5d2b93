"""The page of a pool as a person uses it."""

import csv
import json

import numpy as np
import pytest

from skclip import PrimedNCMClassifier
from skclip.embedding import make_thumbnail
from skclip.recall import PrimingPool
from tests.report.conftest import tile


def cards(page) -> list[int]:
    return page.eval_on_selector_all(
        ".card", "cards => cards.map(card => Number(card.dataset.row))"
    )


def said(page) -> str:
    return page.inner_text("#said")


def saved(page, button: str, tmp_path):
    with page.expect_download() as download:
        page.click(button)
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_shows_each_image_with_what_is_known_of_it(open_page, pool, text):
    page = open_page(pool, zero_shot=text)
    assert cards(page) == [0, 1, 2, 3, 4, 5]
    third = page.inner_text("#row-2")
    for words in ("a cat, not a dog", "text says dog", "own class", "rejects it", "2.jpg"):
        assert words in third
    assert page.eval_on_selector_all("#row-2 mark", "marks => marks.map(m => m.textContent)") == [
        "cat"
    ]
    width = page.eval_on_selector(
        "#row-2 img", "image => image.decode().then(() => image.naturalWidth)"
    )
    assert width == 24


def test_search_filter_and_sort(open_page, pool, text):
    page = open_page(pool, zero_shot=text)
    page.fill("#search", "CAT a")
    assert cards(page) == [0, 1, 2]
    page.fill("#search", "")
    page.select_option("#own", label="dog")
    assert cards(page) == [3, 4, 5]
    page.select_option("#own", label="all")
    page.select_option("#label", label="another")
    assert cards(page) == [2]
    page.select_option("#label", label="any")
    page.select_option("#state", label="rejected by the filter")
    assert cards(page) == [2]
    page.select_option("#state", label="all")
    page.select_option("#sort", label="least probable first")
    assert cards(page)[0] == 2
    assert "6 of 6 images shown" in page.inner_text("#count")


def test_confused_classes_lead_to_their_images(open_page, pool, text):
    page = open_page(pool, zero_shot=text)
    page.click("button[data-own]")
    assert cards(page) == [2]
    assert page.evaluate("document.activeElement.id") == "images"


def test_keys_decide_and_move_on(open_page, pool):
    page = open_page(pool)
    page.focus("#row-0")
    page.keyboard.press("y")
    assert page.evaluate("document.activeElement.id") == "row-1"
    page.keyboard.press("n")
    page.keyboard.press("u")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("n")
    assert page.evaluate("[...decisions].map(([row, d]) => [row, d.decision])") == [
        [0, "keep"],
        [1, "reject"],
        [2, "unsure"],
        [4, "reject"],
    ]
    assert page.get_attribute("#row-1", "class") == "card reject"
    assert "dog, row 4: rejected" in said(page)


def test_letters_in_a_field_decide_nothing(open_page, pool):
    page = open_page(pool)
    page.focus("#row-0")
    page.keyboard.press("/")
    page.keyboard.type("yzn")
    assert page.input_value("#search") == "yzn"
    assert page.evaluate("decisions.size") == 0


def test_undo_takes_back_one_decision_at_a_time(open_page, pool):
    page = open_page(pool)
    page.click("#row-0 [data-answer=keep]")
    page.click("#row-0 [data-answer=reject]")
    page.click("#undo")
    assert page.inner_text("#row-0 .said") == "kept"
    page.keyboard.press("z")
    assert page.inner_text("#row-0 .said") == ""
    assert page.is_disabled("#undo")


def test_all_can_be_forgotten_and_brought_back(open_page, pool):
    page = open_page(pool)
    page.click("#row-0 [data-answer=keep]")
    page.click("#row-1 [data-answer=reject]")
    page.click("#forget")
    assert page.evaluate("decisions.size") == 0
    page.click("#undo")
    assert page.evaluate("decisions.size") == 2


def test_pressed_button_is_released_by_a_second_press(open_page, pool):
    page = open_page(pool)
    page.click("#row-0 [data-answer=keep]")
    assert page.get_attribute("#row-0 [data-answer=keep]", "aria-pressed") == "true"
    page.click("#row-0 [data-answer=keep]")
    assert page.evaluate("decisions.size") == 0


def test_image_gets_another_class_if_there_is_one(open_page, pool):
    page = open_page(pool)
    page.fill("#row-2 [data-field=class]", "cow")
    page.keyboard.press("Enter")
    assert "There is no class cow" in said(page)
    page.fill("#row-2 [data-field=class]", "dog")
    page.keyboard.press("Enter")
    assert page.inner_text("#row-2 .said") == "is in fact dog"


def test_decisions_are_kept_for_the_next_visit_of_this_pool_alone(open_page, pool, tmp_path):
    page = open_page(pool)
    page.click("#row-1 [data-answer=reject]")
    page.reload()
    assert page.inner_text("#row-1 .said") == "rejected"
    other = open_page(pool[[1, 2]], tmp_path / "other.html")
    assert other.evaluate("decisions.size") == 0


def test_without_storage_decisions_live_in_memory(open_page, pool, tmp_path):
    page = open_page(pool)
    frame = tmp_path / "frame.html"
    frame.write_text('<iframe sandbox="allow-scripts" src="pool.html" width="900" height="900">')
    page.goto(frame.as_uri())
    inner = page.frames[1]
    inner.click("#row-1 [data-answer=reject]")
    assert inner.inner_text("#row-1 .said") == "rejected"
    assert inner.is_visible("#storage")


@pytest.mark.parametrize("button", ["#csv", "#json"])
def test_exported_decisions_change_the_fit_exactly(open_page, pool, text, tmp_path, button):
    page = open_page(pool, zero_shot=text)
    page.click("#row-0 [data-answer=reject]")
    page.fill("#row-2 [data-field=class]", "dog")
    page.keyboard.press("Enter")
    page.fill("#row-3 [data-field=note]", 'dark, "blurred"')
    page.keyboard.press("Enter")
    corrected = pool.apply_decisions(saved(page, button, tmp_path))
    assert corrected.ids.tolist() == ["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"]
    head = PrimedNCMClassifier(text, retriever=corrected).fit()
    by_hand = PrimingPool(["cat", "dog", "dog", "dog", "dog"], pool.embeddings[1:])
    expected = PrimedNCMClassifier(text, retriever=by_hand).fit()
    np.testing.assert_array_equal(head.coef_, expected.coef_)


def test_export_says_what_was_decided(open_page, pool, tmp_path):
    page = open_page(pool)
    page.fill("#row-2 [data-field=class]", "dog")
    page.keyboard.press("Enter")
    page.fill("#row-2 [data-field=note]", "=1+1, a formula")
    page.keyboard.press("Enter")
    with saved(page, "#csv", tmp_path).open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {
        "corpus_id": "c0ffee",
        "row": "2",
        "id": "2.jpg",
        "class": "cat",
        "decision": "relabel",
        "new_class": "dog",
        "note": "'=1+1, a formula",
    }
    (record,) = json.loads(saved(page, "#json", tmp_path).read_text())
    assert record["note"] == "=1+1, a formula"


@pytest.mark.parametrize("button", ["#csv", "#json"])
def test_export_and_import_are_inverse(open_page, pool, tmp_path, button):
    hostile = PrimingPool(
        pool.labels, ids=['=a,"b"\n', "-x", "@y", "'z", "\r", "q"], captions=pool.captions
    )
    page = open_page(hostile)
    for row, kind in enumerate(["keep", "reject", "unsure", "keep", "reject"]):
        page.click(f"#row-{row} [data-answer={kind}]")
    path = saved(page, button, tmp_path)
    before = page.evaluate("[...decisions]")
    page.click("#forget")
    page.set_input_files("#import", path)
    page.wait_for_function("decisions.size === 5")
    assert page.evaluate("[...decisions]") == before
    assert len(hostile.apply_decisions(path)) == 4


def test_bad_imports_are_refused_with_a_reason(open_page, pool, tmp_path):
    page = open_page(pool)
    bad = tmp_path / "bad.csv"
    for content, reason in {
        "id,class,decision\n0.jpg,cat,maybe\n": "it has the decision 'maybe'",
        "corpus_id,id,class,decision\nbeef,0.jpg,cat,keep\n": "about the collection beef",
    }.items():
        bad.write_text(content)
        page.set_input_files("#import", bad)
        page.wait_for_function("reason => said.textContent.includes(reason)", arg=reason)
    assert page.evaluate("decisions.size") == 0


def test_ten_thousand_images_are_a_bounded_number_of_nodes(open_page, tmp_path, monkeypatch):
    n, thumbnail = 10_000, make_thumbnail(tile(200), 64)
    monkeypatch.setattr("skclip.report._thumbnails.make_thumbnail", lambda *_: thumbnail)
    pool = PrimingPool(
        [f"class {i % 40:02d}" for i in range(n)],
        ids=[str(i) for i in range(n)],
        captions=[f"class {i % 40:02d} in the rain" for i in range(n)],
        images=[tile(200)] * n,
    )
    page = open_page(pool)
    assert (tmp_path / "pool.html").stat().st_size < 20_000_000
    assert not (tmp_path / "pool_files").exists()
    assert "10000 of 10000 images shown" in page.inner_text("#count")
    for _ in range(3):
        page.click("#next")
        assert page.evaluate("document.querySelectorAll('*').length") < 4000
    assert page.inner_text("#page") == "Page 4 of 167"


def test_filter_and_decision_reach_all_of_many_pages(open_page):
    n = 200
    pool = PrimingPool([f"class {i % 4}" for i in range(n)], ids=[str(i) for i in range(n)])
    page = open_page(pool)
    page.select_option("#own", label="class 3")
    assert "50 of 200 images shown" in page.inner_text("#count")
    page.select_option("#own", label="all")
    for _ in range(2):
        page.click("#next")
    last = cards(page)[-1]
    page.click(f"#row-{last} [data-answer=reject]")
    page.select_option("#state", value="reject")
    assert cards(page) == [last]


def test_more_images_are_files_beside_the_page(open_page, pool, monkeypatch, tmp_path):
    monkeypatch.setattr("skclip.report._placing.MAX_INLINE_IMAGES", 3)
    page = open_page(pool, tmp_path / "my pool #1.html")
    assert len(list((tmp_path / "my pool #1_files").rglob("*.webp"))) == 6
    width = page.eval_on_selector(
        "#row-2 img", "image => image.decode().then(() => image.naturalWidth)"
    )
    assert width == 24


HOSTILE = [
    "<script>window.hit = 1</script>",
    "</script><script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "{{ 7 * 7 }}{% raw %}",
    "\"'><svg onload=window.hit=1>",
    "<!-- <script>",
    "\u2028\u202e$x$ \ud800",
]


def test_script_in_captions_ids_and_class_names_stays_text(open_page):
    text = {name: np.eye(len(HOSTILE))[i] for i, name in enumerate(HOSTILE)}
    pool = PrimingPool(
        HOSTILE,
        np.eye(len(HOSTILE))[::-1],
        ids=HOSTILE,
        captions=[f"{name} {name}" for name in HOSTILE],
        images=[tile(20 * i) for i in range(len(HOSTILE))],
        corpus_id=HOSTILE[1],
    )
    page = open_page(pool, zero_shot=text, title=HOSTILE[1])
    assert page.evaluate("window.hit") is None
    assert page.evaluate("document.scripts.length") == 2
    assert (
        page.evaluate("document.querySelectorAll('svg, #grid script, [onerror], [onload]').length")
        == 0
    )
    for row, name in enumerate(HOSTILE[:-1]):
        assert name in page.text_content(f"#row-{row} .caption")
        assert name in page.text_content(f"#row-{row} .id")
    assert page.text_content("h1") == HOSTILE[1]
    page.click("#row-0 [data-answer=keep]")
    assert HOSTILE[0] in said(page)
    assert "{{ 7 * 7 }}" in page.text_content("table")


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_wider_than_the_window(open_page, pool, text, width):
    page = open_page(pool, zero_shot=text)
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_tab_reaches_one_image_and_arrows_the_others(open_page, pool):
    page = open_page(pool)
    reachable = "() => [...document.querySelectorAll('.card')].filter(c => c.tabIndex === 0).length"
    assert page.evaluate(reachable) == 1
    page.focus("#row-0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(reachable) == 1
    assert page.evaluate("document.activeElement.className") == "card"


def test_every_control_has_a_name(open_page, pool, text):
    page = open_page(pool, zero_shot=text)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, textarea, img')].filter(
            node => !(node.textContent.trim() || node.getAttribute('aria-label') || node.alt
                      || node.closest('label'))).length"""
    )
    assert unnamed == 0
