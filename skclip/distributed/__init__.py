"""The work on large corpora, shard by shard, on one machine or on a Ray cluster."""

from skclip.distributed._build import build, embed
from skclip.distributed._engine import chosen_engine as chosen_engine
from skclip.distributed._fit import fit_corpus
from skclip.distributed._predict import predict
from skclip.distributed._recall import recall
from skclip.distributed._remote import pull, push

__all__ = ["build", "embed", "fit_corpus", "predict", "pull", "push", "recall"]
