"""Korean scores from the answers of tiny models to the verdict of `seodang gate`."""

import json
from statistics import mean

import pytest
from tests.constants import KOREAN

from seodang.cli.main import main
from seodang.config import EvaluateParams
from seodang.evaluation.korean.quality import KOREAN_METRICS
from seodang.evaluation.requests import Variant
from seodang.evaluation.result_log import ResultLog
from seodang.evaluation.results import Results
from seodang.evaluation.runner import run_requests
from seodang.evaluation.task_files import load_task_samples
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.models.loading import load_model, load_tokenizer

TASK = f"""
kind: generate
language: ko
cluster: chat
data: {{file: chat.tsv, few_shot_file: null, id: null, group: "{{{{number}}}}", columns: {{}}, where: null}}
prompts: {{bare: "{KOREAN[0]}"}}
input: "{{{{text}}}}"
answer: ""
options: {{}}
delimiter: " "
separator: "\\n"
normalise: none
max_new_tokens: 8
generations: 30
until: []
metrics: [{", ".join(KOREAN_METRICS)}]
extra: []
limit:
stratified: false
"""
ITEMS = 30
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def answers(tmp_path_factory, tiny_model, packaged_model):
    """Scores of the untrained tiny model (champion) and of the trained one (candidate), as dictionaries by metric."""
    folder = tmp_path_factory.mktemp("korean")
    (folder / "tasks").mkdir()
    (folder / "data").mkdir()
    (folder / "tasks" / "chat.yaml").write_text(TASK, "utf-8")
    rows = "".join(f"{number}\t{KOREAN[1]} {number}\n" for number in range(ITEMS))
    (folder / "data" / "chat.tsv").write_text(f"number\ttext\n{rows}", "utf-8")
    settings = EvaluateParams(
        seed=1, items_per_task=ITEMS, shots=[0], base_formats=["koalpaca"], tokens_per_batch=1024, max_new_tokens=8,
        calibrate_base=False, skipped_items={}, frequency_penalty=0.0,
        generations_per_task=ITEMS, generations_per_free_text_task=ITEMS, tasks=["chat"],
        data_folder="data",
    )  # fmt: skip
    tasks = load_task_samples(settings, folder / "tasks", folder, {"train": [], "test": [], "unseen": []})

    def run(model, name):
        encoder = PromptEncoder(load_tokenizer(model), "koalpaca")
        variant = Variant(name, "koalpaca", 0, "tuned")
        with ResultLog(folder / f"{name}.jsonl", name) as log:
            results = Results(log)
            return list(
                run_requests(load_model(model, "fp32", "cpu"), encoder, variant, tasks, settings, results, lambda: None)
            )

    return {"champion": run(tiny_model, "champion"), "candidate": run(packaged_model, "candidate")}


@pytest.fixture
def files(tmp_path, answers):
    arguments = []
    for name, scores in answers.items():
        rows = [
            {"task": score.task, "item": score.item, "metric": metric, "language": "ko", "score": value}
            for score in scores
            for metric, value in score.extra_metrics.items()
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        arguments += [f"--{name}", str(tmp_path / f"{name}.jsonl")]
    return arguments


def test_every_item_of_both_models_has_every_score(answers):
    for scores in answers.values():
        assert [set(score.extra_metrics) for score in scores] == [set(KOREAN_METRICS)] * ITEMS
        for score in scores:
            assert score.answer.strip() or set(score.extra_metrics.values()) == {0.0}


@pytest.mark.parametrize("metric", ["hangul_share", "particle_accuracy"])
def test_a_threshold_on_a_korean_score_decides_the_verdict(tmp_path, files, answers, capsys, metric):
    candidate, champion = (
        mean(score.extra_metrics[metric] for score in answers[name]) for name in ("candidate", "champion")
    )
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        f"rules:\n  - {{metric: {metric}}}\nthresholds:\n  - {{metric: {metric}, minimum: 0.5}}\n", "utf-8"
    )
    swapped = ["--candidate", files[1], "--champion", files[3]]
    verdicts = {}
    for name, arguments in (("trained", files), ("untrained", swapped)):
        main(["gate", *arguments, "--rules", str(rules), "--json"])
        found = json.loads(capsys.readouterr().out)
        assert found["metrics"][metric]["n"] == ITEMS
        assert abs(found["metrics"][metric]["difference"]) == pytest.approx(candidate - champion, abs=1e-4)
        thresholds = [reason["passed"] for reason in found["reasons"] if "minimum 0.5" in reason["en"]]
        verdicts[name] = (found["verdict"], thresholds)
    assert verdicts == {"trained": ("promote", [True]), "untrained": ("reject", [False])}
