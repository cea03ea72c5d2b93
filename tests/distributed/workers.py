"""What workers of Ray import: embedders without a model."""

import os
import signal
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from skclip import CLIPEmbedder


class LengthEmbedder(BaseEstimator):
    """Embeds an image as the length of its path or bytes; some images cannot be read.

    Parameters
    ----------
    batch_size : int, default=1
        Eight batches are written at once.

    kill : path, default=None
        A file; the first process that embeds while it exists removes it and kills itself.
    """

    model_id = "length/none@1"

    def __init__(self, batch_size: int = 1, kill: str | None = None) -> None:
        self.batch_size = batch_size
        self.kill = kill

    def transform(self, images):
        contents = [i.read() if hasattr(i, "read") else i for i in images]
        rows = np.array([[len(content), 1] for content in contents], np.float32)
        rows[["unreadable" in str(content) for content in contents]] = 0
        if self.kill is not None and Path(self.kill).exists():
            Path(self.kill).unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return rows


class WrongWeights(LengthEmbedder):
    """Has another model in every process."""

    @property
    def model_id(self):
        return f"length/none@{os.getpid()}"


class CountingEmbedder(CLIPEmbedder):
    """Writes a line beside its cache for every image that goes through the model."""

    def load_model(self):
        loaded = super().load_model()
        if "counted" not in loaded.cache:
            loaded.cache["counted"], encode = True, loaded.encode_image

            def counted(batch):
                with Path(self.cache).with_suffix(".passes").open("a") as file:
                    file.write("".join(f"{os.getpid()}\n" for _ in batch))
                return encode(batch)

            loaded.encode_image = counted
        return loaded
