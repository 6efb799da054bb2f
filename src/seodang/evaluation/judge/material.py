"""Texts as the judge reads them: nothing in an answer can end its section, give a verdict or begin a turn. Pure.

A model may have learned to write verdicts, section markers or chat tokens, on purpose or by accident. The judge must
read such texts as material.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from seodang.records import replace_surrogates

_VERDICT_MARK: Final = re.compile(r"[\[［][\[［](?=\s*[ABCabcＡＢＣ]\s*[\]］][\]］])")
_SECTION: Final = re.compile(r"<<(?=<)")
# Some servers read control tokens in a message as such. A blank after the first character makes them plain text.
_CONTROL_TOKEN: Final = re.compile(
    r"<(?=[|｜][^<>\n]{1,40}[|｜]>)|<(?=/?s>)|<(?=(?:start|end)_of_(?:turn|text|image)>)|<(?=(?:bos|eos|pad|unk)>)"
    r"|\[(?=/?INST\])|<(?=</?SYS>>)|\[(?=(?:BOS|EOS|gMASK|sop|/?SYSTEM_PROMPT|/?AVAILABLE_TOOLS)\])",
    re.IGNORECASE,
)
_CODE_DIGITS: Final = 8


def neutralize(text: str) -> str:
    """Return a text without verdict marks, section markers, control tokens and lone surrogates.

    A blank separates the characters of each, so that the text stays readable: [[A]] becomes [ [A]].
    """
    text = replace_surrogates(text)
    text = _VERDICT_MARK.sub("[ [", text)
    text = _SECTION.sub("<< ", text)
    return _CONTROL_TOKEN.sub(lambda match: f"{match.group()} ", text)


def compute_section_code(texts: Sequence[str]) -> str:
    """Return the code of the section markers around these texts; no author of one text can know it.

    It is the same in every run, so that an interrupted run resumes.
    """
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()[:_CODE_DIGITS]
