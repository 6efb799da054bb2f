"""Numbers of rows for which oneDNN builds a product.

oneDNN builds code and a description for each number of rows that it meets, and keeps them: 0.6 MB for each number and
shape of a weight, and about a millisecond the first time. So the rows are padded to a few numbers.
"""

from __future__ import annotations

from typing import Final

_STEPS: Final = 8  # numbers between a power of two and the next one: a product has at most 12.5 % of padding
_MIN_STEP: Final = 2  # a single row has other bits than the same row beside others


def round_row_count(rows: int) -> int:
    """Return the rows of the product that computes `rows` rows, at least 1."""
    step = max(_MIN_STEP, (1 << (rows - 1).bit_length()) // (2 * _STEPS))
    return -(-rows // step) * step


def list_row_counts(most: int) -> list[int]:
    """Return the numbers of rows, in ascending order, of products that compute 1 to `most` rows."""
    counts = [round_row_count(1)]
    while counts[-1] < most:
        counts.append(round_row_count(counts[-1] + 1))
    return counts
