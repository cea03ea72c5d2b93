"""All errors and warnings of skclip.

Errors inherit from a built-in error, so ``except ValueError`` also catches them.
"""

__all__ = [
    "BareNumberWarning",
    "BelowZeroShotWarning",
    "CacheWarning",
    "CorpusError",
    "CorpusFormatError",
    "CorpusNotFoundError",
    "DoubtfulTextWarning",
    "HeadFileError",
    "ModelMismatchError",
    "ModelNotFoundError",
    "NoEvidenceWarning",
    "NoMatchWarning",
    "OtherSenseWarning",
    "SearchFallbackWarning",
    "TestLeakError",
    "TextDisagreementWarning",
    "TrainingDivergedError",
    "TrainingRunError",
    "TruncatedTextWarning",
    "UnreadableImageError",
    "UnreadableImageWarning",
    "UnusablePairWarning",
    "UnusedDecisionWarning",
]


class ModelNotFoundError(ValueError):
    """The model name is unknown, or its weights cannot be found or downloaded."""


class ModelMismatchError(ValueError):
    """Embeddings of different models cannot be compared."""


class UnreadableImageError(ValueError):
    """An image is missing, truncated, or not an image at all."""


class CorpusError(ValueError):
    """A captioned collection cannot be built or used."""


class CorpusNotFoundError(CorpusError, FileNotFoundError):
    """The directory does not exist or contains no corpus."""


class CorpusFormatError(CorpusError):
    """The corpus is incomplete, damaged, or has a format this version cannot read."""


class HeadFileError(ValueError):
    """The file of a head is damaged, was changed, or is of a format this version cannot read."""


class TrainingRunError(ValueError):
    """The directory of a training run has other data or parameters, or is in use."""


class TrainingDivergedError(FloatingPointError):
    """The loss became infinite or NaN, and training cannot continue."""


class TestLeakError(ValueError):
    """Test images are among those that a head may learn from."""

    __test__ = False  # pytest collects classes by their names


class UnusablePairWarning(UserWarning):
    """Some image-caption pairs have no readable image or no caption and were left out."""


class DoubtfulTextWarning(UserWarning):
    """Some captions have an unknown encoding or invalid characters and may be wrong."""


class UnreadableImageWarning(UserWarning):
    """Some images could not be read; their rows are zero and carry no evidence."""


class TruncatedTextWarning(UserWarning):
    """Some texts are longer than the model can read; their ends were cut off."""


class CacheWarning(UserWarning):
    """The embedding cache was damaged or could not be written; embeddings are correct."""


class BareNumberWarning(UserWarning):
    """Some prompts contain numbers in place of class names."""


class NoMatchWarning(UserWarning):
    """Some class names do not occur in the collection."""


class SharedNameWarning(UserWarning):
    """Some classes have the same name or synonym, so that a caption with it names all of them."""


class OtherSenseWarning(UserWarning):
    """The text agrees with few matches of a class: its name may mean something else there."""


class NoEvidenceWarning(UserWarning):
    """A head was fitted without the images or text it is meant to use."""


class BelowZeroShotWarning(UserWarning):
    """The left-out accuracy of a head on its labelled images is below that of zero-shot."""


class TextDisagreementWarning(UserWarning):
    """The text head agrees with labels, or with recalled images, no better than chance."""


class SearchFallbackWarning(UserWarning):
    """An approximate neighbour search failed; exact search was used instead."""


class UnusedDecisionWarning(UserWarning):
    """Some decisions are about images that are not in the pool; they change nothing."""
