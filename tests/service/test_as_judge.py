"""The service as the judge of `seodang judge`, over a real socket."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.service.conftest import ScriptedEngine

from seodang.cli.main import main
from seodang.evaluation.judge import endpoint
from seodang.service.context import ServiceContext
from seodang.service.http.api_keys import ApiKeys
from seodang.service.web_app import create_app

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path, serve_app, monkeypatch, served):
    """Serves an engine over the tiny model and runs a command of the judge against it; returns the exit code."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key-of-the-judge")

    def run(engine, *arguments, max_tokens=20):
        context = served.model.context_length if engine is served.engine else 4096
        model = replace(
            served.model,
            context_length=context,
            manifest=served.model.manifest.model_copy(update={"max_new_tokens": 100}),
        )
        keys = ApiKeys({"SEODANG_API_KEYS": "judge:secret-key-of-the-judge"})
        with serve_app(create_app(ServiceContext(model, engine), keys=keys)) as port:
            options = ["--endpoint", f"http://127.0.0.1:{port}/v1", "--model", model.name]
            return main(
                ["judge", *arguments, *options, "--max-tokens", str(max_tokens), "--out", str(tmp_path / "out")]
            )

    return run


@pytest.fixture
def answers(tmp_path):
    files = []
    for name in ("candidate", "champion"):
        rows = [
            {"task": "qa", "item": str(n), "language": "ko", "prompt": f"질문 {n}", "answer": f"{name} 답 {n}"}
            for n in range(3)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        files += [f"--{name}", str(tmp_path / f"{name}.jsonl")]
    return files


def encode(served, text):
    return ScriptedEngine(served.model.encoder.encode_text(text), served.model.manifest.end_id)


def test_a_served_model_that_always_prefers_the_first_answer_is_found_out(served, run, answers, capsys, tmp_path):
    engine = encode(served, "[[A]]")
    assert run(engine, *answers) == 0
    output = capsys.readouterr().out
    assert len(engine.requests) == 6
    assert "won 0, tied 3, lost 0" in output
    assert "this judge does not compare" in output
    assert json.loads((tmp_path / "out" / "judge.json").read_text("utf-8"))["models"] == ["tiny:0123456789ab"]


def test_a_served_model_is_calibrated(served, run, tmp_path, capsys):
    rows = [
        {"id": n, "question": f"질문 {n}", "answer_a": "가", "answer_b": "나", "label": "AB"[n % 2]} for n in range(12)
    ]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert run(encode(served, "[[B]]"), "calibrate", "--labels", str(tmp_path / "labels.jsonl")) == 0
    report = json.loads((tmp_path / "out" / "calibration.json").read_text("utf-8"))
    assert report["agreement"]["kappa"]["value"] == 0
    assert report["position"]["second"] == 12
    assert "the verdict followed the position in 100 % of the pairs" in capsys.readouterr().out


def test_a_reply_that_ends_at_the_limit_is_truncated_and_gives_no_verdict(served, run, answers, capsys, tmp_path):
    assert run(encode(served, "[[A]] [[A]] [[A]]"), *answers, max_tokens=4) == 2
    assert "no reply of the judge ends with a verdict" in capsys.readouterr().err
    rows = [json.loads(line) for line in (tmp_path / "out" / "judged.jsonl").read_text("utf-8").splitlines()[1:]]
    assert len(rows) == 6
    assert all(row["truncated"] for row in rows)


def test_a_model_with_a_short_context_says_how_many_tokens_the_requests_have(served, run, answers, capsys):
    assert run(served.engine, *answers) == 2
    assert "the judge refuses the request (HTTP 400)" in (error := capsys.readouterr().err)
    assert "the model's context has only 128" in error


def test_a_full_queue_is_waited_for_as_the_service_asks(served, run, answers, monkeypatch, capsys):
    waits = []
    monkeypatch.setattr(endpoint, "time", SimpleNamespace(sleep=waits.append))
    engine = encode(served, "[[C]]")
    engine.is_full = True
    assert run(engine, *answers) == 75
    assert len(waits) == 4
    assert all(wait >= 1 for wait in waits)
    assert "attempts: 5" in capsys.readouterr().err
