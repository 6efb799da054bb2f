"""Every error that a user can meet. The message says what is wrong, where, and what to do.

SeodangError                 exit code 2: the input or the set-up cannot be used
├── ParamsError              params.yaml or an overlay has faults
├── SourceError              a data source cannot be read or recognised
│   └── SourceUnreachable    exit code 75: it may answer later; a flow tries again
├── DataRejected             the data broke a data-set-level expectation
├── SplitError               a split would be empty, or evaluation data leaks into training
├── ChecksumError            a file is not the one that was pinned
├── ModelError               a model or tokenizer cannot be loaded or used
├── TrainingError            training ran but its result is unusable
│   └── TrainingKilled       exit code 75: a process was killed; run again, it goes on, and a flow does so itself
├── EvaluationError          the models were not asked the same items
│   └── JudgeUnreachable     exit code 75: the judge does not answer; run again, it goes on
├── GateRejected             the verdict is not `promote`, so nothing is packaged
│   └── NotPromoted          exit code 3: the verdict is not `promote`, so nothing becomes champion
├── RegistryError            the registry of versions cannot do what is asked; nothing has changed
├── ParityError              merged weights answer differently from base + adapter
└── ArtefactError            something an earlier stage writes is missing or damaged
"""

from __future__ import annotations

import os


class SeodangError(Exception):
    """Base of all errors with a message meant for the user."""

    exit_code = 2


class ParamsError(SeodangError):
    """params.yaml or an overlay has faults; the message lists all of them."""


class SourceError(SeodangError):
    """A data source cannot be read, or its format cannot be recognised."""


class SourceUnreachable(SourceError):
    """A data source did not answer, and may do so later (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class DataRejected(SeodangError):
    """The data broke a data-set-level expectation; training must not start."""


class SplitError(SeodangError):
    """A split would be empty, or evaluation data leaks into training."""


class ChecksumError(SeodangError):
    """A file's sha256 is not the pinned one."""


class ModelError(SeodangError):
    """A model or tokenizer cannot be loaded or used."""


class TrainingError(SeodangError):
    """Training ran but left nothing usable."""


class TrainingKilled(TrainingError):
    """One of the processes that train together was killed; started again, training goes on (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class EvaluationError(SeodangError):
    """Scores cannot be compared."""


class JudgeUnreachable(EvaluationError):
    """The judge of free answers did not answer, and may do so later (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class GateRejected(SeodangError):
    """The verdict is not `promote`; packaging refuses."""


class NotPromoted(GateRejected):
    """The verdict is not `promote`; the registry refuses."""

    exit_code = 3


class RegistryError(SeodangError):
    """The registry cannot do what is asked, and is as it was before."""


class ParityError(SeodangError):
    """The merged model answers differently from base plus adapter."""


class ArtefactError(SeodangError):
    """Something that an earlier stage writes is missing or damaged."""


def describe_error(error: Exception) -> str:
    """Return what an error is called, without its own words: they may hold an address with a secret."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
