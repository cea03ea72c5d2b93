"""Heads as torch modules, alone, behind an image encoder, or fused into it."""

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skclip.embedding import CLIPEmbedder
from skclip.export._head_file import HeadFile
from skclip.export._loaded import LinearHead, LoadedHead, ProxyHead, head_of
from skclip.export._save import check_model, stored_form

if TYPE_CHECKING:
    import torch

__all__ = ["as_loaded", "to_open_clip", "to_torch"]


def to_torch(head: Any, embedder: CLIPEmbedder | None = None, *, fuse: bool = False) -> Any:
    r"""Return a head as a torch module.

    Parameters
    ----------
    head : classifier
        Fitted, of a form that :func:`save_head` stores; or loaded.

    embedder : CLIPEmbedder, default=None
        The model of the head. With it the module takes preprocessed images
        (``embedder.load_model().preprocess``) instead of features.

    fuse : bool, default=False
        Whether to multiply the head into the last matrix of the encoder: the projection :math:`P`
        becomes :math:`W P`. The labels are the same. The outputs are scores times the length of the
        features; they have no probabilities, since the length is not computed. The head must have
        no intercepts, such as the text head and class means.

    Returns
    -------
    module : torch.nn.Module
        In evaluation mode, on the device of the model. Gives logits of shape (n, n_classes); their
        softmax are the probabilities, which ``module.probabilities(logits)`` gives for any
        head. ``module.classes`` are the labels in order.

    Raises
    ------
    ValueError
        If the head cannot be written in torch, or not fused.

    ModelMismatchError
        If the embedder is another model than the head's.

    See Also
    --------
    to_onnx : The same as a file for other programs.

    Examples
    --------
    >>> import torch
    >>> from skclip import ZeroShotClassifier
    >>> from skclip.export import to_torch
    >>> head = ZeroShotClassifier({"cat": [1.0, 0.0], "dog": [0.0, 1.0]}).fit()
    >>> module = to_torch(head)
    >>> module.classes[int(module(torch.tensor([[0.9, 0.2]])).argmax())]
    'cat'
    """
    from skclip.export._modules import FusedHead, ImageHead, LinearModule, ProxyModule

    loaded = as_loaded(head)
    module: Any
    if isinstance(loaded, ProxyHead):
        _check_proxies(loaded)
        module = ProxyModule(loaded)
    else:
        module = LinearModule(loaded)
    if embedder is None:
        if fuse:
            raise ValueError("fuse=True multiplies a head into an encoder: give embedder.")
        return module.eval()
    check_model(loaded, embedder, type(head).__name__)
    model = embedder.load_model()
    if model.n_features != loaded.n_features_in_:
        raise ValueError(
            f"The model gives {model.n_features} features, and the head scores "
            f"{loaded.n_features_in_}: give the embedder of the head."
        )
    visual: Any = model.model.visual
    if fuse:
        visual = deepcopy(visual)
        _fuse(visual, _matrix(loaded, "fuse=True"))
        return FusedHead(visual, module.classes).eval().to(model.device)
    return ImageHead(visual, module.to(model.device)).eval()


def to_open_clip(head: Any) -> "torch.Tensor":
    """Return a head as the zero-shot weights of open_clip.

    It replaces the result of ``open_clip.build_zero_shot_classifier``.

    Parameters
    ----------
    head : classifier
        Fitted or loaded; one matrix without intercepts, as the text head and class means are.

    Returns
    -------
    weights : torch.Tensor of shape (n_features, n_classes)
        ``logit_scale * features @ weights`` are the logits of unit features.

    Raises
    ------
    ValueError
        If the head is no such matrix.

    See Also
    --------
    to_torch : Any head, intercepts and normalisation included.

    Examples
    --------
    >>> from skclip import ZeroShotClassifier
    >>> from skclip.export import to_open_clip
    >>> to_open_clip(ZeroShotClassifier({"cat": [1.0, 0.0], "dog": [0.0, 2.0]}).fit())
    tensor([[1., 0.],
            [0., 1.]])
    """
    import torch

    return torch.from_numpy(_matrix(as_loaded(head), "to_open_clip").T.copy())


def as_loaded(head: Any) -> LoadedHead:
    """Return a fitted head in the form that a file would have."""
    if isinstance(head, LoadedHead):
        return head
    check_is_fitted(head)
    content: HeadFile = stored_form(head)
    return head_of(content)


def _check_proxies(head: ProxyHead) -> None:
    wrong = [
        f"{name}={getattr(head, name)!r}"
        for name, known in (
            ("aggregation", ("max", "logsumexp", "mean")),
            ("metric", ("inner_product", "cosine", "euclidean", "mahalanobis")),
            ("normalize_queries", ("l2", None)),
        )
        if getattr(head, name) not in known
    ]
    if wrong:
        raise ValueError(
            f"A MultiProxyImprinter of {', '.join(wrong)} is not written in torch: predict by "
            "load_head instead."
        )


def _matrix(head: LoadedHead, what: str) -> NDArray[np.float32]:
    """Return the weights of a head that has nothing else."""
    if not isinstance(head, LinearHead) or not head.unit_rows_:
        raise ValueError(f"{what} needs a head of one matrix over unit rows.")
    intercept = head.intercept_
    if not (intercept == intercept[0]).all():
        raise ValueError(
            f"{what} needs a head without intercepts, and a {head.provenance_['estimator']} has "
            "some: they are added to the scores of unit features, and the length of features is "
            "not computed here. Use to_torch(head, embedder), which computes it."
        )
    matrix: NDArray[np.float32] = head.coef_.astype(np.float32)
    return matrix


def _fuse(visual: Any, matrix: NDArray[np.float32]) -> None:
    """Multiply a matrix into the projection of an image encoder, in place."""
    import torch
    from torch import nn

    weight = torch.from_numpy(matrix.astype(np.float64))

    def fused(layer: nn.Linear) -> nn.Linear:
        new = nn.Linear(layer.in_features, len(weight), bias=layer.bias is not None)
        product = weight @ layer.weight.detach().cpu().double()
        new.weight = nn.Parameter(product.to(layer.weight.dtype))
        if layer.bias is not None:
            product = weight @ layer.bias.detach().cpu().double()
            new.bias = nn.Parameter(product.to(layer.bias.dtype))
        return new

    projection: Any = getattr(visual, "proj", None)
    attention: Any = getattr(visual, "attnpool", None)
    timm_head: Any = getattr(visual, "head", None)
    if isinstance(projection, nn.Parameter):  # of a VisionTransformer
        product = projection.detach().cpu().double() @ weight.T
        visual.proj = nn.Parameter(product.to(projection.dtype))
    elif isinstance(getattr(attention, "c_proj", None), nn.Linear):  # of a ModifiedResNet
        attention.c_proj = fused(attention.c_proj)
    elif isinstance(getattr(timm_head, "proj", None), nn.Linear):
        timm_head.proj = fused(timm_head.proj)
    else:
        raise ValueError(
            f"fuse=True: the image encoder {type(visual).__name__} does not end in a matrix. Leave "
            "fuse out: the head then follows the encoder."
        )
    for parameter in visual.parameters():
        parameter.requires_grad_(False)
