"""From a model's name to open_clip's model and its weights, with errors that help.

open_clip reports a missing model by several kinds of exception after a minute of retries. This
module raises :class:`~skclip.exceptions.ModelNotFoundError` at once.
"""

import difflib
import logging
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from skclip._files import find_file
from skclip._validation import sample_of
from skclip.embedding._spellings import spelled_elsewhere
from skclip.exceptions import ModelNotFoundError

if TYPE_CHECKING:
    import torch

__all__ = [
    "create_open_clip_model",
    "create_tokenizer",
    "create_untrained_model",
    "embedding_width",
    "expand_folder",
    "known_models",
    "parse_model_id",
    "resolve_pretrained",
    "source_label",
]

T = TypeVar("T")

BUNDLED = Path(__file__).parent / "tiny"
DEFAULT_TAGS = {"ViT-B-32": "laion2b_s34b_b79k"}
SCHEMAS = ("hf-hub:", "local-dir:")

_registration = threading.Lock()
_registered = False


def _register_bundled() -> None:
    """Register the models of this package with open_clip."""
    global _registered
    import open_clip

    with _registration:
        if not _registered:
            open_clip.add_model_config(BUNDLED)
            _registered = True


def known_models() -> list[str]:
    """Return the names of all models that open_clip can build, including the bundled one."""
    import open_clip

    _register_bundled()
    names: list[str] = open_clip.list_models()
    return names


def parse_model_id(model_id: str) -> tuple[str, str]:
    """Return the model name and the tag that a model identity names.

    Parameters
    ----------
    model_id : str
        From :attr:`skclip.CLIPEmbedder.model_id`: ``name/tag@hash``.

    Returns
    -------
    model_name, pretrained : str
        Parameters of a :class:`skclip.CLIPEmbedder`. The name is empty if the identity does not
        tell where the weights are: a folder, or another program.
    """
    label = model_id.rpartition("@")[0]
    name, _, tag = label.rpartition("/") if "/" in label else (label, "", "")
    # open_clip accepts ViT-B/32 for ViT-B-32
    if name.replace("/", "-") not in known_models():
        # the label of a repository is its name; a label of a folder or another program is not
        name, tag = (f"hf-hub:{label}" if tag else ""), "auto"
    return name, tag or "auto"


def expand_folder(model_name: str) -> str:
    """Return ``local-dir:`` names with an absolute folder, and other names unchanged."""
    schema, _, folder = model_name.partition("local-dir:")
    return model_name if schema or not folder else f"local-dir:{find_file(folder)}"


def resolve_pretrained(model_name: str, pretrained: str | os.PathLike[str]) -> str | None:
    """Return the tag or checkpoint file for open_clip; None if the name includes the weights.

    Parameters
    ----------
    model_name : str
        As given by the user.

    pretrained : str or path
        As given by the user; ``"auto"`` selects the bundled checkpoint, the default tag, or the
        only tag of the model.

    Returns
    -------
    pretrained : str or None
        A tag known to open_clip, or an existing file.

    Raises
    ------
    ModelNotFoundError
        If the name or the tag is unknown; the message lists the closest known ones.
    """
    given = os.fspath(pretrained)
    if model_name.startswith(SCHEMAS):
        if given != "auto":
            raise ModelNotFoundError(
                f"pretrained={given!r} cannot be used with model_name={model_name!r}: that name "
                "includes its weights. Leave pretrained='auto'."
            )
        return None
    if given == "auto":
        bundled = BUNDLED / f"{model_name}.safetensors"
        if bundled.is_file():
            return str(bundled)
        if model_name in DEFAULT_TAGS:
            return DEFAULT_TAGS[model_name]
    return _known_checkpoint(model_name, given)


