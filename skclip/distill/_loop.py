"""The training loop: batches in, steps, a line in the log now and then, checkpoints."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from skclip.distill._batches import PairBatches
from skclip.distill._learner import Learner
from skclip.distill._run import Run
from skclip.exceptions import TrainingDivergedError

__all__ = ["train"]


def train(
    learner: Learner,
    batches: PairBatches,
    prepare: Callable[[dict[str, Tensor]], tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]],
    run: Run,
    *,
    steps_per_epoch: int,
    n_batch: int,
    n_workers: int,
    log_every: int,
    checkpoint_every: int,
    verbose: int,
) -> None:
    """Train to the last step, from the run's checkpoint if there is one.

    Parameters
    ----------
    learner : Learner
        What learns.

    batches : PairBatches
        Makes the batch of any step.

    prepare : callable
        From a batch on the device to the arguments of :meth:`Learner.step`.

    run : Run
        Where log and checkpoints go.

    steps_per_epoch, n_batch : int
        For the log.

    n_workers : int
        Processes that make batches ahead of the model; 0 makes them in between.

    log_every, checkpoint_every : int
        Steps between two lines of the log and between two checkpoints.

    verbose : int
        Whether to show a progress bar, on a terminal.

    Raises
    ------
    TrainingDivergedError
        If the loss is no number any more.
    """
    state = run.load_checkpoint()
    if state is not None:
        learner.load_state_dict(state)
    n_steps = learner.how.n_steps
    saved = logged = learner.step_number
    with tqdm(
        desc="train", initial=saved, total=n_steps, unit="step", disable=None if verbose else True
    ) as bar:
        started = time.perf_counter()
        for batch in _on_device(batches, range(saved, n_steps), learner.device, n_workers):
            learner.step(*prepare(batch))
            step = learner.step_number
            bar.update()
            is_last = step == n_steps
            if step % log_every == 0 or is_last:
                _check_finite(learner, step, saved, run)
                terms = learner.mean_terms()
                rate = (step - logged) * n_batch / (time.perf_counter() - started)
                logged, started = step, time.perf_counter()
                run.write_log(_record(learner, step / steps_per_epoch, terms, rate))
                bar.set_postfix(terms | {"images/s": round(rate)})
            if step % checkpoint_every == 0 or is_last:
                _check_finite(learner, step, saved, run)
                run.save_checkpoint(learner.state_dict())
                saved = step


def _on_device(
    batches: PairBatches, steps: range, device: torch.device, n_workers: int
) -> Iterator[dict[str, Tensor]]:
    """Yield batches; copies to the device do not wait for it."""
    on_cuda = device.type == "cuda"
    loader: DataLoader[Any] = DataLoader(
        batches,  # type: ignore[arg-type]
        batch_size=None,
        sampler=steps,
        num_workers=n_workers,
        pin_memory=on_cuda,
    )
    for batch in loader:
        yield {name: value.to(device, non_blocking=on_cuda) for name, value in batch.items()}


def _record(
    learner: Learner, epoch: float, terms: dict[str, float], rate: float
) -> dict[str, float]:
    return {
        "step": learner.step_number,
        "epoch": round(epoch, 4),
        **terms,
        "logit_scale": learner.model.logit_scale.exp().item(),
        "learning_rate": learner.learning_rate,
        "images_per_second": round(rate, 1),
    }


def _check_finite(learner: Learner, step: int, saved: int, run: Run) -> None:
    if learner.is_finite():
        return
    kept = "" if run.directory is None else f" The checkpoint of step {saved} is sound."
    raise TrainingDivergedError(
        f"The loss is no number any more, in the last {learner.n_totalled} steps up to step {step}. "
        "Lower learning_rate (it was "
        f"{learner.how.learning_rate:g}), lengthen warmup, or train with dtype='float32'; "
        f"a checkpoint cannot change them, so give another output.{kept}"
    )
