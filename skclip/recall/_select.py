"""At most k of a class's matches: which first, and which not at all."""

import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip._finite import without_unreadable
from skclip._linalg import unit_rows
from skclip._paths import is_remote
from skclip._validation import sample_of
from skclip.corpus import MISSES, CaptionStore, Embedder, embed_images
from skclip.exceptions import CorpusError, UnreadableImageWarning
from skclip.recall._duplicates import content_hash, image_keys, is_near, near_duplicates
from skclip.recall._vectors import row_vectors

__all__ = ["REASONS", "Choice", "Chooser", "Excluded", "random_order"]

# Why a match is not kept, in the order of the tests.
REASONS = ("repeated", "unreadable", "excluded", "duplicates")
_NEAR = 0.97


def random_order(rows: NDArray[np.int64], name: Any, seed: int) -> NDArray[np.int64]:
    """Return the matches of a class in random order.

    The order depends on the class's name, its matches and the seed alone: other classes, shards
    and the number of workers do not change it.

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
        Content hashes of the others.

    vectors : ndarray of shape (n_images, n_features) or None
        Unit rows.

    threshold : float
        Least cosine at which a match counts as one of them.
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
            What must not be recalled.

        embedder : Embedder or None
            Embeds them, to find copies that differ in their bytes.

        threshold : float or None
            Least cosine of a copy; None means 0.97.

        Returns
        -------
        excluded : Excluded
            Ready to compare with.
        """
        threshold = _NEAR if threshold is None else threshold
        if hasattr(images, "columns"):  # iterating over a data frame gives its header
            table = np.asarray(images)
            images = table[:, 0] if table.shape[1] == 1 else table
        array = images if isinstance(images, np.ndarray) else None
        if array is not None and array.ndim == 2 and array.dtype.kind == "f":
            unit = unit_rows(without_unreadable(array, "exclude_images"))
            return cls(frozenset(), frozenset(), unit[unit.any(axis=1)], threshold)
        images = list(images)
        urls = frozenset(i for i in images if isinstance(i, str) and is_remote(i))
        files = [i for i in images if not (isinstance(i, str) and is_remote(i))]
        hashes = [content_hash(image) for image in files]
        unreadable = [i for i, digest in zip(files, hashes, strict=True) if digest is None]
        if unreadable:
            warnings.warn(
                f"exclude_images holds {len(unreadable)} images that cannot be read "
                f"({sample_of(unreadable)}): copies of them are not found.",
                UnreadableImageWarning,
                stacklevel=2,
            )
        vectors = None
        if embedder is not None and images:
            vectors = unit_rows(embed_images(embedder, images)[0])
            vectors = vectors[vectors.any(axis=1)]
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
    """What has been taken of one class's matches."""

    candidates: NDArray[np.int64]
    at: int = 0
    rows: list[int] = field(default_factory=list)
    keys: set[Any] = field(default_factory=set)
    vectors: list[NDArray[Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))


class Choice(NamedTuple):
    """What was taken of every class's matches.

    Attributes
    ----------
    rows : list of ndarray
        Rows of each class in the order in which they were taken.

    embeddings : ndarray of shape (n_rows, n_features) or None
        Their embeddings, class by class.

    counts : dict of str to ndarray of shape (n_classes,)
        How many matches of each class were left out, by reason.

    problems : dict of int to str
        Why images could not be read, by row.
    """

    rows: list[NDArray[np.int64]]
    embeddings: NDArray[np.float32] | None
    counts: dict[str, NDArray[np.int64]]
    problems: dict[int, str]


class Chooser:
    """Take at most k matches a class, in order, leaving out what is not to be kept.

    Parameters
    ----------
    store : CaptionStore
        Collection the matches are from.

    k : int or None
        Most rows a class.

    embedder : Embedder or None
        Embeds candidates where the collection has no embeddings.

    deduplicate : float, "content" or None
        Least cosine of duplicates, or whether they are told by their bytes.

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
                "embedder=, or give one."
            )
        self._problems: dict[int, str] = {}
        self._any_readable = False

    def choose(self, candidates: Sequence[NDArray[np.int64]]) -> Choice:
        """Choose from the matches of every class.

        Parameters
        ----------
        candidates : sequence of ndarray
            Matches of each class in the order in which they are to be taken.

        Returns
        -------
        choice : Choice
            What was taken.
        """
        classes = [_Class(rows) for rows in candidates]
        growth = 1
        while active := [c for c in classes if self._missing(c)]:
            # rejected candidates are replaced by ever larger helpings: few rounds, little waste
            helpings = [c.candidates[c.at : c.at + growth * self._missing(c)] for c in active]
            self._take(active, helpings)
            growth *= 2
        counts = {r: np.asarray([c.counts[r] for c in classes], dtype=np.int64) for r in REASONS}
        vectors = [v for c in classes for v in c.vectors]
        if vectors:
            embeddings: NDArray[np.float32] | None = np.concatenate(vectors)
        else:  # no match at all: only the embedder knows the width
            embeddings, _ = row_vectors(self._store, np.empty(0, np.int64), self._embedder)
        rows = [np.asarray(c.rows, dtype=np.int64) for c in classes]
        return Choice(rows, embeddings, counts, self._problems)

    def _missing(self, c: _Class) -> int:
        """Return how many rows a class may still take."""
        left = len(c.candidates) - c.at
        return left if self._k is None else min(left, self._k - len(c.rows))

    def _take(self, classes: Sequence[_Class], helpings: Sequence[NDArray[np.int64]]) -> None:
        """Look at the next candidates of all classes at once."""
        rows = np.concatenate(helpings)
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
                f"be read ({sample_of(reasons, 2)}): are its images where they were when it was "
                "built? Build it again with images_root=."
            )
        begin = 0
        for c, helping in zip(classes, helpings, strict=True):
            part = slice(begin, begin + len(helping))
            begin += len(helping)
            vectors = None if embeddings is None else embeddings[part]
            self._take_class(c, helping, references[part], keys[part], vectors)

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
            reason[(reason == "") & ~vectors.any(axis=1)] = "unreadable"
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
        """Return which candidates show the same picture as an earlier one."""
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
