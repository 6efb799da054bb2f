"""The tokens of a model as llguidance reads them: their bytes, and a division of texts into them."""

from __future__ import annotations

import copy
from typing import Final

from llguidance import LLTokenizer, TokenizerWrapper
from transformers import PreTrainedTokenizerFast

from seodang.inference.guides.token_bytes import list_control_ids, read_token_bytes
from seodang.models.text_encoder import TextEncoder

_MAX_CHARACTERS: Final = 512
"""Of a text that is divided: llguidance asks again after each token, and takes the token after it."""
_MAX_TOKEN_BYTES: Final = 64  # longer tokens, which are runs of blanks, are never needed


def build_reader(tokenizer: PreTrainedTokenizerFast, end_id: int) -> LLTokenizer:
    """Return the tokens of a tokenizer.

    llguidance can read the files of some tokenizers itself, but divides a text that a grammar demands with the
    tokenizer's normalization: an answer would not have the characters of the grammar.

    Raises:
        GuideFailed: If a token has different bytes beside different tokens.
    """
    return LLTokenizer(TokenizerWrapper(TokenReader(tokenizer, end_id)), eos_token=end_id)


class TokenReader:
    """What llguidance asks of a tokenizer."""

    bos_token_id = None

    def __init__(self, tokenizer: PreTrainedTokenizerFast, end_id: int) -> None:
        self.tokens = read_token_bytes(tokenizer)
        self.special_token_ids = list_control_ids(tokenizer)
        self.eos_token_id = end_id
        # A copy: prompts are encoded in another thread, and whether control tokens are text is a state of a tokenizer.
        self._encoder = TextEncoder(copy.deepcopy(tokenizer))
        controls = frozenset(self.special_token_ids)
        # A token that comes later has the same text, such as an added one.
        self._ids = {content: id for id, content in reversed(list(enumerate(self.tokens))) if id not in controls}
        self._longest = min(max(map(len, self._ids), default=1), _MAX_TOKEN_BYTES)

    def __call__(self, text: str) -> list[int]:
        """Return tokens whose bytes are those of a text that follows another one, or of its beginning.

        They are the model's own if these have exactly the characters of the text, without normalization and unknown
        ones. Else they are the fewest that have. Where no token goes on, the end token stands: llguidance would take
        the rest of the text for written, and no guide allows this token before an answer is complete.
        """
        if not isinstance(text, str):
            raise TypeError  # llguidance tries which of the two is taken
        beginning = text[:_MAX_CHARACTERS]
        ids = self._encoder.encode(beginning, continues=True)
        content = beginning.encode()
        return ids if b"".join([self.tokens[id] for id in ids]) == content else self._divide(content)

    def _divide(self, content: bytes) -> list[int]:
        """Return the fewest tokens of a text; the end token stands for a rest that has none."""
        counts: list[int | None] = [0, *([None] * len(content))]  # tokens before each position that tokens reach
        starts = [0] * (len(content) + 1)  # of the last of these tokens
        for end in range(1, len(content) + 1):
            for start in range(max(0, end - self._longest), end):
                before, best = counts[start], counts[end]
                if before is None or content[start:end] not in self._ids:
                    continue
                if best is None or before + 1 < best:
                    counts[end], starts[end] = before + 1, start
        end = max(position for position, count in enumerate(counts) if count is not None)
        ids = [] if end == len(content) else [self.eos_token_id]
        while end > 0:
            ids.append(self._ids[content[starts[end] : end]])
            end = starts[end]
        return ids[::-1]
