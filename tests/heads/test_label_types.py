"""Labels of every type come back from every head as they were given."""

import numpy as np
import pytest

from skclip import (
    AggregatedPromptClassifier,
    ConstrainedProbeClassifier,
    GaussianDiscriminantClassifier,
    KernelTextClassifier,
    MixedHeadClassifier,
    MultiProxyImprinter,
    NearestClassMean,
    PrimedNCMClassifier,
    TipAdapterClassifier,
    ZeroShotClassifier,
)

LABELS = {
    "int8": np.array([-100, 100], dtype=np.int8),
    "int16": np.array([-30_000, 30_000], dtype=np.int16),
    "uint64": np.array([2**60 + 1, 2**60 + 2], dtype=np.uint64),
    "uint64 above 2**63": np.array([2**63, 2**63 + 1], dtype=np.uint64),
    "int64": np.array([-(2**62), -(2**62) + 1]),
    "bool": np.array([False, True]),
    "text": np.array(["cat", "dog"]),
    "object": np.array(["cat", "dog"], dtype=object),
}
X = np.repeat(np.eye(2, 4), 300, axis=0) + np.random.default_rng(0).normal(0, 0.1, (600, 4))


def heads(labels):
    text = dict(zip(labels.tolist(), np.eye(2, 4), strict=True))
    return [
        NearestClassMean(),
        NearestClassMean(zero_shot=text),
        GaussianDiscriminantClassifier(),
        MultiProxyImprinter("mean"),
        MultiProxyImprinter(k=2, random_state=0),
        ZeroShotClassifier(text),
        AggregatedPromptClassifier(
            prompts={label: [row] for label, row in text.items()}, aggregation="mean"
        ),
        PrimedNCMClassifier(text),
        MixedHeadClassifier(text),
        TipAdapterClassifier(text),
        ConstrainedProbeClassifier(text),
        KernelTextClassifier(text, bandwidth=1.0),
    ]


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("head", range(len(heads(LABELS["bool"]))))
def test_labels_come_back_as_they_were_given(head, kind):
    labels = LABELS[kind]
    y = np.repeat(labels, 300)
    predicted = heads(labels)[head].fit(X, y).predict(X)
    assert np.mean([a == b for a, b in zip(predicted.tolist(), y.tolist(), strict=True)]) > 0.95
