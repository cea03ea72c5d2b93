"""Predict the class of every row of a corpus, shard by shard."""

import json
import os
import pickle
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skclip._files import find_file, replacing
from skclip._linalg import nonzero_rows
from skclip.corpus import Corpus, in_order, open_corpus
from skclip.distributed._engine import chosen_engine
from skclip.distributed._labels import LabelledShard, labelled_shards

__all__ = ["predict"]

NOTE = "predictions.json"


def predict(
    head: Any,
    corpus: Corpus | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    engine: str = "local",
    ray_address: str | None = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
    compute: Any = None,
) -> list[Path]:
    """Write the class and the probability of every row of a corpus, one file per shard.

    An interrupted call resumes when it is repeated: a file is written under another name and
    renamed, and files that exist are kept.

    Parameters
    ----------
    head : classifier
        Fitted, with ``predict_proba``.

    corpus : Corpus or path-like
        Corpus with embeddings.

    path : path-like
        Folder of the predictions of this head on this corpus.

    engine, ray_address, num_cpus, num_gpus, compute : object
        As for :func:`build`. There is no embedder in the workers.

    Returns
    -------
    paths : list of Path
        Parquet files in the order of the shards, with the columns ``row`` of the corpus, ``id``,
        ``label`` and ``probability``; label and probability are missing where there is no image.

    Raises
    ------
    ValueError
        If the folder has predictions of another head or corpus, or is a file.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow.parquet as pq
    >>> from skclip import ZeroShotClassifier
    >>> from skclip.distributed import build, predict
    >>> corpus = build(["a", "b"], tempfile.mkdtemp(), embeddings=[[1.0, 0.0], [0.0, 1.0]])
    >>> head = ZeroShotClassifier({"cat": [1.0, 0.1], "dog": [0.1, 1.0]}).fit()
    >>> (file,) = predict(head, corpus, tempfile.mkdtemp())
    >>> pq.read_table(file)["label"].to_pylist()
    ['cat', 'dog']
    """
    corpus, folder = open_corpus(corpus), find_file(path).absolute()
    if not hasattr(head, "predict_proba"):
        raise ValueError(f"predict needs a fitted head with predict_proba, got {head!r}.")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is a file: give a folder, for one file per shard.")
    chosen = chosen_engine(
        engine, address=ray_address, num_cpus=num_cpus, num_gpus=num_gpus, compute=compute
    )
    # raises the error if there are none or the head does not fit them, before the folder is its
    head.predict_proba(corpus.embeddings([0]))
    work = ShardPrediction(head, folder)
    _begin(folder, head, corpus)
    shards = labelled_shards(corpus, "id")
    todo = [shard for shard in shards if not work.file(shard).exists()]
    with chosen:
        for _ in in_order(work, todo):
            pass
    return [work.file(shard) for shard in shards]


@dataclass(frozen=True)
class ShardPrediction:
    """Predicts the rows of a shard; sent to every worker.

    Parameters
    ----------
    head : classifier
        Fitted.

    folder : Path
        Where the files are written.
    """

    head: Any
    folder: Path

    def file(self, shard: LabelledShard) -> Path:
        """Return the file of a shard."""
        return self.folder / f"{shard.stem}.predictions.parquet"

    def __call__(self, shard: LabelledShard) -> None:
        """Write the file of a shard."""
        labels: list[Any] = []
        proba: list[float | None] = []
        for _, X in shard.blocks():
            of_rows = np.asarray(self.head.predict_proba(X))
            best = self.head.classes_[of_rows.argmax(axis=1)].tolist()
            evident = nonzero_rows(X)
            for is_known, label, row in zip(evident, best, of_rows, strict=True):
                labels.append(label if is_known else None)
                proba.append(float(row.max()) if is_known else None)
        n_rows = shard.task.entry.n_rows
        rows = np.arange(n_rows)
        table = pa.table(
            {
                "row": shard.first + rows,
                "id": shard.task.shard.column("id", rows),
                "label": pa.array(labels),
                "probability": pa.array(proba, pa.float32()),
            }
        )
        # a name of its own: a worker can outlive its driver, and both write the same
        own = self.file(shard).with_suffix(f".{os.getpid()}")
        with replacing(own) as temporary:
            pq.write_table(table, temporary)
        own.replace(self.file(shard))


def _begin(folder: Path, head: Any, corpus: Corpus) -> None:
    """Note what is predicted; raise if the folder has other predictions."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "head": sha256(pickle.dumps(head)).hexdigest(),
        "corpus": [shard.entry.name for shard in corpus.shards],
        "embeddings": [shard.entry.embeddings for shard in corpus.shards],
        "identity": corpus.corpus_id,
    }
    note = folder / NOTE
    if note.exists() and json.loads(note.read_text(encoding="utf-8")) != about:
        raise ValueError(
            f"{str(folder)!r} has predictions of another head or corpus: give a new folder."
        )
    with replacing(note) as temporary:
        temporary.write_text(json.dumps(about), encoding="utf-8")
