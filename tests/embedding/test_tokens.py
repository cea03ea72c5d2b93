"""Counting cut texts, for tokenizers of every convention."""

import pytest

from skclip.embedding._tokens import tokenize

torch = pytest.importorskip("torch")


def make_tokenizer(length: int, *, start: bool, end: int | None, padding: int):
    """Words become numbers from 10 on; ``end`` closes a row even when words are cut."""

    def tokenizer(texts, context_length=None):
        width = context_length or length
        rows = torch.full((len(texts), width), padding)
        for row, text in zip(rows, texts, strict=True):
            tokens = [5] * start + [10 + len(word) for word in text.split()]
            tokens = tokens[: width - (end is not None)] + ([end] if end is not None else [])
            row[: len(tokens)] = torch.tensor(tokens)
        return rows

    return tokenizer


@pytest.mark.parametrize(
    ("start", "end", "padding", "room"),
    [(True, 7, 0, 4), (False, 1, 1, 5), (False, None, 0, 6), (True, 2, 9, 4)],
    ids=["clip", "siglip", "no end", "hugging face"],
)
def test_only_texts_that_lost_words_are_counted(start, end, padding, room):
    tokenizer = make_tokenizer(6, start=start, end=end, padding=padding)
    texts = [" ".join("abcdefgh"[:n]) for n in range(9)]
    for text in texts:
        tokens, n_truncated = tokenize(tokenizer, [text])
        assert n_truncated == (len(text.split()) > room)
        assert torch.equal(tokens, tokenizer([text]))
    assert tokenize(tokenizer, texts)[1] == 8 - room


def test_open_clips_own_tokenizer():
    import open_clip

    tokenizer = open_clip.SimpleTokenizer(context_length=6)
    texts = ["a b c d", "a b c d e", "a b c d e f g"]
    assert tokenize(tokenizer, texts)[1] == 2


def test_the_far_end_of_a_long_text_is_not_tokenized():
    import open_clip

    clip = open_clip.SimpleTokenizer()
    longest = []

    def tokenizer(texts, context_length=None):
        longest.append(max(map(len, texts)))
        return clip(texts, context_length)

    text = "a photo of a cat " * 5_000
    tokens, n_truncated = tokenize(tokenizer, [text, "a cat"])
    assert n_truncated == 1
    assert torch.equal(tokens, clip([text, "a cat"]))
    assert max(longest) < 10_000


@pytest.mark.parametrize("space", [" ", "\n", "&nbsp;", "&amp;nbsp;"])
def test_words_behind_any_number_of_spaces_are_found(space):
    import open_clip

    clip = open_clip.SimpleTokenizer()
    text = f"a {space * 20_000} cat"
    tokens, n_truncated = tokenize(clip, [text])
    assert n_truncated == 0
    assert torch.equal(tokens, clip(["a cat"]))
