"""Files that want to get out of their folder, run code, or reach the terminal.

Promised: whatever a corpus, an archive, a table, a cache, an array or a checkpoint holds, nothing
outside its folder is written, no code of it runs, and what goes wrong has a name. Control
characters of captions and names are escaped where a terminal shows them.
"""

import contextlib
import io
import json
import os
import pickle
import shutil
import sqlite3
import tarfile
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.trials.builds import Embedder
from skclip.cli import main
from skclip.corpus import Corpus
from skclip.distill._banks import open_teacher, read_bank
from skclip.distill._neighbors import Guides
from skclip.distill._run import open_run
from skclip.embedding._cache._rows import EmbeddingCache

SECRET = "do not read"


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


class Place:
    """A folder with what came from elsewhere, beside one that nothing may touch."""

    def __init__(self, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        self.inside, self.outside = root / "inside", root / "outside"
        self.inside.mkdir(parents=True)
        (self.outside / "folder").mkdir(parents=True)
        for name in ("file", "folder/file", "evil.captions.parquet", "evil.npy"):
            (self.outside / name).write_text(SECRET)
        self.canary = self.outside / "canary"

    def ways_out(self) -> list[str]:
        """Return names that lead outside when they are joined to a folder two levels down."""
        outside = str(self.outside)
        names = ["../../outside/evil", f"{outside}/evil", "x/../../../outside/evil", "..\\evil"]
        return [*names, "./000-00000", "000-00000/../../../outside/evil", "000-00000\x00", "~/evil"]

    def state(self) -> dict[str, bytes | None]:
        return {
            str(p.relative_to(self.outside)): p.read_bytes() if p.is_file() else None
            for p in self.outside.rglob("*")
        }


def corpus(place: Place, *, embedded: bool = False) -> Path:
    path = place.inside / "corpus"
    source = (["a dog", "a cat"], ["dog.png", "cat.png"])
    return Corpus.build(source, path, embedder=Embedder() if embedded else None).path


def use(path: Path) -> None:
    """Do to a corpus all that writes."""
    found = Corpus(path).append(["a fox"], embedder=Embedder())
    found.verify()
    found.search("fox"), found.captions(), found.embeddings(), found.failures()


def manifest_value(place: Place, rng: np.random.Generator) -> None:
    path = corpus(place, embedded=True)
    content = json.loads((path / "manifest.json").read_text())
    shard, way = content["shards"][0], str(rng.choice(place.ways_out()))
    what = rng.choice(["name", "failures", "embeddings", "sha256", "generation"])
    values = {"failures": f"{way}.failures.parquet", "embeddings": f"{way}.npy", "name": way}
    if what == "sha256":
        shard["sha256"][way] = "0" * 64
    elif what == "generation":
        numbers = [-1, "../../outside/evil", 10**30, None, [1], True, 0.5]
        content["generation"] = numbers[rng.integers(len(numbers))]
    else:
        shard[str(what)] = values[str(what)]
    (path / "manifest.json").write_text(json.dumps(content))
    use(path)


def note(place: Place, rng: np.random.Generator) -> None:
    path = corpus(place)
    numbers = [-1, "../../outside/evil", 10**30, None, [1], {"a": 1}, True]
    begun = {"generation": numbers[rng.integers(len(numbers))], "model_id": "length/none@1"}
    (path / "unfinished.json").write_text(json.dumps(begun if rng.random() < 0.7 else [begun]))
    if rng.random() < 0.5:
        (path / "manifest.json").unlink()
        Corpus.build(["a dog"], path, overwrite=True)
    use(path)


def link_in_corpus(place: Place, rng: np.random.Generator) -> None:
    path = corpus(place)
    names = [".lock", "unfinished.json", "manifest.json.tmp", "unfinished.json.tmp"]
    names += [f"001-00000.{n}" for n in ("captions.tmp", "images.tmp", "index.sqlite.tmp")]
    names += [f"001-000-00000.{n}" for n in ("embeddings.partial", "failures.partial")]
    names += ["001-00000.embeddings.partial", "001-00000.captions.parquet"]
    link = path / str(rng.choice(names))
    link.unlink(missing_ok=True)
    link.symlink_to(place.outside / str(rng.choice(["file", "folder/file", "new"])))
    use(path)


def link_in_run(place: Place, rng: np.random.Generator) -> None:
    output = place.inside / "run"
    output.mkdir()
    names = [".lock", "log.jsonl", "model", "checkpoint.pt.tmp", "image_bank.partial", "run.json"]
    name = str(rng.choice(names))
    (output / name).symlink_to(place.outside / ("folder" if name == "model" else "file"))
    with open_run(output, {}, 0) as run:
        run.load_checkpoint()
        run.write_log({"step": 1})
        run.save_checkpoint({"step": 1})
        read_bank(
            lambda rows: np.ones((len(rows), 2)), 3, name="t", path=run.path("image_bank.npy")
        )


def checkpoint(place: Place, rng: np.random.Generator) -> None:
    output, state = place.inside / "run", {"step": 1, "model": Touch(place.canary)}
    output.mkdir()
    if rng.random() < 0.5:
        torch.save(state, output / "checkpoint.pt")
    else:
        (output / "checkpoint.pt").write_bytes(pickle.dumps(state))
    with open_run(output, {}, 0) as run:
        run.load_checkpoint()


def pickled_array(place: Place, rng: np.random.Generator) -> None:
    array = np.array([[Touch(place.canary)]], dtype=object)
    path = place.inside / "array.npy"
    np.save(path, array, allow_pickle=True)
    what = rng.integers(4)
    if what == 0:
        open_teacher(str(path), "image_teacher")
    elif what == 1:
        read_bank(lambda rows: np.ones((len(rows), 2)), 1, name="image_teacher", path=path)
    elif what == 2:
        np.savez(place.inside / "guides.npz", image=array, text=array)
        Guides.load(place.inside / "guides.npz")
    else:
        target = corpus(place, embedded=True)
        shutil.copy(path, next(target.glob("*.npy")))
        use(target)


def cache(place: Place, rng: np.random.Generator) -> None:
    folder, key = place.inside / "cache", b"k" * 16
    with EmbeddingCache(folder, "model", "label", 2) as rows:
        rows.put({key: np.ones(2, np.float32)})
    with contextlib.closing(sqlite3.connect(folder / "embeddings.sqlite")) as connection:
        statements = [
            f"CREATE TRIGGER t AFTER INSERT ON vectors BEGIN SELECT load_extension('{SECRET}');END",
            "ALTER TABLE vectors RENAME TO v; CREATE VIEW vectors AS SELECT * FROM v",
            "UPDATE vectors SET vector = 'text'",
            "UPDATE models SET id = 'x'" if rng.random() < 0.1 else "UPDATE vectors SET used = 'x'",
            "DROP TABLE models; CREATE TABLE models (id, key, label)",
            f"ATTACH '{place.inside / 'other.sqlite'}' AS other",
        ]
        with contextlib.suppress(sqlite3.Error):
            connection.executescript(str(rng.choice(statements)))
    with EmbeddingCache(folder, "model", "label", 2) as rows:
        rows.get([key])
        rows.lease([b"n" * 16])
        rows.put({b"n" * 16: np.ones(2, np.float32)})


def archive(place: Place, rng: np.random.Generator) -> None:
    path = place.inside / "images.tar"
    way = str(rng.choice(place.ways_out())).replace("\x00", "")
    pixels = io.BytesIO()
    Image.new("RGB", (8, 8)).save(pixels, "PNG")
    with tarfile.open(path, "w") as tar:
        for suffix, content in (("png", pixels.getvalue()), ("txt", b"a dog")):
            info = tarfile.TarInfo(f"{way}.{suffix}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("link.txt")
            info.type, info.linkname = kind, str(place.outside / "file")
            tar.addfile(info)
    found = Corpus.build(path, place.inside / "corpus", embedder=Embedder())
    found.images()
    if any(SECRET in caption for caption in found.captions()):
        raise AssertionError("a link of the archive was followed")


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def terminal(place: Place, rng: np.random.Generator) -> None:
    bad = str(rng.choice(["\x1b[2J", "\x1b]0;x\x07", "\r", "\x9b31m", "\u202e", "\x00", "\x08"]))
    rows = ([f"a dog {bad}", f"{bad} a cat"], [f"{bad}1.png", f"2{bad}.png"])
    path = place.inside / "corpus"
    Corpus.build(rows, path, embedder=Embedder(failing=len(bad) + 5))
    (place.inside / "classes.txt").write_text("dog\ncat")
    shown = Terminal(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        for words in (
            ["info", str(path), "--failures"],
            ["recall", "--corpus", str(path), "--classes", str(place.inside / "classes.txt")],
        ):
            with contextlib.suppress(SystemExit):
                main(words)
    # output to a file keeps what a row says
    odd = {
        c
        for c in shown.buffer.getvalue().decode()
        if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\t"
    }
    if odd:
        raise AssertionError(f"unescaped: {sorted(map(ascii, odd))}")


KINDS = (
    manifest_value,
    note,
    link_in_corpus,
    link_in_run,
    checkpoint,
    pickled_array,
    cache,
    archive,
    terminal,
)


def prepare(folder: Path) -> Callable[[list[int]], tuple[str, str | None]]:
    os.environ["HOME"] = str(folder / "home")

    def trial(number: list[int]) -> tuple[str, str | None]:
        rng, place = np.random.default_rng(number), Place(folder / "place")
        kind = KINDS[rng.integers(len(KINDS))]
        before, name, fault = place.state(), kind.__name__, None
        try:
            kind(place, rng)
            outcome = f"{name}: harmless"
        except (ValueError, OSError) as error:
            outcome = f"{name}: refused"
            if "weights_only" in str(error) or "allow_pickle" in str(error):
                fault = f"{name}: the error advises to run code: {error}"
        except Exception as error:
            outcome, fault = f"{name}: fault", f"{name}: {type(error).__name__}: {error}"
        after = place.state()
        if after != before:
            changed = [k for k in {**before, **after} if before.get(k, 0) != after.get(k, 0)]
            fault = f"{name}: written outside: {changed}"
        return outcome, fault

    return trial
