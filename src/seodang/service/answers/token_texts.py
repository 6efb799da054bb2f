"""The text and the bytes of single tokens, for log-probabilities."""

from __future__ import annotations

import json
from typing import Any, Final

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from seodang.inference.guides.token_bytes import BYTE_TOKEN, read_byte_table

_BLANK: Final = "▁"


class TokenTexts:
    """Returns the bytes of each token of a tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._is_byte_level = _is_byte_level(tokenizer)
        self._added = tokenizer.added_tokens_decoder

    def get_bytes(self, token: int) -> bytes:
        """Return the bytes that a token stands for."""
        if token in self._added:
            return str(self._added[token].content).encode()
        text = str(self._tokenizer.convert_ids_to_tokens(token) or "")
        if self._is_byte_level:
            table = read_byte_table()
            if all(character in table for character in text):
                return bytes(table[character] for character in text)
        if match := BYTE_TOKEN.fullmatch(text):
            return bytes([int(match[1], 16)])
        return text.replace(_BLANK, " ").encode()

    def get_text(self, token: int) -> str:
        """Return a token's text; for a part of a character its bytes, as OpenAI writes them."""
        content = self.get_bytes(token)
        try:
            return content.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in content)


def _is_byte_level(tokenizer: PreTrainedTokenizerBase) -> bool:
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        return False
    state: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return "ByteLevel" in json.dumps(state.get("decoder"))
