"""A browser for the pages, where there is one."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from skclip.recall import PrimingPool
from skclip.report import Page, pool_page


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    api = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright, of the extra `browser`"
    )
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
    if path is None:
        pytest.skip("needs a browser: Debian's package chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, tmp_path) -> Iterator[Callable[..., Any]]:
    """Open a page, or that of a pool; it may ask for nothing from elsewhere, and fail nowhere."""
    context = chromium.new_context(accept_downloads=True)
    context.set_default_timeout(60_000)
    requests, errors = [], []

    def open_one(shown: Page | PrimingPool, path=None, **options) -> Any:
        report = shown if isinstance(shown, Page) else pool_page(shown, **options)
        path = report.save(path or tmp_path / "pool.html")
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto(path.as_uri())
        return page

    yield open_one
    context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def tile(red: int, green: int = 90, blue: int = 90) -> np.ndarray:
    """An image of one colour."""
    return np.full((24, 24, 3), (red, green, blue), dtype=np.uint8)


@pytest.fixture
def pool() -> PrimingPool:
    """Six images of two classes, one of which the text takes for the other."""
    return PrimingPool(
        ["cat", "cat", "cat", "dog", "dog", "dog"],
        [[1.0, 0.1], [0.9, 0.3], [0.1, 1.0], [0.0, 1.0], [0.3, 0.9], [0.5, 0.6]],
        ids=[f"{i}.jpg" for i in range(6)],
        captions=["a cat", "the Cat sat", "a cat, not a dog", "a dog", "hot dog", "dogs and a dog"],
        images=[tile(40 * i) for i in range(6)],
        corpus_id="c0ffee",
    )


@pytest.fixture
def text() -> dict[str, list[float]]:
    return {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}
