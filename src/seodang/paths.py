"""Define the path of every artifact. Each stage writes one folder; no other module builds these paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProjectPath:
    """Attribute of `Paths`: a path relative to the project folder, read as a complete path."""

    relative: str

    def __get__(self, paths: Paths, owner: type[Paths]) -> Path:
        """Return the path in the project of `paths`."""
        return paths.root / self.relative


@dataclass(frozen=True, slots=True)
class Paths:
    """Paths below the project folder."""

    root: Path

    params = ProjectPath("params.yaml")
    """Configuration of the pipeline."""
    dvc_yaml = ProjectPath("dvc.yaml")
    """The pipeline."""
    inputs_lock = ProjectPath("inputs.lock")
    """Checksums of inputs that DVC does not see; in git, beside dvc.lock."""
    profiles = ProjectPath("profiles")
    """The shipped profiles, one YAML file each."""
    tasks = ProjectPath("tasks")
    """Evaluation tasks, one YAML file each."""
    artifacts = ProjectPath("artifacts")
    """Output folders of all stages."""
    training = ProjectPath(".seodang/training")
    """Tokens and checkpoints of an unfinished training run; the next run resumes from them."""
    evaluation = ProjectPath(".seodang/evaluating")
    """Results of an unfinished evaluation; the next run resumes from them."""
    model_results = ProjectPath(".seodang/results")
    """Results of evaluated models, by checksum, which a later evaluation reuses; safe to delete."""
    model_cache = ProjectPath(".seodang/models")
    """Converted checkpoints, by checksum; safe to delete."""
    downloads = ProjectPath(".seodang/downloads")
    """Files downloaded from URLs and the hub, by checksum or version; safe to delete."""
    checksums = ProjectPath(".seodang/checksums")
    """Checksums of files that have not changed since they were computed; safe to delete."""
    timings = ProjectPath(".seodang/timings.jsonl")
    """Time and memory of each stage run; no stage reads it."""
    finished = ProjectPath(".seodang/finished")
    """Results of long stages that DVC has not stored yet; a later run restores them."""
    locks = ProjectPath(".seodang/locks")
    """Files that a running process locks, one per stage and one for `seodang run`; safe to delete when none runs."""
    champion = ProjectPath("registry/champion.json")
    """Version of the live model; in git, and a dependency of the stages that compare with it."""
    history = ProjectPath("registry/history.jsonl")
    """Promotions and rollbacks, one per line; in git."""
    ledger = ProjectPath("registry/ledger")
    """Judgements by set of test items; tracked by git."""
    champions = ProjectPath(".seodang/champions")
    """Champion weights fetched from DVC, by checksum; safe to delete."""
    router = ProjectPath(".seodang/router")
    """Configuration and socket of the router of a canary; safe to delete while it does not run."""
    release = ProjectPath(".seodang/release")
    """Journal, records and service logs of releases; safe to delete while none runs."""
    base = ProjectPath("artifacts/base/model")
    """Base checkpoint: safetensors and tokenizer."""
    base_report = ProjectPath("artifacts/base/report.json")
    """Origin and checksums of the base checkpoint."""
    records = ProjectPath("artifacts/ingest/records.jsonl")
    """Rows of all sources."""
    preference_rows = ProjectPath("artifacts/ingest/preferences.jsonl")
    """Rows of the preference sources; empty while align.method is none."""
    ingest_report = ProjectPath("artifacts/ingest/manifest.json")
    """Manifest of the sources: files, sha256, licence, rows read and written."""
    accepted_records = ProjectPath("artifacts/validate/accepted.jsonl")
    """Records that passed every check."""
    accepted_preferences = ProjectPath("artifacts/validate/preferences.jsonl")
    """Preference pairs and marked answers that passed every check; empty while align.method is none."""
    quarantine = ProjectPath("artifacts/validate/quarantine.jsonl")
    """Rejected rows with rule, found value and fix."""
    data_docs = ProjectPath("artifacts/validate/data_docs")
    """Great Expectations' pages; open index.html."""
    validate_report = ProjectPath("artifacts/validate/report.json")
    """Counts of validation."""
    data_profile = ProjectPath("artifacts/validate/profile.json")
    """Ratios of the last accepted run, the baseline for drift; DVC keeps the file from run to run."""
    prepare_report = ProjectPath("artifacts/prepare/report.json")
    """Counts of the splits."""
    duplicates = ProjectPath("artifacts/prepare/duplicates.jsonl")
    """Duplicate records, each with the record that was kept."""
    leaks = ProjectPath("artifacts/prepare/leaks.jsonl")
    """Contaminated training records, each with the evaluation item that it leaks."""
    preferences_train = ProjectPath("artifacts/prepare/preferences_train.jsonl")
    """Preference pairs and thumbs that stage align trains on; empty while align.method is none."""
    preferences_left_out = ProjectPath("artifacts/prepare/preferences_left_out.jsonl")
    """Preference records that are in neither file, each with the reason and the record that it repeats or leaks."""
    preferences_test = ProjectPath("artifacts/prepare/preferences_test.jsonl")
    """Held-out preference pairs and thumbs."""
    preflight_report = ProjectPath("artifacts/preflight/report.json")
    """Trained tasks with the items that judge them, and the rows of each source."""
    preflight_passed = ProjectPath("artifacts/preflight/passed.txt")
    """Present if training may start; its content never changes, so that training depends on nothing else of it."""
    data_card = ProjectPath("artifacts/report/data_card")
    """Data card; open index.html."""
    baselines = ProjectPath("artifacts/evaluate/baselines.jsonl")
    """Scores of the baselines that need no language model, one row per item."""
    adapter = ProjectPath("artifacts/train/adapter")
    """LoRA adapter."""
    aligned_adapter = ProjectPath("artifacts/align/adapter")
    """LoRA adapter after preference tuning; an empty folder while align.method is none."""
    align_report = ProjectPath("artifacts/align/report.json")
    """Results and cost of preference tuning."""
    align_live = ProjectPath("artifacts/align/live")
    """DVCLive folder of preference tuning: metrics.json and the curves."""
    alignment = ProjectPath(".seodang/aligning")
    """Checkpoints of an unfinished preference tuning; the next run resumes from them."""
    dvclive = ProjectPath("artifacts/train/live")
    """DVCLive folder: metrics.json and the curves."""
    train_report = ProjectPath("artifacts/train/report.json")
    """Results and cost of training."""
    training_page = ProjectPath("artifacts/report/training")
    """Training report; open index.html."""
    alignment_page = ProjectPath("artifacts/report/training/align.html")
    """Page of preference tuning; absent while align.method is none."""
    tracking = ProjectPath(".seodang/tracking")
    """Local MLflow, TensorBoard and W&B runs, used if the environment names no server; safe to delete."""
    scores = ProjectPath("artifacts/evaluate/scores.jsonl")
    """One line per variant and item."""
    items = ProjectPath("artifacts/evaluate/items.jsonl")
    """Evaluated items, one record each, with the default prompt template."""
    exams = ProjectPath("artifacts/evaluate/exams.jsonl")
    """Test items beside those that each champion was promoted on, one line per champion and item."""
    scores_table = ProjectPath("artifacts/evaluate/tasks.csv")
    """Scores per task and variant, for plots."""
    shots_table = ProjectPath("artifacts/evaluate/shots.csv")
    """Accuracy of base and tuned model by number of few-shot examples, for plots."""
    metrics = ProjectPath("artifacts/evaluate/metrics.json")
    """Primary metrics, for `dvc metrics`."""
    evaluate_report = ProjectPath("artifacts/evaluate/report.json")
    """Scores per variant, task and language, with prompts and shots."""
    verdict = ProjectPath("artifacts/gate/verdict.json")
    """Decision of the gate with its reasons."""
    gate_metrics = ProjectPath("artifacts/gate/metrics.json")
    """Primary numbers of the verdict, for `dvc metrics`."""
    evaluation_page = ProjectPath("artifacts/report/evaluation")
    """Evaluation report; open index.html."""
    merged_model = ProjectPath("artifacts/package/model")
    """Merged base and adapter: the served weights."""
    gguf_tools = ProjectPath(".seodang/gguf")
    """llama.cpp's converter and reader, which `make gguf` installs; safe to delete."""
    export = ProjectPath("artifacts/export")
    """Files of other formats, which `seodang export` writes."""
    package_report = ProjectPath("artifacts/package/report.json")
    """Model tag, bento tag, parity and lineage."""

    def list_candidates(self) -> dict[str, Path]:
        """Return the adapter of each candidate of a run: tuned, and aligned where stage `align` made one."""
        is_aligned = self.aligned_adapter.is_dir() and any(self.aligned_adapter.iterdir())
        return {"tuned": self.adapter, **({"aligned": self.aligned_adapter} if is_aligned else {})}

    def get_stage_folder(self, name: str) -> Path:
        """Return the folder of one stage."""
        return self.artifacts / name

    def get_split_path(self, name: str) -> Path:
        """Return the file of a split: train, validation, test or unseen."""
        return self.get_stage_folder("prepare") / f"{name}.jsonl"

    def get_study_folder(self, name: str) -> Path:
        """Return the folder of a study: its report, trained models and evaluation results."""
        return self.artifacts / "study" / name
