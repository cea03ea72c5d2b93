"""A cache in memory, so that tuning a head does not repeat a recall."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

__all__ = ["BoundedCache"]


class BoundedCache:
    """A bounded, thread-safe mapping that drops the least recently used entry.

    Entries are not pickled: another process starts with an empty cache.

    Parameters
    ----------
    max_size : int
        Maximum number of entries.

    Examples
    --------
    >>> from skclip._bounded_cache import BoundedCache
    >>> cache = BoundedCache(max_size=2)
    >>> cache.get_or_make("a", lambda: 1), cache.get_or_make("a", lambda: 2)
    (1, 1)
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __reduce__(self) -> tuple[type["BoundedCache"], tuple[int]]:
        return BoundedCache, (self.max_size,)

    def get(self, key: Hashable) -> Any:
        """Return the value of a key, or None."""
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key]

    def put(self, key: Hashable, value: Any) -> None:
        """Store a value; drop the least recently used entry if the cache is full."""
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            while len(self._entries) > self.max_size:
                self._entries.popitem(last=False)

    def get_or_make(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the value of a key; make and store it if there is none."""
        value = self.get(key)
        if value is None:
            value = make()
            self.put(key, value)
        return value
