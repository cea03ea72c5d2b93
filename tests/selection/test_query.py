import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from skclip import StackedHeadClassifier, ZeroShotClassifier
from skclip.selection import query
from skclip.selection._query import STRATEGIES

NAMES = ["cat", "dog", "fox"]
TEXT = dict(zip(NAMES, np.eye(3, 8), strict=True))
RNG = np.random.default_rng(0)
Y = RNG.choice(3, 60)
X = np.eye(3, 8)[Y] + RNG.normal(0, 0.4, (60, 8))


class Told(ClassifierMixin, BaseEstimator):
    """A head whose probabilities are the first features of a row."""

    classes_ = np.array(NAMES)

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        proba = np.asarray(X)[:, :3]
        return proba / proba.sum(axis=1, keepdims=True)


PROBA = np.array([[1.0, 0, 0], [0.4, 0.35, 0.25], [0.5, 0.5, 0], [0, 1, 0], [0.2, 0.2, 0.6]])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_chosen_rows_are_distinct_and_in_range(strategy):
    head = StackedHeadClassifier(TEXT).fit()
    rows = query(head, X, 20, strategy=strategy, random_state=0)
    assert len(set(rows.tolist())) == 20
    assert 0 <= rows.min() <= rows.max() < len(X)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_all_rows_can_be_chosen_also_copies(strategy):
    head = StackedHeadClassifier(TEXT).fit()
    rows = query(head, np.repeat(X[:2], 5, axis=0), 10, strategy=strategy, random_state=0)
    assert_array_equal(np.sort(rows), np.arange(10))


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(seed=st.integers(0, 50))
def test_unreadable_images_are_never_chosen(strategy, seed):
    rows = X.copy()
    rows[np.random.default_rng(seed).permutation(60)[:50]] = 0
    chosen = query(Told(), np.abs(rows), 10, strategy=strategy, random_state=seed)
    assert rows[chosen].any(axis=1).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_class_is_no_error(strategy):
    head = ZeroShotClassifier({"cat": [1.0, 0.0]}).fit()
    assert len(query(head, [[1.0, 0.1], [0.5, 0.5]], 1, strategy=strategy, random_state=0)) == 1


def test_margin_by_hand():
    assert_array_equal(query(Told(), PROBA, 3, strategy="margin"), [2, 1, 4])


def test_entropy_by_hand():
    assert_array_equal(query(Told(), PROBA, 3, strategy="entropy"), [1, 4, 2])


def test_pcoreset_equals_a_full_table_of_distances():
    labelled = Told().predict_proba(np.abs(X[:4]))
    pool = np.abs(X[4:])
    proba = Told().predict_proba(pool / np.linalg.norm(pool, axis=1, keepdims=True))
    centres, expected = list(labelled), []
    for _ in range(8):
        gaps = np.min([np.linalg.norm(proba - c, axis=1) for c in centres], axis=0)
        gaps[expected] = -1
        expected.append(int(gaps.argmax()))
        centres.append(proba[expected[-1]])
    rows = query(Told(), pool, 8, strategy="pcoreset", X_labeled=np.abs(X[:4]))
    assert_array_equal(rows, expected)


def test_badge_draws_by_the_written_out_gradients():
    proba = Told().predict_proba(np.abs(X))
    rows = np.abs(X) / np.linalg.norm(X, axis=1, keepdims=True)
    ahead = proba - np.eye(3)[proba.argmax(axis=1)]
    gradients = np.einsum("nc,nd->ncd", ahead, rows).reshape(len(X), -1)
    chosen = query(Told(), np.abs(X), 2, strategy="badge", random_state=3)
    assert chosen[0] == np.linalg.norm(gradients, axis=1).argmax()
    gaps = np.minimum(
        np.sum((gradients - gradients[chosen[0]]) ** 2, axis=1), np.sum(gradients**2, axis=1)
    )
    gaps[chosen[0]] = 0
    drawn = np.random.RandomState(3).uniform(0, gaps.sum())
    assert chosen[1] == np.searchsorted(np.cumsum(gaps), drawn, side="right")


def test_class_balance_looks_for_the_class_with_the_fewest_labels():
    rows = np.abs(X)
    predicted = Told().predict_proba(rows).argmax(axis=1)
    given = ["cat"] * 9 + ["dog"] * 9
    chosen = query(Told(), rows, 6, strategy="class_balance", y_labeled=given, random_state=0)
    uncertain = query(Told(), rows, 6, strategy="entropy")
    assert set(chosen) == set(uncertain)
    assert predicted[chosen[0]] == 2 or 2 not in predicted[uncertain]


def test_drawn_rows_follow_the_seed():
    for strategy in ("random", "badge"):
        first = query(Told(), np.abs(X), 10, strategy=strategy, random_state=1)
        assert_array_equal(first, query(Told(), np.abs(X), 10, strategy=strategy, random_state=1))
    other = query(Told(), np.abs(X), 10, strategy="random", random_state=2)
    assert not np.array_equal(
        other, query(Told(), np.abs(X), 10, strategy="random", random_state=1)
    )


@pytest.mark.parametrize("n", [0, -1, 61, 1.5, "2", None])
def test_numbers_of_rows_that_cannot_be_are_refused(n):
    with pytest.raises(ValueError, match="n must be a whole number from 1 to 60"):
        query(Told(), np.abs(X), n)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="strategy must be one of 'pcoreset'"):
        query(Told(), X, 2, strategy="best")
    with pytest.raises(ValueError, match="needs a head with predict_proba"):
        query(RidgeClassifier().fit(X, Y), X, 2)
    with pytest.raises(NotFittedError):
        query(LogisticRegression(), X, 2)
    with pytest.raises(ValueError, match="y_labeled holds labels that are not among the classes"):
        query(Told(), np.abs(X), 2, y_labeled=["cow"])
    with pytest.raises(ValueError, match="inconsistent numbers"):
        query(Told(), np.abs(X), 2, X_labeled=np.abs(X[:3]), y_labeled=["cat"])
    with pytest.raises(ValueError, match="NaN"):
        query(Told(), np.full((3, 8), np.nan), 2)


def test_a_head_that_gives_nan_is_named():
    class Broken(Told):
        def predict_proba(self, X):
            return np.full((len(X), 3), np.nan)

    with pytest.raises(ValueError, match=r"gives NaN or infinity, for the rows 0, 1, 2 and"):
        query(Broken(), np.abs(X), 2)
