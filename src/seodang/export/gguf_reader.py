"""Answer with a GGUF file as a stranger would: llama-cpp-python alone, messages in and text out.

`export.gguf_export` runs this file with the interpreter of the GGUF tools. It imports nothing of Seodang. It reads a
request in JSON from standard input and writes the answers in JSON to the file that its only argument names.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Answer every conversation, with the chat template and the end token of the file."""
    from llama_cpp import Llama  # type: ignore[import-not-found]

    request = json.load(sys.stdin)
    model = Llama(request["file"], n_ctx=request["context_length"], n_threads=request["threads"], verbose=False)
    answers = [_answer(model, messages, request["max_new_tokens"]) for messages in request["conversations"]]
    Path(sys.argv[1]).write_text(json.dumps(answers), "utf-8")


def _answer(model: Any, messages: list[dict[str, str]], max_new_tokens: int) -> dict[str, Any]:
    model.reset()
    body = model.create_chat_completion(messages=messages, max_tokens=max_new_tokens, temperature=0.0)
    choice = body["choices"][0]
    return {"text": choice["message"]["content"], "prompt_tokens": body["usage"]["prompt_tokens"]}


if __name__ == "__main__":
    main()
