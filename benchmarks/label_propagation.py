"""Label propagation over a graph of images and text rows (ZLaP), for `unlabelled.py`."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import cg

from skclip.transduction._neighbor_graph import neighbor_graph

Rows = NDArray[Any]


def label_propagation(
    X: Rows, text: Rows, k: int = 5, gamma: float = 5.0, alpha: float = 0.3
) -> Rows:
    """Propagate labels from text rows over a graph of neighbours (ZLaP, 2404.04072)."""
    n, n_classes = len(X), len(text)
    graph = neighbor_graph(X, k).astype(float)
    similarity = X.astype(float) @ text.T
    k = min(k, n_classes)
    near = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    weights = np.maximum(np.take_along_axis(similarity, near, axis=1), 0) ** gamma
    to_text = sp.csr_array(
        (weights.ravel(), near.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n_classes)
    )
    graph.data **= gamma
    none = sp.csr_array((n_classes, n_classes))
    edges = sp.block_array([[graph, to_text], [to_text.T * 0, none]]).tocsr()
    edges = edges.maximum(edges.T)
    root = sp.diags_array(1 / np.sqrt(np.maximum(edges.sum(axis=1), 1e-12)))
    system = (sp.eye_array(n + n_classes) - alpha * root @ edges @ root).tocsr()
    labels = np.zeros((n + n_classes, n_classes))
    labels[n:] = np.eye(n_classes)
    spread_out = [cg(system, column, rtol=1e-5)[0][:n] for column in labels.T]
    return np.argmax(spread_out, axis=0)
