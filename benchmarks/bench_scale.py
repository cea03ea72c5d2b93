"""Large corpora: embedding on Ray against the bare loop, and heads fitted without loading rows.

    python -m benchmarks.bench_scale embed --images 2000
    python -m benchmarks.bench_scale fit --rows 100000 1000000
    python -m benchmarks.bench_scale open --shards 1000
    python -m benchmarks.bench_scale decode --images 200
    python -m benchmarks.bench_scale memory --images 2000 20000

`embed` is the bundled model on synthetic images; `fit` is a discriminant and a stacked head on
synthetic float16 rows; `decode` compares decoding JPEG files of 640 x 480 with the forward pass of
an untrained ViT-B-32 and of the bundled model; `memory` is that of an actor that embeds one shard.
Rates are by the clock: repeat them on an idle machine. Memory is the peak of what a process has
allocated, without mapped files.
"""

import argparse
import logging
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")

import numpy as np

N_CLASSES, N_FEATURES, SHARD = 100, 64, 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    embed = kinds.add_parser("embed")
    embed.add_argument("--images", type=int, default=2000)
    embed.add_argument("--repeats", type=int, default=3)
    fit = kinds.add_parser("fit")
    fit.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    opened = kinds.add_parser("open")
    opened.add_argument("--shards", type=int, default=1000)
    decode = kinds.add_parser("decode")
    decode.add_argument("--images", type=int, default=200)
    memory = kinds.add_parser("memory")
    memory.add_argument("--images", type=int, nargs="+", default=[2000, 20_000])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skclip-scale-") as folder:
        if args.kind == "embed":
            measure_embedding(Path(folder), args.images, args.repeats)
        elif args.kind == "fit":
            measure_fits(Path(folder), args.rows)
        elif args.kind == "open":
            measure_shards(Path(folder), args.shards)
        elif args.kind == "decode":
            measure_decoding(args.images)
        else:
            measure_memory(Path(folder), args.images)


