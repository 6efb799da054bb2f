"""The tuned model behind one method. Knows prompts and tokens, and nothing of HTTP."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from seodang.errors import SeodangError
from seodang.models.device import choose_device
from seodang.models.loading import load_tokenizer
from seodang.models.tokenization import encode_prompt
from seodang.packaging.model_folder import Manifest, check_renderer, load_inference_model, read_manifest
from seodang.prompting import render_prompt
from seodang.records import normalise


class RequestRejected(SeodangError):
    """A request that this model cannot answer; its sender can mend it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote, and what it took."""

    output: str
    finish_reason: Literal["stop", "length"]  # stop: the model ended by itself
    prompt_tokens: int
    completion_tokens: int  # all that were generated, the end token too


class Assistant:
    """A packaged model that answers one request at a time."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, manifest: Manifest) -> None:
        self.manifest = manifest
        self._model = model
        self._tokenizer = tokenizer
        self._context_length = int(model.config.get_text_config().max_position_embeddings)
        self._longest_token = max(map(len, tokenizer.get_vocab()))
        # torch uses every core for one answer: a second one beside it would slow both down.
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the assistant of a packaged model, on the accelerator where there is one.

        Raises:
            ModelError: If the folder is damaged, or its prompts are not those of this code.

        """
        manifest = read_manifest(folder)
        tokenizer = load_tokenizer(folder)
        check_renderer(manifest, tokenizer)  # before the weights: a refusal is quick
        return cls(load_inference_model(folder, choose_device("auto")), tokenizer, manifest)

    def answer(
        self, instruction: str, input: str = "", max_new_tokens: int | None = None, temperature: float = 0.0
    ) -> Answer:
        """Return the model's answer.

        Args:
            instruction: What is asked.
            input: What it is asked about; "" when there is nothing.
            max_new_tokens: None for the packaged bound. Where the context ends earlier, the answer ends there.
            temperature: 0 takes the likeliest token each time; above, all tokens are sampled from.

        Raises:
            RequestRejected: If the prompt is too long, or more tokens are asked for than packaged.

        """
        token_limit = self.manifest.max_new_tokens
        token_count = token_limit if max_new_tokens is None else max_new_tokens
        if not 1 <= token_count <= token_limit:
            raise RequestRejected(
                "max_new_tokens",
                f"must be from 1 to {token_limit}, the bound this model is packaged with / 1 이상 {token_limit} 이하여야 합니다 (got {token_count})",
            )
        prompt = self._encode_prompt(instruction, input)
        tokens = self._generate(prompt, min(token_count, self._context_length - len(prompt)), temperature)
        text = str(self._tokenizer.decode(tokens, skip_special_tokens=True)).strip()
        has_eos = tokens[-1] == self.manifest.end_id
        return Answer(
            output=text,
            finish_reason="stop" if has_eos else "length",
            prompt_tokens=len(prompt),
            completion_tokens=len(tokens),
        )

    def _encode_prompt(self, instruction: str, input: str) -> list[int]:
        """Return the prompt's ids, with text brought to the form that the model was tuned on."""
        instruction, input = normalise(instruction), normalise(input)
        # No token is longer than _longest_token characters, so this much text can never
        # fit; to tokenise it just to count would let one request hold the server up.
        length = len(instruction) + len(input)
        if length > self._context_length * self._longest_token:
            raise RequestRejected(
                "instruction", f"with its input it has {length:,} characters, far beyond {self._format_limit()}"
            )
        segments = render_prompt(instruction, input, self.manifest.prompt.format, self._tokenizer)
        prompt = encode_prompt(self._tokenizer, segments)
        if len(prompt) >= self._context_length:
            raise RequestRejected(
                "instruction", f"the prompt has {len(prompt):,} tokens, beyond {self._format_limit()}"
            )
        return prompt

    def _format_limit(self) -> str:
        return f"the model's context of {self._context_length:,} tokens; shorten instruction or input / 모델이 읽을 수 있는 길이를 넘었으니 줄여 주세요"

    def _generate(self, prompt: list[int], max_new_tokens: int, temperature: float) -> list[int]:
        sampling: dict[str, Any] = (
            {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
            if temperature > 0
            else {"do_sample": False}
        )
        end_id = self.manifest.end_id
        generation_config = GenerationConfig(
            use_cache=True, max_new_tokens=max_new_tokens, eos_token_id=end_id, pad_token_id=end_id, **sampling
        )
        ids = torch.tensor([prompt], device=self._model.device)
        with self._lock, torch.inference_mode():
            outputs: Any = self._model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=generation_config
            )  # type: ignore[operator]
        tokens: list[int] = outputs[0, len(prompt) :].tolist()
        return tokens
