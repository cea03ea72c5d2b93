"""Tokenize texts and count those that are too long for the model."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["tokenize"]

# Longer than any token of open_clip's vocabularies.
MAX_CHARACTERS_A_TOKEN = 64


def tokenize(
    tokenizer: Callable[..., "torch.Tensor"], texts: list[str]
) -> tuple["torch.Tensor", int]:
    """Return token ids, one row per text, and the number of texts that were cut.

    Tokenizers cut silently. A text was cut if a context longer by one token changes its row; only
    texts that fill their row are checked.

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
    padding = tokenizer([""])[0]
    length = len(padding)
    shortened = [_shorten(text, MAX_CHARACTERS_A_TOKEN * length) for text in texts]
    tokens = tokenizer(shortened)
    is_full = (tokens[:, -2:] != padding[-2:]).any(dim=1)
    # there may be any number of spaces, or other whitespace, between two words
    for i, text in enumerate(texts):
        if shortened[i] is not text and not is_full[i]:
            shortened[i], tokens[i] = text, tokenizer([text])[0]
            is_full[i] = (tokens[i, -2:] != padding[-2:]).any()
    full = is_full.nonzero().flatten().tolist()
    if not full:
        return tokens, 0
    longer = tokenizer([shortened[i] for i in full], context_length=length + 1)
    fits = (longer[:, :length] == tokens[full]).all(dim=1) & (longer[:, length] == padding[-1])
    return tokens, int((~fits).sum())


def _shorten(text: str, n_characters: int) -> str:
    """Drop words that are far beyond a model's context.

    The time of byte-pair tokenizers grows with the square of the length of a word: a word of thirty
    thousand letters takes ten seconds.
    """
    if len(text) <= n_characters:
        return text
    return " ".join(text.split())[:n_characters]
