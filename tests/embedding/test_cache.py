"""The cache file: shared, whole, repaired, and never a reason to stop."""

import multiprocessing
import pickle
import sqlite3
import zlib

import numpy as np
import pytest

from skclip.embedding import cache_info, clear_cache, prune_cache
from skclip.embedding._cache import _admin, _rows
from skclip.embedding._cache._file import FILE, connect
from skclip.embedding._cache._rows import EmbeddingCache


def key(i: int) -> bytes:
    return i.to_bytes(16, "big")


def row(i: int, n: int = 8) -> np.ndarray:
    return np.random.default_rng(i).normal(size=n).astype(np.float32)


@pytest.fixture
def cache(tmp_path):
    with EmbeddingCache(tmp_path / "cache", "model", "Model image float32") as opened:
        yield opened


def test_rows_come_back_bit_by_bit(cache):
    cache.put({key(i): row(i) for i in range(5)})
    found = cache.get([key(3), key(9), key(0)])
    assert set(found) == {key(3), key(0)}
    np.testing.assert_array_equal(found[key(3)], row(3))
    assert cache.problems == []


def test_models_in_one_folder_do_not_meet(cache, tmp_path):
    cache.put({key(0): row(0)})
    with EmbeddingCache(tmp_path / "cache", "other", "Other") as other:
        assert other.get([key(0)]) == {}
        other.put({key(0): row(1)})
    np.testing.assert_array_equal(cache.get([key(0)])[key(0)], row(0))


def test_pickled_it_opens_the_file_anew(cache):
    cache.put({key(0): row(0)})
    with pickle.loads(pickle.dumps(cache)) as copy:
        np.testing.assert_array_equal(copy.get([key(0)])[key(0)], row(0))


def write_rows(folder: str, start: int) -> None:
    with EmbeddingCache(folder, "model", "Model") as cache:
        for i in range(start, start + 20):
            cache.put({key(i): row(i), key(i + 1): row(i + 1)})
            assert not cache.problems


