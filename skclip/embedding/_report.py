"""The warnings at the end of a run: one per kind, with counts and names."""

from dataclasses import dataclass, field

from skclip._warn import warn_caller
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
        """Add the counts of a batch."""
        self.n_items += len(batch.rows)
        self.n_truncated += batch.n_truncated
        self.failures += batch.failures

    def warn(self, model_name: str, cache_problems: list[str]) -> None:
        """Issue the warnings."""
        if self.failures:
            warn_caller(
                f"{len(self.failures)} of {self.n_items} images could not be read and have rows "
                f"of zeros: {'; '.join(map(str, self.failures[:MAX_NAMES]))}"
                f"{'; …' if len(self.failures) > MAX_NAMES else ''}.",
                UnreadableImageWarning,
            )
        if self.n_truncated:
            warn_caller(
                f"{self.n_truncated} of {self.n_items} texts are longer than {model_name!r} "
                "can read; their ends were cut off.",
                TruncatedTextWarning,
            )
        if cache_problems:
            problems = "; ".join(dict.fromkeys(cache_problems))
            warn_caller(
                f"The cache of embeddings could not be fully used: {problems}. The embeddings are "
                "not affected.",
                CacheWarning,
            )
