"""How lm-evaluation-harness and Seodang score the options of the same items, for benchmarks/evaluation.py."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from seodang.inference.choice_requests import ChoiceRequest

TOKENS_PER_BATCH = 4096  # evaluate.tokens_per_batch of the defaults
TRAIN_FILE, ITEMS_FILE = "train.jsonl", "items.jsonl"  # the few-shot examples and the items, in the scratch folder


@dataclass(frozen=True, slots=True)
class Task:
    """A task of KoBEST as the harness defines it (lm_eval/tasks/kobest)."""

    file: str  # first part of the names of its files
    columns: dict[str, str]  # names in the harness, and in the files
    label: str
    prompt: str
    options: tuple[str, str]

    def build_prompt(self, item: dict[str, Any]) -> str:
        """Return the prompt of an item."""
        return self.prompt.format(**item)


TASKS = {
    "sentineg": Task("SentiNeg", {"sentence": "Text"}, "Label", "문장: {sentence} 긍부정:", ("부정", "긍정")),
    "boolq": Task(
        "BoolQ",
        {"paragraph": "Text", "question": "Question"},
        "Answer",
        "{paragraph} 질문: {question} 답변: ",
        ("아니오", "예"),
    ),
}
_HARNESS_TASK = """\
include: {definition}
task: seodang_{task}
dataset_path: json
dataset_name: null
dataset_kwargs: {{data_files: {{train: {train}, validation: {items}, test: {items}}}}}
fewshot_split: train
fewshot_config: {{sampler: first_n}}
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """What both tools score."""

    task_name: str
    model: Path
    precision: str
    shots: int
    scratch: Path  # holds the items and the few-shot examples

    @property
    def task(self) -> Task:
        """The task."""
        return TASKS[self.task_name]

    def read_items(self) -> list[dict[str, Any]]:
        """Return the items."""
        return _read_rows(self.scratch / ITEMS_FILE)

    def read_few_shot_examples(self) -> list[dict[str, Any]]:
        """Return the few-shot examples."""
        return _read_rows(self.scratch / TRAIN_FILE)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a tool scored, and the time from texts to log-likelihoods."""

    texts: list[list[tuple[str, str]]]  # for each item and option: prompt and option
    likelihoods: list[list[float]]  # nats, for each item and option
    seconds: float
    cpu_seconds: float


class _Timer:
    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return the wall time and the CPU time since the start."""
        return time.perf_counter() - self._start[0], time.process_time() - self._start[1]


def _read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def score_with_seodang(job: ScoringJob) -> Scores:
    """Score with `score_choices`, as stage `evaluate` does, but with the texts and tokens of the harness."""
    from seodang.inference.loglikelihood import score_choices
    from seodang.models.device import keep_freed_memory
    from seodang.models.loading import load_model, load_tokenizer

    keep_freed_memory()
    task, tokenizer, items = job.task, load_tokenizer(job.model), job.read_items()
    model = load_model(job.model, "bf16" if job.precision == "bf16" else "fp32", "cpu")
    timer = _Timer()
    few_shot_text = "".join(
        f"{task.build_prompt(example)} {task.options[example['label']]}\n\n" for example in job.read_few_shot_examples()
    )
    prompts = [few_shot_text + task.build_prompt(item) for item in items]
    texts = [[(prompt, f" {option}") for option in task.options] for prompt in prompts]
    requests = [_build_request(tokenizer, str(index), options) for index, options in enumerate(texts)]
    likelihoods: list[list[float]] = [[] for _ in items]
    for batch in score_choices(model, requests, TOKENS_PER_BATCH):
        for index, scores in batch:
            likelihoods[index] = [score.nats for score in scores]
    return Scores(texts, likelihoods, *timer.read())


def _build_request(
    tokenizer: PreTrainedTokenizerBase, sample_id: str, options: Sequence[tuple[str, str]]
) -> ChoiceRequest:
    """Return a request with the tokens of the harness: blanks before an option belong to the option."""
    from seodang.inference.choice_requests import ChoiceRequest

    prompt = options[0][0]
    prompt_ids = tokenizer(prompt.rstrip(" "))["input_ids"]
    return ChoiceRequest(
        sample_id,
        prompt_ids,
        tuple((option, tokenizer(prompt + option)["input_ids"][len(prompt_ids) :]) for _, option in options),
    )


def score_with_harness(job: ScoringJob, batch_size: str) -> Scores:
    """Score with the harness's own evaluation of its own task; only its call of the model is timed.

    Args:
        job: What is scored.
        batch_size: A number, or "auto".
    """
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    model = HFLM(
        pretrained=str(job.model),
        dtype={"fp32": "float32", "bf16": "bfloat16"}[job.precision],
        device="cpu",
        batch_size=int(batch_size) if batch_size.isdecimal() else batch_size,
    )
    score, times = model.loglikelihood, []

    def score_with_timer(*arguments: Any, **options: Any) -> Any:
        timer = _Timer()
        result = score(*arguments, **options)
        times.append(timer.read())
        return result

    model.loglikelihood = score_with_timer
    results = lm_eval.simple_evaluate(
        model=model,
        tasks=[f"seodang_{job.task_name}"],
        num_fewshot=job.shots,
        task_manager=TaskManager(include_path=str(_write_harness_task(job)), include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
    )
    samples = sorted(results["samples"][f"seodang_{job.task_name}"], key=lambda sample: sample["doc_id"])
    texts = [[(prompt, option) for prompt, option in sample["arguments"]] for sample in samples]
    return Scores(texts, [[response[0][0] for response in sample["resps"]] for sample in samples], *times[0])


def _write_harness_task(job: ScoringJob) -> Path:
    """Write the harness's task with local files; return its folder."""
    import lm_eval

    folder = job.scratch / "tasks"
    folder.mkdir(exist_ok=True)
    text = _HARNESS_TASK.format(
        definition=Path(lm_eval.__file__).parent / "tasks" / "kobest" / f"kobest_{job.task_name}.yaml",
        task=job.task_name,
        train=job.scratch / TRAIN_FILE,
        items=job.scratch / ITEMS_FILE,
    )
    (folder / "task.yaml").write_text(text, "utf-8")
    return folder
