"""The card of a head: what it is, from what data, how accurate, for what use."""

from collections.abc import Mapping
from typing import Any

from skclip.export._torch import as_loaded

__all__ = ["model_card"]

MAX_CLASSES = 100
UNKNOWN = "Not stated."


def model_card(
    head: Any,
    *,
    title: str = "A head of skclip",
    file_name: str = "head.skclip",
    data: str | None = None,
    licences: Mapping[str, str] | None = None,
    accuracy: Mapping[str, Any] | None = None,
    intended_use: str | None = None,
    licence: str | None = None,
) -> str:
    """Write the card of a head, as Markdown with the header that model hubs read.

    Facts that the head stores are filled in. The other facts are parameters; the card says which of
    them are not stated.

    Parameters
    ----------
    head : classifier
        Fitted, of a form that :func:`save_head` stores; or loaded, which stores more facts of its
        model.

    title : str, default="A head of skclip"
        First line.

    file_name : str, default="head.skclip"
        Name of the file of the head, beside the card.

    data : str, default=None
        Description and source of the labelled and recalled images.

    licences : mapping of source to licence, default=None
        Licences of the sources of images. The licence of a corpus of the head that is missing here
        is listed as unknown.

    accuracy : mapping, default=None
        Rows of the accuracy table: what was measured on, and a number from 0 to 1 or a text such as
        ``"91.2 ± 0.4 %"``.

    intended_use : str, default=None
        What the head is for, and what it is not for.

    licence : str, default=None
        Of the head itself, an identifier such as ``"bsd-3-clause"``.

    Returns
    -------
    card : str
        Markdown.

    See Also
    --------
    push_to_hub : Uploads head and card.

    Examples
    --------
    >>> from skclip import ZeroShotClassifier
    >>> from skclip.export import model_card
    >>> head = ZeroShotClassifier({"cat": [1.0, 0.0], "dog": [0.0, 1.0]}).fit()
    >>> card = model_card(head, title="Pets", accuracy={"400 photos of a friend": 0.93})
    >>> print(card[card.index("## Accuracy") :].partition("## Intended")[0])
    ## Accuracy
    <BLANKLINE>
    | measured on | accuracy |
    |---|---|
    | 400 photos of a friend | 93.0 % |
    <BLANKLINE>
    <BLANKLINE>
    """
    loaded = as_loaded(head)
    origin, model = loaded.provenance_, loaded.model_ or {}
    sources = dict(licences or {})
    corpus = origin.get("corpus")
    if isinstance(corpus, dict) and "name" in corpus:
        sources.setdefault(str(corpus["name"]), "unknown")
    header = ["---", "library_name: skclip", "pipeline_tag: image-classification"]
    if licence is not None:
        header.append(f"license: {licence}")
    header += ["tags:", "- clip", "- skclip", "---"]
    parts = [
        "\n".join(header),
        f"# {_plain(title)}",
        _what(loaded, origin, model),
        f"## Classes\n\n{_classes(loaded)}",
        "## Data\n\n" + (_plain(data) if data else UNKNOWN) + _images(origin),
        "## Licences of the sources\n\n"
        + (_table(("source", "licence"), list(sources.items())) if sources else UNKNOWN),
        "## Accuracy\n\n" + _accuracy(accuracy),
        "## Intended use\n\n" + (_plain(intended_use) if intended_use else UNKNOWN),
        f"## Use\n\n{_use(model, file_name)}",
    ]
    return "\n\n".join(parts) + "\n"


def _what(head: Any, origin: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    lines = [
        f"A `{origin.get('estimator', 'head')}` over the embeddings of a CLIP model, written by "
        f"skclip {origin.get('skclip', '')}. It is a file of arrays and JSON; reading it runs no "
        "code.",
        "",
    ]
    facts: list[tuple[str, Any]] = [
        ("model", model.get("id", "unknown")),
        ("preprocessing", model.get("preprocess_hash", "unknown")),
        ("features", head.n_features_in_),
        ("classes", len(head.classes_)),
        ("templates", (head.prompts_ or {}).get("templates", "-")),
    ]
    weights = origin.get("head_weights")
    if weights:
        facts.append(("weights", ", ".join(f"{k} {v:.3g}" for k, v in weights.items())))
    return "\n".join(lines) + "\n" + _table(("", ""), facts)


def _classes(head: Any) -> str:
    names = [str(label) for label in head.classes_.tolist()]
    if head.class_names_:
        names = [f"{label}: {name}" for label, name in head.class_names_.items()]
    more = len(names) - MAX_CLASSES
    shown = ", ".join(map(_plain, names[:MAX_CLASSES]))
    return f"{shown} and {more} more." if more > 0 else f"{shown}."


def _images(origin: Mapping[str, Any]) -> str:
    counts = []
    for name in ("labelled_images", "recalled_images"):
        by_class = origin.get(name)
        if isinstance(by_class, dict) and by_class:
            total, least, most = (
                sum(by_class.values()),
                min(by_class.values()),
                max(by_class.values()),
            )
            counts.append((name.replace("_", " "), f"{total:g}", f"{least:g} to {most:g}"))
    if not counts:
        return ""
    return "\n\n" + _table(("images", "all", "per class that has some"), counts)


def _accuracy(accuracy: Mapping[str, Any] | None) -> str:
    if not accuracy:
        return "Not measured."
    rows = [
        (name, value if isinstance(value, str) else f"{100 * float(value):.1f} %")
        for name, value in accuracy.items()
    ]
    return _table(("measured on", "accuracy"), rows)


def _use(model: Mapping[str, Any], file_name: str) -> str:
    arguments = repr(model.get("name", "MODEL"))
    if model.get("pretrained", "auto") != "auto":
        arguments += f", {model['pretrained']!r}"
    return "\n".join(
        [
            "```python",
            "from skclip import CLIPEmbedder",
            "from skclip.export import load_head",
            "",
            f"embedder = CLIPEmbedder({arguments})",
            f"head = load_head({file_name!r}, embedder=embedder)",
            "head.predict(embedder.transform(paths))",
            "```",
        ]
    )


def _table(header: tuple[str, ...], rows: list[Any]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    written = [[_plain(str(cell)).replace("|", "\\|") for cell in line] for line in lines]
    written[1] = ["---" for _ in header]
    texts = [f"| {' | '.join(line)} |" for line in written]
    texts[1] = f"|{'|'.join('---' for _ in header)}|"
    return "\n".join(texts)


def _plain(text: str) -> str:
    """Return a text of one paragraph that cannot begin HTML."""
    return " ".join(text.split()).replace("<", "&lt;")
