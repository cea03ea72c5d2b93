"""Save a fitted head as one file that holds no code, and load it to predict."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skclip._array_api import to_numpy
from skclip.exceptions import ModelMismatchError
from skclip.export._facts import is_same_model, model_facts, prompt_facts, provenance_facts
from skclip.export._head_file import HeadFile, read_head_file, write_head_file
from skclip.export._loaded import PROXY_SETTINGS, LoadedHead, head_of
from skclip.heads import MixedHeadClassifier, MultiProxyImprinter

__all__ = ["load_head", "save_head"]

N_PROBES = 64


def save_head(
    head: Any,
    path: str | os.PathLike[str],
    *,
    embedder: Any = None,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Save a fitted head as a file that gives the same predictions and cannot be fitted.

    The file is a safetensors file: arrays, and JSON in its metadata. Reading it runs no code, and
    needs neither skclip nor torch; the user guide has the lines.

    Parameters
    ----------
    head : classifier
        Fitted. Any head that is one matrix, as :class:`~skclip.StackedHeadClassifier` of linear
        heads, :class:`~skclip.PrimedNCMClassifier`, :class:`~skclip.ZeroShotClassifier`, class
        means and discriminant; :class:`~skclip.MultiProxyImprinter`; or what :func:`load_head`
        returned.

    path : path-like
        File to write, such as ``"birds.skclip"``. An existing file is replaced once the new one is
        complete.

    embedder : CLIPEmbedder or str, default=None
        The model that images are embedded by, or its ``model_id``. Its identity and preprocessing
        go into the file, so that embeddings of another model are refused.

    provenance : mapping, default=None
        Further facts to keep, such as where images came from: text, numbers, lists and mappings.

    Returns
    -------
    path : pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If the head cannot be written as arrays, such as a stack with a random forest.

    ModelMismatchError
        If the embedder is another model than the one of the head's text or pool.

    See Also
    --------
    load_head : Load the head.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skclip import ZeroShotClassifier
    >>> from skclip.export import load_head, save_head
    >>> head = ZeroShotClassifier({"cat": [1.0, 0.0], "dog": [0.0, 1.0]}).fit()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_head(head, Path(folder) / "pets.skclip")
    ...     load_head(path).predict([[0.9, 0.2]])
    array(['cat'], dtype='<U3')
    """
    check_is_fitted(head)
    if isinstance(head, LoadedHead):
        return write_head_file(path, head._content)
    return write_head_file(path, stored_form(head, embedder, provenance))


def load_head(path: str | os.PathLike[str], *, embedder: Any = None) -> LoadedHead:
    """Load a head that :func:`save_head` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    embedder : CLIPEmbedder or str, default=None
        What the images will be embedded by, or its ``model_id``. If the head is of another model
        it is refused.

    Returns
    -------
    head : LoadedHead
        Its predictions are bit-equal to those of the saved head.

    Raises
    ------
    FileNotFoundError
        If there is no such file.

    HeadFileError
        If the file is no head, is damaged or was changed, or is of a later format.

    ModelMismatchError
        If the head scores embeddings of another model.

    See Also
    --------
    save_head : Save a head.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skclip import NearestClassMean
    >>> from skclip.export import load_head, save_head
    >>> head = NearestClassMean().fit([[1.0, 0.1], [0.2, 0.9]], ["cat", "dog"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_head(head, Path(folder) / "pets.skclip", embedder="some-model@1")
    ...     load_head(path, embedder="other-model@2")
    Traceback (most recent call last):
        ...
    skclip.exceptions.ModelMismatchError: The head ... scores embeddings of 'some-model@1', ...
    """
    head = head_of(read_head_file(path))
    if embedder is not None:
        check_model(head, embedder, os.fspath(path))
    return head


def check_model(head: LoadedHead, embedder: Any, name: str) -> None:
    """Raise if a head scores embeddings of another model than those that it is to be given."""
    given = embedder if isinstance(embedder, str) else getattr(embedder, "model_id", None)
    own = head.model_id_
    if own is not None and given is not None and not is_same_model(own, given):
        raise ModelMismatchError(
            f"The head {name!r} scores embeddings of {own!r}, and these are of {given!r}: embed "
            "the images by the model of the head."
        )


