"""A bounded memory that stays in its process."""

import pickle
from concurrent.futures import ThreadPoolExecutor

from skclip._bounded_cache import BoundedCache


def test_the_least_recently_used_entry_makes_room():
    cache = BoundedCache(max_size=2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    assert len(cache) == 2


def test_an_entry_is_made_once():
    cache, made = BoundedCache(max_size=2), []
    for _ in range(3):
        assert cache.get_or_make("a", lambda: made.append(1) or "value") == "value"
    assert made == [1]


def test_it_is_not_pickled():
    cache = BoundedCache(max_size=3)
    cache.put("a", 1)
    copy = pickle.loads(pickle.dumps(cache))
    assert len(copy) == 0
    assert copy.max_size == 3


def test_threads_may_share_it():
    cache = BoundedCache(max_size=10)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: cache.get_or_make(i % 20, lambda: i % 20), range(2_000)))
    assert len(cache) == 10
