"""Rearrange the records that annotation tools and services export, so that their texts stand under known keys.

Argilla and Label Studio nest the texts and the answers of annotators. OpenAI nests preference pairs, Gemini the parts
of messages, and SQuAD the questions about a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from seodang.ingest.formats.instruction import ANSWERS, find_column
from seodang.ingest.formats.messages import parse_part_texts
from seodang.ingest.formats.sample import RawRecord
from seodang.ingest.formats.verdicts import parse_verdict

_OUTPUT: Final = "output"
_VERDICT_KEYS: Final = ("last_action", "reviews", "review_result", "state", "status")  # of Label Studio's annotation
_CANDIDATE_KEYS: Final = ("answers", "responses", "candidates", "completions")
_ACCEPTED_KEYS: Final = ("is_accepted", "accepted", "is_best", "chosen", "selected", "채택")


def unpack_export(record: RawRecord) -> list[RawRecord]:
    """Return the records that an exported object holds: itself, if it is no known export."""
    keys = record.keys()
    if {"input", "preferred_output", "non_preferred_output"} <= keys and isinstance(record["input"], Mapping):
        return [_unpack_openai_pair(record)]
    if isinstance(record.get("contents"), list) and "messages" not in keys:
        return [_unpack_gemini(record)]
    if isinstance(record.get("fields"), Mapping) and keys & {"responses", "suggestions", "metadata", "external_id"}:
        return [_unpack_argilla(record)]
    if isinstance(record.get("data"), Mapping) and keys & {"annotations", "predictions"}:
        return [_unpack_label_studio(record)]
    if isinstance(record.get("paragraphs"), list):
        return list(_iter_squad_questions(record)) or [record]
    if isinstance(record.get("answers"), Mapping) and "question" in keys and "answer" not in keys:
        return [_unpack_squad_answers(record)]
    candidates = next((key for key in _CANDIDATE_KEYS if _are_judged(record.get(key))), None)
    return [_unpack_candidates(record, candidates)] if candidates and not find_column([*record], ANSWERS) else [record]


def _unpack_openai_pair(record: RawRecord) -> RawRecord:
    known = {"input", "preferred_output", "non_preferred_output"}
    rest = {key: value for key, value in record.items() if key not in known}
    return {
        **rest,
        **record["input"],
        "chosen": record["preferred_output"],
        "rejected": record["non_preferred_output"],
    }


def _unpack_gemini(record: RawRecord) -> RawRecord:
    """Return a record with messages of role and content; parts that are no texts stay, so that a rule reports them."""
    messages = [_unpack_parts(item) for item in record["contents"]]
    system = next((record[key] for key in ("systemInstruction", "system_instruction") if record.get(key)), None)
    if isinstance(system, Mapping):
        system = _unpack_parts(system).get("content")
    rest = {
        key: value
        for key, value in record.items()
        if key not in {"contents", "systemInstruction", "system_instruction"}
    }
    return {**rest, "messages": messages, **({"system": system} if system else {})}


def _unpack_parts(item: Any) -> Any:
    if not isinstance(item, Mapping) or "parts" not in item:
        return item
    texts = parse_part_texts(item["parts"])
    rest = {key: value for key, value in item.items() if key != "parts"}
    return {**rest, "content": item["parts"] if texts is None else texts}


def _unpack_argilla(record: RawRecord) -> RawRecord:
    """Return the fields, and the first submitted answer to each question; `metadata` and the rest stay."""
    fields = record["fields"]
    rest = {key: value for key, value in record.items() if key not in {"fields", "responses"}}
    answers: dict[str, Any] = {}
    states = set()
    for question, response in _iter_argilla_responses(record.get("responses")):
        states.add(response.get("status") or "submitted")
        if response.get("status") != "discarded" and response.get("value") is not None:
            answers.setdefault(question, response["value"])
    if states == {"discarded"}:
        rest["response_status"] = "discarded"
    return {**rest, **fields, **_name_answers(fields, answers)}


def _iter_argilla_responses(responses: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield question and response, of Argilla 2 ({question: [...]}) and of Argilla 1 ([{values: {question: ...}}])."""
    if isinstance(responses, Mapping):
        for question, values in responses.items():
            for value in values if isinstance(values, list) else [values]:
                yield question, value if isinstance(value, Mapping) else {"value": value}
    for response in responses if isinstance(responses, list) else []:
        values = response.get("values") if isinstance(response, Mapping) else None
        for question, value in (values or {}).items():
            inner = value if isinstance(value, Mapping) else {"value": value}
            yield question, {"status": response.get("status"), **inner}


