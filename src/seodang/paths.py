"""Define the path of every artefact. Each stage writes one folder; no other module builds these paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """Paths below the project folder."""

    root: Path

    @property
    def params(self) -> Path:
        """Configuration of the pipeline."""
        return self.root / "params.yaml"

    @property
    def dvc_yaml(self) -> Path:
        """The pipeline."""
        return self.root / "dvc.yaml"

    @property
    def inputs_lock(self) -> Path:
        """Checksums of inputs that DVC does not see; in git, beside dvc.lock."""
        return self.root / "inputs.lock"

    @property
    def profiles(self) -> Path:
        """The shipped profiles, one YAML file each."""
        return self.root / "profiles"

    @property
    def tasks(self) -> Path:
        """Evaluation tasks, one YAML file each."""
        return self.root / "tasks"

    @property
    def artifacts(self) -> Path:
        """Output folders of all stages."""
        return self.root / "artifacts"

    def get_stage_folder(self, name: str) -> Path:
        """Return the folder of one stage."""
        return self.artifacts / name

    @property
    def training(self) -> Path:
        """Tokens and checkpoints of an unfinished training run; the next run resumes from them."""
        return self.root / ".seodang" / "training"

    @property
    def evaluation(self) -> Path:
        """Results of an unfinished evaluation; the next run resumes from them."""
        return self.root / ".seodang" / "evaluating"

    @property
    def model_cache(self) -> Path:
        """Converted checkpoints, by checksum; safe to delete."""
        return self.root / ".seodang" / "models"

    @property
    def downloads(self) -> Path:
        """Files downloaded from URLs and the hub, by checksum or version; safe to delete."""
        return self.root / ".seodang" / "downloads"

    @property
    def checksums(self) -> Path:
        """Checksums of files that have not changed since they were computed; safe to delete."""
        return self.root / ".seodang" / "checksums"

    @property
    def timings(self) -> Path:
        """Time and memory of each stage run; no stage reads it."""
        return self.root / ".seodang" / "timings.jsonl"

    @property
    def champion(self) -> Path:
        """Version of the live model; in git, and a dependency of the stages that compare with it."""
        return self.root / "registry" / "champion.json"

    @property
    def history(self) -> Path:
        """Promotions and rollbacks, one per line; in git."""
        return self.root / "registry" / "history.jsonl"

    @property
    def ledger(self) -> Path:
        """Judgements by set of test items; tracked by git."""
        return self.root / "registry" / "ledger"

    @property
    def champions(self) -> Path:
        """Champion weights fetched from DVC, by checksum; safe to delete."""
        return self.root / ".seodang" / "champions"

    @property
    def base(self) -> Path:
        """Base checkpoint: safetensors and tokenizer."""
        return self.get_stage_folder("base") / "model"

    @property
    def base_report(self) -> Path:
        """Origin and checksums of the base checkpoint."""
        return self.get_stage_folder("base") / "report.json"

    @property
    def records(self) -> Path:
        """Rows of all sources."""
        return self.get_stage_folder("ingest") / "records.jsonl"

    @property
    def ingest_report(self) -> Path:
        """Manifest of the sources: files, sha256, licence, rows read and written."""
        return self.get_stage_folder("ingest") / "manifest.json"

    @property
    def accepted_records(self) -> Path:
        """Records that passed every check."""
        return self.get_stage_folder("validate") / "accepted.jsonl"

    @property
    def quarantine(self) -> Path:
        """Rejected rows with rule, found value and fix."""
        return self.get_stage_folder("validate") / "quarantine.jsonl"

    @property
    def data_docs(self) -> Path:
        """Great Expectations' pages; open index.html."""
        return self.get_stage_folder("validate") / "data_docs"

    @property
    def validate_report(self) -> Path:
        """Counts of validation."""
        return self.get_stage_folder("validate") / "report.json"

    @property
    def data_profile(self) -> Path:
        """Ratios of the last accepted run, the baseline for drift; DVC keeps the file from run to run."""
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
        """Duplicate records, each with the record that was kept."""
        return self.get_stage_folder("prepare") / "duplicates.jsonl"

    @property
    def leaks(self) -> Path:
        """Contaminated training records, each with the evaluation item that it leaks."""
        return self.get_stage_folder("prepare") / "leaks.jsonl"

    @property
    def preflight_report(self) -> Path:
        """Trained tasks with the items that judge them, and the rows of each source."""
        return self.artifacts / "preflight" / "report.json"

    @property
    def preflight_passed(self) -> Path:
        """Present if training may start; its content never changes, so that training depends on nothing else of it."""
        return self.artifacts / "preflight" / "passed.txt"

    @property
    def data_card(self) -> Path:
        """Data card; open index.html."""
        return self.get_stage_folder("report") / "data_card"

    @property
    def baselines(self) -> Path:
        """Scores of the baselines that need no language model, one row per item."""
        return self.get_stage_folder("evaluate") / "baselines.jsonl"

    @property
    def adapter(self) -> Path:
        """LoRA adapter."""
        return self.get_stage_folder("train") / "adapter"

    @property
    def dvclive(self) -> Path:
        """DVCLive folder: metrics.json and the curves."""
        return self.get_stage_folder("train") / "live"

    @property
    def train_report(self) -> Path:
        """Results and cost of training."""
        return self.get_stage_folder("train") / "report.json"

    @property
    def training_page(self) -> Path:
        """Training report; open index.html."""
        return self.get_stage_folder("report") / "training"

    @property
    def tracking(self) -> Path:
        """Local MLflow, TensorBoard and W&B runs, used if the environment names no server; safe to delete."""
        return self.root / ".seodang" / "tracking"

    @property
    def scores(self) -> Path:
        """One line per variant and item."""
        return self.get_stage_folder("evaluate") / "scores.jsonl"

    @property
    def items(self) -> Path:
        """Evaluated items, one record each, with the default prompt template."""
        return self.get_stage_folder("evaluate") / "items.jsonl"

    @property
    def scores_table(self) -> Path:
        """Scores per task and variant, for plots."""
        return self.get_stage_folder("evaluate") / "tasks.csv"

    @property
    def shots_table(self) -> Path:
        """Accuracy of base and tuned model by number of few-shot examples, for plots."""
        return self.get_stage_folder("evaluate") / "shots.csv"

    @property
    def metrics(self) -> Path:
        """Primary metrics, for `dvc metrics`."""
        return self.get_stage_folder("evaluate") / "metrics.json"

    @property
    def evaluate_report(self) -> Path:
        """Scores per variant, task and language, with prompts and shots."""
        return self.get_stage_folder("evaluate") / "report.json"

    @property
    def verdict(self) -> Path:
        """Decision of the gate with its reasons."""
        return self.get_stage_folder("gate") / "verdict.json"

    def get_study_folder(self, name: str) -> Path:
        """Return the folder of a study: its report, trained models and evaluation results."""
        return self.root / "artifacts" / "study" / name

    @property
    def gate_metrics(self) -> Path:
        """Primary numbers of the verdict, for `dvc metrics`."""
        return self.get_stage_folder("gate") / "metrics.json"

    @property
    def evaluation_page(self) -> Path:
        """Evaluation report; open index.html."""
        return self.get_stage_folder("report") / "evaluation"

    @property
    def merged_model(self) -> Path:
        """Merged base and adapter: the served weights."""
        return self.get_stage_folder("package") / "model"

    @property
    def package_report(self) -> Path:
        """Model tag, bento tag, parity and lineage."""
        return self.get_stage_folder("package") / "report.json"
