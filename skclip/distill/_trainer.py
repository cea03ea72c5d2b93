"""CLIPPINGTrainer: an estimator that trains a light CLIP from pairs and two frozen encoders."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from hashlib import blake2b
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skclip._compat import DocumentedMixin, HasMethods, Interval, StrOptions, fit_context
from skclip._device import check_device, resolve_device, resolve_dtype
from skclip._files import find_file
from skclip._warn import warn_caller
from skclip.distill._banks import Banks, make_banks, open_teacher, teacher_identity
from skclip.distill._images import PixelReader, Scan, scan_images, usable_pairs
from skclip.distill._pairs import Pairs, gather_pairs
from skclip.embedding import CLIPEmbedder, forget_folder, tokenize
from skclip.exceptions import TruncatedTextWarning

if TYPE_CHECKING:
    import torch

    from skclip.distill._learner import Hyperparameters
    from skclip.distill._run import Run
    from skclip.distill._student import Architecture

__all__ = ["CLIPPINGTrainer"]

_CACHED_BYTES = 2 << 30  # limit of cache_images="auto"


class CLIPPINGTrainer(DocumentedMixin, BaseEstimator):
    r"""Train a light CLIP from image-caption pairs, with two frozen encoders as guides (CLIP-PING).

    The student is trained with CLIP's contrastive loss. In addition, frozen teachers guide each
    tower: the embedding of an image is contrasted with the features of its nearest image (NN) and
    of that image's caption (XNN), and the embedding of a caption likewise.

    .. math::
        L(v, u) &+ \tfrac{\lambda_{nn}}{2}
            \left[L(v, P_I B_I[n_I]) + L(u, P_T B_T[n_T])\right] \\
        &+ \tfrac{\lambda_{xnn}}{2}
            \left[L(v, P'_T B_T[n_I]) + L(u, P'_I B_I[n_T])\right]

    :math:`v` and :math:`u` are the student's unit rows, :math:`B` the teachers' features of all
    pairs, :math:`n` each pair's nearest neighbours in them, :math:`P` trained linear maps to unit
    rows, and :math:`L` is ``info_nce``. Features and neighbours are computed once; a step only
    gathers rows. Teachers and maps are not part of the student.

    Parameters
    ----------
    student : str, path or dict, default="skclip-tiny"
        Architecture: a model name of open_clip or ``"skclip-tiny"``, the path of a JSON file with a
        model configuration, ``"local-dir:FOLDER"``, or the configuration itself. Training always
        starts from random weights.

    image_teacher, text_teacher : transformer, array-like, path or None, default=None
        Guides of images and captions: a transformer that returns one row per item, such as a
        :class:`~skclip.CLIPEmbedder` or a fitted pipeline, or the rows themselves, as an array or
        the path of an ``.npy`` file. An array has one row per pair, in the order of ``fit``. For
        images it may have one row per image instead, if ``image_ids`` are its row numbers. May be
        None only if both weights are 0.

    lambda_nn, lambda_xnn : float, default=1.0
        Weights of the two terms, at least 0. If both are 0, this is exactly plain CLIP training,
        and the teachers are not used.

    n_epochs : int, default=30
        Passes over all images. Each uses every image once; captions of an image alternate.

    max_iter : int, default=None
        Number of steps, instead of ``n_epochs``.

    batch_size : int, default=256
        Pairs per forward pass, all of different images.

    accumulate : int, default=1
        Forward passes per step. The loss contrasts all ``accumulate * batch_size`` pairs with the
        memory of one pass, but computes each forward pass twice. Batch normalisation uses the
        statistics of each pass.

    learning_rate : float, default=1e-3
        Maximum learning rate, reached after the warm-up. It then decays by a cosine to almost zero.

    weight_decay : float, default=0.1
        Weight decay of AdamW for matrices. Gains, biases and embeddings are not decayed.

    warmup : float, default=0.05
        Fraction of the steps in which the learning rate rises, in [0, 1).

    clip_grad_norm : float, default=1.0
        Maximum norm of the gradient.

    ema_decay : float, default=None
        If given, the result is the exponential moving average of the weights over the steps with
        this decay, such as 0.999.

    augment : bool, default=True
        Whether to shift images by up to a sixteenth of their size, in the same way for a batch, and
        to vary their brightness and contrast.

    neighbor_method : {"exact", "hnsw", "faiss"}, default="exact"
        Search method for neighbours. The time of exact search grows with the square of the number
        of pairs; the other methods need the extra of that name.

    dtype : {"auto", "float32", "float16", "bfloat16"}, default="auto"
        Precision of the towers; weights and losses are always float32. ``"auto"`` is as in
        :class:`~skclip.CLIPEmbedder`. Small students are faster in float32 on CPUs.

    device : str, default="auto"
        A torch device. ``"auto"`` selects the accelerator if there is one.

    compile : bool, default=False
        Whether to compile the student with :func:`torch.compile`.

    cache_images : {"auto"} or bool, default="auto"
        Whether to keep images in memory at the student's size, with eight bits per channel.
        Otherwise they are decoded for every batch. ``"auto"`` keeps up to 2 GiB.

    n_jobs : int, default=None
        Workers that decode images: threads before training, processes during it. None means 1.

    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, order and augmentation.

    output : path, default=None
        Directory of the run: feature banks and neighbours, ``checkpoint.pt``, ``log.jsonl`` and
        finally ``model``. ``fit`` with the same data and parameters resumes from its checkpoint,
        with identical results on a CPU; other data or parameters raise an error. If None, training
        cannot be resumed, and the student is in a temporary folder until the process ends.

    checkpoint_every : int, default=500
        Steps between checkpoints. Ctrl-C also writes one.

    log_every : int, default=20
        Steps between log records, which are means over these steps.

    on_error : {"raise", "skip"}, default="raise"
        What to do with unreadable images and empty captions. ``"skip"`` leaves out their pairs; a
        single warning lists them.

    verbose : int, default=0
        Whether to show progress bars. They are shown on terminals only.

    Attributes
    ----------
    embedder_ : CLIPEmbedder
        Embedder of images with the trained student; a clone with ``modality="text"`` embeds texts.

    log_ : list of dict
        Records of ``step``, ``epoch``, ``loss``, its terms ``clip``, ``nn`` and ``xnn``,
        ``logit_scale``, ``learning_rate`` and ``images_per_second``.

    n_iter_ : int
        Number of steps.

    See Also
    --------
    skclip.display.TrainingCurvesDisplay : The log as curves.

    Notes
    -----
    Embeddings of words that occur in no caption are zero, not random. The loss is checked whenever
    it is logged or a checkpoint is written; if it is infinite or NaN, training stops with a
    :class:`~skclip.exceptions.TrainingDivergedError`. Training uses one device.

    References
    ----------
    "CLIP-PING: Boosting Lightweight Vision-Language Models with Proximus Intrinsic Neighbors
    Guidance", `2412.03871 <https://arxiv.org/abs/2412.03871>`_. Its weights, maps and schedule are
    not published; those here are skclip's.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import HashingVectorizer
    >>> from skclip import CLIPEmbedder, CLIPPINGTrainer
    >>> from skclip.datasets import make_captioned_images
    >>> data = make_captioned_images(16, random_state=0)
    >>> teachers = CLIPEmbedder("skclip-tiny"), HashingVectorizer(n_features=64)
    >>> trainer = CLIPPINGTrainer("skclip-tiny", *teachers, batch_size=8, max_iter=2)
    >>> trainer.fit(data.images, data.captions).embedder_.transform(data.images).shape
    (16, 64)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "student": [str, PathLike, Mapping],
        "image_teacher": [HasMethods(["transform"]), "array-like", str, PathLike, None],
        "text_teacher": [HasMethods(["transform"]), "array-like", str, PathLike, None],
        "lambda_nn": [Interval(Real, 0, None, closed="left")],
        "lambda_xnn": [Interval(Real, 0, None, closed="left")],
        "n_epochs": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "accumulate": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "warmup": [Interval(Real, 0, 1, closed="left")],
        "clip_grad_norm": [Interval(Real, 0, None, closed="neither")],
        "ema_decay": [Interval(Real, 0, 1, closed="left"), None],
        "augment": ["boolean"],
        "neighbor_method": [StrOptions({"exact", "hnsw", "faiss"})],
        "dtype": [StrOptions({"auto", "float32", "float16", "bfloat16"})],
        "device": [str],
        "compile": ["boolean"],
        "cache_images": ["boolean", StrOptions({"auto"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "output": [str, PathLike, None],
        "checkpoint_every": [Interval(Integral, 1, None, closed="left")],
        "log_every": [Interval(Integral, 1, None, closed="left")],
        "on_error": [StrOptions({"raise", "skip"})],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        student: str | PathLike[str] | Mapping[str, Any] = "skclip-tiny",
        image_teacher: Any = None,
        text_teacher: Any = None,
        *,
        lambda_nn: float = 1.0,
        lambda_xnn: float = 1.0,
        n_epochs: int = 30,
        max_iter: int | None = None,
        batch_size: int = 256,
        accumulate: int = 1,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.1,
        warmup: float = 0.05,
        clip_grad_norm: float = 1.0,
        ema_decay: float | None = None,
        augment: bool = True,
        neighbor_method: str = "exact",
        dtype: str = "auto",
        device: str = "auto",
        compile: bool = False,
        cache_images: bool | str = "auto",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        output: str | PathLike[str] | None = None,
        checkpoint_every: int = 500,
        log_every: int = 20,
        on_error: str = "raise",
        verbose: int = 0,
    ) -> None:
        self.student = student
        self.image_teacher = image_teacher
        self.text_teacher = text_teacher
        self.lambda_nn = lambda_nn
        self.lambda_xnn = lambda_xnn
        self.n_epochs = n_epochs
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.clip_grad_norm = clip_grad_norm
        self.ema_decay = ema_decay
        self.augment = augment
        self.neighbor_method = neighbor_method
        self.dtype = dtype
        self.device = device
        self.compile = compile
        self.cache_images = cache_images
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.output = output
        self.checkpoint_every = checkpoint_every
        self.log_every = log_every
        self.on_error = on_error
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, images: Any, captions: Any, image_ids: ArrayLike | None = None) -> Self:
        """Train a student.

        Parameters
        ----------
        images : iterable of length n_pairs
            Images as for :class:`~skclip.CLIPEmbedder`: paths, bytes, PIL images or uint8 arrays.

        captions : iterable of str of length n_pairs
            One caption per image.

        image_ids : array-like of shape (n_pairs,), default=None
            Equal for pairs of the same image. By default, pairs with the same path, the same bytes
            or the same object share an image.

        Returns
        -------
        self : CLIPPINGTrainer
            The fitted trainer.
        """
        from skclip.distill._run import dtype_of_run, open_run
        from skclip.distill._student import find_architecture

        architecture = find_architecture(self.student)
        # load it before reading images: its packages or files may be missing
        tokenizer = architecture.create_tokenizer()
        given = gather_pairs(images, captions, image_ids)
        teachers = self._open_teachers()
        reader = PixelReader(architecture.preprocess_cfg)
        is_small = len(given.images) * int(np.prod(reader.shape)) <= _CACHED_BYTES
        scan = scan_images(
            given.images,
            given.image_positions,
            reader,
            keep=is_small if self.cache_images == "auto" else bool(self.cache_images),
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
        pairs, pixels = usable_pairs(given, scan, self.on_error)
        output = None if self.output is None else find_file(self.output).absolute()
        how = self._hyperparameters(len(pairs.images), dtype_of_run(output))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        wanted = self._description(architecture, teachers, scan, pairs, how)
        with open_run(output, wanted, seed) as run:
            banks = None
            if teachers is not None:
                banks = make_banks(
                    teachers,
                    pairs,
                    len(given.captions),
                    method=self.neighbor_method,
                    directory=run.directory,
                    verbose=self.verbose,
                )
            self._train(architecture, tokenizer, how, pairs, pixels, reader, banks, run)
        return self

    def _open_teachers(self) -> tuple[Any, Any] | None:
        if not self.lambda_nn and not self.lambda_xnn:
            return None
        image = open_teacher(self.image_teacher, "image_teacher")
        text = open_teacher(self.text_teacher, "text_teacher")
        if isinstance(text, CLIPEmbedder):
            _ = text.load_model().tokenizer
        return image, text

    def _hyperparameters(self, n_images: int, begun_in: str | None) -> Hyperparameters:
        from skclip.distill._learner import Hyperparameters

        n_batch = self.batch_size * self.accumulate
        if n_batch > n_images:
            raise ValueError(
                f"batch_size={self.batch_size} with accumulate={self.accumulate} needs {n_batch} "
                f"different images per step, but there are {n_images}: lower batch_size."
            )
        device = resolve_device(self.device)
        check_device(device)
        # "auto" is measured: a resumed run keeps its dtype
        dtype = begun_in if self.dtype == "auto" and begun_in else resolve_dtype(self.dtype, device)
        return Hyperparameters(
            n_steps=int(self.max_iter or self.n_epochs * (n_images // n_batch)),
            learning_rate=float(self.learning_rate),
            weight_decay=float(self.weight_decay),
            warmup=float(self.warmup),
            clip_grad_norm=float(self.clip_grad_norm),
            accumulate=int(self.accumulate),
            ema_decay=None if self.ema_decay is None else float(self.ema_decay),
            lambda_nn=float(self.lambda_nn),
            lambda_xnn=float(self.lambda_xnn),
            dtype=dtype,
            device=device,
            compile=self.compile,
        )

    def _description(
        self,
        architecture: Architecture,
        teachers: tuple[Any, Any] | None,
        scan: Scan,
        pairs: Pairs,
        how: Hyperparameters,
    ) -> dict[str, Any]:
        """Return all data and parameters that determine the result, for ``run.json``."""
        image_teacher, text_teacher = map(teacher_identity, teachers) if teachers else (None,) * 2
        same_images = blake2b(pairs.image_of.tobytes(), digest_size=8).hexdigest()
        captions = blake2b("\0".join(pairs.captions).encode("utf-8", "surrogatepass"))
        parameters = {k: v for k, v in vars(how).items() if k not in ("device", "compile")}
        seed = self.random_state
        return {
            "student": architecture.identity,
            "image_teacher": image_teacher,
            "text_teacher": text_teacher,
            **parameters,
            "batch_size": int(self.batch_size),
            "augment": bool(self.augment),
            "neighbor_method": self.neighbor_method,
            "random_state": int(seed) if isinstance(seed, Integral) else None,
            "images": scan.key,
            "captions": captions.hexdigest()[:16],
            "image_ids": same_images,
        }

    def _train(
        self,
        architecture: Architecture,
        tokenizer: Callable[..., torch.Tensor],
        how: Hyperparameters,
        pairs: Pairs,
        pixels: NDArray[np.uint8] | None,
        reader: PixelReader,
        banks: Banks | None,
        run: Run,
    ) -> None:
        import torch

        from skclip.distill._batches import Plan
        from skclip.distill._feed import make_feed
        from skclip.distill._learner import make_learner
        from skclip.distill._loop import train
        from skclip.distill._student import save_student

        tokens, n_truncated = tokenize(tokenizer, pairs.captions)
        if n_truncated:
            warn_caller(
                f"{n_truncated} of {len(pairs.captions)} captions are longer than the student "
                "can read; their ends were cut off.",
                TruncatedTextWarning,
            )
        plan = Plan(pairs.image_of, self.batch_size * self.accumulate, run.seed)
        batches, feed = make_feed(
            pairs,
            tokens.numpy(),
            plan,
            pixels=pixels,
            reader=reader,
            banks=banks,
            preprocess=architecture.preprocess_cfg,
            device=how.device,
            augment=self.augment,
            seed=run.seed,
        )
        n_jobs = effective_n_jobs(self.n_jobs)
        with torch.random.fork_rng([how.device] if how.device.startswith("cuda") else []):
            torch.manual_seed(run.seed)
            learner = make_learner(architecture, tokens, banks, how)
            train(
                learner,
                plan,
                batches,
                feed,
                run,
                n_workers=n_jobs if pixels is None and n_jobs > 1 else 0,
                log_every=self.log_every,
                checkpoint_every=self.checkpoint_every,
                verbose=self.verbose,
            )
        folder = run.model_folder()
        save_student(learner.trained_state(), architecture, tokenizer, folder)
        forget_folder(folder)
        self.log_ = run.log
        self.n_iter_ = learner.step_number
        self.embedder_ = CLIPEmbedder(f"local-dir:{folder}", device=self.device)
        self._folder = folder

    def save(self, path: str | PathLike[str]) -> None:
        """Write the trained student.

        Parameters
        ----------
        path : str or path
            Folder; created if it does not exist. ``CLIPEmbedder("local-dir:PATH")`` and
            ``open_clip.create_model("local-dir:PATH")`` load it.
        """
        check_is_fitted(self)
        folder = find_file(path)
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)
        forget_folder(folder)

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.non_deterministic = self.random_state is None
        return tags
