"""`seodang judge`: let a judge model behind an OpenAI-compatible endpoint compare the answers of two models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seodang.cli.terminal import print_lines
from seodang.errors import EvaluationError
from seodang.i18n import N_, _

if TYPE_CHECKING:
    from seodang.evaluation.judge.biases import PositionBias
    from seodang.evaluation.judge.comparison import JudgeSummary
    from seodang.evaluation.judge.endpoint import Endpoint

_ENDPOINT = typer.Option(metavar="URL", help=_("OpenAI-compatible endpoint, up to /v1."))
_MODEL = typer.Option(help=_("Name of the judge model at the endpoint."))
EndpointOption = Annotated[str, _ENDPOINT]
ModelOption = Annotated[str, _MODEL]
KeyOption = Annotated[
    str, typer.Option(metavar="NAME", help=_("Environment variable that holds the API key, if one is needed."))
]
TokensOption = Annotated[int, typer.Option(min=1, help=_("Maximum number of tokens of a reply."))]
TimeoutOption = Annotated[float, typer.Option(min=0.1, help=_("Seconds to wait for a reply."))]

FAILURE_LABELS = {
    "unreadable": N_("no [[A]], [[B]] or [[C]] at the end of a line"),
    "truncated": N_("ended at --max-tokens"),
    "rejected": N_("refused by the endpoint"),
}
"""Messages by the reason why a reply has no verdict."""
_SIGNIFICANCE = 0.05


def create_app() -> typer.Typer:
    """Return the command with its subcommands."""
    from seodang.cli.judge_answers import answer
    from seodang.cli.judge_calibration import calibrate
    from seodang.cli.judge_export import export

    app = typer.Typer(help=_("Let a judge model compare the answers of two models; write score files for gate."))
    app.callback(invoke_without_command=True)(judge)
    app.command(
        "calibrate", help=_("Measure the judge's agreement with human labels, and its biases (exit code 0, 2 or 75).")
    )(calibrate)
    app.command("answer", help=_("Let a model answer LogicKor or MT-Bench for the judge (exit code 0, 2 or 75)."))(
        answer
    )
    app.command(
        "export", help=_("Write the free answers of a model in the last evaluation for the judge (exit code 0 or 2).")
    )(export)
    return app


def judge(
    context: typer.Context,
    candidate: Annotated[
        Path | None, typer.Option(metavar="FILE", help=_("Answers of the model that may be promoted."))
    ] = None,
    champion: Annotated[
        Path | None, typer.Option(metavar="FILE", help=_("Answers of the model that is live now."))
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=_("Folder for every reply, candidate.jsonl, champion.jsonl and judge.json.")),
    ] = None,
    endpoint: Annotated[str | None, _ENDPOINT] = None,
    model: Annotated[str | None, _MODEL] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=_("calibration.json of this judge, which the gate shows beside the scores.")),
    ] = None,
    key_from: KeyOption = "OPENAI_API_KEY",
    max_tokens: TokensOption = 1024,
    timeout: TimeoutOption = 120.0,
) -> int:
    """Compare the answers, print the counts and the next command.

    Raises:
        SeodangError: If a file cannot be used, or the judge refuses (exit code 2) or does not answer (75).
    """
    if context.invoked_subcommand is not None:
        return 0
    from seodang.evaluation.judge.comparison import judge as run_judge
    from seodang.evaluation.judge.judge_report import read_calibration

    files = {"--candidate": candidate, "--champion": champion, "--out": out}
    require_options({**files, "--endpoint": endpoint, "--model": model})
    assert candidate is not None and champion is not None and out is not None  # noqa: PT018
    assert endpoint is not None and model is not None  # noqa: PT018
    connection = build_endpoint(endpoint, model, key_from, max_tokens, timeout)
    result = run_judge(candidate, champion, out, connection, read_calibration(calibration) if calibration else None)
    command = f"seodang gate --candidate {out / 'candidate.jsonl'} --champion {out / 'champion.jsonl'}"
    print_lines([*_list_lines(result), _("next: {command}", command=command)])
    return 0


def require_options(options: Mapping[str, object]) -> None:
    """Raise an error that names every option without a value; Typer cannot require options beside a subcommand.

    Raises:
        EvaluationError: If an option is missing.
    """
    if missing := [_("{name} is missing", name=name) for name, value in options.items() if value is None]:
        raise EvaluationError("\n".join(["; ".join(missing), _("Options: {command} --help", command="seodang judge")]))


def build_endpoint(url: str, model: str, key_from: str, max_tokens: int, timeout: float) -> Endpoint:
    """Return the judge of the options."""
    from seodang.evaluation.judge.endpoint import Endpoint

    api_key = os.environ.get(key_from, "")
    return Endpoint(base_url=url, model=model, api_key=api_key, max_tokens=max_tokens, timeout=timeout)


def _list_lines(result: JudgeSummary) -> list[str]:
    from seodang.evaluation.judge.judge_report import describe_calibration
    from seodang.evaluation.judge.length_control import describe_win_rate

    lines = [
        _(
            "items {items}: won {wins}, tied {ties}, lost {losses}",
            items=result.items, wins=result.wins, ties=result.ties, losses=result.losses,
        )
    ]  # fmt: skip
    if missing := result.items_without_verdict:
        lines.append(
            _("replies without a verdict: {count} ({items})", count=len(missing), items=", ".join(missing[:5]))
        )
        lines += [f"  {_(FAILURE_LABELS[reason])}: {count}" for reason, count in sorted(result.failures.items())]
    if result.report.win_rate:
        lines.append(str(describe_win_rate(result.report.win_rate)))
    lines += describe_position(result.position)
    lines.append(str(describe_calibration(result.report.model, result.report.calibration)))
    return lines


def describe_position(position: PositionBias) -> list[str]:
    """Return how often the verdict followed the position, with a warning for a preferred one."""
    from seodang.evaluation.judge.judge_report import format_share

    followed = position.first + position.second
    lines = [
        _(
            "the verdict followed the position in {share} of the pairs{interval}: {count} of {pairs} (first answer: {first}, "
            "second: {second})",
            count=followed,
            pairs=position.pairs,
            share=format_share(position.share.value),
            interval=_format_share_interval(position.share.low, position.share.high),
            first=position.first,
            second=position.second,
        )
    ]
    if followed and followed == position.pairs:
        lines.append(_("  this judge does not compare: every verdict follows the position"))
    elif position.p is not None and position.p < _SIGNIFICANCE:
        lines.append(_("  this judge prefers one position (p {p:.2g}); such pairs count as ties", p=position.p))
    return lines


def _format_share_interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{low * 100:.0f}, {high * 100:.0f}]"
