"""MinHash signatures of sets of shingles (Broder 1997), computed by the library rensa, and their bands on disk.

Each slot of an R-MinHash signature is a minimum over the set. The signature of a union is therefore the minimum of the
signatures. Each field of a record is signed once, and any combination of fields can be compared later.
"""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from seodang.preparation.shingles import Hashes, Integers, mix_hashes

Signatures = NDArray[np.uint32]
Sketch = NDArray[np.uint8]

# Minimum share of the pairs exactly at the threshold that share a band. Such pairs are verified, so only misses matter.
_MIN_RECALL = 0.95
_BYTE_VALUES = 256  # a sketch keeps one byte of each slot

ALL_FIELDS, REST, WITHOUT_INPUT, ANSWER = range(4)
FIELD_SETS: Final = 4
"""Number of sketches per record: of all three fields; input and answer; instruction and answer; the answer."""


def compute_signatures(hashes: Hashes, starts: Integers, permutations: int, seed: int) -> Signatures:
    """Return the signatures of several sets. The signature of an empty set is all ones, so it changes no minimum.

    Args:
        hashes: Shingle hashes, one set after the other.
        starts: Start of each set, and the end of the last one; length sets + 1.
        permutations: Length P of a signature.
        seed: Seed of the hash functions.

    Returns:
        An array of sets x P.
    """
    from rensa import RMinHash

    result = np.full((starts.size - 1, permutations), 0xFFFFFFFF, dtype=np.uint32)
    is_filled = np.diff(starts) > 0
    offsets = np.append(starts[:-1][is_filled], starts[-1]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, permutations, seed % 2**64)
    values = array("I")
    for row in matrix.to_rows():
        values.fromlist(row)  # three times as fast as np.array of a list of lists
    result[is_filled] = np.frombuffer(values, dtype=np.uint32).reshape(-1, permutations)
    return result


def compute_bands(threshold: float, permutations: int) -> tuple[int, int]:
    """Return the number of bands b and the slots per band r.

    Two sets with Jaccard similarity s agree in at least one band with probability 1 - (1 - s**r)**b. Source: Leskovec,
    Rajaraman and Ullman, Mining of Massive Datasets, 3.4.2. The function takes the largest r with at least 95 % at the
    threshold.
    """
    for slots in range(permutations, 1, -1):
        bands = permutations // slots
        if 1 - (1 - threshold**slots) ** bands >= _MIN_RECALL:
            return bands, slots
    return permutations, 1


def compute_band_keys(signatures: Signatures, bands: int, slots: int) -> Hashes:
    """Return one hash per band, records x bands, from signatures of records x P; P >= bands * slots."""
    factors = mix_hashes(np.arange(slots, dtype=np.uint64)) | np.uint64(1)
    keys = np.empty((len(signatures), bands), dtype=np.uint64)
    for band in range(bands):
        keys[:, band] = signatures[:, band * slots : (band + 1) * slots].astype(np.uint64) @ factors
    return mix_hashes(keys)


def compute_sketch(signatures: Signatures) -> Sketch:
    """Return the last byte of each slot: enough to estimate a similarity, with a quarter of the memory."""
    return signatures.astype(np.uint8)


def estimate_similarities(sketch: Sketch, others: Sketch) -> NDArray[np.float64]:
    """Return the estimated Jaccard similarities of one sketch (P) to others (n x P), n numbers from 0 to 1.

    One slot in 256 agrees by chance. The estimate corrects for that (b-bit minwise hashing with b = 8, Li and König
    2010).
    """
    agreement = (sketch == others).mean(axis=-1)
    return np.asarray(np.maximum(0.0, (agreement - 1 / _BYTE_VALUES) / (1 - 1 / _BYTE_VALUES)))


class Sketches:
    """Sketches and band keys of all records in files of a folder, read by band or by record.

    They are read with `pread`, because the pages of a memory map would count as memory of this process.
    """

    def __init__(self, folder: Path, permutations: int, bands: int, slots: int) -> None:
        """Create the files; all appended signatures have the same permutations, bands and slots."""
        self.permutations, self.bands, self.slots = permutations, bands, slots
        self._rows = (folder / "sketches.u8").open("w+b")
        self._keys = {
            kind: (folder / f"{name}.u64").open("w+b") for kind, name in ((ALL_FIELDS, "all"), (REST, "rest"))
        }
        self._blocks: list[int] = []  # number of records of each append

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._rows, *self._keys.values()):
            file.close()

    def append(self, instructions: Signatures, inputs: Signatures, answers: Signatures) -> None:
        """Append records, from the signatures of their fields, records x P each."""
        rest = np.minimum(inputs, answers)
        field_sets = (np.minimum(instructions, rest), rest, np.minimum(instructions, answers), answers)
        self._rows.write(np.stack([compute_sketch(signatures) for signatures in field_sets], axis=1).tobytes())
        for kind, file in self._keys.items():
            file.write(compute_band_keys(field_sets[kind], self.bands, self.slots).T.tobytes())
        self._blocks.append(len(answers))

    def flush(self) -> None:
        """Flush the appended records to the files, so that they can be read."""
        for file in (self._rows, *self._keys.values()):
            file.flush()

    def read_band_keys(self, kind: int, band: int) -> Hashes:
        """Return the keys of all records in one band; `kind` is ALL_FIELDS or REST."""
        width = np.dtype(np.uint64).itemsize
        file, offset, parts = self._keys[kind].fileno(), 0, []
        for records in self._blocks:
            parts.append(os.pread(file, records * width, offset + band * records * width))
            offset += self.bands * records * width
        return np.frombuffer(b"".join(parts), dtype=np.uint64)

    def read_sketch(self, record: int, field_set: int) -> Sketch:
        """Return the sketch of one field set of a record, P bytes."""
        offset = (record * FIELD_SETS + field_set) * self.permutations
        return np.frombuffer(os.pread(self._rows.fileno(), self.permutations, offset), dtype=np.uint8)

    def read_row(self, record: int) -> Sketch:
        """Return all sketches of a record, FIELD_SETS x P bytes."""
        width = FIELD_SETS * self.permutations
        return np.frombuffer(os.pread(self._rows.fileno(), width, record * width), dtype=np.uint8).reshape(
            FIELD_SETS, -1
        )