def stored_form(
    head: Any, embedder: Any = None, provenance: Mapping[str, Any] | None = None
) -> HeadFile:
    """Return the arrays and facts that a head predicts from.

    The stored form is tested: its scores of random rows must be bit-equal to those of the head.

    Parameters
    ----------
    head : classifier
        Fitted.

    embedder, provenance : object
        As for :func:`save_head`.

    Returns
    -------
    content : HeadFile
        For :func:`write_head_file`.

    Raises
    ------
    ValueError
        If the head is of no form that can be stored.
    """
    if not hasattr(head, "classes_"):
        raise ValueError(f"{_short(head)} is no classifier: give a fitted head of skclip.")
    classes = to_numpy(head.classes_)
    names = getattr(head, "class_names_", None)
    if names is None:
        names = getattr(getattr(head, "text_head_", None), "class_names", None)
    columns = getattr(head, "feature_names_in_", None)
    labels = classes.tolist()
    kinds = {"U": "str", "O": "object"}
    facts = {
        "labels": labels,
        "label_type": kinds.get(classes.dtype.kind, classes.dtype.name),
        "class_names": None if names is None else [str(names[label]) for label in labels],
        "n_features": int(getattr(head, "n_features_in_", 0)),
        "feature_names": None if columns is None else [str(name) for name in columns],
        "logit_scale": float(getattr(head, "logit_scale_", 1.0)),
        "logit_bias": getattr(head, "logit_bias_", None),
        "model": model_facts(head, embedder),
        "prompts": prompt_facts(head),
        "provenance": provenance_facts(head, provenance),
    }
    for tensors, settings in _forms(head):
        content = HeadFile(tensors, facts | settings)
        if _predicts_the_same(content, head):
            return content
    raise ValueError(_refusal(head))


def _forms(head: Any) -> list[tuple[dict[str, NDArray[Any]], dict[str, Any]]]:
    """Return the forms that a head may have."""
    if isinstance(head, MultiProxyImprinter):
        return [_proxy_form(head)]
    if not hasattr(head, "coef_") or not hasattr(head, "intercept_"):
        return []
    tensors = {"weight": to_numpy(head.coef_), "bias": to_numpy(head.intercept_)}
    # Euclidean class means compare rows as they are
    return [
        (tensors, {"form": "linear", "settings": {"unit_rows": unit_rows}})
        for unit_rows in (True, False)
    ]


def _proxy_form(head: MultiProxyImprinter) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    tensors = {"proxies": head.proxies_, "bounds": head._bounds.astype(np.int64)}
    optional = {
        "whitener": head._whitener,
        "whitening": head._whitening,
        "metric_proxies": None if head._whitening is None else head._metric_proxies,
        "query_reference": head._query_reference,
    }
    tensors |= {name: array for name, array in optional.items() if array is not None}
    settings = {name: getattr(head, name) for name in PROXY_SETTINGS}
    settings["n_neighbors"] = int(settings["n_neighbors"])
    settings["temperature"] = float(settings["temperature"])
    return tensors, {"form": "proxies", "settings": settings}


def _predicts_the_same(content: HeadFile, head: Any) -> bool:
    """Return whether what is stored predicts as the head does."""
    try:
        stored = head_of(content)
    except ValueError:
        return False
    rng = np.random.default_rng(0)
    probes = rng.standard_normal((N_PROBES, stored.n_features_in_))
    with warnings.catch_warnings():
        # random rows have no names of columns
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        for dtype in (np.float32, np.float64):
            rows = probes.astype(dtype)
            for method in ("decision_function", "predict_proba"):
                try:
                    wanted, got = getattr(head, method)(rows), getattr(stored, method)(rows)
                except (AttributeError, TypeError, ValueError):
                    return False
                if not np.array_equal(wanted, got, equal_nan=True):
                    return False
    return True


def _refusal(head: Any) -> str:
    if hasattr(head, "best_estimator_"):
        return f"{_short(head)} is a search: save the head in it, search.best_estimator_."
    if hasattr(head, "steps"):
        return f"{_short(head)} is a pipeline: save the head, pipeline[-1], with embedder=."
    if isinstance(head, MixedHeadClassifier) and hasattr(head, "alpha_"):
        return (
            f"A MixedHeadClassifier of space={head.space!r} adds up scores at prediction: choose "
            "space='weights', which gives one matrix, or alpha='auto'."
        )
    outside = getattr(head, "heads_", None) or ()
    parts = f" of {', '.join(type(part).__name__ for part in outside)}" if outside else ""
    return (
        f"{_short(head)}{parts} is neither one matrix nor a set of proxies, and cannot be written "
        "as arrays that predict the same. Fit a StackedHeadClassifier, whose heads may be any "
        "linear classifiers, or keep this one with skops."
    )


def _short(head: Any) -> str:
    return type(head).__name__
