"""From prompts as users give them to one matrix, class after class."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from skclip import CaptionRetriever, PrimingPool
from skclip.exceptions import ModelMismatchError, NoEvidenceWarning
from skclip.heads._prompting._reference_prompts import reference_prompts

CLASSES = np.array(["cat", "dog", "yak"])


class LetterEmbedder(BaseEstimator):
    """Counts letters: a text encoder that needs no weights."""

    def __init__(self):
        self.seen = []

    def transform(self, texts):
        self.seen += texts
        return np.array([[t.count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for t in texts], float)


def rows_of(prompts, *, embedder=None, retriever=None, n_features=None, classes=CLASSES):
    return reference_prompts(
        prompts, classes, embedder=embedder, retriever=retriever, n_features=n_features
    )


def test_texts_and_rows_side_by_side():
    prompts = {"yak": ["a", "b"], "cat": np.array([[3.0, 4.0] + 24 * [0.0]]), "owl": ["z"]}
    rows, counts = rows_of(prompts, embedder=LetterEmbedder())
    assert_array_equal(counts, [1, 0, 2])
    assert_allclose(rows[:, :2], [[0.6, 0.8], [0, 1], [1, 0]])


@given(st.permutations(["a fur", "whiskers", "a fur", "a tail", "claws"]))
def test_order_and_repetition_change_no_bit(texts):
    rows, counts = rows_of({"cat": texts}, embedder=LetterEmbedder())
    expected, _ = rows_of(
        {"cat": ["a fur", "a tail", "claws", "whiskers"]}, embedder=LetterEmbedder()
    )
    assert_array_equal(rows, expected)
    assert counts[0] == 4


def test_repeated_embeddings_count_once():
    given_rows = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0], [3.0, 0.0]])
    rows, counts = rows_of({"dog": given_rows})
    assert_array_equal(rows, [[0, 1], [1, 0]])
    assert_array_equal(counts, [0, 2, 0])


def test_every_text_is_encoded_once():
    embedder = LetterEmbedder()
    rows_of({"cat": ["fur", "tail"], "dog": ["tail", "fur", "wet nose"]}, embedder=embedder)
    assert embedder.seen == ["fur", "tail", "wet nose"]


def test_a_single_text_is_one_prompt():
    assert_array_equal(rows_of({"cat": "fur"}, embedder=LetterEmbedder())[1], [1, 0, 0])


def test_blank_texts_and_zero_rows_are_left_out():
    prompts = {"cat": ["", "fur", " \n"], "dog": [[0.0] * 26, [1.0] * 26]}
    with pytest.warns(NoEvidenceWarning, match="Blank prompts of 'cat' are ignored"):
        rows, counts = rows_of(prompts, embedder=LetterEmbedder())
    assert_array_equal(counts, [1, 1, 0])
    assert rows.any(axis=1).all()


def test_nothing_given():
    rows, counts = rows_of(None, n_features=3)
    assert rows.shape == (0, 3)
    assert_array_equal(counts, 0)
    assert_array_equal(rows_of({"cat": [], "dog": ()})[1], 0)


def test_integer_classes_are_keys():
    _, counts = rows_of({7: [[1.0, 0.0]], 3: [[0.0, 1.0]]}, classes=np.array([3, 7]))
    assert_array_equal(counts, [1, 1])


def test_captions_are_recalled():
    captions = ["a cat on a mat", "the dog", "a cat and a dog", "a cat on a mat"]
    retriever = FrozenEstimator(CaptionRetriever().fit(captions))
    with pytest.warns(UserWarning, match="yak"):
        rows, counts = rows_of("recall", embedder=LetterEmbedder(), retriever=retriever)
    assert_array_equal(counts, [2, 2, 0])
    expected, _ = rows_of(
        {"cat": [captions[0], captions[2]], "dog": captions[1:3]}, embedder=LetterEmbedder()
    )
    assert_array_equal(rows, expected)


def test_thousands_of_prompts():
    rng = np.random.default_rng(0)
    rows, counts = rows_of({"cat": rng.standard_normal((5000, 8)), "dog": np.eye(8)})
    assert_array_equal(counts, [5000, 8, 0])
    assert_allclose(np.linalg.norm(rows, axis=1), 1)


@pytest.mark.parametrize(
    ("prompts", "error", "message"),
    [
        ({"cat": ["fur"]}, ValueError, r"holds texts \('fur'\), but there is no embedder"),
        ({"cat": [1.0, 0.0]}, ValueError, r"'cat' must be texts or a matrix .* shape \(2,\)"),
        ({"cat": [["fur"]]}, ValueError, "'cat' must be texts or a matrix"),
        ({"cat": ["fur", None]}, TypeError, "'cat' mix texts with None"),
        ({"cat": 3}, TypeError, "'cat' must be texts or rows of embeddings, got 3"),
        ({"cat": [[np.nan, 1.0]]}, ValueError, "embeddings of 'cat' contain NaN"),
        (
            {"cat": [[1.0, 0.0]], "dog": [[1.0, 0.0, 0.0]]},
            ModelMismatchError,
            "prompts of 'dog' have 3 features, but the other text has 2",
        ),
        ("recall", ValueError, "prompts='recall' needs a retriever"),
    ],
)
def test_bad_prompts(prompts, error, message):
    with pytest.raises(error, match=message):
        rows_of(prompts)


def test_prompts_of_another_model():
    with pytest.raises(ModelMismatchError, match="'cat' have 2 features, but the other text has 3"):
        rows_of({"cat": [[1.0, 0.0]]}, n_features=3)


def test_pool_without_captions():
    pool = PrimingPool(["cat"], [[1.0, 0.0]])
    with pytest.raises(ValueError, match="have no captions, which prompts='recall' needs"):
        rows_of("recall", retriever=pool)


def test_columns_and_tables_of_pandas():
    pd = pytest.importorskip("pandas")
    index = ["x", "y"]
    texts = pd.Series(["fur", "tail"], index=index)
    table = pd.DataFrame([[1.0, 0.0], [0.0, 1.0]], index=index, columns=["u", "v"])
    rows = rows_of({"cat": texts}, embedder=LetterEmbedder())[0]
    assert_array_equal(rows, rows_of({"cat": ["fur", "tail"]}, embedder=LetterEmbedder())[0])
    assert_array_equal(rows_of({"cat": table})[1], [2, 0, 0])


def test_prompts_of_labels_may_be_keyed_by_name():
    classes, prompts = np.array([0, 1]), {"dog": [[1.0, 0.0]], 1: [[0.0, 1.0]]}
    rows, counts = reference_prompts(
        prompts, classes, called=["dog", "cat"], embedder=None, retriever=None, n_features=2
    )
    assert_array_equal(rows, [[1, 0], [0, 1]])
    assert_array_equal(counts, [1, 1])


def test_captions_are_recalled_by_names_that_two_labels_share():
    pool = PrimingPool(["crane"], [[1.0, 0.0]], captions=["a crane"])
    _, counts = reference_prompts(
        "recall",
        np.array([0, 1]),
        called=["crane", "crane"],
        embedder=LetterEmbedder(),
        retriever=pool,
        n_features=None,
    )
    assert_array_equal(counts, [1, 1])
    with pytest.raises(ValueError, match=r"are numbers, .* class_names=\{label: name\}"):
        reference_prompts(
            "recall", np.array([0, 1]), embedder=None, retriever=pool, n_features=None
        )
