"""Constructor arguments for every estimator: the one table that generic tests run over."""

from inspect import isclass
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.linear_model import RidgeClassifier

import skclip
from skclip import (
    AggregatedPromptClassifier,
    CaptionRetriever,
    CLIPEmbedder,
    CLIPPINGTrainer,
    ConformalHead,
    ConstrainedProbeClassifier,
    GaussianDiscriminantClassifier,
    KernelTextClassifier,
    MixedHeadClassifier,
    MultiLabelTextClassifier,
    MultiProxyImprinter,
    NearestClassMean,
    NeighborRetriever,
    OnlineAdaptedClassifier,
    OpenSetClassifier,
    PrimedNCMClassifier,
    PriorShiftAdapter,
    StackedHeadClassifier,
    StatAClassifier,
    TipAdapterClassifier,
    ZeroShotClassifier,
    ZeroShotFilter,
)

ARGUMENTS: dict[type, list[dict[str, Any]]] = {
    AggregatedPromptClassifier: [{}, {"aggregation": "mean"}],
    NearestClassMean: [{}, {"metric": "euclidean"}],
    GaussianDiscriminantClassifier: [
        {},
        {"ridge": "published", "priors": "empirical", "logit_scale": 1.0},
        {"ridge": "loo"},
    ],
    ZeroShotClassifier: [{}],
    PrimedNCMClassifier: [{}, {"alpha": "exponential"}],
    StackedHeadClassifier: [{}, {"heads": [("ridge", RidgeClassifier())]}],
    MixedHeadClassifier: [
        {},
        {"head": RidgeClassifier(), "space": "weights"},
        {"space": "proba", "alpha": 0.5},
    ],
    ConstrainedProbeClassifier: [{}, {"penalty": "folds", "max_iter": 50}],
    KernelTextClassifier: [
        {},
        {"bandwidth": "published", "ridge": "published", "weight": "published"},
    ],
    TipAdapterClassifier: [
        {},
        {"alpha": "published", "beta": "published"},
        {"keys": "trained", "beta": 5.0},
    ],
    MultiLabelTextClassifier: [{}],
    MultiProxyImprinter: [
        {"random_state": 0},
        {"generation": "mean"},
        {"generation": "least_squares"},
        {"generation": "kmedoids", "k": 5, "aggregation": "logsumexp", "random_state": 0},
        {"aggregation": "nearest", "n_neighbors": 3, "random_state": 0},
    ],
    StatAClassifier: [{}],
    OnlineAdaptedClassifier: [{}],
    PriorShiftAdapter: [
        {"head": NearestClassMean()},
        {"head": NearestClassMean(logit_scale=5.0), "prior": "labels"},
    ],
    ConformalHead: [
        {"head": NearestClassMean()},
        {"head": NearestClassMean(), "calibration": 0.3, "random_state": 0},
    ],
    OpenSetClassifier: [
        {"head": NearestClassMean()},
        {"head": RidgeClassifier(), "criterion": "distance", "false_reject_rate": 0.5},
    ],
    ZeroShotFilter: [{}, {"step": "resample"}],
    # of images, texts and names
    CLIPEmbedder: [{"model_name": "skclip-tiny", "device": "cpu"}],
    CaptionRetriever: [{}],
    NeighborRetriever: [{}, {"step": "resample"}],
    # of images and captions
    CLIPPINGTrainer: [{"student": "skclip-tiny", "lambda_nn": 0, "lambda_xnn": 0}],
}


def public_estimators() -> set[type]:
    """Every estimator class that skclip exports."""
    exported = [getattr(skclip, name) for name in skclip.__all__]
    return {cls for cls in exported if isclass(cls) and issubclass(cls, BaseEstimator)}


def instances() -> list[Any]:
    """One estimator a set of arguments."""
    return [cls(**arguments) for cls, variants in ARGUMENTS.items() for arguments in variants]
