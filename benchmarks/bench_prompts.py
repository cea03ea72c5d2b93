"""What AggregatedPromptClassifier costs: training, and prediction beside plain products.

    OMP_NUM_THREADS=1 python benchmarks/bench_prompts.py

Random embeddings: 100 classes, 16 labelled images and 20 prompts a class, 512 features.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

from skclip import AggregatedPromptClassifier

N_CLASSES, N_SHOTS, N_PROMPTS, N_FEATURES, N_QUERIES = 100, 16, 20, 512, 5_000


def seconds(work: Callable[[], object], rounds: int = 7) -> float:
    """Median processor time of one call."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def main() -> None:
    rng = np.random.default_rng(0)

    def around(centres: np.ndarray, spread: float) -> np.ndarray:
        noise = rng.standard_normal((len(centres), N_FEATURES))
        return (centres + spread * noise).astype(np.float32)

    text = around(np.zeros((N_CLASSES, N_FEATURES)), 1)
    classes = range(N_CLASSES)
    prompts = {c: around(text[[c] * N_PROMPTS], 1) for c in classes}
    y = np.repeat(classes, N_SHOTS)
    X, queries = around(text[y], 2), around(np.zeros((N_QUERIES, N_FEATURES)), 1)
    every_prompt = np.concatenate(list(prompts.values()))
    zero_shot = dict(zip(classes, text, strict=True))

    head = AggregatedPromptClassifier(zero_shot, prompts=prompts, random_state=0)
    print(f"fit: {seconds(lambda: head.fit(X, y), rounds=1):.1f} CPU s")
    attention = AggregatedPromptClassifier(zero_shot, prompts=prompts, aggregation="attention")
    attention.fit()
    product = seconds(lambda: queries @ every_prompt.T)
    for name, fitted in (("generator", head), ("attention", attention)):
        ratio = seconds(lambda fitted=fitted: fitted.predict(queries)) / product
        print(f"predict, {name}: {ratio:.1f} times the product with all prompts")


if __name__ == "__main__":
    main()