def _known_checkpoint(model_name: str, pretrained: str) -> str:
    import open_clip

    known = known_models()
    name = _config_name(model_name)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else "."
        if spelling := spelled_elsewhere(model_name, known):
            hint = f": write {spelling}."
        raise ModelNotFoundError(
            f"model_name={model_name!r} is not a model of open_clip{hint} "
            "open_clip.list_models() lists them; 'hf-hub:ORG/REPO' and 'local-dir:PATH' "
            "load others."
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained == "auto":
        if len(tags) == 1:
            return str(tags[0])
        spelling = None if model_name == name else spelled_elsewhere(model_name, known)
        raise ModelNotFoundError(
            f"pretrained='auto' has no default for model_name={model_name!r}"
            + (f", which is another library's name for {spelling}. " if spelling else ". ")
            + _pretrained_choices(tags)
        )
    if open_clip.get_pretrained_cfg(name, pretrained):
        return pretrained
    if (file := find_file(pretrained)).is_file():
        return str(file)
    raise ModelNotFoundError(
        f"pretrained={pretrained!r} is neither a file nor a tag of model_name={model_name!r}. "
        + _pretrained_choices(tags)
    )


def _pretrained_choices(tags: list[str]) -> str:
    if not tags:
        return "open_clip has no weights for it: give the path of a checkpoint file."
    return f"Give the path of a checkpoint file or one of its tags: {sample_of(tags, len(tags))}."


def source_label(model_name: str, checkpoint: str | None) -> str:
    """Return ``name/pretrained`` for display; paths are shortened to their last part."""
    if checkpoint is None:
        schema, _, place = model_name.partition(":")
        return place if schema == "hf-hub" else Path(place).resolve().name
    label = Path(checkpoint).stem if Path(checkpoint).is_file() else checkpoint
    return model_name if label == model_name else f"{model_name}/{label}"


def create_open_clip_model(
    model_name: str, checkpoint: str | None, *, precision: str = "fp32"
) -> tuple["torch.nn.Module", dict[str, Any]]:
    """Create a model and return it with its configuration.

    Parameters
    ----------
    model_name : str
        Name as open_clip takes it.

    checkpoint : str or None
        From :func:`resolve_pretrained`.

    precision : {"fp32", "fp16", "bf16"}, default="fp32"
        Precision of the weights.

    Returns
    -------
    model : torch.nn.Module
        On the CPU.

    config : dict
        The architecture.
    """
    import open_clip

    _register_bundled()

    def create() -> tuple["torch.nn.Module", dict[str, Any]]:
        model = open_clip.create_model(
            model_name,
            pretrained=checkpoint,
            precision=precision,
            # without it, open_clip returns a random model if the download fails
            require_pretrained=True,
            pretrained_text=False,
        )
        return model, open_clip.get_model_config(_config_name(model_name))

    has_file = checkpoint is not None and Path(checkpoint).is_file()
    return _from_disk_or_hub(create, _display(model_name, checkpoint), try_hub=not has_file)


def create_untrained_model(model_name: str) -> "torch.nn.Module":
    """Create a model with random weights from torch's generator.

    Parameters
    ----------
    model_name : str
        Name as open_clip takes it.

    Returns
    -------
    model : torch.nn.Module
        On the CPU.
    """
    import open_clip

    _register_bundled()

    def create() -> "torch.nn.Module":
        model: torch.nn.Module = open_clip.create_model(
            model_name, load_weights=False, pretrained_text=False
        )
        return model

    return _from_disk_or_hub(create, "the untrained model", try_hub=True)


def create_tokenizer(model_name: str, checkpoint: str | None) -> Callable[..., "torch.Tensor"]:
    """Create the tokenizer of a model.

    Parameters
    ----------
    model_name : str
        Name as open_clip takes it.

    checkpoint : str or None
        From :func:`resolve_pretrained`; used in the message.

    Returns
    -------
    tokenizer : callable
        Maps a list of texts to a tensor of token ids.
    """
    import open_clip

    def create() -> Callable[..., "torch.Tensor"]:
        tokenizer: Callable[..., torch.Tensor] = open_clip.get_tokenizer(_config_name(model_name))
        return tokenizer

    name = f"the tokenizer of {_display(model_name, checkpoint)}"
    return _from_disk_or_hub(create, name, try_hub=True, advice=_COPY_TOKENIZER)


def embedding_width(model_name: str) -> int | None:
    """Return the width of a model's embeddings if open_clip has its configuration.

    Parameters
    ----------
    model_name : str
        Name as open_clip takes it.

    Returns
    -------
    width : int or None
        None for models whose configuration is in their files.
    """
    import open_clip

    if model_name.startswith(SCHEMAS):
        return None
    _register_bundled()
    config = open_clip.get_model_config(_config_name(model_name))
    return None if config is None else int(config["embed_dim"])


def _config_name(model_name: str) -> str:
    """Return the name of a configuration in open_clip."""
    return model_name if model_name.startswith(SCHEMAS) else model_name.replace("/", "-")


_COPY_MODEL = "copy them here and give pretrained='CHECKPOINT' or model_name='local-dir:FOLDER'"
_COPY_TOKENIZER = (
    "copy the model's folder here, with the tokenizer's files in it, and give "
    "model_name='local-dir:FOLDER'"
)


def _from_disk_or_hub(
    create: Callable[[], T], what: str, *, try_hub: bool, advice: str = _COPY_MODEL
) -> T:
    """Load from files on disk; call the hub only for missing files."""
    with _quiet_root_logger():
        try:
            with _files_on_disk_only():
                return create()
        except ImportError as error:
            raise _import_error(what, error) from None
        except Exception as error:
            if not try_hub or "local-dir:" in what:
                raise _load_error(what, error) from None
        if not _hub_is_reachable():
            raise ModelNotFoundError(
                f"The files of {what} are not all on this machine, and the Hugging Face Hub "
                f"cannot be reached. Run once with a network, or {advice}; "
                "model_name='skclip-tiny' comes with skclip and needs no download."
            )
        try:
            return create()
        except Exception as error:
            raise _load_error(what, error) from None


def _display(model_name: str, checkpoint: str | None) -> str:
    return repr(model_name) + (f" (pretrained={checkpoint!r})" if checkpoint else "")


def _import_error(what: str, error: ImportError) -> ImportError:
    if error.name in (None, "transformers"):
        # the message of transformers about a missing requirement has many lines
        needs = error.name or " ".join(str(error).split())[:100]
        return ImportError(f"{what} needs {needs}: pip install 'skclip[transformers]'.")
    return ImportError(f"{what} needs {error.name}: pip install {error.name}.")


def _load_error(what: str, error: Exception) -> ModelNotFoundError:
    reason = " ".join(str(error).split()) or type(error).__name__
    if "weights_only" in reason:  # torch's message recommends executing the file's content
        reason = "the file is damaged, or holds more than weights and was not opened"
    reason = reason if len(reason) <= 300 else f"{reason[:300]}…"
    return ModelNotFoundError(
        f"{what} cannot be loaded ({reason.rstrip('.')}). Check that the name and the weights "
        "belong together and that the files are complete."
    )


@contextmanager
def _quiet_root_logger() -> Iterator[None]:
    """Prevent open_clip's root logger calls from configuring logging for the whole process."""
    root = logging.getLogger()
    handler = logging.NullHandler()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


@contextmanager
def _files_on_disk_only() -> Iterator[None]:
    """Make huggingface_hub use its cache only; otherwise it sends requests for every file."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _hub_is_reachable() -> bool:
    """Return whether the hub is reachable, with the proxies of the environment."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        urlopen(constants.ENDPOINT, timeout=5).close()
    except HTTPError:
        return True
    except URLError as error:
        # the hub's own client may have certificates that the standard library lacks
        return isinstance(error.reason, ssl.SSLError)
    except OSError:
        return False
    return True
