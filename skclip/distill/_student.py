"""The student: an open_clip model with random weights, and the folder it is saved to."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from os import PathLike, fspath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from skclip._files import find_file, replacing
from skclip._validation import sample_of
from skclip.embedding import create_tokenizer, create_untrained_model, expand_folder, known_models
from skclip.exceptions import ModelNotFoundError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Architecture", "find_architecture", "save_student", "zero_unused_words"]

_CONFIG, _WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


@dataclass(frozen=True)
class Architecture:
    """Architecture of a student.

    Parameters
    ----------
    config : dict
        Configuration in the format of open_clip's ``model_configs``.

    preprocess : dict
        Size, mean and other values that differ from open_clip's defaults.

    folder : str or None
        Folder of the tokenizer's files, for students given as folders.

    name : str or None
        Name of a registered model.
    """

    config: dict[str, Any]
    preprocess: dict[str, Any]
    name: str | None = None
    folder: str | None = None

    def create_model(self) -> "nn.Module":
        """Return the model on the CPU, with random weights from torch's generator."""
        with self._as_folder() as folder:
            return create_untrained_model(f"local-dir:{folder}")

    def create_tokenizer(self) -> "Callable[..., Tensor]":
        """Return the tokenizer: texts to token ids."""
        if self.name is not None:
            return create_tokenizer(self.name, None)
        if self.folder is not None:
            return create_tokenizer(f"local-dir:{self.folder}", None)
        with self._as_folder() as folder:
            return create_tokenizer(f"local-dir:{folder}", None)

    @property
    def preprocess_cfg(self) -> dict[str, Any]:
        """Complete preprocessing: open_clip's defaults, updated with ``preprocess``."""
        from open_clip.transform import PreprocessCfg, merge_preprocess_dict

        size = self.config["vision_cfg"].get("image_size", PreprocessCfg().size)
        given = {**self.preprocess, "size": size}
        complete: dict[str, Any] = merge_preprocess_dict(PreprocessCfg(), given)
        return complete

    @property
    def identity(self) -> str:
        """Name and hash of the architecture."""
        content = json.dumps([self.config, self.preprocess_cfg], sort_keys=True, default=str)
        return f"{self.name or 'model'} {blake2b(content.encode(), digest_size=6).hexdigest()}"

    def write(self, folder: Path) -> None:
        """Write ``open_clip_config.json``."""
        description = {"model_cfg": self.config, "preprocess_cfg": self.preprocess}
        with replacing(folder / _CONFIG) as temporary:
            temporary.write_text(json.dumps(description, indent=1), encoding="utf-8")

    @contextmanager
    def _as_folder(self) -> Iterator[Path]:
        with TemporaryDirectory(prefix="skclip-") as folder:
            self.write(Path(folder))
            yield Path(folder)


def find_architecture(student: str | PathLike[str] | Mapping[str, Any]) -> Architecture:
    """Return the architecture of ``student``.

    Parameters
    ----------
    student : str, path or mapping
        A model name of open_clip or ``"skclip-tiny"``, ``"local-dir:FOLDER"``, the path of a JSON
        file with a model configuration, or the configuration itself.

    Returns
    -------
    architecture : Architecture
        The architecture, without weights.

    Raises
    ------
    ModelNotFoundError
        If there is no such model, or the configuration is incomplete.
    """
    if isinstance(student, Mapping):
        return _from_config(dict(student), "student")
    given = expand_folder(fspath(student))
    if given.startswith("local-dir:"):
        folder = given.removeprefix("local-dir:")
        return _from_file(Path(folder) / _CONFIG, folder=folder)
    if given.endswith(".json"):
        return _from_file(find_file(given))
    known = known_models()
    name = given.replace("/", "-")
    if name not in known:
        raise ModelNotFoundError(
            f"student={given!r} is neither a model of open_clip nor a JSON file. "
            f"open_clip.list_models() lists {len(known)} models, such as {sample_of(known)}."
        )
    import open_clip

    return Architecture(open_clip.get_model_config(name), {}, name=name)


def _from_file(path: Path, folder: str | None = None) -> Architecture:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelNotFoundError(f"student={str(path)!r} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ModelNotFoundError(f"student={str(path)!r} is not a JSON object.")
    return _from_config(content, f"student={str(path)!r}", folder=folder)


def _from_config(content: dict[str, Any], what: str, folder: str | None = None) -> Architecture:
    config = content.get("model_cfg", content)
    missing = {"embed_dim", "vision_cfg", "text_cfg"} - set(config)
    if missing:
        raise ModelNotFoundError(
            f"{what} is not a model configuration of open_clip: it has no "
            f"{sample_of(sorted(missing))}."
        )
    return Architecture(dict(config), content.get("preprocess_cfg", {}), folder=folder)


def zero_unused_words(model: "nn.Module", tokens: "Tensor") -> None:
    """Set the embeddings of words that occur in no caption to zero.

    These embeddings are never trained. Zero is better than a random value for later texts.
    """
    import torch

    embedding = getattr(getattr(model, "text", model), "token_embedding", None)
    if embedding is None:
        return
    unread = torch.ones(len(embedding.weight), dtype=torch.bool)
    unread[tokens.flatten()] = False
    with torch.no_grad():
        embedding.weight[unread] = 0


def save_student(
    state: Mapping[str, "Tensor"], architecture: Architecture, tokenizer: Any, folder: Path
) -> None:
    """Write a folder that open_clip can load by ``local-dir:``.

    Parameters
    ----------
    state : mapping of str to Tensor
        The weights.

    architecture : Architecture
        Architecture of the model.

    tokenizer : callable
        Also saved if it consists of files.

    folder : Path
        Created if it does not exist. The configuration is written first; the weights are replaced
        in one step.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    Architecture(architecture.config, architecture.preprocess_cfg).write(folder)
    if hasattr(tokenizer, "save_pretrained"):
        tokenizer.save_pretrained(folder)
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with replacing(folder / _WEIGHTS) as temporary:
        # not `save_file`, whose files only their owner can read
        temporary.write_bytes(save(tensors))