def _unpack_label_studio(record: RawRecord) -> RawRecord:
    """Return the data, and the results of the first annotation that was not cancelled."""
    data = record["data"]
    annotations = [item for item in record.get("annotations") or () if isinstance(item, Mapping)]
    kept = [item for item in annotations if not item.get("was_cancelled")]
    answers: dict[str, Any] = {}
    for result in (kept[0].get("result") or ()) if kept else ():
        if isinstance(result, Mapping) and isinstance(result.get("value"), Mapping):
            value = next(
                (result["value"][key] for key in ("text", "choices", "rating") if key in result["value"]), None
            )
            if value is not None:
                answers.setdefault(str(result.get("from_name")), _join_texts(value))
    rest: dict[str, Any] = {"meta": record["meta"]} if record.get("meta") else {}
    if annotations and not kept:
        rest["annotation_status"] = "skipped"
    if kept and (verdict := {key: kept[0][key] for key in _VERDICT_KEYS if kept[0].get(key)}):
        rest["annotation"] = verdict
    if len(kept) > 1:
        rest["other_annotations"] = kept[1:]
    return {**rest, **data, **_name_answers(data, answers)}


def _join_texts(value: Any) -> Any:
    is_texts = isinstance(value, list) and all(isinstance(text, str) for text in value)
    return "\n".join(value) if is_texts else value


def _name_answers(fields: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers of annotators; the only text becomes the output of a record that has no answer."""
    texts = [name for name, value in answers.items() if isinstance(value, str)]
    has_answer = find_column([*fields, *answers], ANSWERS) or {"chosen", "messages", "conversations"} & fields.keys()
    if has_answer or len(texts) != 1:
        return dict(answers)
    return {_OUTPUT if name == texts[0] else name: value for name, value in answers.items()}


def _iter_squad_questions(record: RawRecord) -> Iterator[RawRecord]:
    for paragraph in record["paragraphs"]:
        if not isinstance(paragraph, Mapping):
            continue
        for question in paragraph.get("qas") or ():
            if isinstance(question, Mapping):
                yield _unpack_squad_answers({**question, "context": paragraph.get("context")})


def _unpack_squad_answers(record: RawRecord) -> RawRecord:
    """Return a question with its answer: the only distinct text, else the list of them."""
    answers = record.get("answers")
    if isinstance(answers, Mapping):
        found = answers.get("text")
    else:
        found = [item.get("text") for item in answers or () if isinstance(item, Mapping)]
    texts = list(dict.fromkeys(found)) if isinstance(found, list) else found
    rest = {key: value for key, value in record.items() if key != "answers"}
    return {**rest, "answer": texts}


def _are_judged(answers: Any) -> bool:
    """Return whether a value is a list of answers that says of each whether it was accepted."""
    return (
        isinstance(answers, list)
        and bool(answers)
        and all(isinstance(item, Mapping) and not {*_ACCEPTED_KEYS}.isdisjoint(item) for item in answers)
    )


def _unpack_candidates(record: RawRecord, key: str) -> RawRecord:
    """Return a question with its accepted answer: a text, a list of several texts, or nothing if none was accepted."""
    accepted = [
        next((item[name] for name in ("text", "body", "content", "answer", "response") if name in item), None)
        for item in record[key]
        if parse_verdict(next(item[name] for name in _ACCEPTED_KEYS if name in item))
    ]
    rest = {name: value for name, value in record.items() if name != key}
    return {**rest, _OUTPUT: accepted[0] if len(accepted) == 1 else accepted or None}
