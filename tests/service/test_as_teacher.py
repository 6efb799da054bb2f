"""The service as the teacher of `seodang generate`, over a real socket."""

import copy
import json
from dataclasses import replace

import pytest
import yaml
from tests.service.conftest import ScriptedEngine
from tests.synthesis.scripted_recipe import PARAMS, ScriptedRecipe

from seodang.cli.main import main
from seodang.config.recipe import GenerateParams
from seodang.service.context import ServiceContext
from seodang.service.http.api_keys import ApiKeys
from seodang.service.web_app import create_app
from seodang.synthesis import dispatcher
from seodang.synthesis.run import run_recipe

pytestmark = pytest.mark.slow

PROMPTS = ["서당은 무엇을 하던 곳인가요?", "서당에서는 무엇을 배웠나요?"]
KEY = "secret-key-of-the-teacher"


@pytest.fixture
def generate(tmp_path, serve_app, monkeypatch, served):
    """Serves an engine over the tiny model and asks it by the recipe `answer`; returns the exit code."""
    monkeypatch.setenv("TEACHER_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dispatcher, "_BACKOFF_SECONDS", 0.01)
    rows = "".join(json.dumps({"instruction": prompt}, ensure_ascii=False) + "\n" for prompt in PROMPTS)
    (tmp_path / "prompts.jsonl").write_text(rows, "utf-8")

    def generate(engine, *, context=4096, key=KEY, **recipe):
        model = replace(
            served.model,
            context_length=context,
            manifest=served.model.manifest.model_copy(update={"max_new_tokens": 100}),
        )
        keys = ApiKeys({"SEODANG_API_KEYS": f"teacher:{key}"})
        content = copy.deepcopy(PARAMS)
        content["recipe"] |= recipe
        with serve_app(create_app(ServiceContext(model, engine), keys=keys)) as port:
            content["teacher"] |= {"url": f"http://127.0.0.1:{port}/v1", "model": model.name, "key_env": "TEACHER_KEY"}
            (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content), "utf-8")
            return main(["generate", "recipe.yaml"])

    return generate


def script(served, text):
    return ScriptedEngine(served.model.encoder.encode_text(text), served.model.manifest.end_id)


def read_manifest(folder):
    return json.loads((folder / "generated" / "test" / "manifest.json").read_text("utf-8"))


def test_answers_of_the_service_become_records_with_their_usage(served, generate, tmp_path, capsys):
    engine = script(served, "서당은 마을 아이들이 글을 배우던 곳입니다.")
    assert generate(engine, max_tokens=100) == 0, capsys.readouterr().err
    manifest = read_manifest(tmp_path)
    assert manifest["calls"] == {"asked": 2, "kept": 2, "rejected": 0, "failed": 0, "not_asked": 0}
    assert manifest["unsupported_fields"] == []
    answer = len(engine.script)
    assert manifest["spent"]["completion_tokens"] in (2 * answer, 2 * (answer + 1))
    assert manifest["spent"]["prompt_tokens"] == sum(len(request.prompt) for request in engine.requests)
    (row, _other) = map(json.loads, (tmp_path / "generated/test/records.jsonl").read_text("utf-8").splitlines())
    assert row["output"] == "서당은 마을 아이들이 글을 배우던 곳입니다."


def test_the_tiny_model_itself_is_asked_and_each_of_its_replies_is_accounted_for(served, generate, tmp_path):
    assert generate(served.engine, context=served.model.context_length, max_tokens=8) in (
        0,
        2,
    )  # it knows no Korean yet
    calls = read_manifest(tmp_path)["calls"]
    assert calls["asked"] == calls["kept"] + calls["rejected"] + calls["failed"] == 2
    assert calls["failed"] == 0


def test_a_schema_gives_json_from_a_model_that_knows_none(served, serve_app, tmp_path):
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    recipe = ScriptedRecipe(calls=3, schema=schema)
    with serve_app(create_app(served, keys=ApiKeys({}))) as port:
        teacher = {"url": f"http://127.0.0.1:{port}/v1", "model": served.model.name}
        params = GenerateParams.model_validate({**PARAMS, "teacher": {**PARAMS["teacher"], **teacher}})
        state = run_recipe(recipe, params, tmp_path, "", lambda progress: None)
    assert state.refused_fields == frozenset()
    assert all(reply.text.lstrip().startswith("{") for reply in recipe.taken)


def test_a_full_queue_is_waited_for_and_the_run_ends_with_try_again(served, generate, capsys, monkeypatch):
    monkeypatch.setattr("seodang.synthesis.pace.Pace.pause", lambda self, seconds: None)
    engine = script(served, "네.")
    engine.is_full = True
    assert generate(engine) == 75
    assert "run the same command again" in capsys.readouterr().err


def test_a_wrong_key_ends_the_run_and_is_not_shown(served, generate, capsys):
    assert generate(script(served, "네."), key="another-key-of-the-teacher") == 2
    message = capsys.readouterr().err
    assert "HTTP 401" in message
    assert KEY not in message
