import json
import re

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix
from sklearn.svm import LinearSVC

from skclip import NearestClassMean, PrimedNCMClassifier, ZeroShotClassifier
from skclip.recall import PrimingPool
from skclip.report import predictions_page
from skclip.report._neighbors import nearest_rows

TEXT = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}
X = np.array([[1.0, 0.1], [0.4, 0.6], [0.1, 0.9], [0.8, 0.3]])
Y = ["cat", "cat", "dog", "cat"]


def data_of(page) -> dict:
    found = re.search(r'id="data">(.*?)</script>', page.html, re.DOTALL)
    return json.loads(found[1])


def text_of(page) -> str:
    body = page.html.partition("<main>")[2].partition("<script")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


@pytest.fixture
def head():
    return ZeroShotClassifier(TEXT).fit()


def test_says_what_the_head_predicts(head):
    data = data_of(predictions_page(head, X, Y))
    proba = head.predict_proba(X)
    assert [data["classes"][i] for i in data["predicted"]] == head.predict(X).tolist()
    np.testing.assert_allclose(data["confidence"], proba.max(axis=1), atol=1e-4)
    assert [data["classes"][i] for i in data["true"]] == Y
    np.testing.assert_allclose([one[0][1] for one in data["runners"]], proba.min(axis=1), atol=1e-4)


def test_summary_and_matrix_are_those_of_the_labels(head):
    text = text_of(predictions_page(head, X, Y))
    assert "75.0 % accuracy" in text or "accuracy 75.0 %" in text
    assert "66.7 %" in text  # recall of cat
    cells = [
        int(n)
        for n in re.findall(r'<td class="h\d[^"]*">(\d+)</td>', predictions_page(head, X, Y).html)
    ]
    expected = confusion_matrix(Y, head.predict(X), labels=["cat", "dog"])
    assert cells == expected.ravel().tolist()


def test_without_labels_there_is_no_accuracy(head):
    page = predictions_page(head, X)
    assert "accuracy" not in text_of(page)
    assert data_of(page)["true"] is None


def test_neighbours_are_the_nearest_recalled_and_labelled_images(head):
    recalled = PrimingPool(["cat", "dog"], [[1.0, 0.0], [0.0, 1.0]])
    labelled = PrimingPool(["dog"], [[0.5, 0.5]])
    primed = PrimedNCMClassifier(TEXT, retriever=recalled).fit()
    data = data_of(predictions_page(primed, X, labelled=labelled, n_neighbors=1))
    sources = [data["sources"][one[0][0]] for one in data["neighbors"]]
    assert [s["kind"] for s in sources] == ["recalled", "labelled", "recalled", "recalled"]
    assert [data["classes"][s["class"]] for s in sources] == ["cat", "dog", "dog", "cat"]


def test_pictures_of_images_and_neighbours_are_in_the_page(head):
    tiles = [np.full((9, 9, 3), 50 * i, np.uint8) for i in range(5)]
    pool = PrimingPool(["cat"], [[1.0, 0.0]], images=tiles[4:])
    data = data_of(predictions_page(head, X, images=tiles[:4], recalled=pool))
    assert len(data["thumbnails"]) == 5
    assert None not in data["thumbnails"]
    assert data["thumbnails"][data["sources"][0]["thumbnail"]] == data["thumbnails"][4]


def test_rows_of_other_widths_have_no_neighbours(head):
    pool = PrimingPool(["cat"], [[1.0, 0.0, 0.0]])
    with pytest.raises(ValueError, match="X has 2 features"):
        predictions_page(head, X, recalled=pool)


def test_many_classes_have_pairs_and_no_matrix():
    rng = np.random.default_rng(0)
    names = [f"c{i:02d}" for i in range(40)]
    head = NearestClassMean().fit(np.eye(40), names)
    page = predictions_page(head, rng.normal(size=(80, 40)), names * 2)
    assert '<table class="heat">' not in page.html
    assert "data-predicted" in page.html


def test_hostile_names_stay_text():
    name = "</script><script>alert(1)</script>"
    head = ZeroShotClassifier({name: [1.0, 0.0], "dog": [0.0, 1.0]}).fit()
    page = predictions_page(head, X, [name, name, "dog", "dog"], ids=[name] * 4, title=name)
    assert page.html.count("<script") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"y": ["cat"]}, "y has 1 values but X has 4 rows"),
        ({"y": ["cow"] * 4}, "y holds 'cow', which the head does not know"),
        ({"ids": ["a"]}, "ids has 1 values"),
        ({"images": ["a"]}, "images has 1 values"),
    ],
)
def test_bad_input_is_refused(head, options, message):
    with pytest.raises(ValueError, match=message):
        predictions_page(head, X, **options)


def test_head_must_have_probabilities():
    with pytest.raises(ValueError, match="LinearSVC has not: wrap it in"):
        predictions_page(LinearSVC().fit(X, Y), X)


def test_nearest_rows_are_those_of_all_cosines():
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(7, 3)), rng.normal(size=(9, 3))
    rows, cosines = nearest_rows(A, B, 4)
    unit = [M / np.linalg.norm(M, axis=1, keepdims=True) for M in (A, B)]
    expected = unit[0] @ unit[1].T
    np.testing.assert_array_equal(rows, np.argsort(-expected, axis=1)[:, :4])
    np.testing.assert_allclose(cosines, -np.sort(-expected, axis=1)[:, :4])
    assert nearest_rows(A, B[:2], 4)[0].shape == (7, 2)
