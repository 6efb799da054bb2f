"""The part of `seodang plan` about the tokenizer: what Korean and English text costs, for one model or several."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seodang.cli.plan_format import format_row
from seodang.cli.terminal import print_lines, print_table
from seodang.errors import ModelError
from seodang.i18n import _, ngettext

if TYPE_CHECKING:
    from seodang.config import Params
    from seodang.paths import Paths
    from seodang.training.planning.tokenizer_cost import Corpus, TokenizerCost


def load_corpus(params: Params, paths: Paths) -> Corpus:
    """Return the texts whose tokens are counted: of the training records, else the bundled ones."""
    from seodang.training.planning.sampling import read_sample
    from seodang.training.planning.tokenizer_cost import build_corpus

    split = paths.get_split_path("train")
    return build_corpus(read_sample(split, params.train.seed) if split.exists() else [])


def measure_folder(folder: Path, corpus: Corpus) -> TokenizerCost:
    """Return what the corpus costs with the tokenizer of a folder.

    Raises:
        ModelError: If the tokenizer cannot be loaded.
    """
    from seodang.models.loading import load_tokenizer
    from seodang.training.planning.tokenizer_cost import measure_tokenizer
    from seodang.training.planning.tokenizer_folders import read_context_length

    return measure_tokenizer(load_tokenizer(folder), corpus, read_context_length(folder))


def format_cost(cost: TokenizerCost, corpus: Corpus) -> list[str]:
    """Return the lines of a plan about its tokenizer."""
    per_eojeol = _(
        "{tokens:.2f} per eojeol; {source}", tokens=cost.tokens_per_eojeol, source=_name_source(corpus, "ko")
    )
    same = _("the same text in Korean and in English: {ratio:.2f} to 1", ratio=cost.korean_to_english)
    lines = format_row(_("tokens per syllable"), f"{cost.tokens_per_syllable:.2f}", per_eojeol, same)
    lines += format_row(_("tokens per English word"), f"{cost.tokens_per_word:.2f}", _name_source(corpus, "en"))
    context = (
        []
        if cost.context_syllables is None
        else [
            _(
                "context {context:,}, in Hangul syllables about {syllables:,}",
                context=cost.context,
                syllables=cost.context_syllables,
            )
        ]
    )
    if cost.tokens_per_record is None:
        return lines + [line for note in context for line in format_row("", "", note)]
    return lines + format_row(
        _("tokens per record"), f"{cost.tokens_per_record:.0f}", _("without the prompt format"), *context
    )


def _name_source(corpus: Corpus, language: str) -> str:
    texts = corpus.korean if language == "ko" else corpus.english
    if texts.is_bundled:
        return _("of a bundled text, as the records have too few words")
    return _("of the training records")


def serialize_cost(cost: TokenizerCost | None, corpus: Corpus) -> dict[str, Any]:
    """Return the part of the JSON object; {"tokenizer": null} if the tokenizer is not on this machine."""
    if cost is None:
        return {"tokenizer": None}
    return {
        "tokenizer": {
            **{name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(cost).items()},
            "context_syllables": cost.context_syllables,
            "korean_text": "bundled" if corpus.korean.is_bundled else "records",
            "english_text": "bundled" if corpus.english.is_bundled else "records",
            "records": len(corpus.records),
        }
    }


def compare_tokenizers(names: list[str], params: Params, paths: Paths) -> tuple[Corpus, dict[str, TokenizerCost | str]]:
    """Return the corpus and, by name, the cost with each tokenizer, or why it is not known.

    Args:
        names: Profiles, overlays, or folders with a tokenizer.
        params: Of the project, whose training records are counted.
        paths: The project.
    """
    corpus = load_corpus(params, paths)
    costs: dict[str, TokenizerCost | str] = {}
    for name in dict.fromkeys(names):
        try:
            costs[name] = measure_folder(_find_folder(name, paths), corpus)
        except ModelError as error:
            costs[name] = str(error)
    return corpus, costs


def _find_folder(name: str, paths: Paths) -> Path:
    from seodang.config.profiles import load_profile
    from seodang.models.loading import has_tokenizer
    from seodang.training.planning.tokenizer_folders import find_tokenizer_folder

    if Path(name).is_dir():
        if not has_tokenizer(Path(name)):
            raise ModelError(_("{folder} has no tokenizer", folder=name))
        return Path(name)
    return find_tokenizer_folder(load_profile(name, paths.profiles).model, paths)


def print_comparison(corpus: Corpus, costs: dict[str, TokenizerCost | str]) -> None:
    """Print a line for each tokenizer; the last column compares with the first one."""
    known = {name: cost for name, cost in costs.items() if not isinstance(cost, str)}
    headings = ["", _("vocabulary"), _("syllable"), _("eojeol"), _("English word"), "ko : en", _("context")]
    headings.append(_("record") if corpus.records else _("cost"))
    first = next(iter(known.values()), None)
    rows = [
        [
            _shorten(name),
            f"{cost.vocabulary:,}",
            f"{cost.tokens_per_syllable:.2f}",
            f"{cost.tokens_per_eojeol:.2f}",
            f"{cost.tokens_per_word:.2f}",
            f"{cost.korean_to_english:.2f}",
            "-" if cost.context_syllables is None else f"{cost.context_syllables:,}",
            _format_relative_cost(cost, first),
        ]
        for name, cost in known.items()
    ]
    if rows:
        print_table(headings, rows, right=range(1, len(headings)), title=_("tokens per syllable, eojeol, word, record"))
    notes = [
        _("ko : en: tokens of the same text in both languages; context: Hangul syllables that fit into it"),
        _("Korean: {source}", source=_name_source(corpus, "ko")),
        _("English: {source}", source=_name_source(corpus, "en")),
    ]
    if corpus.records:
        notes.append(
            ngettext("record: mean of {count:,} record", "record: mean of {count:,} records", len(corpus.records))
        )
    print_lines([*notes, *(f"{name}: {problem}" for name, problem in costs.items() if isinstance(problem, str))])


def _format_relative_cost(cost: TokenizerCost, first: TokenizerCost | None) -> str:
    """Return the tokens of a record and their ratio to the first tokenizer; of a syllable without records."""
    if first is None:
        return ""
    if cost.tokens_per_record is None or first.tokens_per_record is None:
        return f"x{cost.tokens_per_syllable / first.tokens_per_syllable:.2f}"
    return f"{cost.tokens_per_record:.0f} (x{cost.tokens_per_record / first.tokens_per_record:.2f})"


def _shorten(name: str) -> str:
    """Return the end of a long path."""
    return name if len(name) <= 22 else f"..{name[-20:]}"
