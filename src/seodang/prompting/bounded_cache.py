"""A cache of limited size, for values that are computed again when they have left it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class BoundedCache(Generic[_Key, _Value]):
    """Keeps the values that were used last; any thread may call it.

    The size of a key or value is not limited. The service does not ask for keys that a client can make large.
    """

    def __init__(self, max_items: int) -> None:
        """Create an empty cache.

        Args:
            max_items: Maximum number of values, at least 1.
        """
        self._max_items = max_items
        self._values: OrderedDict[_Key, _Value] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self._values)

    def get(self, key: _Key, build: Callable[[], _Value]) -> _Value:
        """Return the value of a key; `build` computes it if it is not known."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = build()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._max_items:
                self._values.popitem(last=False)
        return value
