"""The heads that a comparison begins with: skclip's own, published rivals, scikit-learn's."""

from typing import Any

from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegressionCV, RidgeClassifierCV

from skclip.evaluation._choices import AS_PUBLISHED, LEFT_OUT
from skclip.heads import (
    ConstrainedProbeClassifier,
    GaussianDiscriminantClassifier,
    KernelTextClassifier,
    MixedHeadClassifier,
    NearestClassMean,
    PrimedNCMClassifier,
    StackedHeadClassifier,
    TipAdapterClassifier,
)

__all__ = ["usual_heads"]


def usual_heads(zero_shot: Any = None, *, pool: Any = None) -> dict[str, Any]:
    """Return the heads that are commonly used, for :func:`compare_heads`.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. Without one there are heads of images alone.

    pool : PrimingPool, default=None
        Recalled images: the stacked and the primed head are then compared with and without.

    Returns
    -------
    heads : dict
        Not fitted.

    See Also
    --------
    compare_heads : Measures them.

    Examples
    --------
    >>> from skclip.evaluation import usual_heads
    >>> list(usual_heads())[:3]
    ['NearestClassMean', 'GaussianDiscriminantClassifier', 'StackedHeadClassifier']
    """
    heads: dict[str, Any] = {
        "NearestClassMean": NearestClassMean(),
        "GaussianDiscriminantClassifier": {
            AS_PUBLISHED: GaussianDiscriminantClassifier(ridge="published"),
            LEFT_OUT: GaussianDiscriminantClassifier(),
        },
        "StackedHeadClassifier": StackedHeadClassifier(zero_shot),
        "TipAdapterClassifier": {
            AS_PUBLISHED: TipAdapterClassifier(zero_shot, alpha="published", beta="published"),
            LEFT_OUT: TipAdapterClassifier(zero_shot),
        },
        "TipAdapterClassifier, trained": TipAdapterClassifier(zero_shot, keys="trained"),
        "KernelTextClassifier": {
            AS_PUBLISHED: KernelTextClassifier(
                zero_shot, bandwidth="published", ridge="published", weight="published"
            ),
            LEFT_OUT: KernelTextClassifier(zero_shot),
        },
        "LinearDiscriminantAnalysis": LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        "RidgeClassifierCV": RidgeClassifierCV(alphas=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
        "LogisticRegressionCV": LogisticRegressionCV(
            Cs=(1.0, 10.0, 100.0), cv=3, tol=1e-3, max_iter=300
        ),
    }
    if zero_shot is not None:
        heads["ConstrainedProbeClassifier"] = {
            AS_PUBLISHED: ConstrainedProbeClassifier(zero_shot),
            LEFT_OUT: ConstrainedProbeClassifier(zero_shot, penalty="folds"),
        }
        heads["PrimedNCMClassifier"] = PrimedNCMClassifier(zero_shot)
        heads["MixedHeadClassifier, discriminant"] = MixedHeadClassifier(
            zero_shot, GaussianDiscriminantClassifier()
        )
    if pool is not None:
        heads["StackedHeadClassifier + pool"] = StackedHeadClassifier(zero_shot, retriever=pool)
        heads["PrimedNCMClassifier + pool"] = PrimedNCMClassifier(zero_shot, retriever=pool)
    return heads
