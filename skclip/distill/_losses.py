r"""The losses of CLIP-PING (2412.03871): contrast with the pair and with its neighbours.

Pure functions of unit rows. With both weights zero, :func:`ping_loss` equals CLIP's loss exactly.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["info_nce", "neighbor_loss", "ping_loss"]


def info_nce(a: "Tensor", b: "Tensor", scale: "Tensor | float") -> "Tensor":
    r"""Contrast the rows of two batches: CLIP's loss, as open_clip computes it.

    .. math::
        L(a, b) = \tfrac12 \left[\mathrm{CE}(s\, a b^\top, \mathrm{diag})
        + \mathrm{CE}(s\, b a^\top, \mathrm{diag})\right]

    Parameters
    ----------
    a, b : Tensor of shape (n_batch, n_features)
        Unit rows; row i of ``a`` belongs to row i of ``b``.

    scale : Tensor of shape () or float
        Factor :math:`s` from cosines to logits.

    Returns
    -------
    loss : Tensor of shape ()
        Mean over rows, in nats.

    Examples
    --------
    >>> import torch
    >>> from skclip.distill import info_nce
    >>> info_nce(torch.eye(2), torch.eye(2), 100.0).item()
    0.0
    """
    from open_clip import ClipLoss

    loss: Tensor = ClipLoss()(a, b, scale)
    return loss


def neighbor_loss(
    image: "Tensor",
    text: "Tensor",
    image_target: "Tensor",
    text_target: "Tensor",
    scale: "Tensor | float",
) -> "Tensor":
    r"""Contrast both towers with bank rows: the mean of two ``info_nce``.

    .. math:: \tfrac12 \left[L(v, p) + L(u, q)\right]

    With targets in the same modality this is the NN term; with the neighbours' counterparts in the
    other modality it is the XNN term.

    Parameters
    ----------
    image, text : Tensor of shape (n_batch, n_features)
        Unit rows :math:`v` and :math:`u` of the student's towers.

    image_target, text_target : Tensor of shape (n_batch, n_features)
        Unit rows :math:`p` and :math:`q`: targets of the image and the text of each pair.

    scale : Tensor of shape () or float
        Factor from cosines to logits.

    Returns
    -------
    loss : Tensor of shape ()
        In nats.

    Examples
    --------
    >>> import torch
    >>> from skclip.distill import neighbor_loss
    >>> rows = torch.eye(2)
    >>> neighbor_loss(rows, rows, rows, rows, 100.0).item()
    0.0
    """
    return 0.5 * (info_nce(image, image_target, scale) + info_nce(text, text_target, scale))


def ping_loss(
    image: "Tensor",
    text: "Tensor",
    scale: "Tensor | float",
    *,
    neighbors: "tuple[Tensor, Tensor] | None" = None,
    counterparts: "tuple[Tensor, Tensor] | None" = None,
    lambda_nn: float = 1.0,
    lambda_xnn: float = 1.0,
) -> "dict[str, Tensor]":
    r"""Return CLIP's loss with neighbour guidance, and its terms.

    .. math:: L(v, u) + \lambda_{nn}\,\mathrm{NN} + \lambda_{xnn}\,\mathrm{XNN}

    Parameters
    ----------
    image, text : Tensor of shape (n_batch, n_features)
        Unit rows of the student's towers.

    scale : Tensor of shape () or float
        The student's learned factor from cosines to logits.

    neighbors : tuple of two Tensors of shape (n_batch, n_features), default=None
        Projected bank rows of the image's nearest image and of the text's nearest text.

    counterparts : tuple of two Tensors of shape (n_batch, n_features), default=None
        Projected bank rows of the nearest image's text and of the nearest text's image.

    lambda_nn, lambda_xnn : float, default=1.0
        Weights of the terms; a term without targets, or of weight 0, is left out.

    Returns
    -------
    terms : dict of str to Tensor of shape ()
        ``"loss"`` is minimised. ``"clip"``, and ``"nn"`` and ``"xnn"`` if used, are its terms
        without weights.

    Examples
    --------
    >>> import torch
    >>> from skclip.distill import ping_loss
    >>> rows = torch.eye(2)
    >>> terms = ping_loss(rows, rows, 1.0, neighbors=(rows, rows), lambda_nn=0.5)
    >>> {name: round(term.item(), 3) for name, term in terms.items()}
    {'loss': 0.47, 'clip': 0.313, 'nn': 0.313}
    """
    loss = clip = info_nce(image, text, scale)
    terms = {"clip": clip}
    guidance = (("nn", neighbors, lambda_nn), ("xnn", counterparts, lambda_xnn))
    for name, targets, weight in guidance:
        if targets is not None and weight:
            terms[name] = neighbor_loss(image, text, *targets, scale)
            loss = loss + weight * terms[name]
    return {"loss": loss, **terms}
