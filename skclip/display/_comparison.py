"""Accuracy of several heads over the number of labelled images, with bands."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from skclip.display._axes import axes_of
from skclip.display._plain import show_as_they_are
from skclip.display._shots import SHOTS_LABEL, draw_band

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ComparisonDisplay"]


class ComparisonDisplay:
    """Accuracy of heads over labelled images per class, one band per head.

    Parameters
    ----------
    shots : sequence of str
        Labels of the horizontal axis, equally spaced.

    accuracy : mapping of str to ndarray of shape (n_shots, 2)
        Mean and standard deviation of each head in percent; NaN where there is none.

    oracles : sequence of str, default=()
        Which of them chose on test images: their lines are dotted, and their names say so.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        Means.

    bands_ : dict of str to matplotlib PolyCollection
        One standard deviation over draws, both ways.

    ax_ : matplotlib Axes
        Axes with the lines.

    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    skclip.evaluation.compare_heads : What is shown.
    AccuracyOverShotsDisplay : Accuracies that are given, or measured while it is made.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.display import ComparisonDisplay
    >>> accuracy = {"means": np.array([[60.0, 4.0], [70.0, 2.0]])}
    >>> display = ComparisonDisplay(shots=["1", "4"], accuracy=accuracy)
    >>> display.plot().figure_.savefig("heads.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        shots: Sequence[str],
        accuracy: dict[str, NDArray[Any]],
        oracles: Sequence[str] = (),
    ) -> None:
        self.shots = list(shots)
        self.accuracy = {name: np.asarray(values) for name, values in accuracy.items()}
        self.oracles = list(oracles)
        for name, values in self.accuracy.items():
            if values.shape != (len(self.shots), 2):
                raise ValueError(
                    f"accuracy of {name!r} has shape {values.shape} for {len(self.shots)} shots: "
                    "give one row of mean and standard deviation for each."
                )

    @classmethod
    def from_comparison(cls, comparison: Any, *, heads: Sequence[str] | None = None) -> Self:
        """Take the means of a comparison.

        Parameters
        ----------
        comparison : HeadComparison
            From :func:`skclip.evaluation.compare_heads`.

        heads : sequence of str, default=None
            Which heads to show; None is all.

        Returns
        -------
        display : ComparisonDisplay
            Not plotted yet. A head with several choices of its constants has a line for each.
        """
        summary = comparison.summary()
        known = dict.fromkeys(row.head for row in summary)
        if unknown := [name for name in heads or [] if name not in known]:
            raise ValueError(
                f"heads holds {unknown[0]!r}, which was not compared: give some of {list(known)}."
            )
        asked = [row for row in summary if heads is None or row.head in heads]
        choices: dict[str, set[str]] = {}
        for row in asked:
            choices.setdefault(row.head, set()).add(row.choice)
        accuracy: dict[str, list[tuple[float, float]]] = {}
        oracles = []
        for row in asked:
            is_oracle = row.choice.startswith("oracle")
            several = is_oracle or len(choices[row.head]) > 1
            name = f"{row.head}, {row.choice}" if several else row.head
            accuracy.setdefault(name, []).append((row.accuracy, row.accuracy_std))
            if is_oracle and name not in oracles:
                oracles.append(name)
        return cls(
            shots=comparison.settings["shots"],
            accuracy={name: np.array(values) for name, values in accuracy.items()},
            oracles=oracles,
        )

    def plot(self, ax: "Axes | None" = None, **line_kw: Any) -> Self:
        """Draw a line and a band per head.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        **line_kw : dict
            Passed to ``ax.plot`` for every line.

        Returns
        -------
        display : ComparisonDisplay
            This object; ``figure_`` can be saved.
        """
        axes = axes_of(ax, "ComparisonDisplay.plot")
        self.ax_, self.figure_ = axes, axes.figure
        self.lines_, self.bands_ = {}, {}
        at = np.arange(len(self.shots))
        for name, values in self.accuracy.items():
            mean, spread = values.T
            style = ":" if name in self.oracles else "-"
            self.lines_[name], self.bands_[name] = draw_band(
                axes, at, mean, spread, **{"label": name, "linestyle": style, **line_kw}
            )
        axes.set_xticks(at, self.shots)
        axes.set_xlabel(SHOTS_LABEL)
        axes.set_ylabel("Accuracy in %")
        show_as_they_are(axes.legend().get_texts())
        return self
