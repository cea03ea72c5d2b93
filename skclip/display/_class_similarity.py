"""How similar classes are by their text and by their images, and how far the two lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._linalg import unit_rows
from skclip.display._axes import axes_of
from skclip.display._plain import show_as_they_are

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ClassSimilarityDisplay"]


class ClassSimilarityDisplay:
    r"""Cosines between classes: texts above the diagonal, images below it, text with image on it.

    The title has the modality gap, the distance of the mean text from the mean image,

    .. math:: \Big\lVert \frac{1}{C} \sum_c t_c - \frac{1}{C} \sum_c \mu_c \Big\rVert

    for unit rows :math:`t_c` and unit class means :math:`\mu_c`. Make one by
    :meth:`from_estimator` or :meth:`from_embeddings`.

    Parameters
    ----------
    names : sequence of str
        Classes.

    text : array-like of shape (n_classes, n_features)
        A text embedding per class.

    image : array-like of shape (n_classes, n_features)
        A class mean of images per class.

    Attributes
    ----------
    cosines : ndarray of shape (n_classes, n_classes)
        What is drawn.

    modality_gap : float
        Distance of the means, in [0, 2].

    image_ : matplotlib AxesImage
        The matrix.

    ax_ : matplotlib Axes
        Axes with the matrix.

    figure_ : matplotlib Figure
        Figure containing the matrix.

    References
    ----------
    .. [1] Liang et al., "Mind the Gap: Understanding the Modality Gap in Multi-modal Contrastive
       Representation Learning", `arXiv 2203.02053 <https://arxiv.org/abs/2203.02053>`_.

    Examples
    --------
    >>> from skclip.display import ClassSimilarityDisplay
    >>> text, image = [[1.0, 0.0], [0.8, 0.6]], [[0.6, 0.8], [0.0, 1.0]]
    >>> display = ClassSimilarityDisplay(names=["cat", "dog"], text=text, image=image)
    >>> display.cosines
    array([[0.6, 0.8],
           [0.8, 0.6]])
    >>> round(display.modality_gap, 3)
    0.849
    >>> display.plot().figure_.savefig("similarity.png")  # doctest: +SKIP
    """

    def __init__(self, *, names: Sequence[str], text: ArrayLike, image: ArrayLike) -> None:
        self.names = list(names)
        rows = [np.asarray(one, dtype=np.float64) for one in (text, image)]
        if rows[0].shape != rows[1].shape or rows[0].shape[:1] != (len(self.names),):
            raise ValueError(
                f"text has shape {rows[0].shape}, image {rows[1].shape}, and there are "
                f"{len(self.names)} names: give one row of both per class, of one model."
            )
        self.text: NDArray[Any] = unit_rows(rows[0])
        self.image: NDArray[Any] = unit_rows(rows[1])

    @classmethod
    def from_estimator(cls, head: Any, X: ArrayLike, y: ArrayLike) -> Self:
        """Take the text of a fitted head and the class means of labelled images.

        Parameters
        ----------
        head : fitted classifier
            Has a text head, or is one: its ``text_head_.weights`` or ``coef_`` are the texts.

        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            Labels; classes without images are left out.

        Returns
        -------
        display : ClassSimilarityDisplay
            Not plotted yet.
        """
        text_head = getattr(head, "text_head_", None)
        text = getattr(head, "coef_", None) if text_head is None else text_head.weights
        if text is None:
            raise ValueError(
                f"{type(head).__name__} has no text head: give a fitted head that has one, or use "
                "from_embeddings."
            )
        return cls.from_embeddings(head.classes_, text, X, y)

    @classmethod
    def from_embeddings(
        cls, classes: ArrayLike, text: ArrayLike, X: ArrayLike, y: ArrayLike
    ) -> Self:
        """Take texts and the class means of labelled images.

        Parameters
        ----------
        classes : array-like of shape (n_classes,)
            Labels of the texts.

        text : array-like of shape (n_classes, n_features)
            A text embedding per class.

        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            Labels; classes without images are left out.

        Returns
        -------
        display : ClassSimilarityDisplay
            Not plotted yet.
        """
        labels, rows, names = np.asarray(y), unit_rows(np.asarray(X)), np.asarray(classes)
        there = [i for i, name in enumerate(names.tolist()) if (labels == name).any()]
        if not there:
            raise ValueError("y holds no label of the classes: there is nothing to compare.")
        means = np.stack([rows[labels == names[i]].mean(axis=0) for i in there])
        shown = [str(names[i]) for i in there]
        return cls(names=shown, text=np.asarray(text)[there], image=means)

    @property
    def cosines(self) -> NDArray[np.float64]:
        """Cosines: texts above the diagonal, images below, text with image on it."""
        between = np.triu(self.text @ self.text.T, 1) + np.tril(self.image @ self.image.T, -1)
        result: NDArray[np.float64] = between + np.diag((self.text * self.image).sum(axis=1))
        return result

    @property
    def modality_gap(self) -> float:
        """Distance of the mean text from the mean image."""
        return float(np.linalg.norm(self.text.mean(axis=0) - self.image.mean(axis=0)))

    def plot(self, ax: Axes | None = None, **image_kw: Any) -> Self:
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        **image_kw : dict
            Passed to ``ax.imshow``.

        Returns
        -------
        display : ClassSimilarityDisplay
            This object; ``figure_`` can be saved.
        """
        side = min(max(4.5, 0.22 * len(self.names) + 2), 20)
        axes = axes_of(ax, "ClassSimilarityDisplay.plot", figsize=(side + 1, side))
        self.ax_, self.figure_ = axes, axes.figure
        self.image_ = axes.imshow(self.cosines, **{"cmap": "cividis", **image_kw})
        self.figure_.colorbar(self.image_, ax=axes, label="Cosine", shrink=0.8)
        places = range(len(self.names))
        axes.set_xticks(places, self.names, rotation=90)
        axes.set_yticks(places, self.names)
        show_as_they_are([*axes.get_xticklabels(), *axes.get_yticklabels()])
        axes.set_title(f"above: texts, below: images; modality gap {self.modality_gap:.2f}")
        return self
