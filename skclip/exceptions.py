"""Every error and warning class of skclip.

Errors also inherit from the built-in error they refine, so ``except ValueError`` keeps working.
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
    "SearchFallbackWarning",
    "TextDisagreementWarning",
    "TrainingDivergedError",
    "TrainingRunError",
    "TruncatedTextWarning",
    "UnreadableImageError",
    "UnreadableImageWarning",
    "UnusablePairWarning",
]


class ModelNotFoundError(ValueError):
    """The model name is unknown, or its weights are neither on disk nor downloadable."""


class ModelMismatchError(ValueError):
    """Embeddings of two different models were about to be compared."""


class UnreadableImageError(ValueError):
    """An image is missing, truncated, or not an image at all."""


class CorpusError(ValueError):
    """A captioned collection cannot be built or used as asked."""


class CorpusNotFoundError(CorpusError, FileNotFoundError):
    """The directory given as a corpus does not exist or holds no corpus."""


class CorpusFormatError(CorpusError):
    """The corpus is half written, damaged, or of a format this version cannot read."""


class HeadFileError(ValueError):
    """The file of a head is damaged, was changed, or is of a format this version cannot read."""


class TrainingRunError(ValueError):
    """The directory of a training run belongs to other data, other parameters or a process."""


class TrainingDivergedError(FloatingPointError):
    """The loss became infinite or NaN; nothing can be learnt from there."""


class UnusablePairWarning(UserWarning):
    """Some image-caption pairs have no readable image or no caption and were left out."""


class DoubtfulTextWarning(UserWarning):
    """Some captions are in an unknown encoding, or hold what no file can; they may be wrong."""


class UnreadableImageWarning(UserWarning):
    """Some images could not be read; their rows are zero and carry no evidence."""


class TruncatedTextWarning(UserWarning):
    """Some texts are longer than the model reads; their ends were cut off."""


class CacheWarning(UserWarning):
    """The embedding cache was damaged or could not be written; no embedding is affected."""


class BareNumberWarning(UserWarning):
    """Some prompts speak of numbers where a model needs the names of things."""


class NoMatchWarning(UserWarning):
    """Some class names occur nowhere in the collection."""


class NoEvidenceWarning(UserWarning):
    """A head was fitted without the evidence its name promises."""


class BelowZeroShotWarning(UserWarning):
    """A fitted head is right about fewer of its labelled images, left out, than zero-shot is."""


class TextDisagreementWarning(UserWarning):
    """The text head agrees with labels, or recalled images, no more often than by chance."""


class SearchFallbackWarning(UserWarning):
    """An approximate neighbour search failed; exact search answered instead."""
