"""Corpus.build: every source, and nothing lost whatever happens."""

import errno
import filecmp
import json
import signal
import sqlite3
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from filelock import FileLock
from PIL import Image

from skclip.corpus import Corpus
from skclip.exceptions import (
    CorpusError,
    DoubtfulTextWarning,
    ModelMismatchError,
    UnreadableImageWarning,
)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "corpus"


def test_captions_alone_make_a_corpus(target):
    corpus = Corpus.build(["a cat", "a dog"], target)
    assert corpus.captions().tolist() == ["a cat", "a dog"]
    assert corpus.images().tolist() == [None, None]
    assert corpus.ids().tolist() == ["0", "1"]
    assert len(corpus.failures()) == 0


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_data_frames_of_any_library_make_a_corpus(target, library):
    frame = library({"KEY": [7, 8], "TEXT": ["a cat", None], "path": ["/a.png", "/b.png"]})
    corpus = Corpus.build(frame, target)
    assert corpus.captions().tolist() == ["a cat", ""]
    assert corpus.ids().tolist() == ["7", "8"]
    assert corpus.images().tolist() == ["/a.png", "/b.png"]


def test_columns_can_be_named(target):
    frame = pd.DataFrame({"caption": ["no"], "alt": ["a cat"], "file": ["/a.png"], "n": [3]})
    corpus = Corpus.build(frame, target, caption_column="alt", image_column="file", id_column="n")
    assert corpus.captions().tolist() == ["a cat"]
    assert corpus.ids().tolist() == ["3"]


def test_a_wrong_column_lists_those_there_are(target):
    frame = pd.DataFrame({"words": ["a cat"], "b": [1]})
    with pytest.raises(
        CorpusError, match=r"no caption column .*'words', 'b': name one as caption_column="
    ):
        Corpus.build(frame, target)
    with pytest.raises(CorpusError, match=r"no column 'x'; its columns are 'words', 'b'"):
        Corpus.build(frame, target, caption_column="x")


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
def test_images_in_memory_are_kept_in_the_corpus(target, mean_color):
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    green = np.zeros((4, 4, 3), np.uint8)
    green[..., 1] = 255
    images = [red, green, None, {"bytes": b"no image", "path": None}]
    corpus = Corpus.build((["r", "g", "none", "broken"], images), target, embedder=mean_color)
    assert corpus.images([2, 3]).tolist() == [None, b"no image"]
    np.testing.assert_array_equal(
        corpus.embeddings(), [[1, 0, 0, 0.25], [0, 1, 0, 0.25], [0] * 4, [0] * 4]
    )
    assert corpus.failures().to_pydict() == {
        "row": [2, 3],
        "id": ["2", "3"],
        "reason": ["no image", "its embedding is zero"],
    }


def test_captions_and_images_must_have_equal_length(target):
    with pytest.raises(CorpusError, match="2 captions but 1 images"):
        Corpus.build((["a", "b"], ["x.png"]), target)


@pytest.mark.parametrize("source", [3, None, b"bytes", {"a": 1}, [1, 2]])
def test_other_sources_are_refused(target, source):
    with pytest.raises(CorpusError, match="cannot be built from"):
        Corpus.build(source, target)
    assert not target.exists()


@pytest.mark.parametrize("source", [[], pd.DataFrame({"caption": []})])
def test_an_empty_source_is_refused(target, source):
    with pytest.raises(CorpusError, match="no captions: a corpus needs at least one"):
        Corpus.build(source, target)
    assert not target.exists()


def test_captions_may_be_any_string(target):
    captions = ["", "  ", "a\x00b", "lone \ud800 surrogate", "emoji 🦀", "x" * 100_000]
    with pytest.warns(DoubtfulTextWarning, match=r"1 texts .*ud800 surrogate': lone surrogates"):
        corpus = Corpus.build(captions, target)
    assert corpus.search("emoji").tolist() == [4]
    assert corpus.search("surrogate").tolist() == [3]
    assert corpus.captions([2, 3]).tolist() == ["a\x00b", "lone \ufffd surrogate"]


@pytest.mark.usefixtures("own_workers")
def test_shards_are_cut_at_their_size(target):
    captions = [f"w{i}" for i in range(20_001)]
    corpus = Corpus.build(captions, target, shard_size=10_000, n_jobs=2)
    assert [shard.n_rows for shard in corpus.shards] == [10_000, 10_000, 1]
    assert corpus.captions([9_999, 20_000, 8_192]).tolist() == ["w9999", "w20000", "w8192"]
    assert corpus.search("w20000").tolist() == [20_000]


def test_an_existing_corpus_is_not_replaced_unasked(target):
    Corpus.build(["a cat"], target)
    with pytest.raises(CorpusError, match=r"already holds a corpus: pass overwrite=True"):
        Corpus.build(["a dog"], target)
    assert Corpus(target).captions().tolist() == ["a cat"]


