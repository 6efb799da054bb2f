"""Select constraints for a record, ask for them in its instruction, and verify that its answer meets them."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Final

import yaml

from seodang.constraints.draft import Builder, Constraint, Draft, list_other_words
from seodang.constraints.measures import CONTENTS, LENGTHS
from seodang.constraints.shapes import CASES, ENDS, FRAMES, MARKS, PARTS
from seodang.evaluation.ifeval.checking import check_instructions
from seodang.records import Language, Record, detect_language

# In the order in which they change the answer; what describes the answer as it is comes last.
_STEPS: Final[tuple[dict[Builder, float], ...]] = (PARTS, MARKS, CASES, ENDS, FRAMES, LENGTHS, CONTENTS)
_NUMBERS, _NUMBER_WEIGHTS = (1, 2, 3), (60, 30, 10)  # constraints of a record, as often as in IFEval's prompts
_TRIALS: Final = 10  # selections of constraints for a record, of which the first that is verified is kept
_END_MARKS: Final = (".", "?", "!", ":")
_FRONT_SHARE: Final = 0.1  # of the records whose constraints stand before the request


@dataclass(frozen=True, slots=True)
class ConstrainedRecord:
    """A record whose answer meets the constraints in its instruction, by the rules of IFEval."""

    instruction: str
    input: str
    output: str
    ids: tuple[str, ...]
    arguments: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a row of a JSON Lines file; ids and arguments have the names of IFEval's prompts."""
        return {
            "instruction": self.instruction,
            "input": self.input,
            "output": self.output,
            "instruction_id_list": list(self.ids),
            "kwargs": [dict(arguments) for arguments in self.arguments],
        }


@functools.cache
def load_phrasings() -> dict[str, dict[Language, list[str]]]:
    """Return the phrasings of each constraint by language."""
    text = files("seodang.constraints").joinpath("phrasings.yaml").read_text(encoding="utf-8")
    phrasings: dict[str, dict[Language, list[str]]] = yaml.safe_load(text)
    return phrasings


def add_constraints(
    instruction: str, input: str, output: str, *, language: Language, other_words: Sequence[str], seed: int
) -> ConstrainedRecord | None:
    """Return a record with one to three constraints; None if no selection of constraints is verified.

    Args:
        instruction: Of the record.
        input: Of the record.
        output: Its answer.
        language: Of the answer; the phrasings have the language of the instruction.
        other_words: Words of other answers, of which some may be forbidden.
        seed: With the instruction, it decides about everything that is random.
    """
    rng = random.Random(hashlib.sha256(f"{seed}\x1f{instruction}\x1f{input}".encode()).digest())
    draft = Draft(instruction, output, language, output, tuple(other_words))
    for _trial in range(_TRIALS):
        answer, constraints = _select_constraints(draft, rng)
        if constraints and (record := _build_record(draft, input, answer, constraints, rng)):
            return record
    return None


def _select_constraints(draft: Draft, rng: random.Random) -> tuple[str, list[Constraint]]:
    """Return the changed answer and up to three constraints, at most one of each step but of contents."""
    builders = {builder: weight for step in _STEPS for builder, weight in step.items()}
    chosen = _choose_builders(builders, rng.choices(_NUMBERS, _NUMBER_WEIGHTS)[0], rng)
    constraints = []
    for builder in builders:
        if builder in chosen and (constraint := builder(draft, rng)):
            constraints.append(constraint)
            draft = replace(draft, answer=constraint.answer)
    return draft.answer, constraints


def _choose_builders(builders: Mapping[Builder, float], number: int, rng: random.Random) -> set[Builder]:
    chosen: list[Builder] = []
    for _turn in range(number):
        allowed = {
            builder: weight
            for builder, weight in builders.items()
            if builder not in chosen
            and not any(builder in step and not step.keys().isdisjoint(chosen) for step in _STEPS[:-1])
        }
        chosen += rng.choices(list(allowed), list(allowed.values()))
    return set(chosen)


def _build_record(
    draft: Draft, input: str, answer: str, constraints: Sequence[Constraint], rng: random.Random
) -> ConstrainedRecord | None:
    """Return the record; None unless there is a phrasing for each constraint and the answer meets them all."""
    language: Language = "ko" if any("가" <= letter <= "힣" for letter in draft.instruction) else "en"
    phrasings = [load_phrasings()[constraint.phrasing or constraint.id][language] for constraint in constraints]
    ids = tuple(constraint.id for constraint in constraints)
    arguments = tuple(constraint.arguments for constraint in constraints)
    if not all(phrasings) or not all(check_instructions(ids, arguments, answer).strict):
        return None
    requests = [rng.choice(texts).format_map(it.values) for texts, it in zip(phrasings, constraints, strict=True)]
    rng.shuffle(requests)
    is_repeated = any(id == "combination:repeat_prompt" for id in ids)
    if rng.random() < _FRONT_SHARE and not is_repeated:
        instruction = "\n".join([" ".join(requests), draft.instruction])
    else:
        separators = (" ", " ", "\n", "\n\n") if draft.instruction.endswith(_END_MARKS) else ("\n", "\n\n")
        instruction = rng.choice(separators).join([draft.instruction, " ".join(requests)])
    return ConstrainedRecord(instruction, input, answer, ids, arguments)


def iter_requests() -> Iterator[str]:
    """Yield all phrasings, as they stand in the file."""
    for by_language in load_phrasings().values():
        for texts in by_language.values():
            yield from texts


def hash_record(seed: int, record: Record) -> str:
    """Return a key that sorts records at random by a seed; it depends on no other record."""
    return hashlib.sha256(f"{seed}\x1f{record.id}".encode()).hexdigest()


def iter_constrained(records: Sequence[Record], seed: int) -> Iterator[tuple[Record, ConstrainedRecord]]:
    """Yield each record to which constraints can be added, with the constrained one.

    Args:
        records: The earlier ones give words that a constraint may forbid.
        seed: Of the selection of constraints.
    """
    for number, record in enumerate(records):
        constrained = add_constraints(
            record.instruction,
            record.input,
            record.output,
            language=detect_language(record.output),
            other_words=list_other_words(records, number),
            seed=seed,
        )
        if constrained:
            yield record, constrained
