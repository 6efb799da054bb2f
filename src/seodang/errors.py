"""Define every error that a user can see. A message says what is wrong, where, and what to do.

SeodangError                 exit code 2: the input or the setup cannot be used
├── ParamsError              params.yaml or an overlay has errors
├── SourceError              a data source cannot be read or its format is unknown
│   └── SourceUnreachable    exit code 75: the source may answer later; a flow retries
├── DataRejected             the data violate a dataset-level expectation
├── SplitError               a split would be empty, or evaluation data leak into training
├── ChecksumError            a file does not match its pinned checksum
├── ModelError               a model or tokenizer cannot be loaded or used
│   ├── ChatTemplateError    the model's chat template cannot render a conversation as it is
│   └── DiskFull             exit code 73: the disk is too small or became full while a model was written
├── TrainingError            training ran but its result is unusable
│   ├── RewardModelRejected  the reward model is not shown to be better than chance, so GRPO does not start
│   └── TrainingKilled       exit code 75: a process was killed; the next run resumes, and a flow retries
├── PreflightError           the run could not end with a verdict about what it trains
├── LicenceRefused           licences forbid the declared use, or require another name of the model
├── EvaluationError          the models were evaluated on different items
│   └── JudgeUnreachable     exit code 75: the judge does not answer; the next run resumes
├── GateRejected             the verdict is not `promote`, so nothing is packaged
│   └── NotPromoted          exit code 3: the verdict is not `promote`, so nothing becomes champion
├── RegistryError            the registry refuses the operation; nothing has changed
├── ReleaseError             a new version cannot be put into service; the old one still answers
│   └── UnfitForService      exit code 3: a new version does not start or answer as it should
├── ParityError              merged weights answer differently from base + adapter
│   └── ExportRejected       exit code 3: an exported file answers too often otherwise than the service
├── ServiceUnreachable       exit code 75: the model service does not answer; try again later
├── TeacherError             a teacher refuses every call: wrong key, model or address, or no credit
│   └── TeacherUnreachable   exit code 75: the teacher does not answer; the next run resumes
├── WorkspaceError           git, a lock of DVC or a folder stops the run before it starts
└── ArtifactError            an artifact of an earlier stage is missing or damaged
"""

from __future__ import annotations

import os


class SeodangError(Exception):
    """Base of all errors with a message for the user."""

    exit_code = 2


class ParamsError(SeodangError):
    """params.yaml or an overlay has errors; the message lists all of them."""


class SourceError(SeodangError):
    """A data source cannot be read, or its format is unknown."""


class SourceUnreachable(SourceError):
    """A data source did not answer but may do so later (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class DataRejected(SeodangError):
    """The data violate a dataset-level expectation; training must not start."""


class SplitError(SeodangError):
    """A split would be empty, or evaluation data leak into training."""


class ChecksumError(SeodangError):
    """A file's sha256 differs from the pinned one."""


class ModelError(SeodangError):
    """A model or tokenizer cannot be loaded or used."""


class DiskFull(ModelError):
    """The disk is too small for a model, or became full while it was written (EX_CANTCREAT of sysexits.h)."""

    exit_code = 73


class ChatTemplateError(ModelError, ValueError):
    """The chat template of a model cannot render a conversation, or changes its text."""


class TrainingError(SeodangError):
    """Training ran but its result is unusable."""


class RewardModelRejected(TrainingError):
    """Held-out pairs do not show that the reward model is better than chance; GRPO does not start."""


class TrainingKilled(TrainingError):
    """A training process was killed; the next run resumes training (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class PreflightError(SeodangError):
    """The run could not end with a verdict about what it trains; training must not start."""


class LicenceRefused(SeodangError):
    """Licences forbid the use that package.intended_use declares, or require another name of the model."""


class EvaluationError(SeodangError):
    """Scores cannot be compared."""


class JudgeUnreachable(EvaluationError):
    """The LLM judge did not answer but may do so later (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class GateRejected(SeodangError):
    """The verdict is not `promote`; packaging refuses."""


class NotPromoted(GateRejected):
    """The verdict is not `promote`; the registry refuses."""

    exit_code = 3


class RegistryError(SeodangError):
    """The registry refuses an operation and stays unchanged."""


class ReleaseError(SeodangError):
    """A new version cannot be put into service; the old one still answers."""


class UnfitForService(ReleaseError):
    """A version does not start, fails its smoke test, or is another one than the registry says."""

    exit_code = 3

    def __init__(self, message: str, detail: str) -> None:
        """Keep what is wrong.

        Args:
            message: For the user.
            detail: English, because the registry stores it in git.
        """
        super().__init__(message)
        self.detail = detail


class ParityError(SeodangError):
    """The merged model answers differently from base plus adapter."""


class ExportRejected(ParityError):
    """An exported file answers too often otherwise than the service; nothing is exported."""

    exit_code = 3


class ServiceUnreachable(SeodangError):
    """A model service did not answer but may do so later (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class TeacherError(SeodangError):
    """A teacher refuses every call of `seodang generate`, or no reply of it can be kept."""


class TeacherUnreachable(TeacherError):
    """The teacher did not answer but may do so later (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class WorkspaceError(SeodangError):
    """The project's folder does not allow a run: no git, a damaged lock, folders of another user."""


class ArtifactError(SeodangError):
    """An artifact of an earlier stage is missing or damaged."""


def describe_error(error: Exception) -> str:
    """Return the name of an error without its message, which may hold a URL with a secret."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
