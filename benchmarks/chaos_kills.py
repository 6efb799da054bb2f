"""Kills for chaos.py: where they strike, and whom they end."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

import psutil
from chaos_processes import StageCost, StageWatch, list_descendants

Moment = Literal["at work", "while DVC saves"]
Victim = Literal["all processes", "the stage", "DVC"]
_SHARE_AT_WORK: Final = 0.6


@dataclass(frozen=True, slots=True)
class Kill:
    """A SIGKILL that is going to strike."""

    stage: str
    moment: Moment
    share: float
    """Of the CPU time that the undisturbed run spends at this moment, 0 to 1: a busy machine does not move it."""
    victim: Victim


def draw_kills(rng: random.Random, stages: Sequence[str], numbers: Sequence[int]) -> list[list[Kill]]:
    """Return the kills of each round, in the order of the stages; no stage comes twice before all came once.

    Args:
        rng: Source of all draws.
        stages: Of the pipeline, in order.
        numbers: Of kills in each round, at most that of the stages.
    """
    rounds: list[list[Kill]] = []
    deck: list[str] = []
    for number in numbers:
        drawn: list[str] = []
        while len(drawn) < number:
            if all(stage in drawn for stage in deck):
                deck += rng.sample(stages, len(stages))
            drawn.append(deck.pop(next(index for index, stage in enumerate(deck) if stage not in drawn)))
        rounds.append([_draw_kill(rng, stage) for stage in sorted(drawn, key=stages.index)])
    return rounds


def _draw_kill(rng: random.Random, stage: str) -> Kill:
    moment: Moment = "at work" if rng.random() < _SHARE_AT_WORK else "while DVC saves"
    victims: list[Victim] = ["all processes", "the stage", "DVC"]
    return Kill(stage, moment, rng.random(), rng.choice(victims if moment == "at work" else victims[::2]))


def is_due(kill: Kill, now: StageWatch, costs: Mapping[str, StageCost]) -> bool:
    """Return whether the moment of a kill has come, or has just passed.

    Args:
        kill: That waits for its moment.
        now: The run.
        costs: Of the stages in the undisturbed run.
    """
    if kill.stage not in now.costs:
        return False
    if now.stage != kill.stage:  # the next stage has begun
        return True
    if now.worker is not None:
        return kill.moment == "at work" and now.costs[kill.stage].work >= kill.share * costs[kill.stage].work
    if kill.moment == "at work" or now.dvc is None:
        return True
    return now.costs[kill.stage].saving >= kill.share * costs[kill.stage].saving


def strike(kill: Kill, root: psutil.Process, now: StageWatch) -> str:
    """Kill the victim; return the moment that was met, for people."""
    moment = _describe_moment(kill, now)
    if kill.victim == "all processes":
        victims = [root, *list_descendants(root)]
    else:
        victims = [process for process in (now.worker if kill.victim == "the stage" else now.dvc,) if process]
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    return moment


def _describe_moment(kill: Kill, now: StageWatch) -> str:
    if now.stage != kill.stage:
        return f"at the start of {now.stage}"
    if now.worker is not None:
        return f"at work, {kill.share:.0%}"
    if kill.moment == "at work":
        return "just after its work"
    return f"while DVC saves, {kill.share:.0%}" if now.dvc is not None else "just after DVC has saved"