def test_overwriting_leaves_no_old_file(target):
    Corpus.build(["a cat"] * 9, target, shard_size=2)
    corpus = Corpus.build(["a dog"], target, overwrite=True)
    assert corpus.captions().tolist() == ["a dog"]
    assert sorted(path.name for path in target.iterdir()) == [
        ".lock",
        "001-00000.captions.parquet",
        "001-00000.index.sqlite",
        "manifest.json",
    ]


def test_other_peoples_files_are_never_touched(target, photos):
    with pytest.raises(CorpusError, match="is not a corpus: give a new or empty directory"):
        Corpus.build(["a cat"], photos)
    target.write_text("a file")
    with pytest.raises(CorpusError, match="is not a corpus: give a new or empty directory"):
        Corpus.build(["a cat"], target)


def test_a_failed_build_leaves_the_old_corpus_usable(target, photos, mean_color):
    Corpus.build(["a cat"], target)

    with pytest.raises(RuntimeError, match="broken off"):
        Corpus.build(photos, target, embedder=FailsAfter(mean_color, 0), overwrite=True)
    assert Corpus(target).search("cat").tolist() == [0]
    assert len(Corpus.build(photos, target, embedder=mean_color, overwrite=True)) == 4


def test_appending_keeps_rows_and_adds_new_ones(target):
    first = Corpus.build(["a cat", "a dog"], target)
    longer = first.append(["a cat again"]).append(["a bird"])
    assert longer.captions().tolist() == ["a cat", "a dog", "a cat again", "a bird"]
    assert longer.search("cat").tolist() == [0, 2]
    assert len(first) == 2
    assert first.search("cat").tolist() == [0]


def test_appending_to_an_embedded_corpus_needs_its_embedder(target, photos, mean_color):
    corpus = Corpus.build(photos, target, embedder=mean_color)
    with pytest.raises(CorpusError, match="give the embedder of the corpus"):
        corpus.append(["a cat"])
    with pytest.raises(ModelMismatchError, match=r"mean-color/none@1, but the embedder is other@2"):
        corpus.append(["a cat"], embedder=type(mean_color)("other@2"))
    longer = corpus.append(photos, embedder=mean_color)
    np.testing.assert_array_equal(longer.embeddings()[:4], longer.embeddings()[4:])


def test_embeddings_can_be_added_later(target, photos, mean_color, tmp_path):
    corpus = Corpus.build(photos, target).embed(mean_color)
    direct = Corpus.build(photos, tmp_path / "direct", embedder=mean_color)
    np.testing.assert_array_equal(corpus.embeddings(), direct.embeddings())
    assert corpus.model_id == "mean-color/none@1"
    assert corpus.embed(mean_color) is corpus
    with pytest.raises(ModelMismatchError):
        corpus.embed(type(mean_color)("other@2"))


def test_two_processes_do_not_build_the_same_corpus(target):
    Corpus.build(["a cat"], target)
    with FileLock(target / ".lock"), pytest.raises(CorpusError, match="Another process is"):
        Corpus.build(["a dog"], target, overwrite=True)


def test_an_image_is_embedded_once_for_all_its_captions(target, photos, mean_color):
    image = str(photos / "red.png")
    Corpus.build((["a", "b", "c"], [image] * 3), target, embedder=mean_color)
    assert mean_color.seen == [image]


def same_files(one, other):
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    return filecmp.cmpfiles(one, other, names, shallow=False)[0] == names


# An embedder that ends its own process, as the machine going down would, after a few images.
KILLED = """
    import os, signal, sys
    import numpy as np
    from skclip.corpus import Corpus

    class Embedder:
        model_id, batch_size, left = "pixel/none@1", 2, int(sys.argv[1])

        def transform(self, images):
            print(*images, sep=",", flush=True)
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return np.array([[len(i), hash_of(i)] for i in images], np.float32)

    def hash_of(text):
        return sum(map(ord, text)) / 1e4

    n = 50
    images = [f"/{'x' * (i % 7)}{i}.png" for i in range(n)]
    images[13] = images[40] = None
    captions = [f"caption {i}" for i in range(n)]
    Corpus.build((captions, images), sys.argv[2], embedder=Embedder(), shard_size=20)
"""


