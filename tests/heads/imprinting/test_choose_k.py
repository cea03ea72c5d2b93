"""Number of proxies: per class, and chosen by cross-validation."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import KFold

from skclip.heads._imprinting._choose_k import choose_k, folds_of_kept, proxies_per_class

SCORES = {1: 0.2, 2: 0.9, 3: 0.9, 5: 0.1, 10: 0.0, 20: 0.0}


class Scripted(DummyClassifier):
    """Scores what the table says for k."""

    def __init__(self, k=1, random_state=None):
        super().__init__(random_state=random_state)
        self.k = k

    def score(self, X, y, sample_weight=None):
        return SCORES[self.k]


def choose(n_rows=60, n_classes=2, cv=None, weight=None):
    y = np.arange(n_rows) % n_classes
    X = np.zeros((n_rows, 1))
    weight = np.ones(n_rows) if weight is None else weight
    return choose_k(Scripted(), X, y, weight, cv=cv, seed=0)


def test_one_number_goes_to_all_classes():
    assert proxies_per_class(4, ["a", "b"]) == [4, 4]


@pytest.mark.parametrize("value", [0, -1, 2.5, "3"])
def test_number_of_a_class_must_be_positive(value):
    with pytest.raises(ValueError, match=r"k must be an int of at least 1 .* k\['b'\]"):
        proxies_per_class({"a": 1, "b": value}, ["a", "b"])


def test_smallest_of_the_best_is_chosen():
    k, scores = choose()
    assert k == 2
    assert list(scores) == [1, 2, 3, 5, 10, 20]
    assert all(len(values) == 5 for values in scores.values())


def test_candidates_that_all_keep_every_row_are_tried_once():
    assert list(choose(n_rows=8)[1]) == [1, 2, 3, 5]  # four rows a class: 5 keeps them, as 10 would


def test_folds_are_as_many_as_the_smallest_class_allows():
    assert len(choose(n_rows=6)[1][1]) == 3


def test_class_of_one_row_is_no_obstacle():
    y = np.array([0] * 10 + [1])
    _, scores = choose_k(Scripted(), np.zeros((11, 1)), y, np.ones(11), cv=None, seed=0)
    assert len(scores[1]) == 2


def test_one_row_a_class_leaves_nothing_to_choose():
    k, scores = choose(n_rows=3, n_classes=3)
    assert k == 1
    assert scores[1].size == 0


def test_cv_is_scikit_learns():
    assert len(choose(cv=7)[1][1]) == 7
    assert len(choose(cv=KFold(4))[1][1]) == 4


def choose_by(scores):
    """Choose by a table of scores, fold by fold."""

    class ByFold(Scripted):
        folds = dict.fromkeys(scores, 0)

        def score(self, X, y, sample_weight=None):
            fold = self.folds[self.k]
            self.folds[self.k] += 1
            return scores[self.k][fold]

    y = np.arange(40) % 2
    arguments = {"cv": None, "seed": 0, "candidates": tuple(scores)}
    return choose_k(ByFold(), np.zeros((40, 1)), y, np.ones(40), **arguments)[0]


def test_smaller_number_is_kept_within_one_standard_error():
    # differences 0.0, 0.02, 0.0, 0.02, 0.0: mean 0.008, standard error 0.0049
    better = {1: [0.5, 0.5, 0.5, 0.5, 0.5], 2: [0.5, 0.52, 0.5, 0.52, 0.5]}
    assert choose_by(better) == 2
    # differences -0.02, 0.04, 0.0, 0.02, 0.0: mean 0.008, standard error 0.0102
    noise = {1: [0.5, 0.5, 0.5, 0.5, 0.5], 2: [0.48, 0.54, 0.5, 0.52, 0.5]}
    assert choose_by(noise) == 1


def test_folds_are_those_of_all_rows_and_count_the_kept_ones():
    kept = np.array([True, False, True, True, False, True])
    folds = folds_of_kept(KFold(3), np.arange(6) % 2, kept)
    assert [test.tolist() for _, test in folds] == [[0], [1, 2], [3]]
    assert [train.tolist() for train, _ in folds] == [[1, 2, 3], [0, 3], [0, 1, 2]]


def test_folds_without_kept_rows_are_left_out():
    kept = np.array([True, True, True, True, False, False])
    assert len(folds_of_kept(KFold(3), np.arange(6) % 2, kept)) == 2
