"""Heads as ONNX files: from images, or features, to probabilities."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

from skclip._files import find_file, replacing
from skclip._optional import import_optional
from skclip.embedding import CLIPEmbedder
from skclip.export._facts import model_facts
from skclip.export._torch import as_loaded, to_torch

__all__ = ["to_onnx"]


def to_onnx(head: Any, path: str | os.PathLike[str], embedder: CLIPEmbedder | None = None) -> Path:
    """Write a head as an ONNX file that gives probabilities.

    Parameters
    ----------
    head : classifier
        Fitted, of a form that :func:`save_head` stores; or loaded.

    path : path-like
        File to write, such as ``"birds.onnx"``. It appears when it is complete.

    embedder : CLIPEmbedder, default=None
        The model of the head. With it the file goes from images to probabilities; without it from
        features.

    Returns
    -------
    path : pathlib.Path
        The file. Its input is ``image``, float32 of shape (n, 3, height, width), or ``features``,
        float32 of shape (n, n_features); its output is ``probabilities``, float32 of shape
        (n, n_classes). Its metadata are in JSON: ``labels`` in the order of the columns, ``model``,
        and ``preprocess``. An RGB image is first resized by ``resize_mode`` and ``interpolation``,
        cropped to ``size`` and divided by 255; then ``mean`` is subtracted from each channel, and
        the result is divided by ``std``.

    Raises
    ------
    ImportError
        If onnx or onnxscript is missing: ``pip install 'skclip[onnx]'``.

    ValueError
        If the head cannot be written in torch.

    ModelMismatchError
        If the embedder is another model than the head's.

    See Also
    --------
    to_torch : The same as a torch module.

    Examples
    --------
    >>> from skclip import ZeroShotClassifier
    >>> from skclip.export import to_onnx
    >>> head = ZeroShotClassifier({"cat": [1.0, 0.0], "dog": [0.0, 1.0]}).fit()
    >>> to_onnx(head, "pets.onnx")  # doctest: +SKIP
    PosixPath('pets.onnx')
    """
    for package in ("onnx", "onnxscript"):
        import_optional(package, extra="onnx", purpose="to_onnx")
    import torch

    from skclip.export._modules import Probabilities

    target = find_file(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{str(target)!r} is in a folder that does not exist.")
    loaded = as_loaded(head)
    module = Probabilities(to_torch(loaded, embedder)).eval()
    facts = {"labels": loaded.classes_.tolist(), "model": loaded.model_id_, "preprocess": None}
    if embedder is None:
        name, example = "features", torch.zeros(2, loaded.n_features_in_)
    else:
        model = model_facts(loaded, embedder)
        assert model is not None
        facts |= {"model": model["id"], "preprocess": model["preprocess"]}
        height, width = _size(model["preprocess"]["size"])
        name, example = "image", torch.zeros(2, 3, height, width)
        place = next(module.parameters())
        example = example.to(place.device, place.dtype)
    with warnings.catch_warnings():
        # of the exporter about itself
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            (example,),
            input_names=[name],
            output_names=["probabilities"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    for key, value in facts.items():
        program.model.metadata_props[key] = json.dumps(value)
    with replacing(target) as temporary:
        program.save(temporary, external_data=False)
    return target


def _size(size: Any) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width)
