"""Every head inside scikit-learn's meta-estimators, which fit on codes of labels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier

from skclip import (
    AggregatedPromptClassifier,
    ConstrainedProbeClassifier,
    KernelTextClassifier,
    MixedHeadClassifier,
    MultiProxyImprinter,
    NearestClassMean,
    OnlineAdaptedClassifier,
    PrimedNCMClassifier,
    StackedHeadClassifier,
    StatAClassifier,
    TipAdapterClassifier,
    ZeroShotClassifier,
)

NAMES = ["cat", "dog", "fox"]
ROWS = np.eye(3, 8)
TEXT = dict(zip(NAMES, ROWS, strict=True))
PROMPTS = {name: row[None] for name, row in TEXT.items()}
Y = np.repeat(NAMES, 12)
X = np.repeat(ROWS, 12, axis=0) + np.random.default_rng(0).normal(0, 0.2, (36, 8))


class NameEmbedder(BaseEstimator):
    """Knows the three names, and nothing of numbers."""

    def transform(self, texts):
        rows = [[float(name in text) for name in NAMES] + [0.01] * 5 for text in texts]
        return np.array(rows)


WITH_TEXT = {
    "text embeddings": ZeroShotClassifier(TEXT),
    "embedder and classes": ZeroShotClassifier(embedder=NameEmbedder(), classes=NAMES),
    "means and text": NearestClassMean(zero_shot=TEXT),
    "means and a text head": NearestClassMean(zero_shot=ZeroShotClassifier(TEXT)),
    "primed": PrimedNCMClassifier(TEXT),
    "mixed": MixedHeadClassifier(TEXT, LogisticRegression()),
    "stacked": StackedHeadClassifier(TEXT),
    "anchored": StatAClassifier(TEXT),
    "stream": OnlineAdaptedClassifier(TEXT),
    "affinities": TipAdapterClassifier(TEXT),
    "probe": ConstrainedProbeClassifier(TEXT),
    "kernel": KernelTextClassifier(TEXT),
    "prompts and text": AggregatedPromptClassifier(TEXT, prompts=PROMPTS, aggregation="attention"),
    "prompts": AggregatedPromptClassifier(prompts=PROMPTS, aggregation="mean"),
}
WITHOUT_TEXT = {
    "means": NearestClassMean(),
    "proxies": MultiProxyImprinter(k=2, random_state=0),
}
HEADS = WITH_TEXT | WITHOUT_TEXT


def calibrated(method, *, ensemble):
    return lambda head: CalibratedClassifierCV(head, method=method, ensemble=ensemble, cv=3)


ENCODING = {
    "hard vote": lambda head: VotingClassifier([("head", head)]),
    "soft vote": lambda head: VotingClassifier(
        [("head", head), ("linear", LogisticRegression())], voting="soft"
    ),
    "stack": lambda head: StackingClassifier([("head", head), ("linear", LogisticRegression())]),
    "bag": lambda head: BaggingClassifier(head, n_estimators=3, random_state=0),
    "sigmoid": calibrated("sigmoid", ensemble=True),
    "one sigmoid": calibrated("sigmoid", ensemble=False),
    "isotonic": calibrated("isotonic", ensemble=True),
    "one isotonic": calibrated("isotonic", ensemble=False),
    "frozen": lambda head: CalibratedClassifierCV(FrozenEstimator(head.fit(X, Y))),
}
BINARY = {"one versus rest": OneVsRestClassifier, "one versus one": OneVsOneClassifier}


@pytest.mark.parametrize("meta", ENCODING)
@pytest.mark.parametrize("head", HEADS)
def test_heads_work_where_labels_are_encoded(head, meta):
    fitted = ENCODING[meta](clone(HEADS[head])).fit(X, Y)
    assert_array_equal(fitted.classes_, NAMES)
    assert fitted.score(X, Y) > 0.9


@pytest.mark.parametrize("head", HEADS)
def test_probabilities_of_folds_follow_the_labels(head):
    proba = cross_val_predict(HEADS[head], X, Y, cv=3, method="predict_proba")
    assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert np.mean(np.array(NAMES)[proba.argmax(axis=1)] == Y) > 0.9


@pytest.mark.parametrize("meta", BINARY)
@pytest.mark.parametrize("head", WITHOUT_TEXT)
def test_heads_without_text_work_in_binary_parts(head, meta):
    assert BINARY[meta](clone(HEADS[head])).fit(X, Y).score(X, Y) > 0.9


@pytest.mark.parametrize("meta", BINARY)
@pytest.mark.parametrize("head", WITH_TEXT)
def test_binary_parts_have_no_text(head, meta):
    with pytest.raises(ValueError, match=r"In OneVsRestClassifier .* use a head without text"):
        BINARY[meta](clone(HEADS[head])).fit(X, Y)


@pytest.mark.parametrize("meta", BINARY)
@pytest.mark.parametrize("head", ["text embeddings", "primed", "mixed", "stacked"])
@pytest.mark.parametrize("numbers", [range(3), range(2)])
def test_binary_parts_of_numbers_have_no_text(head, meta, numbers):
    codes = np.searchsorted(NAMES, Y)
    text = dict(zip(numbers, TEXT.values(), strict=False))
    head = clone(HEADS[head])
    head.set_params(**{"text_embeddings" if hasattr(head, "embedder") else "zero_shot": text})
    with pytest.raises(ValueError, match=r"In OneVsRestClassifier .* use a head without text"):
        BINARY[meta](head).fit(X, codes)


@pytest.mark.parametrize("meta", [*ENCODING, *BINARY])
@pytest.mark.parametrize("head", HEADS)
def test_two_classes_work_everywhere(head, meta):
    two = np.isin(Y, NAMES[:2])
    head = clone(HEADS[head])
    kept = dict(list(TEXT.items())[:2])
    for name in head.get_params():
        value = head.get_params()[name]
        if name == "classes" and value is not None:
            head.set_params(classes=NAMES[:2])
        elif isinstance(value, dict):
            head.set_params(**{name: {label: value[label] for label in kept}})
    if meta == "frozen":
        fitted = CalibratedClassifierCV(FrozenEstimator(head.fit(X[two], Y[two])))
    else:
        fitted = (ENCODING | BINARY)[meta](head)
    assert fitted.fit(X[two], Y[two]).score(X[two], Y[two]) > 0.9


@pytest.mark.parametrize("meta", ["soft vote", "stack", "bag", "one sigmoid"])
def test_names_in_another_order_are_refused(meta):
    backwards = ZeroShotClassifier(dict(reversed(TEXT.items())))
    with pytest.raises(ValueError, match=r"class_names=\{label: name\}"):
        ENCODING[meta](backwards).fit(X, Y)


@pytest.mark.parametrize("meta", ["soft vote", "stack", "bag", "one sigmoid"])
def test_prompts_are_not_written_of_codes(meta):
    with pytest.raises(ValueError, match=r"are numbers, .* class_names=\{label: name\}"):
        ENCODING[meta](ZeroShotClassifier(embedder=NameEmbedder())).fit(X, Y)


@pytest.mark.parametrize("meta", ENCODING)
def test_named_codes_work_in_any_order(meta):
    codes = np.searchsorted(NAMES, Y)
    head = ZeroShotClassifier(embedder=NameEmbedder(), class_names=dict(enumerate(NAMES)))
    if meta == "frozen":
        fitted = CalibratedClassifierCV(FrozenEstimator(head.fit(X, codes))).fit(X, codes)
    else:
        fitted = ENCODING[meta](head).fit(X, codes)
    assert fitted.score(X, codes) > 0.9
