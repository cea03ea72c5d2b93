"""The page of a large pool: how long it takes to make, how large it is, how fast a browser filters.

    python benchmarks/bench_report.py --n-images 10000

Images are synthetic, of 96 pixels. The browser is Chromium by Playwright, where both are there.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from skclip.datasets import make_captioned_images
from skclip.recall import PrimingPool
from skclip.report import pool_page

# Milliseconds from an input until the images are drawn.
FILTER = """words => {
    const begin = performance.now();
    document.getElementById('search').value = words;
    document.getElementById('search').dispatchEvent(new Event('input'));
    document.body.offsetHeight;
    return performance.now() - begin;
}"""


def make_pool(n_images: int) -> PrimingPool:
    """Return a pool of repeated synthetic images with random embeddings."""
    data = make_captioned_images(min(n_images, 1000), random_state=0)
    rows = np.arange(n_images) % len(data.images)
    rng = np.random.default_rng(0)
    return PrimingPool(
        data.target[rows],
        rng.standard_normal((n_images, 512), dtype=np.float32),
        ids=[f"photos/{i:08d}.jpg" for i in range(n_images)],
        captions=[data.captions[i] for i in rows],
        images=[data.images[i] for i in rows],
    )


def time_browser(path: Path) -> None:
    """Print the time to load the page, to filter it, and the nodes of the document."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print("no browser: install the extra `browser` and Debian's package chromium")
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        begin = time.perf_counter()
        page.goto(path.as_uri())
        print(f"loaded in {time.perf_counter() - begin:.2f} s")
        times = [page.evaluate(FILTER, words) for words in ("star", "red", "", "a house", "")]
        print(f"filtered in {np.median(times):.0f} ms (median), {max(times):.0f} ms (longest)")
        nodes = page.evaluate("document.querySelectorAll('*').length")
        print(f"{nodes} nodes in the document")
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-images", type=int, default=10_000)
    args = parser.parse_args()
    pool = make_pool(args.n_images)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        page = pool_page(pool)
        seconds = time.process_time() - begin
        path = page.save(Path(folder, "pool.html"))
        size = path.stat().st_size / 1e6
        print(
            f"{args.n_images} images: {seconds:.1f} CPU s, {size:.1f} MB, {len(page.files)} files"
        )
        time_browser(path)


if __name__ == "__main__":
    main()
