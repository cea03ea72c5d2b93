"""Train skclip-tiny, the CLIP inside the package, on synthetic images and their captions.

Run from the repository root; CPU only, within an hour on two cores:

    python benchmarks/train_tiny_clip.py

writes skclip/embedding/tiny/skclip-tiny.safetensors and prints the zero-shot accuracies that
docs/user_guide/datasets.md shows; ``--evaluate`` prints them for weights that are there. With
``--run`` a stopped training goes on where it was.

Seeds: training draws from 1 000 000 on, evaluation from 3 000 000 on. Tests, examples and the demo
stay below 1 000 000.
"""

import argparse
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from safetensors.torch import load_file, save_file
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch
from torch.nn import functional as F
from tqdm import tqdm

from skclip import CLIPEmbedder, CLIPPINGTrainer, ZeroShotClassifier
from skclip.datasets import CLASS_NAMES, STYLE_NAMES, make_captioned_images

WEIGHTS = Path(__file__).parents[1] / "skclip/embedding/tiny/skclip-tiny.safetensors"
TRAIN_SEED, EVALUATION_SEED = 1_000_000, 3_000_000
CHUNK = 2_500

# Seen often, now and then, hardly ever: the last three are what a user has to adapt to.
STYLE_SHARES = {"flat": 30, "outline": 15, "textured": 15, "sketch": 1, "night": 1, "mosaic": 1}
# Drawn as often as others, but captions hardly use the name: share of synonyms instead of it.
RARE_NAMES = dict.fromkeys(
    ["bell", "bolt", "crossbow", "gear", "keyhole", "lighthouse", "ring", "spiral", "starfish"]
    + ["sunflower"],
    0.997,
)
# Rarely drawn: share of images relative to the other classes.
RARE_SHAPES = dict.fromkeys(["anchor", "moon", "palm tree", "umbrella"], 0.05)
TEMPLATES = ("a photo of a {}", "a picture of a {}", "a drawing of a {}", "the {}")


def draw_pairs(n_samples: int, seed: int) -> Bunch:
    """Return drawings and captions with the gaps described above."""
    return make_captioned_images(
        n_samples,
        style=[style for style, share in STYLE_SHARES.items() for _ in range(share)],
        caption_noise=0.05,
        synonym_rate={name: RARE_NAMES.get(name, 0.3) for name in CLASS_NAMES},
        weights={name: RARE_SHAPES.get(name, 1.0) for name in CLASS_NAMES},
        random_state=seed,
    )


