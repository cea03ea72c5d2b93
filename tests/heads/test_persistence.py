"""Saved and loaded, here or in another process, a head predicts the same to the last bit."""

import pickle
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.naive_bayes import GaussianNB

import skclip
from skclip import (
    AggregatedPromptClassifier,
    CLIPEmbedder,
    ConformalHead,
    ConstrainedProbeClassifier,
    KernelTextClassifier,
    MixedHeadClassifier,
    MultiProxyImprinter,
    NearestClassMean,
    OnlineAdaptedClassifier,
    OpenSetClassifier,
    PrimedNCMClassifier,
    PrimingPool,
    PriorShiftAdapter,
    StackedHeadClassifier,
    StatAClassifier,
    TipAdapterClassifier,
    ZeroShotClassifier,
    ZeroShotFilter,
)
from tests._instances import public_estimators

# text at random agrees with labels by chance
pytestmark = pytest.mark.filterwarnings("ignore::skclip.exceptions.TextDisagreementWarning")
RNG = np.random.default_rng(0)
Y = np.repeat(["cat", "dog", "yak"], 10)
X = RNG.standard_normal((30, 6)).astype(np.float32)
TEXT = {name: RNG.standard_normal(6) for name in ["yak", "cat", "dog"]}
POOL = PrimingPool(
    Y, np.array([TEXT[name] for name in Y]) + 0.3 * RNG.standard_normal((30, 6)), captions=Y
)

PROMPTS = {name: RNG.standard_normal((n, 6)) for n, name in enumerate(TEXT, 1)}

HEADS = [
    AggregatedPromptClassifier(TEXT, prompts=PROMPTS, max_epochs=2, random_state=0),
    AggregatedPromptClassifier(prompts=PROMPTS, aggregation="mean"),
    NearestClassMean(),
    NearestClassMean("euclidean"),
    ZeroShotClassifier(TEXT, logit_bias=-2.0),
    PrimedNCMClassifier(TEXT, retriever=POOL, filter=ZeroShotFilter(threshold=0.1)),
    PrimedNCMClassifier(retriever=POOL),
    PrimedNCMClassifier(ZeroShotClassifier(TEXT), alpha="exponential"),
    StackedHeadClassifier(TEXT, retriever=POOL),
    StackedHeadClassifier(TEXT, [("bayes", GaussianNB())]),
    MixedHeadClassifier(zero_shot=TEXT),
    MixedHeadClassifier(zero_shot=TEXT, space="proba", alpha=0.5),
    ConstrainedProbeClassifier(TEXT),
    KernelTextClassifier(TEXT),
    TipAdapterClassifier(TEXT, keys="trained"),
    MultiProxyImprinter(k=2, random_state=0),
    MultiProxyImprinter(generation="least_squares"),
    StatAClassifier(TEXT),
    OnlineAdaptedClassifier(TEXT),
    PriorShiftAdapter(ZeroShotClassifier(TEXT, logit_scale=5.0), prior="labels"),
    OpenSetClassifier(StackedHeadClassifier(TEXT), unknown="none", criterion="distance"),
    ConformalHead(StackedHeadClassifier(TEXT), confidence=0.8),
]

PREDICT = """
import pickle, sys
heads, X = pickle.load(sys.stdin.buffer)
pickle.dump([head.predict_proba(X) for head in heads], sys.stdout.buffer)
"""


@pytest.fixture
def skops_io():
    return pytest.importorskip("skops.io")


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
def test_skops_needs_trust_in_skclip_alone(head, skops_io):
    saved = skops_io.dumps(head.fit(X, Y))
    assert set(skops_io.get_untrusted_types(data=saved)) <= set(skclip.TRUSTED_TYPES)
    loaded = skops_io.loads(saved, trusted=skclip.TRUSTED_TYPES)
    assert_array_equal(loaded.predict(X), head.predict(X))
    assert_array_equal(loaded.predict_proba(X), head.predict_proba(X))


def test_head_goes_on_learning_after_skops(skops_io):
    head = PrimedNCMClassifier(TEXT, retriever=POOL).fit(X, Y)
    loaded = skops_io.loads(skops_io.dumps(head), trusted=skclip.TRUSTED_TYPES)
    loaded.partial_fit(X[:3], Y[:3]), head.partial_fit(X[:3], Y[:3])
    assert_array_equal(loaded.coef_, head.coef_)


def test_skops_keeps_embedder_and_corpus_by_name(corpus_path, tiny_embedder, skops_io):
    text = ZeroShotClassifier(embedder=CLIPEmbedder("skclip-tiny", modality="text", device="cpu"))
    head = PrimedNCMClassifier(text, corpus=str(corpus_path), classes=["ring", "house"]).fit()
    saved = skops_io.dumps(head)
    loaded = skops_io.loads(saved, trusted=skclip.TRUSTED_TYPES)
    assert len(saved) < 1_000_000
    assert_array_equal(loaded.predict_proba(head.coef_), head.predict_proba(head.coef_))
    assert_array_equal(loaded.fit().coef_, head.coef_)


def test_another_process_predicts_the_same():
    heads = [head.fit(X, Y) for head in HEADS]
    done = subprocess.run(
        [sys.executable, "-c", PREDICT],
        input=pickle.dumps((heads, X)),
        capture_output=True,
        check=True,
    )
    for head, elsewhere in zip(heads, pickle.loads(done.stdout), strict=True):
        assert_array_equal(head.predict_proba(X), elsewhere)


@pytest.mark.parametrize("name", skclip.TRUSTED_TYPES)
def test_trusted_type_is_where_its_name_says(name):
    module, _, cls = name.rpartition(".")
    assert getattr(import_module(module), cls).__module__ == module


@pytest.mark.parametrize(
    "cls", sorted(public_estimators(), key=lambda cls: cls.__name__), ids=lambda cls: cls.__name__
)
def test_every_public_estimator_is_trusted(cls):
    assert f"{cls.__module__}.{cls.__name__}" in skclip.TRUSTED_TYPES
