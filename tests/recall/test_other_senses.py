"""Names that mostly mean something else in a collection."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from skclip import PrimedNCMClassifier, ZeroShotClassifier
from skclip.exceptions import OtherSenseWarning
from skclip.recall import CaptionRetriever, PrimingPool
from skclip.recall._other_senses import fractions_lost, mean_something_else

NAMES = ["crane", "heron", "stork", "truck"]
TEXT = dict(zip(NAMES, np.eye(4), strict=True))
N = 25


def collection(n_birds):
    """25 captions per class, each near its text; those of cranes that lift are near trucks."""
    captions = [f"a {name} number {i}" for name in NAMES for i in range(N)]
    X = np.repeat(np.eye(4), N, axis=0) + 0.01
    for i in range(n_birds, N):
        captions[i], X[i] = f"a crane lifts load {i}", X[-1]
    return captions, X


def fitted(n_birds, **parameters):
    captions, X = collection(n_birds)
    retriever = CaptionRetriever(zero_shot=TEXT, **parameters)
    return retriever.fit(captions, embeddings=X, caption_embeddings=X)


@pytest.mark.parametrize("select", ["best", "caption"])
def test_a_class_is_named_with_its_captions(select):
    with pytest.warns(OtherSenseWarning) as caught:
        fitted(5, k=3, select=select).recall(NAMES)
    (message,) = [str(w.message) for w in caught]
    assert "'crane' (80%, such as 'a crane lifts load" in message
    assert "heron" not in message
    assert "The median class has 0%" in message
    # advice that was taken already is left out
    assert ("select='caption'" in message) == (select == "best")


def test_a_head_names_it_from_its_recalled_images():
    with pytest.warns(OtherSenseWarning, match=r"their images are more .* 'crane' \(80%"):
        PrimedNCMClassifier(TEXT, retriever=fitted(5).recall(NAMES)).fit()


def test_a_pool_without_captions_gives_no_warning():
    _, X = collection(5)
    pool = PrimingPool(np.repeat(NAMES, N), X)
    with warnings.catch_warnings():
        warnings.simplefilter("error", OtherSenseWarning)
        head = PrimedNCMClassifier(TEXT, retriever=pool).fit()
    assert head.pool_count_.tolist() == [5, N, N, N]


@pytest.mark.parametrize("names", [NAMES, NAMES[:2], ["crane"]])
def test_no_class_is_named_if_most_matches_agree_or_classes_are_few(names):
    n_birds = 20 if names == NAMES else 5
    with warnings.catch_warnings():
        warnings.simplefilter("error", OtherSenseWarning)
        pool = fitted(n_birds, select="best").recall(names)
    assert len(pool) == N * len(names)


def test_names_are_those_of_the_captions_and_not_the_labels():
    text = ZeroShotClassifier(TEXT, class_names={name: name for name in NAMES})
    with pytest.warns(OtherSenseWarning, match="'crane'"):
        PrimedNCMClassifier(text, retriever=fitted(5).recall(NAMES)).fit()


def test_rows_without_evidence_do_not_count():
    captions, X = collection(N)
    X[:20] = 0  # unreadable images resemble no class
    retriever = CaptionRetriever(zero_shot=TEXT, select="best").fit(captions, embeddings=X)
    with warnings.catch_warnings():
        warnings.simplefilter("error", OtherSenseWarning)
        pool = retriever.recall(NAMES[1:] + NAMES[:1])
    assert pool.report().counts["kept"].tolist() == [N, N, N, 5]


pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=120)


@settings(max_examples=40)
@given(pairs)
def test_fractions_are_those_of_a_count(found):
    winners, codes = np.array(found, dtype=int).reshape(-1, 2).T
    for c, lost in enumerate(fractions_lost(winners, codes, 4)):
        own = [winner for winner, code in found if code == c]
        if len(own) < 20:
            assert np.isnan(lost)
        else:
            assert lost == pytest.approx(sum(winner != c for winner in own) / len(own))


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_the_median_class_never_means_something_else(lost):
    chosen = mean_something_else(lost)
    assert chosen.sum() <= len(lost) // 2
    assert all(lost[i] > 0.5 for i in np.flatnonzero(chosen))
    assert not mean_something_else([*lost[:2], np.nan, np.nan]).any()
