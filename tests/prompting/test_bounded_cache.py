"""What clients send does not fill caches. Run: pytest tests/prompting/test_bounded_cache.py"""

from seodang.prompting.bounded_cache import BoundedCache


def test_the_cache_keeps_the_values_that_were_used_last():
    cache, built = BoundedCache(2), []

    def get(key):
        return cache.get(key, lambda: built.append(key) or key.upper())

    assert [get(key) for key in "abacaba"] == list("ABACABA")
    assert built == ["a", "b", "c", "b"]
    assert len(cache) == 2
