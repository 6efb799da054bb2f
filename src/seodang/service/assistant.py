"""Answer requests with a packaged model. This module does not depend on HTTP."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from seodang.errors import SeodangError
from seodang.i18n import _, ngettext
from seodang.models.device import choose_device
from seodang.models.loading import get_context_length, load_tokenizer
from seodang.models.stop_tokens import get_stop_ids
from seodang.models.tokenization import encode_prompt
from seodang.packaging.model_folder import Manifest, check_renderer, load_inference_model, read_manifest
from seodang.prompting import render_prompt
from seodang.records import normalize


class RequestRejected(SeodangError):
    """A request that this model cannot answer; its sender can correct it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer of the model with its token counts."""

    output: str
    finish_reason: Literal["stop", "length"]
    """stop: the model ended the answer; length: the limit ended it."""
    prompt_tokens: int
    completion_tokens: int
    """All generated tokens, including the end token."""


class Assistant:
    """A packaged model that answers one request at a time."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, manifest: Manifest) -> None:
        self.manifest = manifest
        self._model = model
        self._tokenizer = tokenizer
        self._stop_ids = get_stop_ids(model, manifest.end_id)
        self._context_length = get_context_length(model.config)
        self._longest_token = max(map(len, tokenizer.get_vocab()))
        # torch uses every core for one answer; a second answer at the same time would slow both down.
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the assistant of a packaged model, on the accelerator if there is one.

        Raises:
            ModelError: If the folder is damaged, or this code renders other prompts.

        """
        manifest = read_manifest(folder)
        tokenizer = load_tokenizer(folder)
        check_renderer(manifest, tokenizer)  # before the weights are loaded, which takes longer
        return cls(load_inference_model(folder, choose_device("auto")), tokenizer, manifest)

    def answer(
        self, instruction: str, input: str = "", max_new_tokens: int | None = None, temperature: float = 0.0
    ) -> Answer:
        """Return the model's answer.

        Args:
            instruction: The request.
            input: Text that the instruction refers to; "" for none.
            max_new_tokens: None for the packaged maximum. The answer also ends where the context ends.
            temperature: 0 for greedy decoding; above 0 the model samples from all tokens.

        Raises:
            RequestRejected: If the prompt is too long, or max_new_tokens is above the packaged maximum.

        """
        token_limit = self.manifest.max_new_tokens
        token_count = token_limit if max_new_tokens is None else max_new_tokens
        if not 1 <= token_count <= token_limit:
            raise RequestRejected(
                "max_new_tokens",
                _(
                    "must be from 1 to {limit}, the maximum of this model (got {count})",
                    limit=token_limit,
                    count=token_count,
                ),
            )
        prompt = self._encode_prompt(instruction, input)
        if self._context_length is not None:
            token_count = min(token_count, self._context_length - len(prompt))
        tokens = self._generate(prompt, token_count, temperature)
        text = str(self._tokenizer.decode(tokens, skip_special_tokens=True)).strip()
        has_eos = tokens[-1] in self._stop_ids
        return Answer(
            output=text,
            finish_reason="stop" if has_eos else "length",
            prompt_tokens=len(prompt),
            completion_tokens=len(tokens),
        )

    def _encode_prompt(self, instruction: str, input: str) -> list[int]:
        """Return the prompt's ids, normalized like the training data."""
        instruction, input = normalize(instruction), normalize(input)
        self._check_characters(len(instruction) + len(input))
        segments = render_prompt(instruction, input, self.manifest.prompt.format, self._tokenizer)
        prompt = encode_prompt(self._tokenizer, segments)
        if self._context_length is not None and len(prompt) >= self._context_length:
            raise RequestRejected(
                "instruction",
                ngettext(
                    "the prompt has {count:,} token, but the model's context has only {limit:,}; shorten the"
                    " instruction or the input",
                    "the prompt has {count:,} tokens, but the model's context has only {limit:,}; shorten the"
                    " instruction or the input",
                    len(prompt),
                    limit=self._context_length,
                ),
            )
        return prompt

    def _check_characters(self, count: int) -> None:
        """Reject a text that cannot fit, without tokenizing it: that would block the server for seconds.

        No token is longer than _longest_token characters.
        """
        if self._context_length is not None and count > self._context_length * self._longest_token:
            raise RequestRejected(
                "instruction",
                _(
                    "instruction and input have {count:,} characters, too many for the model's context of {limit:,}"
                    " tokens; shorten the instruction or the input",
                    count=count,
                    limit=self._context_length,
                ),
            )

    def _generate(self, prompt: list[int], max_new_tokens: int, temperature: float) -> list[int]:
        sampling: dict[str, Any] = (
            {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
            if temperature > 0
            else {"do_sample": False}
        )
        generation_config = GenerationConfig(
            use_cache=True,
            max_new_tokens=max_new_tokens,
            eos_token_id=self._stop_ids,
            pad_token_id=self.manifest.end_id,
            **sampling,
        )
        ids = torch.tensor([prompt], device=self._model.device)
        with self._lock, torch.inference_mode():
            outputs: Any = self._model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=generation_config
            )  # type: ignore[operator]
        tokens: list[int] = outputs[0, len(prompt) :].tolist()
        return tokens
