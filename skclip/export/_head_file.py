"""The file of a head: arrays and facts in one safetensors file, and what is checked about it.

Arrays are tensors of the file. Everything else is one JSON text under the key ``skclip`` of its
metadata, so that any program that reads safetensors and JSON can use a head.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from skclip._files import find_file, replacing
from skclip.exceptions import HeadFileError

__all__ = ["FORMAT_VERSION", "HeadFile", "read_head_file", "write_head_file"]

# Written into every file. A later version must stay able to read the earlier ones.
FORMAT_VERSION = 1
KEY = "skclip"


class HeadFile(NamedTuple):
    """Contents of the file of a head.

    Attributes
    ----------
    tensors : dict of str to ndarray
        Arrays by name.

    facts : dict of str to object
        Everything else, of types that JSON has.
    """

    tensors: dict[str, NDArray[Any]]
    facts: dict[str, Any]


def write_head_file(path: str | os.PathLike[str], content: HeadFile) -> Path:
    """Write a file; it appears under its name when it is complete.

    Parameters
    ----------
    path : path-like
        File to write.

    content : HeadFile
        The same content gives the same bytes.

    Returns
    -------
    path : Path
        The file.
    """
    target = find_file(path)
    if target.is_dir():
        raise ValueError(f"{str(target)!r} is a folder: name a file in it, such as head.skclip.")
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"{str(target)!r} is in a folder that does not exist: make the folder first."
        )
    tensors = {name: np.ascontiguousarray(array) for name, array in content.tensors.items()}
    facts = {"format_version": FORMAT_VERSION, **content.facts}
    facts["digest"] = _digest(HeadFile(tensors, facts))
    text = json.dumps(facts, sort_keys=True)
    # not by save_file, which lets nobody but the owner read what it writes
    data = save(tensors, {KEY: text})
    with replacing(target) as temporary:
        temporary.write_bytes(data)
    return target


def read_head_file(path: str | os.PathLike[str]) -> HeadFile:
    """Read a file and check that it is complete and unchanged.

    Parameters
    ----------
    path : path-like
        File that :func:`write_head_file` wrote.

    Returns
    -------
    content : HeadFile
        Arrays and facts. What the facts say is not checked here.

    Raises
    ------
    FileNotFoundError
        If there is no such file.

    HeadFileError
        If it is no head, of a later version, or was changed.
    """
    file = find_file(path)
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise FileNotFoundError(f"{str(file)!r} {what}: name a file that skclip fit has written.")
    try:
        with safe_open(file, framework="np") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        facts = json.loads(metadata[KEY]) if KEY in metadata else None
    except OSError:
        raise
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise HeadFileError(
            f"{str(file)!r} is no head of skclip, or a damaged one ({error})."
        ) from error
    if not isinstance(facts, dict):
        raise HeadFileError(
            f"{str(file)!r} is no head of skclip: its metadata has no object under {KEY!r}. "
            "Heads are written by skclip.export.save_head and by `skclip fit`."
        )
    version = facts.get("format_version")
    if type(version) is int and version > FORMAT_VERSION:
        raise HeadFileError(
            f"{str(file)!r} is of format {version}, and this skclip reads formats up to "
            f"{FORMAT_VERSION}: install a later skclip."
        )
    if type(version) is not int or version != FORMAT_VERSION:
        raise HeadFileError(f"{str(file)!r} has no format version of skclip: {version!r}.")
    digest = facts.pop("digest", None)
    if digest != _digest(HeadFile(tensors, facts)):
        raise HeadFileError(
            f"{str(file)!r} was changed after it was written: its content does not match its "
            "digest. Fetch it again, or fit the head again."
        )
    return HeadFile(tensors, facts)


def _digest(content: HeadFile) -> str:
    """Return a hash of everything in a file but the hash itself."""
    digest = hashlib.sha256(json.dumps(content.facts, sort_keys=True).encode())
    for name, array in sorted(content.tensors.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
