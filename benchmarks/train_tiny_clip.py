"""Train skclip-tiny, the CLIP inside the package, on drawn images and their captions.

Run from the repository root; CPU only, within an hour on two cores:

    python benchmarks/train_tiny_clip.py

writes skclip/embedding/tiny/skclip-tiny.safetensors and prints the zero-shot accuracies that
docs/user_guide/datasets.md shows; ``--evaluate`` prints them for weights that are there.

Seeds: training draws from 1 000 000 on, evaluation from 3 000 000 on. Tests, examples and the demo
stay below 1 000 000.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import open_clip
import torch
from joblib import Parallel, delayed
from safetensors.torch import save_file
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm, trange

from skclip.datasets import CLASS_NAMES, STYLE_NAMES, make_captioned_images

CONFIG = Path(__file__).parents[1] / "skclip/embedding/tiny/skclip-tiny.json"
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


def draw(n_samples: int, seed: int, preprocess) -> tuple[torch.Tensor, list[str]]:
    """Images as the model will see them, uint8 (n, 3, size, size), and their captions."""
    data = make_captioned_images(
        n_samples,
        style=[style for style, share in STYLE_SHARES.items() for _ in range(share)],
        caption_noise=0.05,
        synonym_rate={name: RARE_NAMES.get(name, 0.3) for name in CLASS_NAMES},
        weights={name: RARE_SHAPES.get(name, 1.0) for name in CLASS_NAMES},
        random_state=seed,
    )
    return as_bytes(data.images, preprocess), data.captions


def as_bytes(images, preprocess) -> torch.Tensor:
    """Apply the model's own transforms up to bytes; `normalise` does the rest a batch at a time."""
    resize_and_crop = preprocess.transforms[:-2]
    arrays = []
    for image in images:
        for step in resize_and_crop:
            image = step(image)
        arrays.append(np.asarray(image))
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()


