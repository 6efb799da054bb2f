"""Where every artefact lies. One stage writes one folder; nobody else spells a path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """All places, below the project's folder."""

    root: Path

    @property
    def params(self) -> Path:
        """The configuration."""
        return self.root / "params.yaml"

    @property
    def tasks(self) -> Path:
        """The evaluation tasks, a YAML file each."""
        return self.root / "tasks"

    @property
    def artifacts(self) -> Path:
        """Everything that the stages write."""
        return self.root / "artifacts"

    def get_stage_folder(self, name: str) -> Path:
        """Return the folder of one stage."""
        return self.artifacts / name

    @property
    def training(self) -> Path:
        """Where a run of training keeps its tokens and checkpoints until it is done, so that a killed one goes on."""
        return self.root / ".seodang" / "training"

    @property
    def evaluation(self) -> Path:
        """Where a run of evaluation keeps its results until it is done, so that a killed one goes on."""
        return self.root / ".seodang" / "evaluating"

    @property
    def model_cache(self) -> Path:
        """Converted checkpoints, by checksum; safe to delete."""
        return self.root / ".seodang" / "models"

    @property
    def downloads(self) -> Path:
        """Files fetched from URLs and the hub, by checksum or version; safe to delete."""
        return self.root / ".seodang" / "downloads"

    @property
    def timings(self) -> Path:
        """What each stage cost when it ran; only for people to read."""
        return self.root / ".seodang" / "timings.jsonl"

    @property
    def champion(self) -> Path:
        """Which version is live; in git, and a dependency of what compares with it."""
        return self.root / "registry" / "champion.json"

    @property
    def history(self) -> Path:
        """Every promotion and rollback, one a line; in git."""
        return self.root / "registry" / "history.jsonl"

    @property
    def champions(self) -> Path:
        """Weights of champions fetched from DVC, by checksum; safe to delete."""
        return self.root / ".seodang" / "champions"

    @property
    def base(self) -> Path:
        """The base checkpoint: safetensors and tokenizer."""
        return self.get_stage_folder("base") / "model"

    @property
    def base_report(self) -> Path:
        """Where the base came from, with checksums."""
        return self.get_stage_folder("base") / "report.json"

    @property
    def records(self) -> Path:
        """All records of all sources."""
        return self.get_stage_folder("ingest") / "records.jsonl"

    @property
    def ingest_report(self) -> Path:
        """The manifest: source, sha256, licence, rows in and out."""
        return self.get_stage_folder("ingest") / "manifest.json"

    @property
    def accepted_records(self) -> Path:
        """The records that passed every check."""
        return self.get_stage_folder("validate") / "accepted.jsonl"

    @property
    def quarantine(self) -> Path:
        """The rejected rows with rule, found value and fix."""
        return self.get_stage_folder("validate") / "quarantine.jsonl"

    @property
    def data_docs(self) -> Path:
        """Great Expectations' pages; open index.html."""
        return self.get_stage_folder("validate") / "data_docs"

    @property
    def validate_report(self) -> Path:
        """Counts of the validation."""
        return self.get_stage_folder("validate") / "report.json"

    @property
    def data_profile(self) -> Path:
        """Shares of the last accepted run, by which the next one tells its drift; DVC keeps it from run to run."""
        return self.get_stage_folder("validate") / "profile.json"

    def get_split_path(self, name: str) -> Path:
        """Return the file of a split: train, validation, test or unseen."""
        return self.get_stage_folder("prepare") / f"{name}.jsonl"

    @property
    def prepare_report(self) -> Path:
        """Counts of the splits."""
        return self.get_stage_folder("prepare") / "report.json"

    @property
    def duplicates(self) -> Path:
        """The records that repeat another one, with the one that was kept."""
        return self.get_stage_folder("prepare") / "duplicates.jsonl"

    @property
    def leaks(self) -> Path:
        """The training records that give an evaluation item away, pair by pair."""
        return self.get_stage_folder("prepare") / "leaks.jsonl"

    @property
    def data_card(self) -> Path:
        """The data card; open index.html."""
        return self.get_stage_folder("report") / "data_card"

    @property
    def adapter(self) -> Path:
        """The LoRA adapter."""
        return self.get_stage_folder("train") / "adapter"

    @property
    def dvclive(self) -> Path:
        """Dvclive's folder: metrics.json and the curves."""
        return self.get_stage_folder("train") / "live"

    @property
    def train_report(self) -> Path:
        """What training did and what it cost."""
        return self.get_stage_folder("train") / "report.json"

    @property
    def training_page(self) -> Path:
        """The training report; open index.html."""
        return self.get_stage_folder("report") / "training"

    @property
    def tracking(self) -> Path:
        """Runs of MLflow, TensorBoard and W&B where the environment names no address; safe to delete."""
        return self.root / ".seodang" / "tracking"

    @property
    def scores(self) -> Path:
        """One line per arm and item."""
        return self.get_stage_folder("evaluate") / "scores.jsonl"

    @property
    def items(self) -> Path:
        """What was asked, a record each, in the usual wording."""
        return self.get_stage_folder("evaluate") / "items.jsonl"

    @property
    def scores_table(self) -> Path:
        """Scores per task and arm, for plots."""
        return self.get_stage_folder("evaluate") / "tasks.csv"

    @property
    def shots_table(self) -> Path:
        """The base's accuracy over the number of exemplars beside the tuned model's, for plots."""
        return self.get_stage_folder("evaluate") / "shots.csv"

    @property
    def metrics(self) -> Path:
        """The headline numbers, for `dvc metrics`."""
        return self.get_stage_folder("evaluate") / "metrics.json"

    @property
    def evaluate_report(self) -> Path:
        """Scores per arm, task and language, with prompts and shots."""
        return self.get_stage_folder("evaluate") / "report.json"

    @property
    def verdict(self) -> Path:
        """The gate's decision with its reasons."""
        return self.get_stage_folder("gate") / "verdict.json"

    def get_study_folder(self, name: str) -> Path:
        """Return the folder of a study: its report, and what it trained and asked for it."""
        return self.root / "artifacts" / "study" / name

    @property
    def gate_metrics(self) -> Path:
        """The verdict's headline numbers, for `dvc metrics`."""
        return self.get_stage_folder("gate") / "metrics.json"

    @property
    def evaluation_page(self) -> Path:
        """The evaluation report; open index.html."""
        return self.get_stage_folder("report") / "evaluation"

    @property
    def merged_model(self) -> Path:
        """Base and adapter merged: the served weights."""
        return self.get_stage_folder("package") / "model"

    @property
    def package_report(self) -> Path:
        """Model tag, bento tag, parity and lineage."""
        return self.get_stage_folder("package") / "report.json"