# Runs every script in a fork of one process: starting Python takes longest.
FORKS = """
import json, os, sys, traceback
from skclip.corpus import Corpus, _build

for line in sys.stdin:
    script, output, *sys.argv[1:] = json.loads(line)
    child = os.fork()
    if not child:
        with open(output, "w") as file:
            os.dup2(file.fileno(), 1)
        try:
            exec(script, {"__name__": "__main__"})
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def run_killed(tmp_path_factory):
    """Return a function that runs a script in a process of its own, which may kill itself."""
    output = tmp_path_factory.mktemp("killed") / "output"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", FORKS], text=True, **pipes) as forks:

        def run(script, n_calls, target):
            arguments = [textwrap.dedent(script), *map(str, (output, n_calls, target))]
            forks.stdin.write(json.dumps(arguments) + "\n")
            forks.stdin.flush()
            status = int(forks.stdout.readline())
            return subprocess.CompletedProcess(arguments, status, output.read_text())

        yield run
        forks.stdin.close()


def test_a_killed_build_goes_on_and_ends_with_the_same_bytes(run_killed, tmp_path):
    whole = run_killed(KILLED, 1000, tmp_path / "whole")
    assert whole.returncode == 0
    images_embedded, attempts = [], 0
    while not (tmp_path / "killed" / "manifest.json").exists():
        run = run_killed(KILLED, 1, tmp_path / "killed")
        assert run.returncode in (0, -signal.SIGKILL)
        calls = run.stdout.splitlines()
        if run.returncode:
            calls.pop()  # what it was given when it died is not finished
        images_embedded += [image for call in calls for image in call.split(",")]
        attempts += 1
        assert attempts < 20
    assert attempts == 5
    assert len(images_embedded) == len(set(images_embedded))
    assert same_files(tmp_path / "whole", tmp_path / "killed")


# A process that dies while it writes an index, after so many whole ones.
KILLED_INDEXING = """
    import os, signal, sys
    from skclip.corpus import Corpus, _build

    left, write = int(sys.argv[1]), _build.build_index

    def build_index(captions, path):
        global left
        left -= 1
        if left < 0:
            path.write_bytes(b"half an index")
            os.kill(os.getpid(), signal.SIGKILL)
        print(path.name, flush=True)
        write(captions, path)

    _build.build_index = build_index
    rows = [f"a cat {i}" for i in range(10)]
    BUILD