def measure_embedding(folder: Path, n_images: int, repeats: int) -> None:
    """Compare the rates of the bare loop, of one process, and of Ray with one and two workers."""
    import ray
    from ray.data import ActorPoolStrategy

    from skclip import CLIPEmbedder, Corpus
    from skclip.datasets import make_captioned_images, write_captioned_folder
    from skclip.distributed import embed

    images = make_captioned_images(n_images, random_state=0)
    source = write_captioned_folder(images, folder / "images")
    embedder = CLIPEmbedder("skclip-tiny", device="cpu")
    corpus = Corpus.build(source, folder / "corpus", shard_size=n_images // 8)
    paths = corpus.images().tolist()
    embedder.transform(paths[:64])
    ray.init(
        num_cpus=2, object_store_memory=200 << 20, include_dashboard=False, log_to_driver=False
    )

    def copy() -> Corpus:
        """Return the same corpus without embeddings."""
        place = Path(tempfile.mkdtemp(dir=folder)) / "corpus"
        return Corpus.build(source, place, shard_size=n_images // 8)

    shards: list[float] = []
    handler = logging.Handler()
    handler.emit = lambda record: shards.append(float(record.args[1]))  # type: ignore
    logging.getLogger("skclip.distributed").addHandler(handler)
    logging.getLogger("skclip.distributed").setLevel(logging.INFO)
    working: dict[str, list[float]] = {}

    def on_ray(n: int) -> None:
        shards.clear()
        embed(copy(), embedder, engine="ray", compute=ActorPoolStrategy(size=n))
        # the first shard of a worker also loads the model
        rate = n_images / len(shards) / np.median(shards)
        working.setdefault(f"Ray, {n} workers, while they work, per worker", []).append(rate)

    ways: dict[str, Any] = {
        "bare loop": lambda: bare_loop(embedder, paths),
        "one process": lambda: embed(copy(), embedder),
        "Ray, 1 worker": lambda: on_ray(1),
        "Ray, 2 workers": lambda: on_ray(2),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, work in ways.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    for name, taken in seconds.items():
        rates = n_images / np.array(taken)
        print(f"{name}: {np.mean(taken):.1f} s, {rates.mean():.0f} ± {rates.std():.0f} images/s")
    for name, found in working.items():
        print(f"{name}: {np.mean(found):.0f} ± {np.std(found):.0f} images/s")
    ray.shutdown()


def bare_loop(embedder: Any, paths: list[str]) -> None:
    """Embed images with open_clip's model and nothing else."""
    import torch
    from PIL import Image

    loaded = embedder.load_model()
    with torch.inference_mode():
        for start in range(0, len(paths), 64):
            batch = [Image.open(path).convert("RGB") for path in paths[start : start + 64]]
            rows = loaded.model.encode_image(torch.stack([loaded.preprocess(i) for i in batch]))
            np.asarray(rows / rows.norm(dim=1, keepdim=True), np.float16)


def measure_fits(folder: Path, sizes: list[int]) -> None:
    """Measure seconds and memory of heads fitted on corpora of several sizes."""
    from skclip import GaussianDiscriminantClassifier, StackedHeadClassifier
    from skclip.distributed import fit_corpus

    rng = np.random.default_rng(0)
    means = rng.normal(size=(N_CLASSES, N_FEATURES)).astype(np.float32)
    text = dict(zip(names().tolist(), means + rng.normal(size=means.shape), strict=True))
    heads = {
        "discriminant": lambda: GaussianDiscriminantClassifier(),
        "stacked": lambda: StackedHeadClassifier(text),
    }
    for n_rows in sizes:
        corpus = make_corpus(folder / str(n_rows), n_rows, means)
        for name, make in heads.items():
            with Memory() as memory:
                start = time.process_time()
                head = fit_corpus(make(), corpus, "caption")
                seconds = time.process_time() - start
            X, y = test_rows(means)
            accuracy = np.mean(head.predict(X) == y)
            print(
                f"{name}, {n_rows} rows: {seconds:.1f} CPU s, {memory.peak:.0f} MB at most, "
                f"{memory.before:.0f} MB before; accuracy {accuracy:.4f}",
                flush=True,
            )


def names() -> np.ndarray:
    return np.array([f"class {c:03d}" for c in range(N_CLASSES)])


def make_corpus(path: Path, n_rows: int, means: np.ndarray) -> Any:
    """Write rows about class means, block by block; the caption is the class."""
    from skclip import Corpus

    path.mkdir()
    rng = np.random.default_rng(n_rows)
    rows = np.lib.format.open_memmap(path / "X.npy", "w+", "<f2", (n_rows, N_FEATURES))
    with (path / "captions.txt").open("w") as captions:
        for start in range(0, n_rows, SHARD):
            codes = rng.integers(N_CLASSES, size=min(SHARD, n_rows - start))
            noise = rng.standard_normal((len(codes), N_FEATURES), np.float32)
            rows[start : start + len(codes)] = means[codes] + 3 * noise
            captions.write("\n".join(names()[codes]) + "\n")
    rows.flush()
    del rows
    corpus = Corpus.build(
        path / "captions.txt",
        path / "corpus",
        embeddings=path / "X.npy",
        index=False,
        shard_size=SHARD,
    )
    (path / "X.npy").unlink()
    return corpus


def test_rows(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    codes = rng.integers(N_CLASSES, size=10_000)
    X = means[codes] + 3 * rng.standard_normal((len(codes), N_FEATURES), np.float32)
    return X, names()[codes]


def measure_shards(folder: Path, n_shards: int) -> None:
    """Measure what opening and searching a corpus of many shards takes."""
    from skclip import CaptionRetriever, Corpus

    n = 10 * n_shards
    captions = [f"{'a cat' if i % 97 == 0 else 'a dog'} number {i}" for i in range(n)]
    X = np.random.default_rng(0).normal(size=(n, 32))
    Corpus.build(captions, folder / "corpus", embeddings=X, shard_size=10)
    start = time.process_time()
    corpus = Corpus(folder / "corpus")
    opened = time.process_time()
    pool = CaptionRetriever(corpus, k=None).recall(["cat"])
    searched = time.process_time()
    n_files = len(list(Path("/proc/self/fd").iterdir()))
    print(
        f"{n_shards} shards: opened in {opened - start:.2f} CPU s, {len(pool)} images recalled in "
        f"{searched - opened:.2f} CPU s, {n_files} files open afterwards"
    )


def measure_decoding(n_images: int) -> None:
    """Compare the CPU time of decoding an image with that of its forward pass, on one thread."""
    import io

    import open_clip
    import torch
    from PIL import Image, ImageFilter

    from skclip import CLIPEmbedder
    from skclip.embedding._decode import decode_image

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images = []
    for _ in range(n_images):
        # blurred noise: about as many bytes as a photo
        noise = Image.fromarray(rng.integers(0, 256, (480, 640, 3), np.uint8))
        file = io.BytesIO()
        noise.filter(ImageFilter.GaussianBlur(1.5)).save(file, "JPEG", quality=90)
        images.append(file.getvalue())
    print(f"{np.mean([len(i) for i in images]) / 1000:.0f} kB per file")
    model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32", pretrained=None)
    tiny = CLIPEmbedder("skclip-tiny", device="cpu").load_model()
    for name, encode, prepare in (
        ("ViT-B-32, untrained", model.eval().encode_image, preprocess),
        ("skclip-tiny", tiny.model.encode_image, tiny.preprocess),
    ):
        start = time.process_time()
        pixels = torch.stack([prepare(decode_image(image)) for image in images])
        decoded = time.process_time()
        with torch.inference_mode():
            for batch in pixels.split(50):
                encode(batch)
        end = time.process_time()
        t, f = ((b - a) / n_images * 1000 for a, b in ((start, decoded), (decoded, end)))
        print(f"{name}: decoding {t:.2f} CPU ms, forward {f:.2f} CPU ms; share {t / (t + f):.2f}")


def measure_memory(folder: Path, sizes: list[int]) -> None:
    """Measure the memory of a process that embeds one shard of each size, as an actor does."""
    from skclip import CLIPEmbedder, Corpus
    from skclip.datasets import make_captioned_images, write_captioned_folder

    n_files = min(sizes)
    source = write_captioned_folder(
        make_captioned_images(n_files, random_state=0), folder / "images"
    )
    files = Corpus.build(source, folder / "files", index=False).images().tolist()
    embedder = CLIPEmbedder("skclip-tiny", device="cpu")
    embedder.transform(files[:64])
    for n_images in sizes:
        paths = [files[i % n_files] for i in range(n_images)]  # distinct within every chunk
        captions = [f"caption {i}" for i in range(n_images)]
        corpus = Corpus.build((captions, paths), folder / str(n_images), index=False)
        with Memory() as memory:
            start = time.process_time()
            corpus.embed(embedder)
            seconds = time.process_time() - start
        print(
            f"{n_images} images in a shard: {memory.peak:.0f} MB at most, {memory.before:.0f} MB "
            f"before; {1000 * seconds / n_images:.2f} CPU ms per image",
            flush=True,
        )


class Memory:
    """Peak of the memory that this process has allocated, in megabytes."""

    def __enter__(self) -> "Memory":
        self.before = self.peak = self._now()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            self.peak = max(self.peak, self._now())

    @staticmethod
    def _now() -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        (own,) = [line.split()[1] for line in lines if line.startswith("RssAnon")]
        return int(own) / 1024


if __name__ == "__main__":
    main()
