"""Rate of CLIPEmbedder beside a bare open_clip loop, sentence-transformers and embetter.

Every contender embeds the same images in turn, round after round in one process, so that a busy
machine slows all of them; the table shows the median over rounds of the ratio to the bare loop of
the same round. Weights are random: they do not change the work. Peers that are not installed are
named.

    python benchmarks/bench_embedding.py --model ViT-B-32 --n-images 64
    python benchmarks/bench_embedding.py --model skclip-tiny --n-images 512
"""

import argparse
import json
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import open_clip
import torch
from PIL import Image, ImageFilter
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from skclip import CLIPEmbedder, PrimedNCMClassifier


def draw_photos(folder: Path, n: int, size: tuple[int, int]) -> list[str]:
    """Write JPEG files that compress like photos: coarse noise, blurred, with grain."""
    rng = np.random.default_rng(0)
    paths = []
    for i in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        image = coarse.resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(3))
        grain = rng.normal(0, 6, (*size[::-1], 3))
        pixels = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
        paths.append(str(folder / f"{i}.jpg"))
        Image.fromarray(pixels).save(paths[-1], quality=90)
    return paths


def save_random_checkpoint(name: str, folder: Path) -> str:
    """Return a checkpoint of random weights; the bundled model has its own."""
    if name == "skclip-tiny":
        return "auto"
    torch.manual_seed(0)
    path = folder / "random.pt"
    torch.save(open_clip.create_model(name).state_dict(), path)
    return str(path)


def bare_loop(embedder: CLIPEmbedder) -> Callable[[list], np.ndarray]:
    """Return what one writes by hand with open_clip."""
    loaded = embedder.load_model()

    def embed(images: list) -> np.ndarray:
        parts = []
        for start in range(0, len(images), embedder.batch_size):
            batch = [
                image if isinstance(image, Image.Image) else Image.open(image).convert("RGB")
                for image in images[start : start + embedder.batch_size]
            ]
            pixels = torch.stack([loaded.preprocess(image) for image in batch])
            with torch.inference_mode():
                vectors = loaded.model.encode_image(pixels.to(getattr(torch, loaded.dtype)))
                parts.append(torch.nn.functional.normalize(vectors.float(), dim=-1).numpy())
        return np.concatenate(parts)

    return embed


def save_for_transformers(folder: Path) -> str:
    """Write a ViT-B-32 of random weights in the layout of sentence-transformers."""
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import CLIPModel

    model = folder / "transformers"
    tokens = open_clip.SimpleTokenizer()
    model.mkdir()
    (model / "vocab.json").write_text(json.dumps(tokens.encoder))
    merges = "\n".join(" ".join(pair) for pair in tokens.bpe_ranks)
    (model / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    tokenizer = transformers.CLIPTokenizer.from_pretrained(
        model, unk_token="<end_of_text>", bos_token="<start_of_text>", eos_token="<end_of_text>"
    )
    images = transformers.CLIPImageProcessor()
    transformers.CLIPProcessor(images, tokenizer).save_pretrained(model)
    transformers.CLIPModel(transformers.CLIPConfig()).save_pretrained(model)
    saved = folder / "sentence-transformers"
    SentenceTransformer(modules=[CLIPModel(str(model))], device="cpu").save(str(saved))
    return str(saved)


def peers(folder: Path, batch_size: int) -> dict[str, Callable[[list], np.ndarray]]:
    """Return the installed peers that embed images with a ViT-B-32."""
    found: dict[str, Callable[[list], np.ndarray]] = {}
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        print("not installed, and so not measured: sentence-transformers, embetter")
        return found
    saved = save_for_transformers(folder)
    encoder = SentenceTransformer(saved, device="cpu")

    def open_all(images: list) -> list:
        return [i if isinstance(i, Image.Image) else Image.open(i).convert("RGB") for i in images]

    found["sentence-transformers"] = lambda images: encoder.encode(
        open_all(images), batch_size=batch_size, normalize_embeddings=True
    )
    try:
        from embetter.multi import ClipEncoder
        from embetter.vision import ImageLoader
    except ImportError:
        print("not installed, and so not measured: embetter")
        return found
    clip, loader = ClipEncoder(saved), ImageLoader()
    found["embetter ClipEncoder"] = lambda images: clip.transform(
        images if isinstance(images[0], Image.Image) else loader.transform(images)
    )
    return found


def measure(
    contenders: dict[str, Callable[[list], np.ndarray]], images: list, n_rounds: int
) -> dict[str, list[float]]:
    """Return images a second for every contender and round, the order turning with the rounds."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for embed in contenders.values():
        embed(images[: len(images) // 4])
    names = list(contenders)
    for i in range(n_rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            start = time.perf_counter()
            contenders[name](images)
            rates[name].append(len(images) / (time.perf_counter() - start))
    return rates


def print_table(title: str, rates: dict[str, list[float]]) -> None:
    base = np.array(next(iter(rates.values())))
    print(f"\n| {title} | images/s | ratio to the bare loop |\n| --- | --- | --- |")
    for name, values in rates.items():
        ratios = np.array(values) / base
        print(
            f"| {name} | {np.median(values):.1f} | {np.median(ratios):.2f} "
            f"({ratios.min():.2f} to {ratios.max():.2f}) |"
        )


def print_pipelines(
    make: Callable[..., CLIPEmbedder], bare: Callable[[list], np.ndarray], paths: list[str]
) -> None:
    """Print what a second grid search costs, and a label of one file beside the bare loop."""
    rng = np.random.default_rng(0)
    width = make().load_model().n_features
    text = dict(enumerate(rng.standard_normal((10, width), dtype=np.float32)))
    y = np.arange(len(paths)) % 10
    with TemporaryDirectory() as cache:
        steps = [("embed", make(cache=cache)), ("head", PrimedNCMClassifier(text))]
        grid = GridSearchCV(Pipeline(steps), {"head__alpha": np.linspace(0, 1, 6)}, cv=5)
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            grid.fit(paths, y)
            seconds.append(time.perf_counter() - start)
    print(f"\n| {len(paths)} JPEG files, 6 alphas, 5 folds | s | ratio |\n| --- | --- | --- |")
    for run, taken in zip(("first", "second", "third"), seconds, strict=True):
        print(f"| GridSearchCV, {run} run | {taken:.2f} | {taken / seconds[0]:.3f} |")

    head = PrimedNCMClassifier(text, alpha=0.5).fit()
    weights = head.coef_.T
    pipeline = make_pipeline(make(), FrozenEstimator(head)).fit(paths[:1])
    contenders = {
        "bare loop and product": lambda images: (bare(images) @ weights).argmax(axis=1),
        "pipeline.predict": pipeline.predict,
    }
    taken = {name: [] for name in contenders}
    for path in paths[:30]:
        for name, predict in contenders.items():
            start = time.process_time()
            predict([path])
            taken[name].append(time.process_time() - start)
    base = np.median(taken["bare loop and product"])
    print("\n| one file to its label | CPU ms | ratio |\n| --- | --- | --- |")
    for name, values in taken.items():
        print(f"| {name} | {1000 * np.median(values):.1f} | {np.median(values) / base:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="skclip-tiny")
    parser.add_argument("--n-images", type=int, default=256)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with TemporaryDirectory() as name:
        folder = Path(name)
        paths = draw_photos(folder, options.n_images, (options.width, options.height))
        checkpoint = save_random_checkpoint(options.model, folder)

        def ours(**parameters) -> CLIPEmbedder:
            return CLIPEmbedder(
                options.model, checkpoint, device="cpu", batch_size=options.batch_size, **parameters
            )

        others = peers(folder, options.batch_size) if options.model == "ViT-B-32" else {}
        plain = {
            "bare open_clip loop": bare_loop(ours()),
            "CLIPEmbedder": ours().transform,
            "CLIPEmbedder(n_jobs=1)": ours(n_jobs=1).transform,
        }
        images = [Image.open(path).convert("RGB") for path in paths]
        print(
            f"{options.model}, {options.n_images} images {options.width} x {options.height}, batch "
            f"{options.batch_size}, float32 unless said, {torch.get_num_threads()} threads, "
            f"median of {options.rounds} rounds (range of the ratio)"
        )
        decoded = measure(plain | others, images, options.rounds)
        print_table("decoded images", decoded)
        cached = ours(cache=folder / "cache")
        cached.transform(paths)
        auto = ours(dtype="auto")
        files = plain | {
            f"CLIPEmbedder(dtype='auto') ({auto.load_model().dtype})": auto.transform,
            **others,
            "CLIPEmbedder(cache=…), second time": cached.transform,
        }
        print_table("JPEG files", measure(files, paths, options.rounds))
        print_pipelines(ours, bare_loop(ours()), paths)


if __name__ == "__main__":
    main()