"""
BUILD = "Corpus.build(rows, sys.argv[2], shard_size=4)"
APPEND = "Corpus(sys.argv[2]).append(rows, shard_size=4)"


def test_killed_indexing_goes_on_where_it_stopped(run_killed, target, tmp_path):
    script = KILLED_INDEXING.replace("BUILD", BUILD)
    written = [run_killed(script, n, target) for n in (2, 0, 9)]
    assert [run.returncode for run in written] == [-signal.SIGKILL, -signal.SIGKILL, 0]
    assert [len(run.stdout.splitlines()) for run in written] == [2, 0, 1]
    assert Corpus(target).search("cat").tolist() == list(range(10))
    run_killed(script, 9, tmp_path / "whole")
    assert same_files(target, tmp_path / "whole")


def test_killed_appending_leaves_the_corpus_and_goes_on(run_killed, target):
    Corpus.build(["a cat", "a dog"], target)
    script = KILLED_INDEXING.replace("BUILD", APPEND)
    assert run_killed(script, 1, target).returncode == -signal.SIGKILL
    assert Corpus(target).search("cat").tolist() == [0]
    assert run_killed(script, 9, target).stdout.count("sqlite") == 2
    assert Corpus(target).search("cat").tolist() == [0, *range(2, 12)]


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
def test_failed_images_can_be_tried_again(target, photos, mean_color):
    red, green = photos / "red.png", photos / "more" / "green.png"
    contents = {path: path.read_bytes() for path in (red, green)}
    for path in contents:
        path.write_bytes(b"broken")
    corpus = Corpus.build(photos, target, embedder=mean_color, shard_size=2)
    assert corpus.failures().column("id").to_pylist() == ["more/green.png", "red.png"]
    mean_color.seen.clear()

    assert corpus.retry_failed(mean_color).failures().num_rows == 2
    red.write_bytes(contents[red])
    mean_color.seen.clear()
    repaired = Corpus(target).retry_failed(mean_color)
    assert sorted(set(mean_color.seen)) == sorted(map(str, contents))
    assert repaired.failures().to_pylist() == [
        {"row": 1, "id": "more/green.png", "reason": "its embedding is zero"}
    ]
    green.write_bytes(contents[green])
    whole = repaired.retry_failed(mean_color)
    assert whole.failures().num_rows == 0
    assert whole.retry_failed(mean_color) is whole
    expected = Corpus.build(photos, target.with_name("direct"), embedder=mean_color)
    np.testing.assert_array_equal(whole.embeddings(), expected.embeddings())
    assert len(list(target.glob("*.npy"))) == 2


def test_images_that_could_not_be_read_are_named_in_one_warning(target, photos, mean_color):
    (photos / "red.png").write_bytes(b"broken")
    message = "1 of 4 images could not be read and have no embedding: 'red.png': .*lists them"
    with pytest.warns(UnreadableImageWarning, match=message) as caught:
        corpus = Corpus.build(photos, target, embedder=mean_color)
    with pytest.warns(UnreadableImageWarning, match="1 of 4 images") as again:
        corpus.retry_failed(mean_color)
    assert [w.filename for w in (*caught, *again)] == [__file__] * 2
    corpus.append(
        (["c"], [str(photos / "more" / "white.png")]), embedder=mean_color
    )  # nothing new to say


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
def test_only_the_same_model_may_try_again(target, photos, mean_color):
    (photos / "red.png").write_bytes(b"broken")
    corpus = Corpus.build(photos, target, embedder=mean_color)
    with pytest.raises(ModelMismatchError, match=r"other@2: use the embedder of the corpus"):
        corpus.retry_failed(type(mean_color)("other@2"))


class FailsAfter:
    """An embedder that breaks off after some calls."""

    model_id, batch_size = "mean-color/none@1", 1

    def __init__(self, embedder, n_calls):
        self.embedder, self.left = embedder, n_calls

    def transform(self, images):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("broken off")
        return self.embedder.transform(images)


@pytest.mark.parametrize("n_calls", [0, 1, 2])
def test_a_changed_source_is_noticed_on_resuming(target, photos, mean_color, n_calls):
    paths = sorted(map(str, photos.rglob("*.png")))
    colors, captions = paths * 6, [f"caption {i}" for i in range(24)]
    with pytest.raises(RuntimeError, match="broken off"):
        Corpus.build((captions, colors), target, embedder=FailsAfter(mean_color, n_calls))
    changed = (captions, colors[::-1])
    corpus = Corpus.build(changed, target, embedder=mean_color)
    expected = Corpus.build(changed, target.with_name("direct"), embedder=mean_color)
    assert corpus.images().tolist() == colors[::-1]
    np.testing.assert_array_equal(corpus.embeddings(), expected.embeddings())


@pytest.mark.parametrize("n_calls", [0, 1, 2])
def test_a_changed_appendix_is_noticed_on_resuming(target, photos, mean_color, n_calls):
    paths = sorted(map(str, photos.rglob("*.png")))
    first, second, third = (
        ([f"{name}"] * 4, order)
        for name, order in (
            ("first", paths),
            ("second", paths[::-1]),
            ("third", paths[2:] + paths[:2]),
        )
    )
    Corpus.build(first, target)
    with pytest.raises(RuntimeError, match="broken off"):
        Corpus(target).append(second, embedder=FailsAfter(mean_color, n_calls), shard_size=2)
    assert len(Corpus(target)) == 4
    corpus = Corpus(target).append(third, embedder=mean_color, shard_size=2)
    expected = [mean_color.transform([image])[0] for image in first[1] + third[1]]
    np.testing.assert_array_equal(corpus.embeddings(), np.asarray(expected, np.float16))
    assert corpus.search("second").tolist() == []
    assert len(list(target.glob("*.npy"))) == 3


def test_another_model_does_not_go_on_with_the_first_ones_vectors(target, photos, mean_color):
    paths = sorted(map(str, photos.rglob("*.png")))
    pairs = ([f"c{i}" for i in range(24)], paths * 6)
    with pytest.raises(RuntimeError, match="broken off"):
        Corpus.build(pairs, target, embedder=FailsAfter(mean_color, 2))
    other = type(mean_color)("other@2")
    corpus = Corpus.build(pairs, target, embedder=other)
    assert corpus.model_id == "other@2"
    assert other.seen == paths  # each image once: nothing was taken over


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system"), "the disk or directory is read-only"),
        (PermissionError(errno.EACCES, "Permission denied"), "the disk or directory is read-only"),
    ],
)
def test_a_full_or_read_only_disk_is_explained_and_loses_nothing(
    target, monkeypatch, error, reason
):
    def fail(*args, **kwargs):
        raise error

    Corpus.build(["a cat"], target)
    with monkeypatch.context() as patch:
        patch.setattr("skclip.corpus._build.write_shards", fail)
        with pytest.raises(CorpusError, match=f"{reason}. No existing data is lost"):
            Corpus.build(["a dog"], target, overwrite=True)
    assert Corpus(target).captions().tolist() == ["a cat"]
    assert Corpus.build(["a dog"], target, overwrite=True).captions().tolist() == ["a dog"]


def test_the_manifest_has_no_times_and_no_machine(target):
    Corpus.build(["a cat"], target)
    content = json.loads((target / "manifest.json").read_text())
    assert set(content) == {"format", "version", "shards", "model_id", "n_features", "generation"}


def test_progress_is_silent_by_default(target, photos, mean_color, capfd):
    Corpus.build(photos, target, embedder=mean_color)
    assert capfd.readouterr() == ("", "")
