"""The page of a priming pool: what was recalled, to look through and to correct."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import skclip
from skclip._linalg import unit_rows
from skclip._text_head import TextHead, check_same_width, resolve_text_head
from skclip.prompts import encode_texts
from skclip.recall import PrimingPool
from skclip.report._captions import cut_at_names, name_pattern
from skclip.report._confusion import confused_pairs
from skclip.report._duplicates import duplicate_groups
from skclip.report._evidence import class_positions, text_evidence
from skclip.report._page import FOLDER, Page
from skclip.report._placing import placed
from skclip.report._render import render
from skclip.report._thumbnails import make_thumbnails

__all__ = ["pool_page"]

DUPLICATE_COSINE = 0.97  # as NeighborRetriever and CaptionRetriever take images for one
_MAX_CAPTION = 300


def pool_page(
    pool: PrimingPool,
    *,
    zero_shot: Any = None,
    head: Any = None,
    embedder: Any = None,
    kept: ArrayLike | None = None,
    synonyms: Mapping[Any, Sequence[str]] | None = None,
    title: str = "Priming pool",
    thumbnail_size: int = 64,
    n_jobs: int | None = None,
) -> Page:
    """Make a page to look through a pool in a browser and to decide what is wrong.

    The page is one HTML file that loads nothing from the network. It shows each image with its
    caption, its zero-shot label and its duplicates. Images can be searched, filtered and sorted,
    and each can be kept, rejected or given another class, by mouse or by keyboard. Decisions stay
    in the browser until they are exported; :meth:`PrimingPool.apply_decisions
    <skclip.recall.PrimingPool.apply_decisions>` takes the exported file.

    Parameters
    ----------
    pool : PrimingPool
        What was recalled. Images are paths, bytes, PIL images or arrays; those at URLs are not
        fetched and have no picture.

    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. With it, the page shows the zero-shot label and probability of each image,
        its similarity to the class name, what the filter keeps, and which classes are confused.
        None takes that of ``head``.

    head : fitted classifier, default=None
        Its mixing weights are shown. It also gives the text head, if ``zero_shot`` is None.

    embedder : CLIPEmbedder or transformer, default=None
        Encodes the captions, for their similarity to the class name; needs a text head.

    kept : array-like of shape (n_samples,) of bool, default=None
        What a filter keeps, for instance the ``support_`` of a fitted
        :class:`~skclip.recall.ZeroShotFilter`. None is the images whose zero-shot label is the
        class they were recalled for.

    synonyms : mapping of class name to list of str, default=None
        Further names to mark in captions.

    title : str, default="Priming pool"
        Heading of the page.

    thumbnail_size : int, default=64
        Maximum width and height of a picture, in pixels.

    n_jobs : int or None, default=None
        Number of threads that read images.

    Returns
    -------
    page : Page
        Ready to be saved. Up to 10 000 images are in one file; the pictures of more are files
        beside it.

    Raises
    ------
    ValueError
        If the text head does not know a class of the pool, or ``kept`` has another length.

    See Also
    --------
    skclip.display.PoolDisplay : The same as a figure, without captions.

    Examples
    --------
    >>> from skclip.datasets import make_captioned_images
    >>> from skclip.recall import PrimingPool
    >>> from skclip.report import pool_page
    >>> data = make_captioned_images(6, classes=["star", "ring"], random_state=0)
    >>> pool = PrimingPool(data.target, images=data.images, captions=data.captions)
    >>> page = pool_page(pool)
    >>> page.save("pool.html")  # doctest: +SKIP
    """
    labels = pool.labels.tolist()
    report = pool.report()
    classes = list(dict.fromkeys([*map(str, report.names), *map(str, pool.classes)]))
    position = {name: i for i, name in enumerate(classes)}
    own = np.asarray([position[str(label)] for label in labels], dtype=np.intp)
    text_head = _text_head(zero_shot, head, pool)
    columns = _text_columns(pool, labels, text_head, embedder)
    if text_head is not None and "label" in columns:
        columns["label"] = _page_positions(columns["label"], text_head, classes)
    if kept is None and "label" in columns:
        kept = columns["label"] == own
    if kept is not None:
        columns["kept"] = np.asarray(kept).astype(bool).astype(int)
        if columns["kept"].shape != (len(pool),):
            raise ValueError(
                f"kept has shape {columns['kept'].shape} but the pool has {len(pool)} rows: give "
                "one truth value per row."
            )
    if pool.embeddings is not None:
        columns["group"] = duplicate_groups(pool.embeddings, DUPLICATE_COSINE)
    thumbnails = make_thumbnails(pool.images, len(pool), thumbnail_size, n_jobs=n_jobs)
    pictures, files = placed(thumbnails)
    ids = None if pool.ids is None else [str(one) for one in pool.ids.tolist()]
    data = {
        "report_id": _report_id(pool, labels),
        "corpus_id": pool.corpus_id,
        "classes": classes,
        "own": own.tolist(),
        "ids": ids,
        "captions": _captions(pool, labels, synonyms or {}),
        "thumbnails": pictures,
        "folder": FOLDER if files else None,
        **{
            name: None if name not in columns else _numbers(columns[name])
            for name in _OPTIONAL_COLUMNS
        },
    }
    names, rows = _table(pool, classes, own, columns)
    html = render(
        "pool.html",
        script="pool.js",
        local_images=bool(files),
        version=skclip.__version__,
        title=title,
        n_images=len(pool),
        figures=_figures(pool, columns, head),
        empty=[str(name) for name in report.empty],
        columns=names,
        rows=rows,
        pairs=confused_pairs(own, columns["label"], classes) if "label" in columns else [],
        data=data,
    )
    return Page(html, files)


_OPTIONAL_COLUMNS = (
    "label",
    "probability",
    "own_probability",
    "image_similarity",
    "text_similarity",
    "kept",
    "group",
)


def _text_head(zero_shot: Any, head: Any, pool: PrimingPool) -> TextHead | None:
    if zero_shot is None:
        found: TextHead | None = getattr(head, "text_head_", None)
        return found
    return resolve_text_head(zero_shot, np.unique(pool.labels))


def _text_columns(
    pool: PrimingPool,
    labels: list[Any],
    text_head: TextHead | None,
    embedder: Any,
) -> dict[str, NDArray[Any]]:
    """Return what the text head says of each row; nothing without one."""
    if text_head is None or not len(pool):
        return {}
    columns: dict[str, NDArray[Any]] = {}
    at = class_positions(labels, text_head)
    if pool.embeddings is not None:
        check_same_width(pool.embeddings.shape[1], text_head)
        evidence = text_evidence(pool.embeddings, at, text_head)
        columns = {
            "label": evidence.label,
            "probability": evidence.probability,
            "own_probability": evidence.own_probability,
            "image_similarity": evidence.image_similarity,
        }
    if embedder is not None and pool.captions is not None:
        texts = unit_rows(encode_texts(embedder, [str(one) for one in pool.captions]))
        check_same_width(texts.shape[1], text_head)
        columns["text_similarity"] = np.einsum("ij,ij->i", texts, text_head.weights[at])
    return columns


def _page_positions(
    label: NDArray[np.intp], text_head: TextHead, classes: list[str]
) -> NDArray[np.intp]:
    """Return labels of the text head as positions in ``classes``, which gets those it lacks."""
    position = {name: i for i, name in enumerate(classes)}
    of_head = np.full(len(text_head.classes) + 1, -1, dtype=np.intp)  # the last is for no label
    for i in np.unique(label[label >= 0]):
        known = str(text_head.classes[i]), text_head.names[i]
        if not position.keys() & set(known):
            position[known[0]] = len(classes)
            classes.append(known[0])
        of_head[i] = next(position[name] for name in known if name in position)
    return of_head[label]


def _captions(
    pool: PrimingPool, labels: list[Any], synonyms: Mapping[Any, Sequence[str]]
) -> list[list[str]] | None:
    if pool.captions is None:
        return None
    patterns = {
        label: name_pattern([str(label), *synonyms.get(label, ())]) for label in set(labels)
    }
    return [
        cut_at_names(_shortened(str(caption)), patterns[label])
        for caption, label in zip(pool.captions.tolist(), labels, strict=True)
    ]


def _shortened(caption: str) -> str:
    return caption if len(caption) <= _MAX_CAPTION else caption[: _MAX_CAPTION - 1] + "…"


def _report_id(pool: PrimingPool, labels: list[Any]) -> str:
    """Return what names the decisions about this pool in the browser."""
    ids = range(len(pool)) if pool.ids is None else pool.ids.tolist()
    text = "\0".join([str(pool.corpus_id), *map(str, labels), *map(str, ids)])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _numbers(values: NDArray[Any]) -> list[Any]:
    """Return numbers for JSON: four digits, and None for NaN."""
    if values.dtype.kind != "f":
        return list(values.tolist())
    return [None if value != value else round(value, 4) for value in values.tolist()]


def _figures(
    pool: PrimingPool, columns: Mapping[str, NDArray[Any]], head: Any
) -> list[tuple[str, str]]:
    counts = {name: int(values.sum()) for name, values in pool.report().counts.items()}
    figures = [("captions that name a class", counts.pop("matches"))]
    kept = counts.pop("kept")
    figures += [(f"left out: {name}", n) for name, n in counts.items() if n and name != "ambiguous"]
    figures += [("images of the pool", kept)]
    if "kept" in columns:
        figures += [("the filter keeps", int(columns["kept"].sum()))]
    if "group" in columns:
        groups = columns["group"]
        figures += [("in groups of duplicates", int((groups > 0).sum()))]
    text = [(name, f"{n:,}".replace(",", " ")) for name, n in figures]
    weights = getattr(head, "head_weights_", None) or {}
    return text + [(f"mixing weight: {name}", f"{weight:.2f}") for name, weight in weights.items()]


def _table(
    pool: PrimingPool, classes: list[str], own: NDArray[np.intp], columns: Mapping[str, Any]
) -> tuple[list[str], list[tuple[str, list[Any]]]]:
    """Return the counts of each class, and what they are called."""
    report = pool.report()
    shown = [key for key, n in report.counts.items() if key in ("matches", "kept") or n.any()]
    by_name = {
        str(name): [int(report.counts[key][i]) for key in shown]
        for i, name in enumerate(report.names)
    }
    nothing = [0] * len(shown)
    cells = [list(by_name.get(name, nothing)) for name in classes]
    names = ["in the pool" if key == "kept" else key for key in shown]
    if "kept" in columns:
        names.append("the filter keeps")
        passed = np.bincount(own, weights=columns["kept"], minlength=len(classes))
        for row, n in zip(cells, passed.astype(int).tolist(), strict=True):
            row.append(n)
    return names, list(zip(classes, cells, strict=True))
