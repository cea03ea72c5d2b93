import base64
import io
import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from skclip import PrimedNCMClassifier, ZeroShotClassifier
from skclip.exceptions import NoMatchWarning
from skclip.recall import CaptionRetriever, PrimingPool
from skclip.report import pool_page


class Document(HTMLParser):
    """What an HTML parser makes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.text, self.data = [], "", ""
        self._in_data = False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._in_data = ("id", "data") in attributes

    def handle_endtag(self, tag):
        self._in_data = False

    def handle_data(self, data):
        if self._in_data:
            self.data += data
        else:
            self.text += data


def data_of(page) -> dict:
    return json.loads(Document(page.html).data)


HOSTILE = "</script><script>alert(1)</script><img src=http://a.b/c onerror=alert(1)>{{ 1 }}"


def test_hostile_strings_are_text_and_the_scripts_are_ours():
    pool = PrimingPool(
        [HOSTILE, "dog"], np.eye(2), ids=[HOSTILE, "b"], captions=[HOSTILE, "x"], corpus_id=HOSTILE
    )
    page = pool_page(pool, zero_shot={HOSTILE: [0.0, 1.0], "dog": [1.0, 0.0]}, title=HOSTILE)
    document = Document(page.html)
    tags = [tag for tag, _ in document.tags]
    assert tags.count("script") == 2
    assert "img" not in tags
    assert not any(name.startswith("on") for _, attributes in document.tags for name in attributes)
    assert HOSTILE in document.text
    assert data_of(page)["ids"][0] == HOSTILE


def test_page_names_no_other_host():
    page = pool_page(PrimingPool(["cat"], captions=["a cat"]))
    assert re.findall(r"https?://", page.html) == []
    (policy,) = (
        a["content"]
        for tag, a in Document(page.html).tags
        if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_pictures_are_small_webp_with_their_proportions():
    wide = np.zeros((50, 200, 3), dtype=np.uint8)
    page = pool_page(PrimingPool(["cat"], images=[wide]), thumbnail_size=40)
    (content,) = data_of(page)["thumbnails"]
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert picture.format == "WEBP"
    assert picture.size == (40, 10)


def test_unreadable_and_remote_images_have_no_picture():
    images = ["no/such.jpg", "https://example.org/a.jpg", None]
    page = pool_page(PrimingPool(["cat"] * 3, images=images))
    assert data_of(page)["thumbnails"] == [None, None, None]


def test_text_head_says_label_probability_and_similarity():
    X = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 0.0]])
    text = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}
    data = data_of(pool_page(PrimingPool(["cat", "cat", "dog"], X), zero_shot=text))
    head = ZeroShotClassifier(text).fit()
    proba = head.predict_proba(X)
    assert data["label"] == [0, 1, -1]
    np.testing.assert_allclose(data["probability"][:2], proba.max(axis=1)[:2], atol=1e-4)
    np.testing.assert_allclose(data["own_probability"][:2], proba[:2, 0], atol=1e-4)
    np.testing.assert_allclose(data["image_similarity"][:2], X[:2, 0], atol=1e-4)
    assert data["probability"][2] is None
    assert data["kept"] == [1, 0, 0]


def test_text_head_may_know_more_classes_than_the_pool():
    text = {"ant": [0.0, 1.0], "cat": [1.0, 0.0]}
    data = data_of(pool_page(PrimingPool(["cat", "cat"], np.eye(2)), zero_shot=text))
    assert [data["classes"][i] for i in data["label"]] == ["cat", "ant"]


def test_text_head_must_know_the_classes():
    pool = PrimingPool(["dog"], [[1.0, 0.0]])
    with pytest.raises(ValueError, match="labels without a text embedding: 'dog'"):
        pool_page(pool, zero_shot={"cat": [1.0, 0.0]})
    head = PrimedNCMClassifier({"cat": [1.0, 0.0]}).fit()
    with pytest.raises(ValueError, match="has no text for 'dog', which the pool was recalled"):
        pool_page(pool, head=head)


def test_captions_are_compared_with_their_names():
    class Embedder:
        def transform(self, texts):
            return np.array([[1.0, 0.0] if "cat" in text else [0.6, 0.8] for text in texts])

    pool = PrimingPool(["cat", "cat"], captions=["a cat", "something"])
    text = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}
    data = data_of(pool_page(pool, zero_shot=text, embedder=Embedder()))
    assert data["text_similarity"] == [1.0, 0.6]


def test_fitted_head_lends_its_text_and_shows_its_weights():
    pool = PrimingPool(["cat", "dog"], np.eye(2))
    text = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}
    head = PrimedNCMClassifier(text, retriever=pool).fit()
    page = pool_page(pool, head=head)
    assert data_of(page)["label"] == [0, 1]
    assert "mixing weight: recalled" in page.html


def test_summary_counts_what_was_left_out():
    retriever = CaptionRetriever().fit(["a cat", "a dog", "a cat and a dog", "my cat"])
    with pytest.warns(NoMatchWarning):
        pool = retriever.recall(["cat", "cow", "dog"])
    corrected = pool.apply_decisions(
        [{"id": pool.ids[0], "class": "cat", "decision": "reject", "row": 0}]
    )
    text = " ".join(Document(pool_page(corrected).html).text.split())
    assert re.search(r"left out: rejected ?1", text)
    assert "Without an image: cow." in text


def test_kept_must_have_one_value_per_row():
    with pytest.raises(ValueError, match=r"kept has shape \(1,\) but the pool has 2 rows"):
        pool_page(PrimingPool(["cat", "dog"]), kept=[True])


def test_empty_pool_is_a_page():
    pool = PrimingPool(np.array([], dtype="U1"), np.empty((0, 2)), captions=[], images=[])
    assert data_of(pool_page(pool, zero_shot={"cat": [1.0, 0.0]}))["own"] == []


def test_same_pool_has_the_same_page(pool, text):
    assert pool_page(pool, zero_shot=text).html == pool_page(pool, zero_shot=text).html


def test_page_is_replaced_whole_and_leaves_nothing_else(tmp_path, pool):
    path = tmp_path / "pool.html"
    path.write_text("old")
    pool_page(pool).save(path)
    assert path.read_text().startswith("<!doctype html>")
    assert [file.name for file in tmp_path.iterdir()] == ["pool.html"]


def test_bad_places_are_refused(tmp_path, pool):
    with pytest.raises(ValueError, match="is a folder: name a file"):
        pool_page(pool).save(tmp_path)
    with pytest.raises(ValueError, match="folder that does not exist"):
        pool_page(pool).save(tmp_path / "no" / "pool.html")
    with pytest.raises(ValueError, match=r"pool\.pdf' does not end in \.html"):
        pool_page(pool).save(tmp_path / "pool.pdf")
    assert not list(tmp_path.iterdir())


def test_without_jinja2_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError) as error:
        pool_page(PrimingPool(["cat"]))
    assert str(error.value) == "A report needs jinja2: pip install 'skclip[report]'."


def test_ten_thousand_photos_fit_into_twenty_megabytes():
    rng = np.random.default_rng(0)
    size = np.linspace(0, 1, 64)
    photos = []
    for _ in range(50):  # smooth, with some grain, as photos are
        a, b, c = rng.uniform(0, 255, (3, 3))
        smooth = a + np.outer(size, size)[..., None] * b - size[:, None, None] * c
        photos.append(np.clip(smooth + rng.normal(0, 6, (64, 64, 3)), 0, 255).astype(np.uint8))
    pool = PrimingPool(
        ["golden retriever"] * 50,
        ids=[f"photos/2014/{i:012d}.jpg" for i in range(50)],
        captions=["a golden retriever that runs along a beach in the late afternoon sun"] * 50,
        images=photos,
    )
    empty = len(pool_page(pool[:0]).html)
    assert (len(pool_page(pool).html) - empty) / 50 * 10_000 < 20_000_000
