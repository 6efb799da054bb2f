"""Groups of evaluation items that are not independent of each other.

Ten questions about one passage are not ten independent items, and the gate must not count them as such. Two items are
in one group if they share the question, the passage or the conversation, if they show one object of a file under two
prompts, or if they are near-duplicates. Groups are the connected components of these links. The name of a group is the
smallest id of its records. It depends neither on their order nor on records outside the group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from seodang.preparation.evaluation_items import compute_origin_keys
from seodang.preparation.features import build_question
from seodang.preparation.quotes import Needle, build_needles, find_texts
from seodang.preparation.shingles import extract_letters
from seodang.records import Language, Record

# Texts that link two items have at least so many letters. A Hangul syllable says as much as two letters.
_MIN_INPUT_LETTERS = 12  # "1, 2, 3" links nothing
_MIN_CONVERSATION_LETTERS = 20  # "Hello!" links nothing
_HANGUL_LETTERS = 2
_MAX_INPUT_RATIO = 0.5  # an input of more of the items of a task is part of its prompt, such as a list of options


def find_groups(
    items: Iterable[tuple[int, Record]],
    rows: NDArray[np.void],
    leaders: NDArray[np.int32],
    template_after: int,
) -> NDArray[np.bytes_]:
    """Return the group of each accepted record; b"" for the records that are no evaluation items.

    Args:
        items: Index into the accepted records and record of each evaluation item.
        rows: Features of all accepted records.
        leaders: Leader of each record's cluster of near-duplicates.
        template_after: A beginning of more different conversations than this is a template and links nothing.
    """
    groups = np.zeros(len(rows), dtype=rows.dtype["id"])
    numbers: list[int] = []
    conversations: list[list[str]] = []
    passages: list[tuple[int, str, Language]] = []
    questions: list[str] = []
    for number, record in items:
        passages.append((len(numbers), record.input, record.language))
        questions.append(build_question(record))
        conversations.append(_build_conversation_keys(record))
        numbers.append(number)
    if not numbers:
        return groups
    indices = np.array(numbers)
    links = [
        *_iter_row_links(rows[indices], leaders[indices], template_after),
        *_iter_embedded_links(passages, questions, rows[indices], template_after),
        *_iter_conversation_links(conversations, rows["question"][indices], template_after),
    ]
    groups[indices] = name_components(rows["id"][indices], links)
    return groups


def name_components(ids: NDArray[np.bytes_], links: Sequence[tuple[int, Hashable]]) -> NDArray[np.bytes_]:
    """Return the smallest id of each item's connected component.

    Args:
        ids: Ids of n items.
        links: Pairs of an item (0 to n - 1) and a key. Items with the same key are connected.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers: dict[Hashable, int] = {}
    keys = [ids.size + numbers.setdefault(key, len(numbers)) for _, key in links]
    size = ids.size + len(numbers)
    graph = coo_array((np.ones(len(links)), ([item for item, _ in links], keys)), shape=(size, size))
    components = connected_components(graph, directed=False)[1][: ids.size]
    order = np.lexsort((ids, components))
    _, firsts, members = np.unique(components[order], return_index=True, return_inverse=True)
    names = np.empty_like(ids)
    names[order] = ids[order][firsts[members]]
    return names


def _iter_row_links(
    rows: NDArray[np.void], leaders: NDArray[np.int32], template_after: int
) -> Iterator[tuple[int, Hashable]]:
    """Yield the links by question, passage, place in a file and near-duplicates, from the features of the items."""
    for item, question in enumerate(rows["question"].tolist()):
        yield item, ("question", question)
    for item in np.flatnonzero(_has_passage(rows, template_after)).tolist():
        yield item, ("input", int(rows["input"][item]))
    for item, origin in enumerate(compute_origin_keys(rows).tolist()):
        if origin:
            yield item, ("origin", origin)
    for item, leader in enumerate(leaders.tolist()):
        yield item, ("leader", leader)


def _iter_embedded_links(
    passages: Sequence[tuple[int, str, Language]], questions: Sequence[str], rows: NDArray[np.void], template_after: int
) -> Iterator[tuple[int, Hashable]]:
    """Yield the links of items whose instruction contains the input of another item: one text under two prompts."""
    items = np.flatnonzero(_has_passage(rows, template_after)).tolist()
    needles = build_needles([Needle(*passages[item]) for item in items], 0)
    for item, needle in find_texts(extract_letters(questions), needles):
        yield item, ("input", int(rows["input"][needles.owners[needle]]))


def _has_passage(rows: NDArray[np.void], template_after: int) -> NDArray[np.bool_]:
    """Return whether the input of each item is a text that makes the items that share it dependent."""
    letters = rows["input_letters"] * np.where(rows["korean"], _HANGUL_LETTERS, 1)
    pairs = np.stack([rows["task"].astype(np.uint64), rows["input"]], axis=1)
    _, members, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    sharing = counts[members.ravel()]
    is_constant = (sharing > template_after) & (sharing > _MAX_INPUT_RATIO * np.bincount(rows["task"])[rows["task"]])
    # The subject is the input if that is a text, and the question if it is a single word.
    return np.asarray((letters >= _MIN_INPUT_LETTERS) & (rows["subject"] == rows["input"]) & ~is_constant)


def _build_conversation_keys(record: Record) -> list[str]:
    """Return the beginnings of a conversation, normalized, one for each message: turns, question and answer."""
    keys, text = [], ""
    for message in (*(turn.content for turn in record.turns), f"{record.instruction}{record.input}", record.output):
        text += "".join(message.casefold().split())
        if len(text) * (_HANGUL_LETTERS if record.language == "ko" else 1) >= _MIN_CONVERSATION_LETTERS:
            keys.append(text)
    return keys


def _iter_conversation_links(
    conversations: Sequence[list[str]], questions: NDArray[np.uint64], template_after: int
) -> Iterator[tuple[int, Hashable]]:
    """Yield the links by the beginning of a conversation, unless it begins more conversations than `template_after`."""
    pairs = {(key, int(question)) for keys, question in zip(conversations, questions, strict=True) for key in keys}
    counts = Counter(key for key, _ in pairs)
    for item, keys in enumerate(conversations):
        for key in keys:
            if counts[key] <= template_after:
                yield item, key
