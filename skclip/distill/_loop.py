"""The training loop: batches, steps, log records and checkpoints."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from skclip._progress import progress_bar
from skclip.distill._batches import PairBatches, Plan
from skclip.distill._feed import Feed
from skclip.distill._learner import Learner
from skclip.distill._run import Run
from skclip.exceptions import TrainingDivergedError

__all__ = ["train"]


def train(
    learner: Learner,
    plan: Plan,
    batches: PairBatches,
    feed: Feed,
    run: Run,
    *,
    n_workers: int,
    log_every: int,
    checkpoint_every: int,
    verbose: int,
) -> None:
    """Train to the last step, starting from the run's checkpoint if there is one.

    Parameters
    ----------
    learner : Learner
        The learner.

    plan : Plan
        The pairs of every step.

    batches, feed : PairBatches and Feed
        Return the batch of each step.

    run : Run
        The run, which stores log and checkpoints.

    n_workers : int
        Processes that prepare batches in advance; 0 prepares them between steps.

    log_every, checkpoint_every : int
        Steps between log records, and between checkpoints.

    verbose : int
        Whether to show a progress bar. It is shown on terminals only.

    Raises
    ------
    TrainingDivergedError
        If the loss is infinite or NaN.

    KeyboardInterrupt
        After the current step has ended and its checkpoint is written.
    """
    state = run.load_checkpoint()
    if state is not None:
        with run.reading_checkpoint():
            learner.load_state_dict(state)
    n_steps, saved = learner.how.n_steps, learner.step_number
    log = _Log(learner, plan, run)
    with (
        progress_bar(shown=bool(verbose), desc="train", initial=saved, total=n_steps) as bar,
        _deferred_interrupts() as interrupted,
    ):
        for batch in _on_device(batches, range(saved, n_steps), learner.device, n_workers):
            learner.step(*feed(batch))
            bar.update()
            step = learner.step_number
            ends = step == n_steps or interrupted()
            is_logged = step % log_every == 0 or step == n_steps
            is_saved = step % checkpoint_every == 0 or ends
            if is_logged or is_saved:
                _check_finite(learner, saved, run)
            if is_logged:
                bar.set_postfix(log.write())
            if is_saved:
                run.save_checkpoint(learner.state_dict())
                saved = step
            if interrupted():
                raise KeyboardInterrupt


class _Log:
    """Log records, with the rate since the previous record."""

    def __init__(self, learner: Learner, plan: Plan, run: Run) -> None:
        self._learner, self._plan, self._run = learner, plan, run
        self._step, self._time = learner.step_number, time.perf_counter()

    def write(self) -> dict[str, float]:
        """Write a record; return the values for the progress bar."""
        learner, now = self._learner, time.perf_counter()
        terms = learner.mean_terms()
        step, scale = learner.step_number, learner.log_scale.exp().item()
        rate = (step - self._step) * self._plan.n_batch / (now - self._time)
        self._step, self._time = step, now
        self._run.write_log(
            {
                "step": step,
                "epoch": round(step / self._plan.steps_per_epoch, 4),
                **terms,
                "logit_scale": scale,
                "learning_rate": learner.learning_rate,
                "images_per_second": round(rate, 1),
            }
        )
        return terms | {"images/s": round(rate)}


def _on_device(
    batches: PairBatches, steps: range, device: torch.device, n_workers: int
) -> Iterator[dict[str, Tensor]]:
    """Yield batches, copied to the device without waiting."""
    on_cuda = device.type == "cuda"
    loader: DataLoader[Any] = DataLoader(
        batches,  # type: ignore[arg-type]
        batch_size=None,
        sampler=steps,
        num_workers=n_workers,
        pin_memory=on_cuda,
        # the loader takes a seed at its start; from torch's global generator, this would change
        # the dropout of a resumed run
        generator=torch.Generator(),
    )
    for batch in loader:
        yield {name: value.to(device, non_blocking=on_cuda) for name, value in batch.items()}


def _check_finite(learner: Learner, saved: int, run: Run) -> None:
    if learner.is_finite():
        return
    kept = "" if run.directory is None else f" The checkpoint of step {saved} is valid."
    raise TrainingDivergedError(
        f"The loss became infinite or NaN in steps {learner.step_number - learner.n_totalled + 1} "
        f"to {learner.step_number}. Lower learning_rate (it is {learner.how.learning_rate:g}), "
        f"lengthen warmup, or train with dtype='float32', and start again.{kept}"
    )


@contextmanager
def _deferred_interrupts() -> Iterator[Callable[[], bool]]:
    """Record the first Ctrl-C, so that the step is finished first; the second one raises."""
    came = threading.Event()

    def note(number: int, frame: Any) -> None:
        if came.is_set():
            raise KeyboardInterrupt
        came.set()

    # only the main thread can set a handler, and a custom handler is not replaced
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not is_default or threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
