"""Contact sheet of a priming pool: one row of thumbnails per class, with marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._optional import import_optional
from skclip._validation import sample_of
from skclip.display._plain import show_as_they_are
from skclip.embedding import shrink_image
from skclip.recall import PrimingPool

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PoolDisplay"]

KEPT, REJECTED = "#0072b2", "#d55e00"  # distinguishable for colour-blind readers
_GAP = 4  # pixels between thumbnails
_DPI = 64  # pixels of the sheet per inch of the figure
_LABEL_HEIGHT = 0.36  # of the height of a line


class PoolDisplay:
    """Contact sheet of recalled images, with marks for images kept and rejected by a filter.

    Create it with :meth:`from_pool`. The object stores the thumbnails, so that it can be plotted
    without the image files.

    Parameters
    ----------
    thumbnails : dict of {label: ndarray of shape (n_shown, size, size, 3)}
        Images to show, uint8, one entry per class.

    kept : dict of {label: ndarray of shape (n_shown,) of bool}, default=None
        Which images the filter kept; None shows no marks.

    line_names : dict of {label: str}, default=None
        Name beside the row of each class; its label by default.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The sheet.

    marks_ : list of matplotlib artists
        Frames of kept and rejected images.

    ax_ : matplotlib Axes
        Axes with the sheet.

    figure_ : matplotlib Figure
        Figure containing the sheet.

    See Also
    --------
    skclip.recall.PrimingPool : Recalled images with their classes.
    skclip.recall.ZeroShotFilter : Filter of recalled images.

    Examples
    --------
    >>> from skclip.datasets import make_captioned_images
    >>> from skclip.display import PoolDisplay
    >>> from skclip.recall import PrimingPool
    >>> data = make_captioned_images(6, classes=["star", "ring"], random_state=0)
    >>> pool = PrimingPool(data.target, images=data.images)
    >>> display = PoolDisplay.from_pool(pool, kept=~data.wrong_caption)
    >>> display.plot().figure_.savefig("sheet.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        thumbnails: Mapping[Any, NDArray[np.uint8]],
        kept: Mapping[Any, NDArray[np.bool_]] | None = None,
        line_names: Mapping[Any, str] | None = None,
    ) -> None:
        self.thumbnails = thumbnails
        self.kept = kept
        self.line_names = line_names

    @classmethod
    def from_pool(
        cls,
        pool: PrimingPool,
        *,
        kept: ArrayLike | None = None,
        n_per_class: int = 10,
        size: int = 64,
    ) -> Self:
        """Make thumbnails of the first images of every class.

        Parameters
        ----------
        pool : PrimingPool
            Pool with images: paths, bytes, PIL images or arrays.

        kept : array-like of shape (n_samples,) of bool, default=None
            Rows that a filter kept, for instance the ``support_`` of a fitted
            :class:`~skclip.recall.ZeroShotFilter`.

        n_per_class : int, default=10
            Maximum number of images per class.

        size : int, default=64
            Width and height of a thumbnail in pixels.

        Returns
        -------
        display : PoolDisplay
            The display, not yet plotted. Unreadable images are grey.
        """
        if pool.images is None or not len(pool):
            raise ValueError(
                f"{pool!r} has no images to show: recall from a collection with images."
            )
        mask = None if kept is None else np.asarray(kept, dtype=bool)
        if mask is not None and mask.shape != (len(pool),):
            raise ValueError(
                f"kept has shape {mask.shape} but the pool has {len(pool)} rows: give one boolean "
                "per row."
            )
        thumbnails, shown_kept, line_names = {}, {}, {}
        for label in pool.classes:
            rows = np.flatnonzero(pool.labels == label)
            shown = rows[:n_per_class]
            thumbnails[label] = np.stack([_thumbnail(pool.images[row], size) for row in shown])
            line_names[label] = f"{label} ({len(rows)})"
            if mask is not None:
                shown_kept[label] = mask[shown]
                line_names[label] = f"{label} ({mask[rows].sum()} of {len(rows)})"
        return cls(
            thumbnails=thumbnails,
            kept=None if mask is None else shown_kept,
            line_names=line_names,
        )

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the sheet.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot in; None creates a figure of the sheet's size.

        Returns
        -------
        display : PoolDisplay
            This object.
        """
        pyplot: Any = import_optional("matplotlib.pyplot", extra="plot", purpose="PoolDisplay.plot")
        patches: Any = import_optional("matplotlib.patches", extra="plot", purpose="PoolDisplay")
        sheet, step = self._sheet(), self._step()
        names = [(self.line_names or {}).get(label, str(label)) for label in self.thumbnails]
        axes: Any = ax
        points: float | None = None
        if axes is None:
            # a sheet of many lines is shown smaller than it is: its text has to grow with it
            points = max(_LABEL_HEIGHT * step / _DPI * 72, 6.0)
            names_width = 0.6 * points / 72 * max(map(len, names))
            size = sheet.shape[1] / _DPI + names_width + 0.3, sheet.shape[0] / _DPI + points / 36
            _, axes = pyplot.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = axes, axes.figure
        self.image_ = axes.imshow(sheet, interpolation="none")
        self.marks_ = [
            artist for cell in self._marked_cells() for artist in _mark(axes, patches, *cell)
        ]
        axes.set_yticks(
            [line * step + step / 2 for line in range(len(names))], names, fontsize=points
        )
        show_as_they_are(axes.get_yticklabels())
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if self.kept is not None:
            handles = [
                patches.Patch(facecolor="none", edgecolor=color, linewidth=2, label=name)
                for name, color in (("kept", KEPT), ("rejected", REJECTED))
            ]
            axes.legend(
                handles=handles,
                loc="lower right",
                bbox_to_anchor=(1, 1),
                ncols=2,
                frameon=False,
                fontsize=points,
            )
        return self

    def _step(self) -> int:
        """Return the distance from one thumbnail to the next."""
        sizes = {images.shape[1] for images in self.thumbnails.values()}
        if len(sizes) != 1:
            raise ValueError(f"thumbnails must have one size, got {sample_of(sorted(sizes))}.")
        return int(sizes.pop()) + _GAP

    def _sheet(self) -> NDArray[np.uint8]:
        """Return all thumbnails in one image, on white."""
        step = self._step()
        n_columns = max(len(images) for images in self.thumbnails.values())
        sheet = np.full((len(self.thumbnails) * step, n_columns * step, 3), 255, dtype=np.uint8)
        for line, images in enumerate(self.thumbnails.values()):
            for column, image in enumerate(images):
                y, x = line * step + _GAP // 2, column * step + _GAP // 2
                sheet[y : y + len(image), x : x + len(image)] = image
        return sheet

    def _marked_cells(self) -> list[tuple[int, int, int, bool]]:
        """Return left edge, upper edge, width and mark of every marked thumbnail."""
        step = self._step()
        return [
            (column * step, line * step, step, bool(verdict))
            for line, label in enumerate(self.thumbnails)
            if self.kept is not None
            for column, verdict in enumerate(self.kept[label])
        ]


def _mark(ax: Any, patches: Any, x: int, y: int, step: int, kept: bool) -> list[Any]:
    """Frame a kept thumbnail; frame and strike out a rejected one."""
    color = KEPT if kept else REJECTED
    frame = patches.Rectangle(
        (x + 0.5, y + 0.5), step - 2, step - 2, fill=False, edgecolor=color, linewidth=2
    )
    artists: list[Any] = [ax.add_patch(frame)]
    if not kept:
        artists += ax.plot([x, x + step - 1], [y + step - 1, y], color=color, linewidth=2)
    return artists


def _thumbnail(image: Any, size: int) -> NDArray[np.uint8]:
    """Return a square thumbnail on white; grey if the image cannot be read."""
    from PIL import Image

    picture = shrink_image(image, size)
    if picture is None:
        return np.full((size, size, 3), 160, dtype=np.uint8)
    square = Image.new("RGB", (size, size), "white")
    square.paste(picture, ((size - picture.width) // 2, (size - picture.height) // 2))
    return np.asarray(square)
