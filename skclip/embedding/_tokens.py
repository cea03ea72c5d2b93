"""Tokenize texts and count those that were longer than the model reads."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["tokenize"]


def tokenize(
    tokenizer: Callable[..., "torch.Tensor"], texts: list[str]
) -> tuple["torch.Tensor", int]:
    """Return token ids, one row a text, and how many texts were cut.

    Tokenizers cut silently. A text was cut if one more place would have changed its row; only
    texts that fill their row are asked.

    Parameters
    ----------
    tokenizer : callable
        An open_clip tokenizer: ``tokenizer(texts, context_length=None)``.

    texts : list of str
        At least one.

    Returns
    -------
    tokens : torch.Tensor of shape (n_texts, context_length)
        Token ids.

    n_truncated : int
        Number of texts that lost words.
    """
    tokens = tokenizer(texts)
    length = tokens.shape[1]
    padding = tokenizer([""])[0, -2:]
    full = (tokens[:, -2:] != padding).any(dim=1).nonzero().flatten().tolist()
    if not full:
        return tokens, 0
    longer = tokenizer([texts[i] for i in full], context_length=length + 1)
    fits = (longer[:, :length] == tokens[full]).all(dim=1) & (longer[:, length] == padding[-1])
    return tokens, int((~fits).sum())
