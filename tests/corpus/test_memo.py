"""A bounded memory that stays in its process."""

import pickle
from concurrent.futures import ThreadPoolExecutor

from skclip.corpus._memo import Memo


def test_the_least_recently_used_entry_makes_room():
    memo = Memo(max_size=2)
    memo.put("a", 1)
    memo.put("b", 2)
    memo.get("a")
    memo.put("c", 3)
    assert [memo.get(key) for key in "abc"] == [1, None, 3]
    assert len(memo) == 2


def test_an_entry_is_made_once():
    memo, made = Memo(max_size=2), []
    for _ in range(3):
        assert memo.get_or_make("a", lambda: made.append(1) or "value") == "value"
    assert made == [1]


def test_it_is_not_pickled():
    memo = Memo(max_size=3)
    memo.put("a", 1)
    copy = pickle.loads(pickle.dumps(memo))
    assert len(copy) == 0
    assert copy.max_size == 3


def test_threads_may_share_it():
    memo = Memo(max_size=10)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: memo.get_or_make(i % 20, lambda: i % 20), range(2_000)))
    assert len(memo) == 10
