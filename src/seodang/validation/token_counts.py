"""Count the tokens of rows with the tokenizer of the model, and truncate answers to a limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seodang.config import PromptFormat
from seodang.errors import ModelError
from seodang.i18n import _
from seodang.ingest.rows import TEXTS, Row, classify_value
from seodang.prompting import PROMPT_TEMPLATES, render_answer, render_prompt
from seodang.records import Turn, replace_surrogates

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOO_MANY_TOKENS = "too-many-tokens"  # the rule about the length
_SPECIAL_TOKENS = 2  # begin and end token; the markers of a chat template are not counted


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts tokens of rows, rendered as in training."""

    tokenizer: Tokenizer
    format: PromptFormat

    def count_tokens(self, rows: Sequence[Row]) -> list[int | None]:
        """Return the number of tokens of each row, prompt and answer; None if a text is missing."""
        texts = [self._render_texts(row) for row in rows]
        known = [text for pair in texts if pair for text in pair]
        encodings = self.tokenizer.encode_batch_fast(known, add_special_tokens=False)
        lengths = iter([len(encoding.ids) for encoding in encodings])
        return [next(lengths) + next(lengths) + _SPECIAL_TOKENS if pair else None for pair in texts]

    def truncate_answer(self, row: Row, maximum: int) -> Row | None:
        """Return the row with its answer truncated to the limit; None if no token of it would remain."""
        pair = self._render_texts(row)
        if not pair:
            return None
        prompt = self.tokenizer.encode(pair[0], add_special_tokens=False)
        answer = self.tokenizer.encode(replace_surrogates(row["output"]), add_special_tokens=False)
        budget = maximum - _SPECIAL_TOKENS - len(prompt.ids)
        while budget > 0:
            shortened = {**row, "output": row["output"][: answer.offsets[min(budget, len(answer.ids)) - 1][1]].rstrip()}
            if (self.count_tokens([shortened])[0] or 0) <= maximum:
                return shortened if shortened["output"] else None
            budget -= 1  # a truncated text may need one token more than within the full text
        return None

    def _render_texts(self, row: Row) -> tuple[str, str] | None:
        if any(classify_value(row[name]) != "text" for name in TEXTS):
            return None
        system = row["system"] if isinstance(row["system"], str) else ""
        turns = [Turn(**turn) for turn in row["turns"]]
        # The chat template belongs to the tokenizer and needs transformers; format plain only lacks its markers.
        format = "plain" if PROMPT_TEMPLATES[self.format].needs_tokenizer else self.format
        rendered = "".join(
            part.text for part in render_prompt(row["instruction"], row["input"], format, system=system, turns=turns)
        )
        return replace_surrogates(rendered), replace_surrogates(render_answer(row["output"], format))


def load_counter(folder: Path, format: PromptFormat) -> TokenCounter:
    """Return the counter of a checkpoint.

    Args:
        folder: Folder of the checkpoint, or a tokenizer.json.
        format: Prompt template that renders the rows.

    Raises:
        ModelError: If tokenizer.json is missing or cannot be read.

    """
    from tokenizers import Tokenizer

    file = folder if folder.suffix == ".json" else folder / "tokenizer.json"
    if not file.is_file():
        raise ModelError(
            _(
                "{file} does not exist, so tokens cannot be counted; run: dvc repro base, or set "
                "expectations.actions.too_many_tokens to off in params.yaml",
                file=file,
            )
        )
    try:
        return TokenCounter(Tokenizer.from_file(str(file)), format)
    except Exception as error:  # the Rust library raises no narrower class
        raise ModelError(
            _("{file} is not a tokenizer ({error}); download or save the checkpoint again", file=file, error=error)
        ) from error


def format_token_count(count: int) -> str:
    """Return a number of tokens as quarantine.jsonl holds it."""
    return f"{count:,} tokens"


def read_token_count(line: Mapping[str, Any]) -> int | None:
    """Return the tokens of a row that is too long, from its line in quarantine.jsonl; None for other rows."""
    found = [rule["found"] for rule in line["rules"] if rule["id"] == TOO_MANY_TOKENS]
    return int(found[0].removesuffix(" tokens").replace(",", "")) if found else None
