"""The page of a pool, made with the site, so that a reader can try it."""

from pathlib import Path
from typing import Any

from skclip import CaptionRetriever, CLIPEmbedder, PrimedNCMClassifier, ZeroShotClassifier
from skclip.datasets import make_captioned_images
from skclip.report import pool_page


def write_page(app: Any, error: Exception | None) -> None:
    """Recall from synthetic images and write the page beside the site's own files."""
    if error is not None or app.builder.format != "html":
        return
    names = ["bell", "fish", "house", "key", "star", "umbrella"]
    data = make_captioned_images(200, classes=names, style=["flat", "sketch"], random_state=0)
    embedder = CLIPEmbedder("skclip-tiny")
    zero_shot = ZeroShotClassifier(embedder=embedder, classes=names).fit()
    retriever = CaptionRetriever(embedder=embedder).fit(data.captions, images=data.images)
    pool = retriever.recall(names)
    head = PrimedNCMClassifier(zero_shot, retriever=pool).fit()
    page = pool_page(pool, head=head, embedder=embedder, title="A pool to try: synthetic images")
    page.save(Path(app.outdir) / "_static" / "pool.html")


def setup(app: Any) -> dict[str, Any]:
    """Write the page when the others are written."""
    app.connect("build-finished", write_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