def normalise(pixels: torch.Tensor, preprocess) -> torch.Tensor:
    """Apply the last transform of the model to a batch of bytes."""
    last = preprocess.transforms[-1]
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (last.mean, last.std))
    return ((pixels.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def jitter(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Shift the batch by up to four pixels and change its brightness and contrast a little."""
    dy, dx = torch.randint(-4, 5, (2,), generator=generator).tolist()
    padded = torch.nn.functional.pad(pixels.float(), (4, 4, 4, 4), mode="replicate")
    size = pixels.shape[-1]
    shifted = padded[..., 4 + dy : 4 + dy + size, 4 + dx : 4 + dx + size]
    gain = 0.8 + 0.4 * torch.rand(len(pixels), 1, 1, 1, generator=generator)
    offset = 30 * (torch.rand(len(pixels), 1, 1, 1, generator=generator) - 0.5)
    return ((shifted - 128) * gain + 128 + offset).clamp(0, 255)


def make_model(seed: int):
    """Return a fresh model and its transforms.

    Words start from zero, not from noise, so that those it never reads stay neutral.
    """
    open_clip.add_model_config(CONFIG)
    torch.manual_seed(seed)
    model, _, preprocess = open_clip.create_model_and_transforms(CONFIG.stem)
    torch.nn.init.zeros_(model.token_embedding.weight)
    return model, preprocess


def train(model, preprocess, pixels, tokens, args) -> None:
    seen = tokens.unique()
    with torch.no_grad():
        model.token_embedding.weight[seen] = (
            torch.randn(len(seen), model.token_embedding.embedding_dim) * 0.02
        )
    matrices = [p for n, p in model.named_parameters() if p.ndim >= 2 and "embedding" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim < 2 or "embedding" in n]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        betas=(0.9, 0.98),
        fused=True,
    )
    schedule = OneCycleLR(
        optimizer, args.learning_rate, total_steps=args.steps, pct_start=0.05, cycle_momentum=False
    )
    loss_of = open_clip.ClipLoss(cache_labels=True)
    generator = torch.Generator().manual_seed(args.seed)
    model.train().visual.to(memory_format=torch.channels_last)
    order = torch.empty(0, dtype=torch.long)
    bar = trange(args.steps, desc="train", mininterval=5)
    for step in bar:
        if len(order) < args.batch_size:
            order = torch.randperm(len(pixels), generator=generator)
        batch, order = order[: args.batch_size], order[args.batch_size :]
        images = normalise(jitter(pixels[batch], generator), preprocess)
        with torch.autocast("cpu", torch.bfloat16):
            image_features, text_features, scale = model(images, tokens[batch])
        loss = loss_of(image_features.float(), text_features.float(), scale)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        if step % 20 == 0:
            bar.set_postfix(loss=f"{loss.item():.3f}", scale=f"{scale.item():.1f}")
        if (step + 1) % args.checkpoint_every == 0 or step + 1 == args.steps:
            save(model, args.output)
            if args.report:
                print(
                    "\n" + evaluate(model, preprocess, n_samples=args.report, n_seeds=1), flush=True
                )
                model.train()


def save(model, path: Path) -> None:
    """Half-precision safetensors, written under another name first."""
    state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    partial = path.with_suffix(".partial")
    save_file({k: v.contiguous() for k, v in state.items()}, partial)
    partial.rename(path)


@torch.inference_mode()
def text_head(model, names: list[list[str]]) -> torch.Tensor:
    """One unit row a class, the mean over templates and the class's names."""
    tokenizer = open_clip.get_tokenizer(CONFIG.stem)
    rows = []
    for synonyms in names:
        prompts = [t.format(s) for t in TEMPLATES for s in synonyms]
        rows.append(model.encode_text(tokenizer(prompts), normalize=True).mean(0))
    return torch.nn.functional.normalize(torch.stack(rows), dim=-1)


@torch.inference_mode()
def evaluate(model, preprocess, n_samples: int, n_seeds: int) -> str:
    """Return a markdown table: accuracy in % by style, mean ± std over unseen data sets."""
    model.eval()
    plain = text_head(model, [[name] for name in CLASS_NAMES])
    lines = [
        "| style | zero-shot, names | frequent names | rare names | rare shapes | with synonyms |",
        "|---|---|---|---|---|---|",
    ]
    for style in tqdm(STYLE_NAMES, desc="evaluate", leave=False):
        scores = []
        for k in range(n_seeds):
            data = make_captioned_images(n_samples, style=style, random_state=EVALUATION_SEED + k)
            images = normalise(as_bytes(data.images, preprocess), preprocess)
            features = torch.cat(
                [model.encode_image(chunk, normalize=True) for chunk in images.split(500)]
            )
            synonymous = text_head(model, [[name, *data.synonyms[name]] for name in CLASS_NAMES])
            names = np.array(CLASS_NAMES, dtype=object)
            hit = names[(features @ plain.T).argmax(1).numpy()] == data.target
            hit_synonyms = names[(features @ synonymous.T).argmax(1).numpy()] == data.target
            rare_name = np.isin(data.target, list(RARE_NAMES))
            rare_shape = np.isin(data.target, list(RARE_SHAPES))
            scores.append(
                [
                    hit.mean(),
                    hit[~rare_name & ~rare_shape].mean(),
                    hit[rare_name].mean(),
                    hit[rare_shape].mean(),
                    hit_synonyms.mean(),
                ]
            )
        mean, std = 100 * np.mean(scores, axis=0), 100 * np.std(scores, axis=0)
        lines.append(
            f"| {style} | "
            + " | ".join(f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, std, strict=True))
            + " |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=CONFIG.with_suffix(".safetensors"),
        help="checkpoint to write, or to evaluate",
    )
    parser.add_argument("--evaluate", action="store_true", help="only print the table for --output")
    parser.add_argument("--n-images", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--checkpoint-every", type=int, default=500)
    parser.add_argument(
        "--report", type=int, default=0, help="images a style to evaluate at every checkpoint"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n-jobs", type=int, default=2)
    args = parser.parse_args()

    model, preprocess = make_model(args.seed)
    if args.evaluate:
        open_clip.load_checkpoint(model, str(args.output))
        print(evaluate(model, preprocess, n_samples=2000, n_seeds=5))
        return
    starts = range(math.ceil(args.n_images / CHUNK))
    chunks = Parallel(n_jobs=args.n_jobs, return_as="generator")(
        delayed(draw)(CHUNK, TRAIN_SEED + k, preprocess) for k in starts
    )
    pixels, captions = zip(*tqdm(chunks, desc="draw", total=len(starts)), strict=True)
    tokens = open_clip.get_tokenizer(CONFIG.stem)([c for chunk in captions for c in chunk])
    train(model, preprocess, torch.cat(pixels), tokens, args)
    print(evaluate(model, preprocess, n_samples=2000, n_seeds=5))


if __name__ == "__main__":
    main()
