"""What a file tells about a head beside its weights: model, prompts, where it came from."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

import skclip
from skclip._array_api import to_numpy
from skclip.embedding import CLIPEmbedder
from skclip.exceptions import ModelMismatchError
from skclip.heads import ZeroShotClassifier

__all__ = ["is_same_model", "model_facts", "prompt_facts", "provenance_facts"]

_FINGERPRINT = re.compile(r"@([0-9a-f]{12})$")


def is_same_model(one: str, other: str) -> bool:
    """Return whether two identities are of one model.

    What follows the ``@`` is a hash of configuration, weights and preprocessing: a model that was
    loaded from a folder is the same as the one of the name that it was copied from.

    Examples
    --------
    >>> from skclip.export._facts import is_same_model
    >>> is_same_model("ViT-B-32/laion@00112233aabb", "copy@00112233aabb")
    True
    >>> is_same_model("ViT-B-32/laion", "ViT-B-32/openai")
    False
    """
    found = [_FINGERPRINT.search(name) for name in (one, other)]
    if found[0] is not None and found[1] is not None:
        return found[0][1] == found[1][1]
    return one == other


def model_facts(head: Any, embedder: Any) -> dict[str, Any] | None:
    """Return the model of the embeddings of a head; None if it is unknown.

    Parameters
    ----------
    head : classifier
        May know the model of its text head or of its recalled images.

    embedder : CLIPEmbedder, transformer, str or None
        Embeds the images that the head is for, or its identity.

    Returns
    -------
    facts : dict or None
        ``id``; of a CLIPEmbedder also ``name`` and ``pretrained``, by which it is loaded, and
        ``preprocess`` with its hash: what is done to an image before the model gets it.

    Raises
    ------
    ModelMismatchError
        If the embedder is another model than the one that the head knows.
    """
    known = [
        getattr(head, "model_id_", None),
        getattr(getattr(head, "text_head_", None), "model_id", None),
        getattr(getattr(head, "pool_", None), "model_id", None),
    ]
    own = next((name for name in known if name is not None), None)
    given = embedder if isinstance(embedder, str) else getattr(embedder, "model_id", None)
    if own is not None and given is not None and not is_same_model(own, given):
        raise ModelMismatchError(
            f"The head scores embeddings of {own!r}, and the embedder is {given!r}: give the "
            "embedder that the head was fitted with."
        )
    if own is None and given is None:
        return None
    facts: dict[str, Any] = {"id": given or own}
    if isinstance(embedder, CLIPEmbedder):
        import open_clip

        preprocess = open_clip.get_model_preprocess_cfg(embedder.load_model().model)
        plain = json.loads(json.dumps(preprocess, default=str))
        text = json.dumps(plain, sort_keys=True)
        facts |= {
            "name": embedder.model_name,
            "pretrained": str(embedder.pretrained),
            "preprocess": plain,
            "preprocess_hash": hashlib.sha256(text.encode()).hexdigest()[:12],
        }
    return facts


def prompt_facts(head: Any) -> dict[str, Any] | None:
    """Return templates and synonyms of the text head, where the class names were encoded here."""
    text = head if isinstance(head, ZeroShotClassifier) else getattr(head, "zero_shot", None)
    text = getattr(text, "estimator", text)  # of a FrozenEstimator
    if not isinstance(text, ZeroShotClassifier) or text.text_embeddings is not None:
        return None
    facts = {"templates": _plain(text.templates), "synonyms": _plain(text.synonyms)}
    return None if text.embedder is None else facts


def provenance_facts(head: Any, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the provenance of a head: class, parameters, images and facts of the user.

    Parameters
    ----------
    head : classifier
        Fitted.

    given : mapping or None
        Further facts, of types that JSON has.

    Returns
    -------
    facts : dict
        Of types that JSON has. There is no date in it: the same head gives the same file.
    """
    facts: dict[str, Any] = {
        "skclip": skclip.__version__,
        "estimator": type(head).__name__,
        "parameters": {
            name: _plain(value)
            for name, value in head.get_params(deep=False).items()
            if _is_plain(value)
        },
    }
    weights = getattr(head, "head_weights_", None)
    if weights is not None:
        facts["head_weights"] = {name: float(weight) for name, weight in weights.items()}
    pool = getattr(head, "pool_", None)
    if pool is not None:
        labels, counts = np.unique(pool.labels, return_counts=True)
        facts["recalled_images"] = dict(zip(map(str, labels), counts.tolist(), strict=True))
    shots = getattr(head, "shot_count_", None)
    if shots is not None:
        names = map(str, to_numpy(head.classes_).tolist())
        facts["labelled_images"] = dict(zip(names, to_numpy(shots).tolist(), strict=True))
    added: dict[str, Any] = _plain(dict(given or {}))
    try:
        json.dumps(added, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"provenance must hold text, numbers, lists and mappings of them only ({error})."
        ) from None
    return facts | added


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) <= 20 and all(isinstance(item, str) for item in value)
    return value is None or isinstance(value, (str, bool, int, float))


def _plain(value: Any) -> Any:
    """Return a value in types that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
