"""Convert a packaged model with llama.cpp's script, in a process of its own.

`export.gguf_export` runs this file with the interpreter of the GGUF tools. It imports nothing of Seodang. Its
arguments are the folder of the script, the pre-tokenizer or "", the type, the model's folder and the file.

A BPE tokenizer splits a text before it merges bytes. llama.cpp has a fixed list of such splits, and its script knows
the tokenizers of public models by a checksum. For another tokenizer with a split of that list the caller names it.
Exit code 3: the script does not know the tokenizer, and no pre-tokenizer is given.
"""

import runpy
import sys
from pathlib import Path
from typing import Any

UNKNOWN_TOKENIZER = 3


def main() -> None:
    """Run the script."""
    tools, pre_tokenizer, type_, model, file = sys.argv[1:]
    sys.path[:0] = [tools, str(Path(tools) / "gguf-py")]
    from conversion.base import TextModel  # type: ignore[import-not-found]

    find_known = TextModel.get_vocab_base_pre

    def find(self: Any, tokenizer: Any) -> Any:
        try:
            return find_known(self, tokenizer)
        except NotImplementedError:  # the converter's error for a pre-tokenizer that it does not know
            if pre_tokenizer:
                return pre_tokenizer
            sys.exit(UNKNOWN_TOKENIZER)

    TextModel.get_vocab_base_pre = find
    sys.argv = ["convert_hf_to_gguf.py", "--outtype", type_, "--outfile", file, model]
    runpy.run_path(str(Path(tools) / "convert_hf_to_gguf.py"), run_name="__main__")


if __name__ == "__main__":
    main()
