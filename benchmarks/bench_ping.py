"""What neighbour guidance adds to a training step, beside plain CLIP training.

Both learners step over the same batch in turn, round after round in one process, so that a busy
machine slows both; the table has the median over rounds of the ratio. Features are 768 wide for
both teachers, and a step gathers their rows as in training. With a GPU it also prints images a
second, the share of a step outside the two towers, and fails if a step waits for the device.

    python benchmarks/bench_ping.py --student skclip-tiny --batch-size 256
    python benchmarks/bench_ping.py --student ViT-B-32 --batch-size 32 --rounds 5
"""

import argparse
import statistics
import time

import numpy as np
import torch

from skclip.distill._feed import Banks
from skclip.distill._learner import Hyperparameters, Learner, make_learner
from skclip.distill._neighbors import Guides
from skclip.distill._student import find_architecture

N_PAIRS = 20_000
ARMS = {"plain CLIP": (0.0, 0.0), "NN": (1.0, 0.0), "XNN": (0.0, 1.0), "NN + XNN": (1.0, 1.0)}


def make_banks(width: int) -> Banks:
    rng = np.random.default_rng(0)
    image, text = (rng.normal(size=(N_PAIRS, width)).astype(np.float16) for _ in range(2))
    guides = Guides(*(rng.integers(N_PAIRS, size=(2, N_PAIRS)) for _ in range(2)))
    return Banks(image, text, guides)


class Arm:
    """A learner and how it takes a step: from the numbers of pairs to new weights."""

    def __init__(self, name: str, args: argparse.Namespace, banks: Banks, n_steps: int) -> None:
        nn, xnn = ARMS[name]
        how = Hyperparameters(
            n_steps=n_steps,
            learning_rate=1e-4,
            weight_decay=0.1,
            warmup=0.05,
            clip_grad_norm=1.0,
            accumulate=1,
            ema_decay=None,
            lambda_nn=nn,
            lambda_xnn=xnn,
            dtype=args.dtype,
            device=args.device,
            compile=args.compile,
        )
        torch.manual_seed(0)
        architecture = find_architecture(args.student)
        guided = banks if nn or xnn else None
        length = architecture.config["text_cfg"]["context_length"]
        self.tokens = torch.randint(1, 49000, (args.batch_size, length), device=args.device)
        self.learner: Learner = make_learner(architecture, self.tokens.cpu(), guided, how)
        self.device = args.device
        self._banks = None
        if guided is not None:
            parts = (banks.image, banks.guides.image, banks.text, banks.guides.text)
            self._banks = [torch.from_numpy(part).to(args.device) for part in parts]

    def rows(self, pairs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        if self._banks is None:
            return None
        image_bank, image_guides, text_bank, text_guides = self._banks
        return image_bank[image_guides[:, pairs]], text_bank[text_guides[:, pairs]]

    def step(self, images: torch.Tensor, pairs: torch.Tensor) -> None:
        self.learner.step(images, self.tokens, self.rows(pairs))

    def seconds(self, images: torch.Tensor, pairs: torch.Tensor, n_steps: int) -> float:
        self._wait()
        started = time.perf_counter()
        for _ in range(n_steps):
            self.step(images, pairs)
        self._wait()
        return (time.perf_counter() - started) / n_steps

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def compare(args: argparse.Namespace) -> None:
    banks = make_banks(args.width)
    n_steps = (args.rounds + 2) * args.steps
    arms = {name: Arm(name, args, banks, n_steps) for name in ARMS}
    size = find_architecture(args.student).preprocess_cfg["size"]
    images = torch.randn(args.batch_size, 3, size, size, device=args.device)
    images = images.contiguous(memory_format=torch.channels_last)
    times: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(args.rounds + 1):
        pairs = torch.randint(N_PAIRS, (args.batch_size,), device=args.device)
        for name, arm in arms.items():
            seconds = arm.seconds(images, pairs, args.steps)
            if number:  # the first round warms up
                times[name].append(seconds)
    plain = times["plain CLIP"]
    print(f"{args.student}, batch {args.batch_size}, {args.dtype}, {args.device}")
    print("| step | ms | ratio, median (range) |\n|---|---|---|")
    for name, own in times.items():
        ratios = [t / p for t, p in zip(own, plain, strict=True)]
        spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        print(f"| {name} | {1000 * statistics.median(own):.1f} | {spread} |")
    if args.device == "cuda":
        report_device(arms["NN + XNN"], images)


def report_device(arm: Arm, images: torch.Tensor, n_steps: int = 50) -> None:
    """Print images a second and the share of a step outside the towers; no step may wait."""
    batch = len(images)
    pairs = torch.arange(batch, device="cuda")

    def seconds(work) -> float:
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(n_steps):
            work()
        torch.cuda.synchronize()
        return (time.perf_counter() - started) / n_steps

    def towers() -> None:
        """Forward and backward of the model alone."""
        how = arm.learner.how
        with torch.autocast("cuda", getattr(torch, how.dtype), enabled=how.dtype != "float32"):
            image, text, _ = arm.learner._forward(images, arm.tokens)[:3]
        (image.float().sum() + text.float().sum()).backward()

    seconds(towers)
    torch.cuda.set_sync_debug_mode("error")
    try:
        arm.step(images, pairs)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    whole = seconds(lambda: arm.step(images, pairs))
    model = seconds(towers)
    print(f"{batch / whole:.0f} images/s, {1 - model / whole:.1%} of a step outside the towers")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    on_gpu = torch.cuda.is_available()
    parser.add_argument("--student", default="skclip-tiny")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--width", type=int, default=768, help="of both teachers")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=50 if on_gpu else 1, help="a round")
    parser.add_argument("--dtype", default="bfloat16" if on_gpu else "float32")
    parser.add_argument("--device", default="cuda" if on_gpu else "cpu")
    parser.add_argument("--compile", action="store_true")
    compare(parser.parse_args())


if __name__ == "__main__":
    main()
