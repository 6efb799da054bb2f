"""POST /generate, /batch, /choose and GET /lineage. Run: pytest tests/service/test_native_routes.py"""

from __future__ import annotations

import math
import unicodedata

import pytest
from tests.constants import ENGLISH, KOREAN
from tests.service.test_errors import check_error

from seodang.inference.choice_requests import ChoiceRequest
from seodang.inference.loglikelihood import score_choices


@pytest.mark.parametrize(("instruction", "input", "output"), [KOREAN, ENGLISH])
def test_it_answers_as_it_was_tuned(client, instruction, input, output):
    body = client.post("/generate", json={"instruction": instruction, "input": input}).json()
    rest = {"usage": body["usage"], "id": body["id"], "model": "tiny:0123456789ab"}
    assert body == {"output": output, "finish_reason": "stop", **rest}
    assert set(body["usage"]) == {"prompt_tokens", "completion_tokens"}


def test_a_stream_has_the_answer_in_parts_and_then_the_rest(client, read_events):
    request = {"instruction": KOREAN[0], "input": KOREAN[1]}
    *parts, last, end = read_events(client.post("/generate", json={**request, "stream": True}).text)
    complete = client.post("/generate", json=request).json()
    assert "".join(part["output"] for part in parts) == complete.pop("output")
    assert last.pop("id") != complete.pop("id")
    assert (last, end) == (complete, "[DONE]")


def test_a_batch_has_the_answers_in_order(client):
    records = [
        {"instruction": ENGLISH[0]},
        {"instruction": KOREAN[0], "input": unicodedata.normalize("NFD", KOREAN[1])},
    ]
    body = client.post("/batch", json={"records": records * 20}).json()
    assert [answer["output"] for answer in body["answers"]] == [ENGLISH[2], KOREAN[2]] * 20
    for count in (0, 129):
        check_error(client.post("/batch", json={"records": records[:1] * count}), 400, "records")
    check_error(client.post("/batch", json={"records": [{"instruction": ""}]}), 400, "records.0.instruction")


def test_the_choice_is_that_of_evaluation(client, served):
    options = ["긍정", "부정", "neither"]
    body = client.post("/choose", json={"instruction": KOREAN[0], "input": KOREAN[1], "options": options}).json()
    encoder = served.model.encoder
    request = ChoiceRequest(
        "a",
        served.model.encode_request(*KOREAN[:2]),
        tuple((text, encoder.encode_answer(text)) for text in options),
    )
    ((_, likelihoods),) = next(iter(score_choices(served.engine._model, [request], 4096)))
    nats = [likelihood.nats for likelihood in likelihoods]
    assert body["option"] == options[nats.index(max(nats))] == "부정"
    assert list(body["log_likelihoods"].values()) == pytest.approx(nats, abs=1e-4)
    total = sum(map(math.exp, nats))
    assert list(body["probabilities"].values()) == pytest.approx([math.exp(value) / total for value in nats], abs=1e-4)
    assert sum(body["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize("options", [["a"], [], ["a", "a"], ["a", " "], "ab", ["가" * 200, "b"], ["a"] * 65])
def test_options_that_cannot_be_distinguished_are_400(client, options):
    response = client.post("/choose", json={"instruction": "가", "options": options})
    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith("options")


def test_the_lineage_has_the_bento_the_model_and_the_manifest(client, served):
    response = client.get("/lineage")
    assert "서당 primer" in response.text
    assert response.json() == {
        "bento": "tiny:bento",
        "model": "tiny:0123456789ab",
        "prompt": {"format": "koalpaca"},
        "fingerprint": served.model.manifest.fingerprint,
        **served.model.manifest.lineage,
    }
