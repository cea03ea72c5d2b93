"""What one run has to tell at its end: one warning of a kind, with counts and names."""

import warnings
from dataclasses import dataclass, field

from skclip.embedding._engine import EmbeddedBatch, Failure
from skclip.exceptions import CacheWarning, TruncatedTextWarning, UnreadableImageWarning

__all__ = ["Report"]

MAX_NAMES = 10


@dataclass
class Report:
    """Failures, cut texts and cache problems of a run, batch by batch."""

    n_items: int = 0
    n_truncated: int = 0
    failures: list[Failure] = field(default_factory=list)

    def add(self, batch: EmbeddedBatch) -> None:
        """Count a batch in."""
        self.n_items += len(batch.rows)
        self.n_truncated += batch.n_truncated
        self.failures += batch.failures

    def warn(self, model_name: str, cache_problems: list[str], *, stacklevel: int) -> None:
        """Issue the warnings there is reason for; ``stacklevel`` as if the caller warned."""
        if self.failures:
            warnings.warn(
                f"{len(self.failures)} of {self.n_items} images could not be read and have rows "
                f"of zeros: {'; '.join(map(str, self.failures[:MAX_NAMES]))}"
                f"{'; …' if len(self.failures) > MAX_NAMES else ''}.",
                UnreadableImageWarning,
                stacklevel=stacklevel + 1,
            )
        if self.n_truncated:
            warnings.warn(
                f"{self.n_truncated} of {self.n_items} texts are longer than {model_name!r} "
                "reads; their ends were cut off.",
                TruncatedTextWarning,
                stacklevel=stacklevel + 1,
            )
        if cache_problems:
            problems = "; ".join(dict.fromkeys(cache_problems))
            warnings.warn(
                f"The cache of embeddings was of limited use: {problems}. The embeddings are "
                "those of the model all the same.",
                CacheWarning,
                stacklevel=stacklevel + 1,
            )
