"""Choose at most k matches per class."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip._files import is_remote
from skclip._finite import without_unreadable
from skclip._linalg import nonzero_rows, unit_rows
from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.corpus import MISSES, CaptionStore, Embedder, embed_images, image_keys
from skclip.exceptions import CorpusError, UnreadableImageWarning
from skclip.recall._matches._duplicates import content_hash, is_near, near_duplicates
from skclip.recall._vectors import row_vectors

__all__ = ["REASONS", "Choice", "Chooser", "Excluded", "random_order"]

# Reasons to leave out a match, in the order of the tests.
REASONS = ("repeated", "unreadable", "excluded", "duplicates")
_NEAR = 0.97


def random_order(rows: NDArray[np.int64], name: Any, seed: int) -> NDArray[np.int64]:
    """Return the matches of a class in random order.

    The order depends only on the class name, its matches and the seed, not on other classes, shards
    or the number of workers.

    Parameters
    ----------
    rows : ndarray of int64
        Matches, ascending.

    name : object
        Class name.

    seed : int
        Seed.

    Returns
    -------
    rows : ndarray of int64
        The same rows.
    """
    generator = np.random.default_rng([seed, zlib.crc32(str(name).encode("utf-8", "replace"))])
    return generator.permutation(rows)


@dataclass(frozen=True)
class Excluded:
    """Images that must not be recalled, by address, by content and by embedding.

    Parameters
    ----------
    urls : frozenset of str
        Addresses of images that are not fetched.

    hashes : frozenset of bytes
        Content hashes of the other images.

    vectors : ndarray of shape (n_images, n_features) or None
        Unit rows.

    threshold : float
        Minimum cosine of a match with one of the images.
    """

    urls: frozenset[str]
    hashes: frozenset[bytes | None]
    vectors: NDArray[Any] | None
    threshold: float

    @classmethod
    def of(cls, images: Any, embedder: Embedder | None, threshold: float | None) -> "Excluded":
        """Prepare images, or embeddings if ``images`` is a matrix of floats.

        Parameters
        ----------
        images : sequence of images or ndarray of shape (n_images, n_features)
            Images that must not be recalled.

        embedder : Embedder or None
            Embeds the images, to find copies with other bytes.

        threshold : float or None
            Minimum cosine of a copy; None means 0.97.

        Returns
        -------
        excluded : Excluded
            The excluded images.
        """
        threshold = _NEAR if threshold is None else threshold
        if hasattr(images, "columns"):  # iterating over a data frame yields its header
            table = np.asarray(images)
            images = table[:, 0] if table.shape[1] == 1 else table
        array = images if isinstance(images, np.ndarray) else None
        if array is not None and array.ndim == 2 and array.dtype.kind == "f":
            unit = unit_rows(without_unreadable(array, "exclude_images"))
            return cls(frozenset(), frozenset(), unit[nonzero_rows(unit)], threshold)
        images = list(images)
        urls = frozenset(i for i in images if isinstance(i, str) and is_remote(i))
        files = [i for i in images if not (isinstance(i, str) and is_remote(i))]
        hashes = [content_hash(image) for image in files]
        unreadable = [i for i, digest in zip(files, hashes, strict=True) if digest is None]
        if unreadable:
            warn_caller(
                f"exclude_images has {len(unreadable)} images that cannot be read "
                f"({sample_of(unreadable)}): copies of them are not found.",
                UnreadableImageWarning,
            )
        vectors = None
        if embedder is not None and images:
            vectors = unit_rows(embed_images(embedder, images)[0])
            vectors = vectors[nonzero_rows(vectors)]
        return cls(urls, frozenset(hashes) - {None}, vectors, threshold)

    def among(
        self, references: Sequence[Any], embeddings: NDArray[Any] | None
    ) -> NDArray[np.bool_]:
        """Return which of some images are excluded."""
        found = np.zeros(len(references), dtype=bool)
        if self.urls:
            found |= [isinstance(r, str) and r in self.urls for r in references]
        if self.hashes:
            found |= [content_hash(reference) in self.hashes for reference in references]
        if self.vectors is not None and embeddings is not None:
            if embeddings.shape[1] != self.vectors.shape[1]:
                raise ValueError(
                    f"exclude_images has {self.vectors.shape[1]} features, but the collection has "
                    f"{embeddings.shape[1]}: embed both with the same model."
                )
            found |= is_near(unit_rows(embeddings), self.vectors, self.threshold)
        return found


@dataclass
class _Class:
    """The matches taken so far for one class."""

    candidates: NDArray[np.int64]
    at: int = 0
    rows: list[int] = field(default_factory=list)
    keys: set[Any] = field(default_factory=set)
    vectors: list[NDArray[Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))


class Choice(NamedTuple):
    """The matches taken for each class.

    Attributes
    ----------
    rows : list of ndarray
        Rows of each class, in the order they were taken.

    embeddings : ndarray of shape (n_rows, n_features) or None
        Their embeddings, grouped by class.

    counts : dict of str to ndarray of shape (n_classes,)
        Number of left-out matches per class, keyed by reason.

    problems : dict of int to str
        Reasons for unreadable images, keyed by row.
    """

    rows: list[NDArray[np.int64]]
    embeddings: NDArray[np.float32] | None
    counts: dict[str, NDArray[np.int64]]
    problems: dict[int, str]


class Chooser:
    """Take at most k matches per class, in order, without duplicates and excluded images.

    Parameters
    ----------
    store : CaptionStore
        Collection of the matches.

    k : int or None
        Maximum number of rows per class.

    embedder : Embedder or None
        Embeds candidates if the collection has no embeddings.

    deduplicate : float, "content" or None
        Minimum cosine of duplicates, or ``"content"`` to compare bytes.

    excluded : Excluded or None
        Images that must not be recalled.
    """

    def __init__(
        self,
        store: CaptionStore,
        *,
        k: int | None,
        embedder: Embedder | None = None,
        deduplicate: float | str | None = None,
        excluded: Excluded | None = None,
    ) -> None:
        self._store = store
        self._k = k
        self._embedder = embedder
        self._deduplicate = deduplicate
        self._excluded = excluded
        by_embedding = {
            "deduplicate": isinstance(deduplicate, Real),
            "exclude_images": excluded is not None and excluded.vectors is not None,
        }
        if embedder is None and not store.has_embeddings and any(by_embedding.values()):
            wanting = next(name for name, wants in by_embedding.items() if wants)
            raise ValueError(
                f"{wanting} compares embeddings, and there are none: build the corpus with "
                "embedder=, or give an embedder."
            )
        self._problems: dict[int, str] = {}
        self._any_readable = False

    def choose(self, candidates: Sequence[NDArray[np.int64]]) -> Choice:
        """Choose from the matches of every class.

        Parameters
        ----------
        candidates : sequence of ndarray
            Matches of each class, in order of preference.

        Returns
        -------
        choice : Choice
            The matches taken.
        """
        classes = [_Class(rows) for rows in candidates]
        growth = 1
        while active := [c for c in classes if self._missing(c)]:
            # batches grow, so that rejected candidates are replaced in few rounds
            batches = [c.candidates[c.at : c.at + growth * self._missing(c)] for c in active]
            self._take(active, batches)
            growth *= 2
        counts = {r: np.asarray([c.counts[r] for c in classes], dtype=np.int64) for r in REASONS}
        vectors = [v for c in classes for v in c.vectors]
        if vectors:
            embeddings: NDArray[np.float32] | None = np.concatenate(vectors)
        else:  # no matches: the width comes from the store or the embedder
            embeddings, _ = row_vectors(self._store, np.empty(0, np.int64), self._embedder)
        rows = [np.asarray(c.rows, dtype=np.int64) for c in classes]
        return Choice(rows, embeddings, counts, self._problems)

    def _missing(self, c: _Class) -> int:
        """Return the number of rows that a class can still take."""
        left = len(c.candidates) - c.at
        return left if self._k is None else min(left, self._k - len(c.rows))

    def _take(self, classes: Sequence[_Class], batches: Sequence[NDArray[np.int64]]) -> None:
        """Take from the next candidates of all classes."""
        rows = np.concatenate(batches)
        references = self._store.image_references(rows)
        keys = image_keys(references, self._store.ids(rows))
        embeddings, problems = row_vectors(self._store, rows, self._embedder)
        self._problems.update(problems)
        if embeddings is not None and embeddings.any():
            self._any_readable = True
        if len(self._problems) >= MISSES and not self._any_readable:
            reasons = list(dict.fromkeys(self._problems.values()))
            raise CorpusError(
                f"None of the first {len(self._problems)} recalled images of {self._store!r} can "
                f"be read ({sample_of(reasons, 2)}). If its images have moved, build it again with "
                "images_root=."
            )
        begin = 0
        for c, batch in zip(classes, batches, strict=True):
            part = slice(begin, begin + len(batch))
            begin += len(batch)
            vectors = None if embeddings is None else embeddings[part]
            self._take_class(c, batch, references[part], keys[part], vectors)

    def _take_class(
        self,
        c: _Class,
        rows: NDArray[np.int64],
        references: NDArray[Any],
        keys: Sequence[Any],
        vectors: NDArray[Any] | None,
    ) -> None:
        reason = np.full(len(rows), "", dtype=object)
        seen = set(c.keys)
        for i, key in enumerate(keys):
            if key in seen:
                reason[i] = "repeated"
            seen.add(key)
        if vectors is not None:
            reason[(reason == "") & ~nonzero_rows(vectors)] = "unreadable"
        if self._excluded is not None:
            left = np.flatnonzero(reason == "")
            among = self._excluded.among(
                references[left].tolist(), None if vectors is None else vectors[left]
            )
            reason[left[among]] = "excluded"
        left = np.flatnonzero(reason == "")
        reason[left[self._duplicates(c, references[left], vectors, left)]] = "duplicates"

        taken = np.flatnonzero(reason == "")[: None if self._k is None else self._k - len(c.rows)]
        full = self._k is not None and len(c.rows) + len(taken) == self._k
        looked_at = int(taken[-1]) + 1 if full else len(rows)
        c.at += looked_at
        c.rows += rows[taken].tolist()
        c.keys.update(keys[i] for i in taken)
        if vectors is not None:
            c.vectors.append(vectors[taken])
        for name in REASONS:
            c.counts[name] += int(np.sum(reason[:looked_at] == name))

    def _duplicates(
        self,
        c: _Class,
        references: NDArray[Any],
        vectors: NDArray[Any] | None,
        left: NDArray[np.intp],
    ) -> NDArray[np.bool_]:
        """Return which candidates are duplicates of an earlier one."""
        duplicate = np.zeros(len(left), dtype=bool)
        if self._deduplicate == "content":
            for i, reference in enumerate(references):
                digest = content_hash(reference)
                if digest is not None:
                    duplicate[i] = digest in c.keys
                    c.keys.add(digest)
        elif self._deduplicate is not None and vectors is not None and len(left):
            earlier = np.concatenate([*c.vectors, vectors[:0]])
            duplicate = near_duplicates(vectors[left], float(self._deduplicate), earlier)
        return duplicate
