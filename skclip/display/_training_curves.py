"""Loss terms, temperature and learning rate over the steps of a training run."""

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from sklearn.utils.validation import check_is_fitted

from skclip._files import find_file
from skclip._validation import sample_of
from skclip.display._axes import axes_of
from skclip.display._plain import show_as_they_are

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["TrainingCurvesDisplay"]

_LABELS = {"loss": "loss", "clip": "CLIP", "nn": "NN", "xnn": "XNN"}


class TrainingCurvesDisplay:
    """Training log of :class:`~skclip.distill.CLIPPINGTrainer` as curves.

    Create it with :meth:`from_estimator`, or with :meth:`from_log` from the ``log.jsonl`` of a run,
    even while it is running. Plot several on one ``ax`` to compare them.

    Parameters
    ----------
    log : sequence of mapping
        Records with ``"step"`` and named numbers, in order of the steps.

    name : str or None, default=None
        Name of the curves in the legend.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        Curves, keyed by quantity.

    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure containing the curves.

    See Also
    --------
    skclip.distill.CLIPPINGTrainer : The trainer that writes the log.

    Examples
    --------
    >>> from skclip.display import TrainingCurvesDisplay
    >>> log = [{"step": 20, "loss": 5.1, "clip": 5.1}, {"step": 40, "loss": 4.2, "clip": 4.2}]
    >>> display = TrainingCurvesDisplay(log=log)
    >>> display.curve("loss")
    ([20, 40], [5.1, 4.2])
    >>> display.plot().figure_.savefig("curves.png")  # doctest: +SKIP
    """

    def __init__(self, *, log: Sequence[Mapping[str, float]], name: str | None = None) -> None:
        if not log:
            raise ValueError("The log has no records yet: one is written every log_every steps.")
        self.log = list(log)
        self.name = name

    @classmethod
    def from_estimator(cls, trainer: Any, *, name: str | None = None) -> Self:
        """Create a display from a fitted trainer.

        Parameters
        ----------
        trainer : CLIPPINGTrainer
            A fitted trainer.

        name : str or None, default=None
            Name of the curves in the legend.

        Returns
        -------
        display : TrainingCurvesDisplay
            The display, not yet plotted.
        """
        check_is_fitted(trainer, "log_")
        return cls(log=trainer.log_, name=name)

    @classmethod
    def from_log(cls, path: str | PathLike[str], *, name: str | None = None) -> Self:
        """Create a display from the log of a run, finished or not.

        Parameters
        ----------
        path : str or path
            ``log.jsonl``, or its directory (``output=`` of the trainer).

        name : str or None, default=None
            Name of the curves in the legend.

        Returns
        -------
        display : TrainingCurvesDisplay
            The display, not yet plotted.
        """
        file = find_file(path)
        file = file / "log.jsonl" if file.is_dir() else file
        text = file.read_text(encoding="utf-8")
        # text after the last line break is an incomplete line
        complete = text[: text.rfind("\n") + 1]
        return cls(log=[json.loads(line) for line in complete.splitlines()], name=name)

    def curve(self, key: str) -> tuple[list[float], list[float]]:
        """Return steps and values of one quantity.

        Parameters
        ----------
        key : str
            ``"loss"``, ``"clip"``, ``"nn"``, ``"xnn"``, ``"logit_scale"``, ``"learning_rate"`` or
            ``"images_per_second"``.

        Returns
        -------
        steps, values : list of float
            Steps and values of the records that have the quantity.
        """
        records = [record for record in self.log if key in record]
        if not records:
            raise ValueError(f"The log has no {key!r}, only {sample_of(self.log[0], 12)}.")
        return [record["step"] for record in records], [record[key] for record in records]

    def plot(
        self, ax: "Axes | None" = None, *, keys: Sequence[str] | None = None, **line_kw: Any
    ) -> Self:
        """Plot one curve per quantity over the steps.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot in; None creates a figure.

        keys : sequence of str, default=None
            Quantities to plot; None means the terms of the loss.

        **line_kw : dict
            Passed to ``ax.plot`` for every curve.

        Returns
        -------
        display : TrainingCurvesDisplay
            This object.
        """
        axes = axes_of(ax, "TrainingCurvesDisplay.plot")
        self.ax_, self.figure_ = axes, axes.figure
        shown = keys or [key for key in ("clip", "nn", "xnn") if key in self.log[0]]
        self.lines_ = {}
        for key in shown:
            label = _LABELS.get(key, key.replace("_", " "))
            label = label if self.name is None else f"{self.name}: {label}"
            (self.lines_[key],) = axes.plot(*self.curve(key), **{"label": label, **line_kw})
        axes.set_xlabel("Step")
        axes.set_ylabel("Loss (nats)" if set(shown) <= set(_LABELS) else ", ".join(shown))
        show_as_they_are(axes.legend().get_texts())
        return self
