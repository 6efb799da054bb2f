"""Answer with a packaged model as a stranger would: transformers alone, text in and text out.

`packaging.parity` runs this file in a process of its own. It imports nothing of Seodang. It reads a request in JSON
from standard input and writes the result in JSON to the file that its only argument names.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, pipeline


def main() -> None:
    """Answer every conversation, and encode every prompt."""
    request = json.load(sys.stdin)
    torch.set_num_threads(request["threads"])
    pipe: Any = pipeline("text-generation", model=request["model"], device="cpu")
    base = AutoTokenizer.from_pretrained(request["base"])
    results = [
        _read(pipe, base, conversation, prompt, request)
        for conversation, prompt in zip(request["conversations"], request["prompts"], strict=True)
    ]
    Path(sys.argv[1]).write_text(json.dumps(results), "utf-8")


def _read(
    pipe: Any, base: Any, conversation: list[dict[str, str]], prompt: str, request: dict[str, Any]
) -> dict[str, Any]:
    """Return the ids that each tokenizer gives, and the answer."""
    tokenizer, adds_tokens = pipe.tokenizer, request["add_special_tokens"]
    chat = tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_dict=True)
    generated = pipe(conversation, max_new_tokens=request["max_new_tokens"], return_full_text=False)
    return {
        "chat_ids": chat["input_ids"],
        "text_ids": tokenizer(prompt)["input_ids"],
        "base_ids": base(prompt, add_special_tokens=adds_tokens)["input_ids"],
        "answer": generated[0]["generated_text"],
    }


if __name__ == "__main__":
    main()
