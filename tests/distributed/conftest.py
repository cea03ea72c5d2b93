"""One cluster for all tests, and an engine that needs none."""

import logging
import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

from skclip.corpus import Corpus, using_engine
from tests.distributed.animals import MEANS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Ray with two nodes; a row of a data set is worked on by either."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'skclip[ray]'")
    pytest.importorskip("ray.data", reason="Ray Data needs pandas and pyarrow")
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - workers would wait for all others
    os.environ["PYTHONPATH"] = str(ROOT)  # workers import tests
    options = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    nodes = None
    for _ in range(3):  # a node must start within 30 seconds, which a busy machine may miss
        try:
            nodes = Cluster(initialize_head=True, head_node_args=options)
            nodes.add_node(num_cpus=1, object_store_memory=100 * 2**20)
            break
        except Exception as error:
            problem = error
            if nodes is not None:
                nodes.shutdown()
    else:
        pytest.skip(f"Ray does not start on this machine: {problem}")
    ray.init(address=nodes.address, logging_level=logging.ERROR, log_to_driver=False)
    logging.getLogger("ray").setLevel(logging.ERROR)
    with warnings.catch_warnings():  # it sets options of its own that it deprecates
        warnings.simplefilter("ignore")
        ray.data.DataContext.get_current()
    yield nodes
    ray.shutdown()
    nodes.shutdown()


class Backwards:
    """An engine in this process: the last task first, and all of it through pickle."""

    def map(self, function, tasks, embedder=None):
        function = pickle.loads(pickle.dumps(function))
        for i in reversed(range(len(tasks))):
            task = pickle.loads(pickle.dumps(tasks[i]))
            result = function(task) if embedder is None else function(task, embedder)
            yield i, pickle.loads(pickle.dumps(result))


@pytest.fixture
def backwards():
    """Work on shards by that engine."""
    with using_engine(Backwards()):
        yield


@pytest.fixture(scope="session")
def animals(tmp_path_factory):
    """Five shards of captions and embeddings, some of them zero; and their labels."""
    rng = np.random.default_rng(0)
    names = np.array(["cat", "dog", "fox"])
    codes = rng.integers(3, size=120)
    X = (MEANS[codes] + rng.normal(size=(120, 24))).astype(np.float16)
    X[[5, 50]] = 0
    labels = names[codes]
    captions = [f"a photo of a {label}, number {i}" for i, label in enumerate(labels)]
    path = tmp_path_factory.mktemp("animals") / "corpus"
    with pytest.warns(UserWarning, match="could not be read"):
        Corpus.build(captions, path, embeddings=X, model_id="none@1", shard_size=25)
    return path, labels
