"""CLIPEmbedder: images or texts in, unit vectors out, as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import Tags

from skclip._compat import DocumentedMixin, Interval, StrOptions, fit_context, validate_parameters
from skclip._linalg import unit_rows
from skclip._progress import progress_bar
from skclip.embedding._cache import EmbeddingCache
from skclip.embedding._decode import DECODING
from skclip.embedding._engine import embed_images, embed_texts
from skclip.embedding._items import Items, as_items
from skclip.embedding._locate import embedding_width
from skclip.embedding._registry import LoadedModel, get_model
from skclip.embedding._report import Report
from skclip.embedding._stack import stack_batches
from skclip.exceptions import UnreadableImageError

if TYPE_CHECKING:
    import torch

__all__ = ["CLIPEmbedder", "as_text_embedder"]


class CLIPEmbedder(DocumentedMixin, TransformerMixin, BaseEstimator):
    """Embed images or texts with a CLIP model.

    The transformer is stateless: :meth:`fit` learns nothing, and :meth:`transform` works without
    it. The model is loaded once per process, when the first item is embedded. Clones share it, and
    it is never pickled.

    Parameters
    ----------
    model_name : str, default="ViT-B-32"
        Any model open_clip can load: a name of ``open_clip.list_models()``,
        ``"hf-hub:ORG/REPO"``, ``"local-dir:FOLDER"``, or ``"skclip-tiny"``, a small model that
        comes with skclip.

    pretrained : str or path, default="auto"
        Pretrained tag or checkpoint file. ``"auto"`` selects the bundled checkpoint for
        ``"skclip-tiny"``, ``"laion2b_s34b_b79k"`` for ``"ViT-B-32"``, the only tag for models
        with one tag, and the weights that ``hf-hub:`` and ``local-dir:`` names refer to.

    modality : {"image", "text"}, default="image"
        Type of the items given to :meth:`transform`.

    device : str or torch.device, default="auto"
        A torch device. ``"auto"`` selects the accelerator if there is one.

    dtype : {"auto", "float32", "float16", "bfloat16"}, default="float32"
        Precision of the model. ``"auto"`` selects bfloat16 on GPUs that support it and on CPUs
        that multiply it faster (measured once), float16 on older GPUs, and float32 otherwise;
        ``load_model().dtype`` and the progress bar show which. Embeddings are always float32.

    batch_size : int, default=64
        Items per forward pass. It is reduced when memory runs out.

    n_jobs : int, default=None
        Number of workers that read and decode images: threads, unless
        :func:`joblib.parallel_config` selects another backend. None means that of
        ``parallel_config`` if that is more than one, else one per thread of torch
        (``torch.get_num_threads()``: all cores, or their part in a process of joblib). Workers
        load the next batch while the model runs, if it runs on an accelerator or leaves cores
        free; otherwise loading and computing alternate.

    normalize : bool, default=True
        Whether rows are scaled to unit length.

    compile : bool, default=False
        Whether to compile the model with :func:`torch.compile`. This pays off on long runs.

    cache : path, default=None
        Folder of cached embeddings. There is one embedding for each combination of image content
        or text, model, precision and preprocessing; file names do not matter. Processes and
        models may share a folder. See :func:`~skclip.embedding.cache_info`,
        :func:`~skclip.embedding.prune_cache` and :func:`~skclip.embedding.clear_cache`.

    on_error : {"raise", "skip"}, default="raise"
        What to do with an image that cannot be read. ``"skip"`` gives it a row of zeros, which
        carries no evidence; a single warning lists such files.

    verbose : int, default=0
        Whether to show a progress bar. It is shown on terminals only.

    See Also
    --------
    skclip.prompts.encode_prompts : Class names to text embeddings.

    Notes
    -----
    Images are rotated by their EXIF orientation, transparent pixels are blended with white, 16-bit
    images are scaled, and the first frame of an animation is used. The model's own preprocessing
    follows. Items are embedded in batches, in the order given. The batch of an item changes its
    vector only by rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip import CLIPEmbedder
    >>> images = np.zeros((3, 80, 120, 3), dtype=np.uint8)
    >>> X = CLIPEmbedder("skclip-tiny").transform(images)
    >>> X.dtype, len(X)
    (dtype('float32'), 3)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model_name": [str],
        "pretrained": [str, PathLike],
        "modality": [StrOptions({"image", "text"})],
        "device": "no_validation",  # by `resolve_device`: torch may not be imported yet
        "dtype": [StrOptions({"auto", "float32", "float16", "bfloat16"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "normalize": ["boolean"],
        "compile": ["boolean"],
        "cache": [str, PathLike, None],
        "on_error": [StrOptions({"raise", "skip"})],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model_name: str = "ViT-B-32",
        pretrained: str | PathLike[str] = "auto",
        *,
        modality: str = "image",
        device: str | torch.device = "auto",
        dtype: str = "float32",
        batch_size: int = 64,
        n_jobs: int | None = None,
        normalize: bool = True,
        compile: bool = False,
        cache: str | PathLike[str] | None = None,
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
        self.compile = compile
        self.cache = cache
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
            polars or Arrow column, or a frame with one column. An array of several images has
            four dimensions. Also a data set of torch or torchvision without
            a transform, of which the first value of each item is taken, and a column of a
            Hugging Face data set.

        Returns
        -------
        X_embedded : ndarray of shape (n_samples, n_features)
            One row per item, float32.
        """
        validate_parameters(self)
        items = as_items(X, self.modality)
        return stack_batches(self._embed(items), items.n)

    def iter_transform(self, X: Any) -> Iterator[NDArray[np.float32]]:
        """Embed images or texts as a stream.

        Parameters
        ----------
        X : iterable
            As for :meth:`transform`; also an infinite generator.

        Yields
        ------
        rows : ndarray of shape (n_batch, n_features)
            The embeddings of the next ``batch_size`` items; fewer in the last batch.
        """
        validate_parameters(self)
        yield from self._embed(as_items(X, self.modality))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the columns ``clip0``, ``clip1`` and so on.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored.

        Returns
        -------
        names : ndarray of str
            One name per column of the embeddings.
        """
        # scikit-learn's HTML view calls this when an embedder is only displayed
        width = embedding_width(self.model_name) or self.load_model().n_features
        return np.asarray([f"clip{i}" for i in range(width)], dtype=object)

    def __dir__(self) -> list[str]:
        # scikit-learn and its HTML view look up every attribute; these would load the model
        return sorted({*object.__dir__(self)} - {"logit_scale", "logit_bias", "model_id"})

    @property
    def logit_scale(self) -> float:
        """Factor from cosines to logits, as learned by the model."""
        return self.load_model().logit_scale

    @property
    def logit_bias(self) -> float | None:
        """Bias of the logits; None for models without one."""
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
            The model of this process; ``loaded.model`` is the open_clip model.
        """
        validate_parameters(self)
        return get_model(self.model_name, self.pretrained, self.device, self.dtype, self.compile)

    def _embed(self, items: Items) -> Iterator[NDArray[np.float32]]:
        """Yield the rows of each batch; handle failures by ``on_error`` and warn at the end."""
        report = Report()
        loaded = self.load_model()
        with (
            self._open_cache(loaded) as cache,
            progress_bar(
                shown=bool(self.verbose),
                desc=f"{loaded.device} {loaded.dtype}",
                total=items.n,
                unit=self.modality,
            ) as progress,
        ):
            if self.modality == "image":
                batches = embed_images(
                    loaded, items, batch_size=self.batch_size, n_jobs=self.n_jobs, cache=cache
                )
            else:
                batches = embed_texts(loaded, items, batch_size=self.batch_size, cache=cache)
            for batch in batches:
                if batch.failures and self.on_error == "raise":
                    raise UnreadableImageError(
                        f"Cannot read image {batch.failures[0]}. "
                        "on_error='skip' gives such images a row of zeros instead."
                    )
                report.add(batch)
                progress.update(len(batch.rows))
                yield unit_rows(batch.rows) if self.normalize else batch.rows
        report.warn(self.model_name, cache.problems if cache else [])

    def _open_cache(
        self, loaded: LoadedModel
    ) -> AbstractContextManager[EmbeddingCache] | nullcontext[None]:
        if self.cache is None:
            return nullcontext()
        variant = f"{self.modality} {loaded.dtype}"
        key = f"{loaded.fingerprint} {variant} decoding {DECODING}"
        label = f"{loaded.model_id} {variant}"
        return EmbeddingCache(self.cache, key, label, loaded.n_features)

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def as_text_embedder(embedder: Any) -> Any:
    """Return an embedder of texts: a CLIPEmbedder with ``modality="text"``, others unchanged."""
    if not isinstance(embedder, CLIPEmbedder) or embedder.modality == "text":
        return embedder
    return clone(embedder).set_params(modality="text")