def draw(n_samples: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Return images, uint8 (n, 64, 64, 3), and their captions."""
    data = draw_pairs(n_samples, seed)
    return as_array(data.images), data.captions


def as_array(images: list[Any]) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images])


def edge_histograms(pixels: np.ndarray, n_block: int = 500) -> np.ndarray:
    """Directions of edges in cells of 8 x 8 pixels (HOG): an encoder that was never taught."""
    blocks = (pixels[i : i + n_block] for i in range(0, len(pixels), n_block))
    return np.concatenate([_edge_histograms(block) for block in blocks])


def _edge_histograms(pixels: np.ndarray) -> np.ndarray:
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    down = x[:, :, 2:, 1:-1] - x[:, :, :-2, 1:-1]
    right = x[:, :, 1:-1, 2:] - x[:, :, 1:-1, :-2]
    strength, channel = torch.hypot(down, right).max(dim=1, keepdim=True)
    angle = torch.atan2(down.gather(1, channel), right.gather(1, channel)) % torch.pi
    away = (angle * 9 / torch.pi - torch.arange(9).view(1, 9, 1, 1) + 4.5) % 9 - 4.5
    edges = strength * (1 - away.abs()).clamp(min=0)
    cells = F.avg_pool2d(F.pad(edges, (1, 1, 1, 1)), 8)
    around = F.avg_pool2d(cells.square().sum(1, keepdim=True), 3, 1, 1).sqrt()
    return (cells / (around + 0.01)).flatten(1).numpy()


def word_counts(captions: list[str]) -> np.ndarray:
    """Weighted counts of words in 64 dimensions: the other encoder that was never taught."""
    words = TfidfVectorizer(stop_words="english")
    return make_pipeline(words, TruncatedSVD(64, random_state=0)).fit_transform(captions)


def save_half(trainer: CLIPPINGTrainer, path: Path) -> None:
    """Write the weights in half precision, under another name first."""
    with TemporaryDirectory() as folder:
        trainer.save(folder)
        state = load_file(Path(folder) / "open_clip_model.safetensors")
    partial = path.with_suffix(".partial")
    save_file({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, partial)
    partial.rename(path)


def evaluate(weights: Path, n_samples: int = 2000, n_seeds: int = 5) -> str:
    """Return a markdown table: accuracy in % by style, mean ± std over unseen data sets."""
    images, texts = (CLIPEmbedder("skclip-tiny", weights, modality=m) for m in ("image", "text"))
    synonyms = make_captioned_images(1, random_state=0).synonyms
    head, wide_head = (
        ZeroShotClassifier(embedder=texts, templates=list(TEMPLATES), synonyms=s).fit(y=CLASS_NAMES)
        for s in (None, synonyms)
    )
    lines = [
        "| style | zero-shot, names | frequent names | rare names | rare shapes | with synonyms |",
        "|---|---|---|---|---|---|",
    ]
    for style in tqdm(STYLE_NAMES, desc="evaluate", leave=False):
        scores = []
        for k in range(n_seeds):
            data = make_captioned_images(n_samples, style=style, random_state=EVALUATION_SEED + k)
            X = images.transform(as_array(data.images))
            hit = head.predict(X) == data.target
            rare_name = np.isin(data.target, list(RARE_NAMES))
            rare_shape = np.isin(data.target, list(RARE_SHAPES))
            frequent = hit[~rare_name & ~rare_shape]
            parts = (hit, frequent, hit[rare_name], hit[rare_shape])
            scores.append([*(part.mean() for part in parts), wide_head.score(X, data.target)])
        mean, std = 100 * np.mean(scores, axis=0), 100 * np.std(scores, axis=0)
        cells = [f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, std, strict=True)]
        lines.append(f"| {style} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output", type=Path, default=WEIGHTS, help="checkpoint to write, or to evaluate"
    )
    parser.add_argument("--evaluate", action="store_true", help="only print the table for --output")
    parser.add_argument("--run", type=Path, help="folder of the training's state and log")
    parser.add_argument("--n-images", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--guidance", type=float, default=0, help="weight of both neighbour terms")
    parser.add_argument("--dtype", default="bfloat16", help="float32 may be faster on your CPU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n-jobs", type=int, default=2)
    args = parser.parse_args()

    if not args.evaluate:
        starts = range(math.ceil(args.n_images / CHUNK))
        chunks = Parallel(n_jobs=args.n_jobs, return_as="generator")(
            delayed(draw)(CHUNK, TRAIN_SEED + k) for k in starts
        )
        drawn = zip(*tqdm(chunks, desc="draw", total=len(starts)), strict=True)
        images, captions = (np.concatenate(chunk) for chunk in drawn)
        trainer = CLIPPINGTrainer(
            "skclip-tiny",
            edge_histograms(images) if args.guidance else None,
            word_counts(captions) if args.guidance else None,
            lambda_nn=args.guidance,
            lambda_xnn=args.guidance,
            max_iter=args.steps,
            batch_size=args.batch_size,
            learning_rate=args.learning_rate,
            dtype=args.dtype,
            random_state=args.seed,
            output=args.run,
            verbose=1,
        )
        trainer.fit(images, captions.tolist())
        save_half(trainer, args.output)
    print(evaluate(args.output))


if __name__ == "__main__":
    main()
