"""Set up the folder of a merged model, so that other readers build prompts and stop answers as the service does."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from tokenizers import processors
from transformers import AutoConfig, GenerationConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from seodang.config import PromptFormat
from seodang.io.atomic import write_atomically
from seodang.models.checkpoints import is_code_trusted
from seodang.models.loading import load_tokenizer, read_context_length
from seodang.models.stop_tokens import join_stop_ids, read_declared_stop_ids
from seodang.models.tokenization import encode_text, get_begin_ids, get_end_id
from seodang.packaging.chat_template import bind_end_token, build_chat_template
from seodang.prompting import PROMPT_TEMPLATES
from seodang.records import Record

# Keys that config.json shares with generation settings and that change no answer.
_NEUTRAL_KEYS: Final = frozenset(
    "bos_token_id eos_token_id pad_token_id decoder_start_token_id use_cache output_attentions output_hidden_states"
    " transformers_version".split()
)


def write_reader_settings(
    base: Path, merged: Path, format: PromptFormat, max_new_tokens: int, *, splits_input: bool
) -> None:
    """Write tokenizer, chat template, generation settings and end tokens of a merged model.

    The files of the base are for the base, not for the tuned model. Its chat template renders other prompts, its end
    token may be another one, and its generation settings may sample or penalize repeated tokens. Its end tokens stay
    beside that of the tuned model, because evaluation and service stop at them, too.

    Args:
        base: Folder of the base, whose tokenizer is read.
        merged: Folder of the merged model, whose files are replaced.
        format: Prompt format that the model was tuned with.
        max_new_tokens: Default length of an answer in the service.
        splits_input: See `build_chat_template`.
    """
    tokenizer = load_tokenizer(base)
    end_id, end_token = get_end_id(tokenizer, format), tokenizer.eos_token
    begin_ids = get_begin_ids(tokenizer)
    template = build_chat_template(format, tokenizer, splits_input=splits_input)
    if tokenizer.eos_token_id != end_id:
        # The template may write the base's end token elsewhere, and it stays the same text there.
        template = template if end_token is None else bind_end_token(template, end_token)
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end_id)
    tokenizer.chat_template = template
    _set_added_ids(tokenizer, [] if PROMPT_TEMPLATES[format].needs_tokenizer else begin_ids)
    _set_tokenizer_defaults(tokenizer, read_context_length(merged))
    for name in ("chat_template.jinja", "tokenizer_config.json"):
        (merged / name).unlink(missing_ok=True)
    tokenizer.save_pretrained(merged)
    pad_id = int(tokenizer.pad_token_id)
    stop_ids = join_stop_ids(end_id, read_declared_stop_ids(base, tokenizer, _read_vocab_size(merged)))
    GenerationConfig(
        do_sample=False,
        eos_token_id=stop_ids if len(stop_ids) > 1 else end_id,
        pad_token_id=pad_id,
        bos_token_id=tokenizer.bos_token_id,
        max_new_tokens=max_new_tokens,
    ).save_pretrained(merged)
    _correct_config(merged, stop_ids, pad_id)


def decide_input_split(records: Iterable[Record]) -> bool:
    """Return whether a chat template should take text after a blank line for the input of a request.

    A chat client writes instruction and input into one message. A blank line is taken for the border between them if
    more training records have an input than have a blank line in their instruction. In training it was then more often
    the border than a part of the instruction.
    """
    balance = 0
    for record in records:
        balance += 1 if record.input else -1 if "\n\n" in record.instruction else 0
    return balance > 0


def _set_added_ids(tokenizer: PreTrainedTokenizerBase, begin_ids: list[int]) -> None:
    """Let the tokenizer add these ids before a text, and nothing else.

    A chat template writes its own begin token, and prompts have no end token.
    """
    if list(tokenizer("a")["input_ids"]) == [*begin_ids, *encode_text(tokenizer, "a")]:
        return
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        tokenizer.add_bos_token, tokenizer.add_eos_token = bool(begin_ids), False
        return
    begin = "".join(f"{tokenizer.convert_ids_to_tokens(token)} " for token in begin_ids)
    for name in ("add_bos_token", "add_eos_token"):
        tokenizer.init_kwargs.pop(name, None)
    tokenizer._add_bos_token, tokenizer._add_eos_token = bool(begin_ids), False
    tokenizer.init_kwargs |= {"add_bos_token": bool(begin_ids), "add_eos_token": False}
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin}$A",
        pair=f"{begin}$A {begin}$B",
        special_tokens=[(str(tokenizer.convert_ids_to_tokens(token)), token) for token in begin_ids],
    )


def _set_tokenizer_defaults(tokenizer: PreTrainedTokenizerBase, context_length: int | None) -> None:
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if context_length is not None:
        tokenizer.model_max_length = context_length
    tokenizer.padding_side = "left"  # an answer follows its prompt without a gap, in batches too
    # No causal model reads segment ids; `generate` refuses them.
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.init_kwargs |= {"padding_side": "left", "model_input_names": tokenizer.model_input_names}


def _read_vocab_size(folder: Path) -> int:
    config = AutoConfig.from_pretrained(folder, trust_remote_code=is_code_trusted(folder))
    return int(config.get_text_config().vocab_size)


def _correct_config(folder: Path, stop_ids: list[int], pad_id: int) -> None:
    """Write end and pad tokens into config.json, and remove generation settings, which transformers refuses there.

    Some configurations allow one end token only; generation_config.json, which readers prefer, has all of them.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=is_code_trusted(folder))
    allows_list = any(field.name == "eos_token_id" and "list" in str(field.type) for field in fields(config))
    end: int | list[int] = stop_ids if len(stop_ids) > 1 and allows_list else stop_ids[0]
    declared = {field.name for field in fields(config)}
    settings = {name for name in GenerationConfig().to_dict() if name not in _NEUTRAL_KEYS} - declared
    path = folder / "config.json"
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    content = {name: value for name, value in content.items() if name not in settings}
    for section in [content, *(content[name] for name in ("text_config",) if name in content)]:
        section |= {"eos_token_id": end, "pad_token_id": pad_id}
    write_atomically(path, [json.dumps(content, indent=2, ensure_ascii=False), "\n"])
