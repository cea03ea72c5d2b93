"""Corpora made by Ray have the bytes of those made by one process."""

import filecmp
import inspect
import logging
import shutil

import pytest

from skclip.corpus import Corpus, ShardTask
from skclip.distributed import build, embed, fit_corpus, predict, recall
from skclip.exceptions import CorpusError, CorpusFormatError, UnreadableImageWarning
from tests.distributed.workers import LengthEmbedder

# Ray's own sockets and processes; our warnings are asked for by name
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

IMAGES = ["x" * i + ".png" if i % 5 else None for i in range(60)]
IMAGES[3] = b"an image in memory"
IMAGES[31] = "unreadable.png"
SOURCE = ([f"caption {i}" for i in range(60)], IMAGES)


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The corpus as one process builds it."""
    path = tmp_path_factory.mktemp("whole") / "corpus"
    with pytest.warns(UnreadableImageWarning):
        Corpus.build(SOURCE, path, embedder=LengthEmbedder(), shard_size=13)
    return path


def assert_same_bytes(one, other):
    names = sorted(path.name for path in one.iterdir())
    assert sorted(path.name for path in other.iterdir()) == names
    assert filecmp.cmpfiles(one, other, names, shallow=False)[0] == names


def test_build_takes_the_arguments_of_corpus_build():
    own = inspect.signature(build).parameters
    for name, parameter in inspect.signature(Corpus.build).parameters.items():
        assert own[name] == parameter
    assert set(own) - set(inspect.signature(Corpus.build).parameters) == {
        "engine",
        "ray_address",
        "num_cpus",
        "num_gpus",
        "compute",
    }


def test_every_function_takes_the_same_options_of_ray():
    functions = (build, embed, fit_corpus, predict, recall)
    options = [list(inspect.signature(f).parameters.values())[-5:] for f in functions]
    assert options == [options[0]] * len(functions)


def test_an_unknown_engine_is_named(tmp_path):
    with pytest.raises(ValueError, match="engine must be 'local' or 'ray', got 'dask'"):
        build(["a cat"], tmp_path / "corpus", engine="dask")
    assert not (tmp_path / "corpus").exists()


def test_the_local_engine_gives_the_same_bytes(whole, tmp_path):
    with pytest.warns(UnreadableImageWarning):
        build(SOURCE, tmp_path / "new", embedder=LengthEmbedder(), shard_size=13)
    assert_same_bytes(whole, tmp_path / "new")


def test_ray_gives_the_same_bytes_after_the_death_of_a_worker(cluster, whole, tmp_path, caplog):
    (tmp_path / "kill").touch()
    embedder = LengthEmbedder(kill=str(tmp_path / "kill"))
    with (
        caplog.at_level(logging.INFO, "skclip.distributed"),
        pytest.warns(UnreadableImageWarning, match=r"13 of 60 images"),
    ):
        build(SOURCE, tmp_path / "new", embedder=embedder, shard_size=13, engine="ray")
    assert not (tmp_path / "kill").exists()
    assert_same_bytes(whole, tmp_path / "new")
    assert "000-00004 done in" in caplog.text


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_captions_are_embedded_by_either_engine(request, whole, tmp_path, engine):
    if engine == "ray":
        request.getfixturevalue("cluster")
    places = tmp_path / "here", tmp_path / "there"
    for place in places:
        shutil.copytree(whole, place)
    expected = Corpus(places[0]).embed_captions(LengthEmbedder())
    corpus = embed(places[1], LengthEmbedder(), captions=True, engine=engine)
    assert corpus.caption_embeddings([7]).tolist() == [[len("caption 7"), 1]]
    assert_same_bytes(expected.path, corpus.path)


def test_captions_of_shards_in_any_order_have_the_same_bytes(whole, tmp_path, backwards):
    shutil.copytree(whole, tmp_path / "there")
    corpus = Corpus(tmp_path / "there").embed_captions(LengthEmbedder())
    assert corpus.caption_embeddings([7, 59]).tolist() == [[9, 1], [10, 1]]


def test_a_corpus_of_captions_has_no_images_to_embed(tmp_path):
    corpus = Corpus.build(["a cat", "two dogs"], tmp_path / "corpus", shard_size=1)
    with pytest.raises(CorpusError, match=r"captions and no images: .* embed_captions\(embedder\)"):
        embed(corpus, LengthEmbedder())
    assert not Corpus(corpus.path).has_embeddings
    assert embed(corpus, LengthEmbedder(), captions=True).has_caption_embeddings


def test_errors_of_workers_are_raised_as_they_are(cluster, tmp_path):
    corpus = Corpus.build(["a cat", "a dog"], tmp_path / "corpus", index=False, shard_size=1)
    (corpus.path / "000-00001.captions.parquet").write_bytes(b"damaged")
    with pytest.raises(CorpusFormatError, match=r"000-00001\.captions\.parquet"):
        list(using_ray(corpus))


def using_ray(corpus):
    from skclip.corpus._build import _index_shard
    from skclip.distributed._engine import RayEngine

    tasks = [ShardTask(corpus.path, s.entry, s.entry.name) for s in corpus.shards]
    return RayEngine(None, 1, 0).map(_index_shard, tasks)


def test_shards_in_work_are_not_begun_twice(tmp_path):
    """A worker that has outlived its driver holds the lock of its shard."""
    corpus = Corpus.build(["a cat"], tmp_path / "corpus")
    task = ShardTask(corpus.path, corpus.shards[0].entry, "000-00000")
    with task.lock(), pytest.raises(TimeoutError):
        task.lock().acquire(timeout=0)


def test_a_link_in_place_of_a_lock_is_refused(tmp_path):
    corpus = Corpus.build(SOURCE, tmp_path / "corpus")
    (tmp_path / "outside").write_text("kept")
    (corpus.path / "001-000-00000.lock").symlink_to(tmp_path / "outside")
    with pytest.raises(CorpusError, match="is a symbolic link"):
        corpus.embed(LengthEmbedder())
    assert (tmp_path / "outside").read_text() == "kept"
