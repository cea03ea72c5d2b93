"""CLIPEmbedder: images or texts in, unit vectors out, as a scikit-learn transformer."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from skclip._compat import Interval, StrOptions, fit_context, validate_parameters
from skclip._linalg import unit_rows
from skclip._validation import sample_of
from skclip.embedding._engine import EmbeddedBatch, embed_images, embed_texts
from skclip.embedding._items import Items, as_items
from skclip.embedding._registry import LoadedModel, get_model
from skclip.exceptions import (
    TruncatedTextWarning,
    UnreadableImageError,
    UnreadableImageWarning,
)

__all__ = ["CLIPEmbedder"]


class CLIPEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Embed images or texts with a CLIP model.

    The transformer is stateless: nothing is learned in :meth:`fit`, and :meth:`transform` works
    without it. The model is loaded when the first item comes, once per process and not once per
    clone, and is never pickled.

    Parameters
    ----------
    model_name : str, default="ViT-B-32"
        Any model open_clip can load: a name of ``open_clip.list_models()``,
        ``"hf-hub:ORG/REPO"``, ``"local-dir:FOLDER"``, or ``"skclip-tiny"``, a small model that
        comes with skclip.

    pretrained : str or path, default="auto"
        Pretrained tag or checkpoint file. ``"auto"`` is the bundled checkpoint of
        ``"skclip-tiny"``, ``"laion2b_s34b_b79k"`` for ``"ViT-B-32"``, the only tag of models
        with one, and what the name says for ``hf-hub:`` and ``local-dir:``.

    modality : {"image", "text"}, default="image"
        What :meth:`transform` is given.

    device : str, default="auto"
        A torch device. ``"auto"`` takes the accelerator if there is one.

    dtype : {"float32", "float16", "bfloat16"}, default="float32"
        What the model computes in. Embeddings are float32 whatever it is.

    batch_size : int, default=64
        Items a forward pass. It is reduced when the memory does not suffice.

    n_jobs : int, default=None
        Number of workers that read and decode images while the model runs: threads, unless
        :func:`joblib.parallel_config` says otherwise. None means 1.

    normalize : bool, default=True
        Whether rows are scaled to unit length.

    on_error : {"raise", "skip"}, default="raise"
        What to do with an image that cannot be read. ``"skip"`` gives it a row of zeros, which
        carries no evidence, and one warning names the files.

    verbose : int, default=0
        Whether to show a progress bar, on a terminal.

    See Also
    --------
    skclip.prompts.encode_prompts : Class names to text embeddings.

    Notes
    -----
    Images are turned as their EXIF orientation says, transparency is laid over white, 16-bit
    images are scaled, and of an animation the first frame is taken; then the model's own
    preprocessing follows. Items are embedded in the order given, in batches; the vector of an
    item depends on its batch only by rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip import CLIPEmbedder
    >>> images = np.zeros((3, 80, 120, 3), dtype=np.uint8)
    >>> X = CLIPEmbedder("skclip-tiny").transform(images)
    >>> X.dtype, len(X)
    (dtype('float32'), 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "model_name": [str],
        "pretrained": [str, PathLike],
        "modality": [StrOptions({"image", "text"})],
        "device": [str],
        "dtype": [StrOptions({"float32", "float16", "bfloat16"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "normalize": ["boolean"],
        "on_error": [StrOptions({"raise", "skip"})],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model_name: str = "ViT-B-32",
        pretrained: str | PathLike[str] = "auto",
        *,
        modality: str = "image",
        device: str = "auto",
        dtype: str = "float32",
        batch_size: int = 64,
        n_jobs: int | None = None,
        normalize: bool = True,
        on_error: str = "raise",
        verbose: int = 0,
    ) -> None:
        self.model_name = model_name
        self.pretrained = pretrained
        self.modality = modality
        self.device = device
        self.dtype = dtype
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.normalize = normalize
        self.on_error = on_error
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Check the parameters; there is nothing to learn.

        Parameters
        ----------
        X : iterable, default=None
            Ignored.

        y : None
            Ignored.

        Returns
        -------
        self : CLIPEmbedder
            The same object.
        """
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed images or texts.

        Parameters
        ----------
        X : iterable of shape (n_samples,) or (n_samples, 1)
            Images: paths, bytes, PIL images or uint8 arrays of shape ``(H, W)``,
            ``(H, W, C)`` or ``(C, H, W)``. Texts: strings. As a list, a NumPy array, a pandas,
            polars or Arrow column, or a frame with one column; an array of n images has four
            dimensions.

        Returns
        -------
        X_embedded : ndarray of shape (n_samples, n_features)
            One row an item, float32.
        """
        validate_parameters(self)
        batches = list(self._embed(as_items(X, self.modality)))
        self._warn(batches, stacklevel=4)
        return np.concatenate([batch.rows for batch in batches])

    def iter_transform(self, X: Any) -> Iterator[NDArray[np.float32]]:
        """Embed images or texts as a stream.

        Parameters
        ----------
        X : iterable
            As for :meth:`transform`; also a generator without end.

        Yields
        ------
        rows : ndarray of shape (n_batch, n_features)
            The embeddings of the next ``batch_size`` items; fewer in the last batch.
        """
        validate_parameters(self)
        for batch in self._embed(as_items(X, self.modality)):
            self._warn([batch], stacklevel=3)
            yield batch.rows

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the columns ``clip0``, ``clip1`` and so on.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored.

        Returns
        -------
        names : ndarray of str
            As many as the model's embeddings have numbers.
        """
        return np.asarray([f"clip{i}" for i in range(self.load_model().n_features)], dtype=object)

    @property
    def logit_scale(self) -> float:
        """Factor from cosines to logits, as trained into the model."""
        return self.load_model().logit_scale

    @property
    def logit_bias(self) -> float | None:
        """Bias of the logits; None for models trained without."""
        return self.load_model().logit_bias

    @property
    def model_id(self) -> str:
        """Identity of the model: ``name/pretrained@hash`` of weights and preprocessing."""
        return self.load_model().model_id

    def load_model(self) -> LoadedModel:
        """Load the model now, if this process has not loaded it yet.

        Returns
        -------
        loaded : LoadedModel
            What this process keeps of the model; ``loaded.model`` is the open_clip model.
        """
        return get_model(self.model_name, self.pretrained, self.device, self.dtype)

    def _embed(self, items: Items) -> Iterator[EmbeddedBatch]:
        """Yield batches with normalised rows; failures follow ``on_error``."""
        from tqdm.auto import tqdm

        loaded = self.load_model()
        if self.modality == "image":
            batches = embed_images(loaded, items, batch_size=self.batch_size, n_jobs=self.n_jobs)
        else:
            batches = embed_texts(loaded, items, batch_size=self.batch_size)
        # disable=None shows the bar on a terminal only
        with tqdm(
            total=items.n, unit=self.modality, disable=None if self.verbose else True
        ) as progress:
            for batch in batches:
                if batch.failures and self.on_error == "raise":
                    raise UnreadableImageError(
                        f"Cannot read image {batch.failures[0]}. "
                        "on_error='skip' gives such images a row of zeros instead."
                    )
                if self.normalize:
                    batch = replace(batch, rows=unit_rows(batch.rows))
                progress.update(len(batch.rows))
                yield batch

    def _warn(self, batches: list[EmbeddedBatch], stacklevel: int) -> None:
        failures = [failure for batch in batches for failure in batch.failures]
        if failures:
            warnings.warn(
                f"{len(failures)} image(s) could not be read and have rows of zeros: "
                f"{sample_of(map(str, failures), 10)}.",
                UnreadableImageWarning,
                stacklevel=stacklevel,
            )
        n_truncated = sum(batch.n_truncated for batch in batches)
        if n_truncated:
            n_texts = sum(len(batch.rows) for batch in batches)
            warnings.warn(
                f"{n_truncated} of {n_texts} texts are longer than {self.model_name!r} reads; "
                "their ends were cut off.",
                TruncatedTextWarning,
                stacklevel=stacklevel,
            )

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags
