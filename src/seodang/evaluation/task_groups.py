"""Groups of items of task files that are not independent of each other. Pure.

Ten questions about one passage are not ten independent items, and the gate must not count them as such. A task file may
name the group of a row (data.group). Otherwise two items are in one group if they share a passage or a question, or
if their texts are near-duplicates. So are the turns of one conversation. Groups are the
connected components of these links, over all task files, because two task files may ask about the same texts.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from scipy.cluster.hierarchy import DisjointSet

from seodang.evaluation.samples import TaskSamples
from seodang.evaluation.tasks.samples import EvalSample
from seodang.evaluation.tasks.spec import FileData

# Texts that link two items have at least so many letters. A Hangul syllable says as much as two letters.
_MIN_PASSAGE_LETTERS = 12
_MIN_TURN_LETTERS = 20
_MIN_SIMILAR_LETTERS = 50
_HANGUL_LETTERS = 2
# A text of a short column is a part of the prompt, such as a question that all passages share. So is a short text that
# many items share in a column of few different texts.
_MIN_COLUMN_RATIO = 0.5  # of the mean letters of a task's longest column; shorter columns hold questions, not passages
_MAX_TEMPLATE_LETTERS = 100
_MAX_TEMPLATES = 10
_MIN_SHARING = 10
_SHINGLE = 5  # letters
_SIMILARITY = 0.7  # smallest Jaccard similarity of near-duplicates

Entry = tuple[TaskSamples, EvalSample]
Templates = set[tuple[str, str, str]]
"""Task, column and text."""


def assign_groups(tasks: Sequence[TaskSamples]) -> list[TaskSamples]:
    """Return the tasks with the group of each item; an independent item has none.

    Items made of records keep the group that the stage prepare has found.
    """
    entries = [(task, sample) for task in tasks if isinstance(task.spec.data, FileData) for sample in task.samples]
    components, first = DisjointSet(range(len(entries))), dict[Hashable, int]()
    templates = _find_templates(entries)
    for index, key in (*_iter_text_links(entries, templates), *_iter_turn_links(entries)):
        components.merge(index, first.setdefault(key, index))
    _link_similar(entries, templates, components)
    names = {
        (task.key, sample.id): name
        for (task, sample), name in zip(
            entries, _name_components(components, [f"{t.task}/{s.id}" for t, s in entries]), strict=True
        )
    }
    return [_set_groups(task, names) if isinstance(task.spec.data, FileData) else task for task in tasks]


def _set_groups(task: TaskSamples, names: dict[tuple[str, str], str]) -> TaskSamples:
    templates = tuple(
        replace(
            template,
            records=[replace(record, group=names[(task.key, record.id)]) for record in template.records],
        )
        for template in task.templates
    )
    return replace(task, templates=templates)


def _name_components(components: DisjointSet, ids: Sequence[str]) -> list[str]:
    """Return the smallest id of each item's component; "" for an item that is alone."""
    names = [""] * len(ids)
    for members in components.subsets():
        if len(members) > 1:
            name = min(ids[member] for member in members)
            for member in members:
                names[member] = name
    return names


def _iter_text_links(entries: Sequence[Entry], templates: Templates) -> Iterator[tuple[int, Hashable]]:
    """Yield the links by name, question and passage."""
    for index, (task, sample) in enumerate(entries):
        if sample.group is not None:
            if sample.group and isinstance(task.spec.data, FileData):
                yield index, ("name", task.spec.data.file, sample.group)
            continue
        yield index, ("question", " ".join((sample.prompt.strip() or sample.reference).casefold().split()))
        for column, text in sample.texts.items():
            folded = _fold(text)
            if _weigh(folded) >= _MIN_PASSAGE_LETTERS and (task.task, column, folded) not in templates:
                yield index, ("passage", folded)


def _find_templates(entries: Sequence[Entry]) -> Templates:
    """Return the texts, with task and column, that are a part of the prompt and no passage."""
    counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    items = Counter(task.task for task, _sample in entries)
    for task, sample in entries:
        for column, text in sample.texts.items():
            counts[task.task][column][_fold(text)] += 1
    templates = set()
    for task_name, columns in counts.items():
        weights = {column: _compute_mean_weight(texts) for column, texts in columns.items()}
        for column, texts in columns.items():
            is_short = weights[column] < _MIN_COLUMN_RATIO * max(weights.values())
            has_few = len(texts) < _MAX_TEMPLATES
            templates |= {
                (task_name, column, text)
                for text, count in texts.items()
                if is_short
                or (
                    count >= _MIN_SHARING
                    and (count == items[task_name] or (has_few and _weigh(text) < _MAX_TEMPLATE_LETTERS))
                )
            }
    return templates


def _compute_mean_weight(texts: Counter[str]) -> float:
    return sum(_weigh(text) * count for text, count in texts.items()) / texts.total()


def _iter_turn_links(entries: Sequence[Entry]) -> Iterator[tuple[int, Hashable]]:
    """Yield the links of items whose prompt continues, on a new line, the complete prompt of another item."""
    prompts = {sample.prompt.rstrip(): index for index, (_task, sample) in enumerate(entries) if sample.group is None}
    for text, index in prompts.items():
        end = text.find("\n")
        while end >= 0:
            beginning = text[:end].rstrip()
            if beginning in prompts and _weigh(_fold(beginning)) >= _MIN_TURN_LETTERS:
                yield index, ("conversation", beginning)
                yield prompts[beginning], ("conversation", beginning)
            end = text.find("\n", end + 1)


def _link_similar(entries: Sequence[Entry], templates: Templates, components: DisjointSet) -> None:
    """Connect items whose texts are near-duplicates.

    Two sets of shingles with a Jaccard similarity of s share one of the rarest 1 - s of the shingles of each. This is
    the prefix filter (Chaudhuri et al. 2006; Bayardo et al. 2007, All Pairs Similarity Search).
    """
    shingles = {}
    for index, (task, sample) in enumerate(entries):
        texts = {column: _fold(text) for column, text in sample.texts.items()}
        text = "".join(text for column, text in texts.items() if (task.task, column, text) not in templates)
        if sample.group is None and _weigh(text) >= _MIN_SIMILAR_LETTERS:
            shingles[index] = {text[start : start + _SHINGLE] for start in range(len(text) - _SHINGLE + 1)}
    frequencies = Counter(shingle for members in shingles.values() for shingle in members)
    postings: dict[str, list[int]] = defaultdict(list)
    for index, members in shingles.items():
        ordered = sorted(members, key=lambda shingle: (frequencies[shingle], shingle))
        rarest = ordered[: len(ordered) - int(_SIMILARITY * len(ordered)) + 1]
        for other in dict.fromkeys(other for shingle in rarest for other in postings[shingle]):
            if not components.connected(index, other) and _is_similar(members, shingles[other]):
                components.merge(index, other)
        for shingle in rarest:
            postings[shingle].append(index)


def _is_similar(first: set[str], second: set[str]) -> bool:
    shared = len(first & second)
    return shared >= _SIMILARITY * (len(first) + len(second) - shared)


def _fold(text: str) -> str:
    """Return a text in NFKC and lower case, without blanks and punctuation."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())


def _weigh(text: str) -> int:
    return sum(_HANGUL_LETTERS if "가" <= letter <= "힣" else 1 for letter in text)