def test_processes_write_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    folder = str(tmp_path / "shared")
    workers = [context.Process(target=write_rows, args=(folder, 15 * i)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with EmbeddingCache(folder, "model", "Model") as cache:
        found = cache.get(map(key, range(51)))
    assert len(found) == 51
    for i in range(51):
        np.testing.assert_array_equal(found[key(i)], row(i))


@pytest.mark.parametrize("damage", ["garbage", "header", "pages", "empty"])
def test_damaged_file_is_set_aside_and_made_anew(tmp_path, damage):
    folder = tmp_path / "cache"
    with EmbeddingCache(folder, "model", "Model") as cache:
        cache.put({key(i): row(i, 512) for i in range(50)})
    file = folder / FILE
    content = bytearray(file.read_bytes())
    if damage == "garbage":
        content = b"no database at all" * 1000
    elif damage == "header":
        content[:16] = bytes(16)
    elif damage == "pages":
        content[4096:] = b"\xff" * (len(content) - 4096)
    else:
        content = b""
    file.write_bytes(content)
    with EmbeddingCache(folder, "model", "Model") as cache:
        assert cache.get([key(0)]) == {}
        cache.put({key(1): row(1)})
        np.testing.assert_array_equal(cache.get([key(1)])[key(1)], row(1))
        problems = cache.problems
    set_aside = [path for path in folder.glob(f"{FILE}.damaged-*")]
    if damage == "empty":  # an empty file is what SQLite begins with
        assert (problems, set_aside) == ([], [])
    else:
        assert "is damaged (" in problems[0]
        assert set_aside[0].read_bytes()[: len(content)] == content
        assert set_aside[0].name in problems[0]


def test_file_already_replaced_by_another_process_is_left_alone(cache):
    cache.put({key(0): row(0)})
    cache._inode = -1
    cache._set_aside(sqlite3.DatabaseError("malformed"))
    assert list(cache.folder.glob("*damaged*")) == []


def test_flipped_bits_in_a_row_are_noticed(cache):
    cache.put({key(0): row(0), key(1): row(1)})
    flipped = bytearray(row(0).tobytes())
    flipped[5] ^= 1
    cache.close()
    with connect(cache.folder) as connection:
        connection.execute(
            "UPDATE vectors SET vector = ? WHERE checksum = ?",
            (bytes(flipped), zlib.crc32(row(0).tobytes())),
        )
    connection.close()
    assert set(cache.get([key(0), key(1)])) == {key(1)}
    assert cache.problems == [f"a damaged row in {cache.folder} was computed again"]
    cache.put({key(0): row(0)})
    np.testing.assert_array_equal(cache.get([key(0)])[key(0)], row(0))


def test_full_disk_ends_the_use_with_a_report(tmp_path, monkeypatch):
    def connect_to_small_disk(folder):
        connection = connect(folder)
        connection.execute("PRAGMA max_page_count = 12")
        return connection

    monkeypatch.setattr(_rows, "connect", connect_to_small_disk)
    with EmbeddingCache(tmp_path / "cache", "model", "Model") as cache:
        for i in range(40):
            cache.put({key(i): row(i, 1000)})
        assert len(cache.problems) == 1
        assert "cannot be used any more (database or disk is full)" in cache.problems[0]
        assert cache.get([key(0)]) == {}
    monkeypatch.undo()
    with EmbeddingCache(tmp_path / "cache", "model", "Model") as cache:
        np.testing.assert_array_equal(cache.get([key(0)])[key(0)], row(0, 1000))


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with EmbeddingCache(tmp_path / "file", "model", "Model") as cache:
        cache.put({key(0): row(0)})
        assert cache.get([key(0)]) == {}
    assert len(cache.problems) == 1
    assert "cannot be used" in cache.problems[0]


def test_newer_format_is_left_as_it_is(cache):
    cache.put({key(0): row(0)})
    cache.close()
    with connect(cache.folder) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert cache.get([key(0)]) == {}
    assert "its format is 99, this version of skclip writes 1" in cache.problems[0]
    assert list(cache.folder.glob("*damaged*")) == []


def test_a_file_without_its_tables_is_set_aside(cache):
    cache.put({key(0): row(0)})
    cache.close()
    with connect(cache.folder) as connection:
        connection.execute("DROP TABLE vectors")
    connection.close()
    assert cache.get([key(0)]) == {}
    cache.put({key(0): row(0)})
    np.testing.assert_array_equal(cache.get([key(0)])[key(0)], row(0))
    assert "is damaged (no such table: vectors); it is now" in cache.problems[0]


@pytest.fixture(params=["folder", "file"])
def read_only(request, cache, monkeypatch):
    """A cache with one row on a medium that only reads, wherever SQLite notices it."""
    cache.put({key(0): row(0)})
    cache.close()

    def connect_to_medium(folder):
        if request.param == "folder":
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        connection = connect(folder)
        connection.execute("PRAGMA query_only = ON")  # refuses as a read-only file does
        return connection

    monkeypatch.setattr(_rows, "connect", connect_to_medium)
    return cache


def test_a_read_only_cache_is_read(read_only):
    for n_problems in range(2):
        assert list(read_only.get([key(0), key(1)])) == [key(0)]
        assert len(read_only.problems) == n_problems  # reading is none
        assert read_only.lease([key(1)]) == [key(1)]
        read_only.put({key(1): row(1)})
        read_only.close()
    expected = f"{read_only.folder} is read-only: it was read, and no rows were added"
    assert set(read_only.problems) == {expected}


def test_of_a_read_only_cache_another_model_gets_nothing(read_only):
    with EmbeddingCache(read_only.folder, "other", "Other") as other:
        assert other.get([key(0)]) == {}
        assert other.lease([key(0)]) == [key(0)]


def test_the_home_folder_may_be_abbreviated(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with EmbeddingCache("~/cache", "model", "Model") as cache:
        cache.put({key(0): row(0)})
    assert (tmp_path / "cache" / FILE).is_file()
    assert cache_info("~/cache").n_vectors == {"Model": 1}


# Administration


@pytest.fixture
def filled(tmp_path, monkeypatch):
    """Twenty rows of one model, written on twenty days, and ten of another, on the last."""
    folder = tmp_path / "cache"
    with EmbeddingCache(folder, "a", "A") as cache:
        for i in range(20):
            monkeypatch.setattr(_rows, "_today", lambda i=i: 1000 + i)
            cache.put({key(i): row(i, 256)})
    with EmbeddingCache(folder, "b", "B") as cache:
        cache.put({key(i): row(i, 256) for i in range(10)})
    return folder


def test_info(filled):
    info = cache_info(filled)
    assert info.path == str(filled)
    assert info.n_vectors == {"A": 20, "B": 10}
    assert info.n_bytes >= 30 * 1024


def test_info_of_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no cache of embeddings"):
        cache_info(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_prune_by_age(filled, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1019 * 86_400.0)
    assert prune_cache(filled, max_age_days=5) == 14
    assert cache_info(filled).n_vectors == {"A": 6, "B": 10}


def test_prune_by_size_drops_the_longest_unused(filled):
    before = cache_info(filled).n_bytes
    n_removed = prune_cache(filled, max_bytes=before // 2)
    assert n_removed >= 15
    assert cache_info(filled).n_bytes <= 0.7 * before
    with EmbeddingCache(filled, "a", "A") as cache:
        assert key(0) not in cache.get([key(0)])
    with EmbeddingCache(filled, "b", "B") as cache:
        assert len(cache.get(map(key, range(10)))) == 10


def test_use_keeps_a_row_young(filled):
    with EmbeddingCache(filled, "a", "A") as cache:
        cache.get([key(0)])
    prune_cache(filled, max_bytes=cache_info(filled).n_bytes // 2)
    with EmbeddingCache(filled, "a", "A") as cache:
        assert set(cache.get([key(0), key(1), key(2)])) == {key(0)}


def test_clear_also_removes_what_was_set_aside(filled):
    (filled / f"{FILE}.damaged-x").touch()
    assert clear_cache(filled) == 30
    assert cache_info(filled).n_vectors == {"A": 0, "B": 0}
    assert sorted(path.name for path in filled.glob("*damaged*")) == []


def test_prune_wants_a_limit(filled):
    with pytest.raises(ValueError, match="max_bytes or max_age_days"):
        prune_cache(filled)
    with pytest.raises(ValueError, match="max_bytes must not be negative, got -1"):
        prune_cache(filled, max_bytes=-1)
    assert cache_info(filled).n_vectors == {"A": 20, "B": 10}


def test_a_damaged_cache_can_be_cleared_only(filled):
    (filled / FILE).write_bytes(b"no database at all" * 1000)
    for look in (cache_info, lambda folder: prune_cache(folder, max_bytes=1)):
        with pytest.raises(OSError, match=r"is damaged \(file is not a database\)\. clear_cache"):
            look(filled)
    assert clear_cache(filled) == 0
    with pytest.raises(FileNotFoundError):
        cache_info(filled)


def test_info_of_a_read_only_cache(filled, monkeypatch):
    def refuse(folder):
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    monkeypatch.setattr(_admin, "connect", refuse)
    assert cache_info(filled).n_vectors == {"A": 20, "B": 10}
    with pytest.raises(OSError, match=r"cannot be used \(unable to open"):
        prune_cache(filled, max_bytes=1)


NAN = np.full(8, np.nan, np.float32).tobytes()


@pytest.mark.parametrize(
    ("vector", "checksum", "used"),
    [
        (row(0, 9).tobytes(), zlib.crc32(row(0, 9).tobytes()), 0),
        (b"abc", zlib.crc32(b"abc"), 0),
        (b"", zlib.crc32(b""), 0),
        (NAN, zlib.crc32(NAN), 0),
        ("text", 0, 0),
        (None, 0, 0),
        (5, 5, 0),
        (row(0).tobytes(), "text", 0),
        (row(0).tobytes(), None, 0),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_row_that_nobody_can_have_stored_is_made_again(tmp_path, vector, checksum, used):
    folder = tmp_path / "cache"
    with EmbeddingCache(folder, "model", "Model", 8) as cache:
        cache.put({key(0): row(0), key(1): row(1)})
    with sqlite3.connect(folder / FILE) as connection:
        values = (vector, checksum, used, key(0))
        connection.execute(
            "UPDATE vectors SET vector=?, checksum=?, used=? WHERE content=?", values
        )
    connection.close()
    with EmbeddingCache(folder, "model", "Model", 8) as cache:
        assert set(cache.get([key(0), key(1)])) == {key(1)}
        assert "damaged row" in cache.problems[0]
        assert cache.lease([key(0)]) == [key(0)]
        cache.put({key(0): row(0)})
        np.testing.assert_array_equal(cache.get([key(0)])[key(0)], row(0))


def test_a_day_of_use_that_is_none_is_renewed(tmp_path):
    folder = tmp_path / "cache"
    with EmbeddingCache(folder, "model", "Model") as cache:
        cache.put({key(0): row(0)})
    with sqlite3.connect(folder / FILE) as connection:
        connection.execute("UPDATE vectors SET used = 'yesterday'")
    connection.close()
    with EmbeddingCache(folder, "model", "Model") as cache:
        np.testing.assert_array_equal(cache.get([key(0)])[key(0)], row(0))
    assert prune_cache(folder, max_age_days=1) == 0


def test_rows_that_are_not_finite_are_not_kept(cache):
    cache.put({key(0): np.array([1, np.nan], np.float32), key(1): row(1)})
    assert set(cache.get([key(0), key(1)])) == {key(1)}
    assert cache.problems == []


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TRIGGER t AFTER INSERT ON vectors BEGIN SELECT load_extension('x'); END",
        "ALTER TABLE vectors RENAME TO v; CREATE VIEW vectors AS SELECT * FROM v",
        "DROP TABLE models; CREATE TABLE models (id, key, label)",
        "DROP TABLE vectors",
    ],
)
def test_tables_of_somebody_else_cost_a_warning(tmp_path, script):
    folder = tmp_path / "cache"
    with EmbeddingCache(folder, "model", "Model") as cache:
        cache.put({key(0): row(0)})
    connection = sqlite3.connect(folder / FILE)
    connection.executescript(script)
    connection.close()
    with EmbeddingCache(folder, "model", "Model") as cache:
        assert list(cache.lease([key(1)])) == [key(1)]
        cache.put({key(1): row(1)})
        assert cache.problems
