"""Arrays in .npy files: written piece by piece, read through the memory map."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


class GrowingArray:
    """A .npy file of one dimension that is written piece by piece; its header says how long it is when the block ends."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        """Open the file; one that stands there is overwritten."""
        self._file = path.open("wb")
        self._dtype = dtype
        self._length = 0
        self._write_header()

    def append(self, values: NDArray[Any]) -> None:
        """Write values behind those before."""
        self._file.write(np.ascontiguousarray(values, self._dtype).data)
        self._length += len(values)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._file.seek(0)
            self._write_header()

    def _write_header(self) -> None:
        # numpy leaves room in the header for a length that grows, so this one takes the place of the first.
        npy.write_array_header_1_0(
            self._file, {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self._length,)}
        )


def load_memmap(path: Path) -> NDArray[Any]:
    """Return an array through the memory map; slices of a plain array are made quicker than those of a memmap."""
    array: NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return array
