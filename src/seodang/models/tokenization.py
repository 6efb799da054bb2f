"""Records to token ids. User text never becomes a control token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from seodang.config import PromptFormat
from seodang.errors import ModelError
from seodang.prompting import Segment, render_answer, render_prompt, render_record, replace_surrogates
from seodang.records import Record


@dataclass(frozen=True, slots=True)
class Tokens:
    """One record as evaluation reads it; what training learns of it, earlier answers too, is a lesson (lessons.py)."""

    prompt: list[int]
    completion: list[int]  # the answer and the end token


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str, *, control: bool = False) -> list[int]:
    """Return the ids of `text`, without begin or end token.

    Args:
        control: Whether markers such as <end_of_turn> count as control tokens.
    """
    # Not verbose: whether a text fits the model is looked at where it matters, and the library would warn of each that is only measured.
    ids: list[int] = tokenizer(
        replace_surrogates(text), add_special_tokens=False, split_special_tokens=not control, verbose=False
    )["input_ids"]
    return ids


def encode_texts(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of each text as `encode_text` gives them, encoded as one batch where the tokenizer can."""
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        return [encode_text(tokenizer, text) for text in texts]
    backend = tokenizer.backend_tokenizer  # other calls may have changed its settings
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    encodings = backend.encode_batch_fast([replace_surrogates(text) for text in texts], add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def encode_prompt(tokenizer: PreTrainedTokenizerBase, segments: Sequence[Segment]) -> list[int]:
    """Return the ids of a rendered prompt, with the begin token where the model has one."""
    start = [] if segments[0].control else get_begin_ids(tokenizer)
    return start + [token for part in segments for token in encode_text(tokenizer, part.text, control=part.control)]


def build_loss_mask(segment: Segment, ids: Sequence[int], end_id: int) -> list[bool]:
    """Return which tokens of a segment training learns.

    Args:
        segment: Of a rendered lesson.
        ids: Its tokens.
        end: The token that ends an answer; of a control segment after an answer it alone is learned.
    """
    if not segment.control:
        return [segment.is_label] * len(ids)
    end_position = ids.index(end_id) if segment.is_label and end_id in ids else None
    return [number == end_position for number in range(len(ids))]


def get_begin_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return [bos] when the tokenizer begins every text with it, else []."""
    ids: list[int] = tokenizer("a")["input_ids"]
    bos = tokenizer.bos_token_id
    return [bos] if bos is not None and ids[0] == bos else []


def get_end_id(tokenizer: PreTrainedTokenizerBase, format: PromptFormat) -> int:
    """Return the id of the token that ends an answer.

    A chat template may end its turns with a token of its own (<end_of_turn>);
    text formats end with the end-of-sequence token.

    Raises:
        ModelError: If the tokenizer has no end token: the tuned model would never stop.
    """
    if format == "chat" and (turn_end := _find_turn_end(tokenizer)) is not None:
        return turn_end
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"tokenizer {tokenizer.name_or_path} has no end token; set eos_token in its tokenizer_config.json"
        )
    return int(tokenizer.eos_token_id)


def get_pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id that fills up short rows; it never has a label, so any will do where there is none."""
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0)


def _find_turn_end(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the control token that the chat template writes after an answer, or None."""
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "\ue000"}]
    rendered = str(tokenizer.apply_chat_template(turns, tokenize=False))
    suffix_ids = encode_text(tokenizer, rendered.partition("\ue000")[2], control=True)
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    return next((token for token in suffix_ids if token in special), None)


def tokenize_request(
    tokenizer: PreTrainedTokenizerBase, instruction: str, input: str, output: str, format: PromptFormat
) -> Tokens:
    """Return prompt and completion ids of one request with its answer."""
    return _tokenize_segments(tokenizer, render_prompt(instruction, input, format, tokenizer), output, format)


def tokenize_record(tokenizer: PreTrainedTokenizerBase, record: Record, format: PromptFormat) -> Tokens:
    """Return prompt and completion ids of a record; the conversation that leads up to it stands in the prompt."""
    return _tokenize_segments(tokenizer, render_record(record, format, tokenizer), record.output, format)


def _tokenize_segments(
    tokenizer: PreTrainedTokenizerBase, segments: Sequence[Segment], output: str, format: PromptFormat
) -> Tokens:
    answer_ids = encode_text(tokenizer, render_answer(output, format))
    return Tokens(prompt=encode_prompt(tokenizer, segments), completion=[*answer_ids, get_end_id(tokenizer, format)])
