"""Read a JSON list, or an object that holds one, item by item: memory holds one item, whatever the file size.

A list with a syntax error is rejected completely. The items after the error are not reliable, and a partial file must
not be taken for a complete one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from seodang.errors import SourceError
from seodang.i18n import Message, _
from seodang.ingest.readers.by_column import reject_second_split
from seodang.ingest.readers.items import ItemConverter
from seodang.ingest.readers.json_errors import EXAMPLE_OBJECT
from seodang.ingest.readers.json_layout import HELD_OUT_KEYS, LIST_KEYS, TRAINING_KEYS
from seodang.ingest.readers.json_scanner import JsonScanner
from seodang.ingest.readers.text import TextFile, is_utf8, repair_text
from seodang.ingest.rows import is_malformed, make_malformed_row, shorten

_SPLIT_KEY: Final = "dataset_split"  # of a record that stands under the name of its split


def read_json_list(source: TextFile, location: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of the only list in a file; an item that is no object becomes a malformed row.

    Raises:
        SourceError: At the first syntax error; the message gives line, column and the number of records before it.

    """
    with source.open() as file:
        scanner = JsonScanner(file, location)
        if scanner.peek() != "[":
            raise SourceError(
                _(
                    '{path} holds no list, it begins with "{start}"; expected [{example}, ...]',
                    path=location,
                    start=shorten(repair_text(scanner.get_lookahead())),
                    example=EXAMPLE_OBJECT,
                )
            )
        yield from _iter_items(scanner)
        scanner.expect_end()


def read_wrapped_list(source: TextFile, location: str, keys: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the objects of the list that the only object in a file holds under these keys, one within the other.

    Where the lists are the splits of a data set, {"train": [...], "test": [...]}, all are read. Each record of a test
    or validation split names its split.

    Raises:
        SourceError: At the first syntax error, or if the object holds a second list that is no split.

    """
    are_splits = keys[-1] in TRAINING_KEYS or (keys[-1] in HELD_OUT_KEYS and _has_training_list(source, location, keys))
    with source.open() as file:
        scanner = JsonScanner(file, location)
        yield from _iter_below(scanner, keys, _iter_items, are_splits=are_splits)
        scanner.expect_end()


def _has_training_list(source: TextFile, location: str, keys: tuple[str, ...]) -> bool:
    """Return whether a training split stands behind a test split; a test split alone may be all that a user has."""
    with source.open() as file:
        scanner = JsonScanner(file, location)
        names = [key for key in _iter_keys(scanner, keys[:-1]) if key in TRAINING_KEYS]
    return bool(names)


def _iter_keys(scanner: JsonScanner, keys: tuple[str, ...]) -> Iterator[str]:
    """Yield the keys of the object that stands below these keys, and skip their values."""
    scanner.expect("{")
    while scanner.peek() != "}":
        key = scanner.read_key()
        if not keys:
            yield key
        elif key == keys[0]:
            yield from _iter_keys(scanner, keys[1:])
            return
        _skip_value(scanner)
        if scanner.peek() != "}":
            scanner.expect(",")


def _skip_value(scanner: JsonScanner) -> None:
    """Consume a value; a list item by item, as it may be large."""
    if scanner.peek() != "[":
        scanner.read_value()
        return
    for _item in _iter_items(scanner):
        pass


def read_members(source: TextFile, location: str, keys: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the values of an object that holds a record under each of its keys, such as {"17": {...}, "18": {...}}.

    Args:
        source: The file.
        location: Name of the file in messages.
        keys: Keys under which the object is, one within the other; () for the only object in the file.

    Raises:
        SourceError: At the first syntax error.

    """
    with source.open() as file:
        scanner = JsonScanner(file, location)
        yield from _iter_below(scanner, keys, _iter_members)
        scanner.expect_end()


def read_concatenated(source: TextFile, location: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file that holds one object, or several one after the other, of several lines each.

    Raises:
        SourceError: At the first syntax error.

    """
    with source.open() as file:
        scanner = JsonScanner(file, location)
        items = ItemConverter("item")
        while scanner.peek():
            yield from _read_item(scanner, items)


def _iter_below(
    scanner: JsonScanner,
    keys: tuple[str, ...],
    iter_records: Callable[[JsonScanner], Iterator[dict[str, Any]]],
    *,
    are_splits: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yield the records under the first of these keys, and of its sister splits; skip the other members."""
    if not keys:
        yield from iter_records(scanner)
        return
    is_found = False
    scanner.expect("{")
    while scanner.peek() != "}":
        key = scanner.read_key()
        is_first = key == keys[0] and not is_found
        is_list = key in LIST_KEYS and scanner.peek() == "["
        if is_found and scanner.peek() == "{":
            reject_second_split(scanner.location, keys[0], [key])
        if is_first or (
            is_found and is_list and are_splits and len(keys) == 1 and key in TRAINING_KEYS | HELD_OUT_KEYS
        ):
            is_found = True
            records = _iter_below(scanner, keys[1:], iter_records, are_splits=are_splits)
            yield from _name_split(records, key) if are_splits and key in HELD_OUT_KEYS else records
        elif is_found and is_list:
            raise SourceError(
                _(
                    "{path} holds two lists of records, {first} and {second}; write each into its own file",
                    path=scanner.location,
                    first=keys[0],
                    second=key,
                )
            )
        else:
            scanner.read_value()
        if scanner.peek() != "}":
            scanner.expect(",")
    scanner.expect("}")


def _name_split(records: Iterable[dict[str, Any]], split: str) -> Iterator[dict[str, Any]]:
    """Yield the records with the name of their test or validation split, which is read like a key of their own."""
    for record in records:
        yield record if is_malformed(record) else {**record, _SPLIT_KEY: split}


def _iter_items(scanner: JsonScanner) -> Iterator[dict[str, Any]]:
    items = ItemConverter("item")
    scanner.expect("[")
    is_first = True
    while scanner.peek() != "]":
        if not is_first:
            scanner.expect(",")
        is_first = False
        yield from _read_item(scanner, items)
    scanner.expect("]")


def _iter_members(scanner: JsonScanner) -> Iterator[dict[str, Any]]:
    items = ItemConverter("item")
    scanner.expect("{")
    while scanner.peek() != "}":
        if scanner.items:
            scanner.expect(",")
        scanner.read_key()
        yield from _read_item(scanner, items)
    scanner.expect("}")


def _read_item(scanner: JsonScanner, items: ItemConverter) -> Iterator[dict[str, Any]]:
    """Yield the object of the next value, or a malformed row; nothing for a list with the names of the columns."""
    value, text = scanner.read_value()
    scanner.items += 1
    if not is_utf8(text):
        yield make_malformed_row(
            repair_text(text),
            Message(
                "item {number} holds bytes that are not text in the encoding of the file; write it again",
                {"number": scanner.items},
            ),
        )
        return
    record = items.convert(value, text, scanner.items)
    if record is not None:
        yield record
