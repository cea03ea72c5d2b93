"""What users name: images, labelled images, embeddings, captioned collections."""

from skclip.cli._inputs._collection import CORPUS_HELP, open_collection
from skclip.cli._inputs._growing_vectors import grow_vectors
from skclip.cli._inputs._images import (
    Batch,
    add_embeddings_argument,
    batches_of_images,
    batches_of_vectors,
    find_all_images,
    find_images,
    given_vectors,
)
from skclip.cli._inputs._labelled import (
    LABELLED_HELP,
    Labelled,
    add_label_arguments,
    read_labelled,
)
from skclip.cli._inputs._vectors import Vectors, check_vectors_file

__all__ = [
    "CORPUS_HELP",
    "LABELLED_HELP",
    "Batch",
    "Labelled",
    "Vectors",
    "add_embeddings_argument",
    "add_label_arguments",
    "batches_of_images",
    "batches_of_vectors",
    "check_vectors_file",
    "find_all_images",
    "find_images",
    "given_vectors",
    "grow_vectors",
    "open_collection",
    "read_labelled",
]
