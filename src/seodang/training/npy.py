"""Arrays in .npy files that are written piece by piece and read through the memory map."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from seodang.io.named_file import open_named


class GrowingArray:
    """A one-dimensional .npy file that is written piece by piece; its header gets the length when the block ends."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        """Open the file; an existing file is overwritten."""
        self._file = open_named(path, "wb")
        self._dtype = dtype
        self._length = 0
        self._write_header()

    def append(self, values: NDArray[Any]) -> None:
        """Append values."""
        self._file.write(np.ascontiguousarray(values, self._dtype).data)
        self._length += len(values)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._file.seek(0)
            self._write_header()

    def _write_header(self) -> None:
        # numpy leaves room in the header for a length that grows, so this header overwrites the first one.
        npy.write_array_header_1_0(
            self._file, {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self._length,)}
        )


def load_memmap(path: Path) -> NDArray[Any]:
    """Return a memory-mapped array as a plain array, whose slices are created faster than those of np.memmap."""
    array: NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return array
