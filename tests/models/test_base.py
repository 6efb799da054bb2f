"""A base checkpoint from a folder: checked, or refused with one message. Run: pytest tests/models/test_base.py"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from base_cases import in_shards, refused, run
from safetensors import SafetensorError
from tiny_models import make_tiny_adapter, make_tiny_model
from transformers import AddedToken

from seodang.errors import ChecksumError, ModelError
from seodang.io.disk_full import check_space
from seodang.models.checkpoints import compute_weights_sha256
from seodang.models.loading import load_model, load_tokenizer
from seodang.models.tokenization import encode_text
from seodang.packaging.merge import merge
from seodang.packaging.model_folder import load_inference_model
from seodang.paths import Paths


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def project(tiny: Path, tmp_path: Path) -> Path:
    """A project with a model in the folder `mine`."""
    shutil.copytree(tiny, tmp_path / "mine")
    return tmp_path


def change(file: Path, **values: Any) -> None:
    content = {**json.loads(file.read_text("utf-8")), **values}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}), "utf-8")


# From a folder.


def test_a_checkpoint_is_copied_whole_and_reported_with_its_checksums(project):
    report = run(project, source="path", path="mine")
    base = Paths(project).base
    assert {file.name for file in base.iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    }
    assert (
        report["weights_sha256"]
        == report["files"]["model.safetensors"]
        == hashlib.sha256((project / "mine" / "model.safetensors").read_bytes()).hexdigest()
    )


def test_what_is_no_part_of_a_checkpoint_stays_where_it_is(project):
    for name in ("pytorch_model.bin", "modeling_own.py", "consolidated.safetensors", "trusted_code.json", "train.log"):
        (project / "mine" / name).write_text("{}")
    run(project, source="path", path="mine")
    assert not {
        "pytorch_model.bin",
        "modeling_own.py",
        "consolidated.safetensors",
        "trusted_code.json",
        "train.log",
    } & {file.name for file in Paths(project).base.iterdir()}


def test_a_checkpoint_in_several_files_is_taken_and_its_pin_is_what_sha256sum_prints_of_them(project):
    mine = in_shards(project / "mine")
    shards = sorted(mine.glob("model-*.safetensors"))
    printed = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in shards)
    pin = hashlib.sha256(printed.encode()).hexdigest()
    assert run(project, source="path", path="mine", sha256=pin)["weights_sha256"] == pin
    ids = torch.tensor([[5, 9]])
    with torch.no_grad():
        torch.testing.assert_close(
            load_model(Paths(project).base, "fp32", "cpu")(input_ids=ids).logits,
            load_model(mine, "fp32", "cpu")(input_ids=ids).logits,
        )


def test_a_base_that_is_refused_leaves_the_one_before_in_place(project):
    run(project, source="path", path="mine")
    before = compute_weights_sha256(Paths(project).base)
    with pytest.raises(ChecksumError):
        run(project, source="path", path="mine", sha256="0" * 64)
    assert compute_weights_sha256(Paths(project).base) == before


def without(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def lacking_a_shard(folder: Path) -> None:
    sorted(in_shards(folder).glob("model-*.safetensors"))[1].unlink()


def cut_short(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def bert(folder: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM

    BertForMaskedLM(
        BertConfig(vocab_size=400, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    ).save_pretrained(folder)


def encoder_and_decoder(folder: Path) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    T5ForConditionalGeneration(
        T5Config(vocab_size=400, d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2)
    ).save_pretrained(folder)


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (shutil.rmtree, "model.path mine is no folder at"),
    (pickled, "has its weights as pickles only (pytorch_model.bin)"),
    (
        without("model.safetensors"),
        "has no model.safetensors and no model.safetensors.index.json with its files (found: chat_template.jinja, config.json",
    ),
    (without("config.json"), "has no config.json"),
    (without("tokenizer.json"), "has no tokenizer: it needs tokenizer_config.json and tokenizer.json"),
    (without("tokenizer_config.json"), "has no tokenizer: it needs"),
    (lambda folder: (folder / "tokenizer.json").write_text("{"), "has no tokenizer that can be read"),
    (
        lambda folder: change(folder / "config.json", model_type="nonsense"),
        "describes no model that transformers knows: The checkpoint you are trying to load has model type `nonsense`",
    ),
    (lambda folder: (folder / "config.json").write_text("[]"), "describes no model that transformers knows"),
    (lambda folder: (folder / "config.json").write_text('{"mo'), "config.json of model.path mine is no JSON"),
    (bert, "is BertForMaskedLM, which does not write text from left to right"),
    (encoder_and_decoder, "is T5ForConditionalGeneration, which does not write"),
    (lacking_a_shard, "lacks 1 of its"),
    (cut_short, "is damaged or cut short"),
    (
        lambda folder: (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
        "is damaged or cut short",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), FAULTS)
def test_a_folder_that_is_no_usable_model_is_told_in_one_message(project, spoil, message):
    spoil(project / "mine")
    assert message in refused(project, source="path", path="mine")


def test_git_brings_back_a_bundled_model_and_no_folder_of_one_s_own(project):
    bundled = refused(project, source="bundled", path="models/primer-base", sha256="0" * 64)
    assert bundled.endswith(
        f"is no folder at {project}/models/primer-base; restore it: git checkout models/primer-base"
    )
    own = refused(project, source="path", path="gone")
    assert own.endswith(
        f"is no folder at {project}/gone; copy or mount the checkpoint there, or set model.path to the folder where it lies"
    )


def test_a_tokenizer_without_an_end_is_refused(project):
    change(project / "mine" / "tokenizer_config.json", eos_token=None, chat_template=None)
    (project / "mine" / "chat_template.jinja").unlink()
    assert "has no end token, so a tuned model would never stop; set eos_token" in refused(
        project, source="path", path="mine"
    )


def test_an_end_that_the_model_does_not_know_is_refused(project):
    change(project / "mine" / "tokenizer_config.json", eos_token="<|another|>")
    assert "ends with '<|another|>', id 400, but the model knows ids below 400" in refused(
        project, source="path", path="mine"
    )


def add_tokens(folder: Path, *names: str, special: bool = False, **settings: Any) -> None:
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens([AddedToken(name, special=special) for name in names], special_tokens=special)
    tokenizer.save_pretrained(folder)
    change(folder / "tokenizer_config.json", **settings)


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (
            {"names": ["서당", "훈장"]},
            "can write '훈장', id 401, but the model knows 400 tokens, ids below 400 (2 are beyond); take the tokenizer that the weights belong to",
        ),
        ({"names": ["<fill>"], "special": True, "pad_token": "<fill>"}, "can write '<fill>', id 400"),
    ],
)
def test_a_tokenizer_with_tokens_that_the_model_does_not_know_is_refused(project, added, message):
    add_tokens(project / "mine", *added.pop("names"), **added)
    assert message in refused(project, source="path", path="mine")


def test_a_mark_of_the_chat_template_that_the_model_does_not_know_is_refused(project):
    add_tokens(project / "mine", "<turn>", special=True)
    template = project / "mine" / "chat_template.jinja"
    template.write_text(template.read_text("utf-8").replace("<|user|>", "<turn>"), "utf-8")
    assert "can write '<turn>', id 400" in refused(project, source="path", path="mine")


def test_a_special_token_that_nothing_writes_may_lie_beyond_the_vocabulary(project):
    add_tokens(project / "mine", "<image>", special=True)
    run(project, source="path", path="mine")
    tokenizer = load_tokenizer(Paths(project).base)
    assert tokenizer.convert_tokens_to_ids("<image>") == 400
    assert max(encode_text(tokenizer, "a <image> b")) < 400


def test_other_weights_than_the_pinned_ones_are_refused_with_both_checksums(project):
    message = refused(project, ChecksumError, source="path", path="mine", sha256="0" * 64)
    assert "0" * 64 in message
    assert compute_weights_sha256(project / "mine") in message


def test_a_disk_too_small_is_told_before_anything_is_copied(project):
    with (project / "mine" / "model.safetensors").open("r+b") as file:
        file.truncate(4 << 40)  # a file with a hole: it takes no room here
    message = refused(project, source="path", path="mine")
    assert "copying tiny needs 4,398," in message
    assert "are free at" in message


def test_a_disk_that_becomes_full_is_told_as_such_by_whichever_library_meets_it(project, monkeypatch):
    def copied(*_: Any) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("seodang.models.base.copy_checkpoint", copied)
    message = refused(project, source="path", path="mine")
    assert message.startswith("the disk became full while tiny was fetched or written to ")
    assert "make room and run the same command again" in message


def test_room_is_asked_for_where_the_folder_will_lie(tmp_path):
    check_space(tmp_path / "not" / "yet", 1, "a trifle")
    with pytest.raises(
        ModelError,
        match=r"a wonder needs 1,000,000,000,000,000,000 bytes \(1000000000\.0 GB\), but [\d,]+ bytes .* free at .*make room",
    ):
        check_space(tmp_path / "not" / "yet", 10**18, "a wonder")


# From Python packages that carry a GGUF file.


def gguf(sha256: str) -> dict[str, Any]:
    return {
        "source": "gguf-package",
        "gguf": {
            "package": "seodang_test_gguf",
            "version": "1.0.0",
            "file": "tiny.gguf",
            "sha256": sha256,
            "licence": "Apache-2.0",
        },
    }


def test_a_model_that_was_converted_before_is_taken_from_the_cache(project):
    converted = Paths(project).model_cache / ("ab" * 32)
    converted.parent.mkdir(parents=True)
    (project / "mine").rename(converted)
    assert run(project, **gguf("ab" * 32))["weights_sha256"] == compute_weights_sha256(converted)


def test_a_package_that_is_not_installed_is_named_with_the_command(project):
    assert "the package seodang_test_gguf 1.0.0 is not installed; run: make gemma" in refused(
        project, **gguf("ab" * 32)
    )
    assert not Paths(project).model_cache.exists()


def test_a_package_with_another_model_than_the_pinned_one_is_refused(project, monkeypatch):
    (project / "packages").mkdir()
    (project / "packages" / "seodang_test_gguf.py").write_text(
        "def assemble(file):\n    file.write_bytes(b'another')\n    return file\n"
    )
    monkeypatch.syspath_prepend(str(project / "packages"))
    message = refused(project, ChecksumError, **gguf("ab" * 32))
    assert hashlib.sha256(b"another").hexdigest() in message
    assert "install version 1.0.0" in message
    assert not Paths(project).model_cache.exists()


# Code that a model brings.


OWN_MODEL = """
from transformers import Qwen3Config, Qwen3ForCausalLM


class OwnConfig(Qwen3Config):
    model_type = "seodang-test-own"


class OwnForCausalLM(Qwen3ForCausalLM):
    config_class = OwnConfig
    speaks = "code of its own"
"""


@pytest.fixture
def own_code(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    mine = project / "mine"
    (mine / "modeling_own.py").write_text(OWN_MODEL)
    auto_map = {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}
    change(mine / "config.json", model_type="seodang-test-own", architectures=["OwnForCausalLM"], auto_map=auto_map)
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(project / "modules"))
    return project


def test_a_model_with_code_of_its_own_is_refused_unless_it_is_trusted_by_name(own_code):
    message = refused(own_code, source="path", path="mine")
    assert "needs Python code of its own (modeling_own.OwnConfig" in message
    assert "set model.trust_remote_code to the value of model.hub or model.path" in message
    assert not (own_code / "modules").exists()


def test_code_that_is_trusted_by_name_runs_and_is_in_the_report(own_code):
    report = run(own_code, source="path", path="mine", trust_remote_code="mine")
    assert report["trust_remote_code"] == "mine"
    assert "modeling_own.py" in report["files"]
    assert load_model(Paths(own_code).base, "fp32", "cpu").speaks == "code of its own"


def test_trusted_code_goes_with_the_merged_model_and_nothing_else_does(own_code):
    paths = Paths(own_code)
    run(own_code, source="path", path="mine", trust_remote_code="mine")
    make_tiny_adapter(paths.base, paths.adapter)
    merge(paths.base, paths.adapter, paths.merged_model)
    assert load_inference_model(paths.merged_model, "cpu").speaks == "code of its own"
    (paths.merged_model / "trusted_code.json").unlink()
    with pytest.raises(ModelError, match="no model that can be read"):
        load_inference_model(paths.merged_model, "cpu")


def test_code_that_was_changed_after_it_was_trusted_does_not_run(own_code):
    run(own_code, source="path", path="mine", trust_remote_code="mine")
    (Paths(own_code).base / "modeling_own.py").write_text(OWN_MODEL + "raise SystemExit")
    with pytest.raises(ChecksumError, match=r"not the one that was trusted \(modeling_own.py\)"):
        load_model(Paths(own_code).base, "fp32", "cpu")


def test_code_from_a_third_place_is_never_trusted(own_code):
    change(own_code / "mine" / "config.json", auto_map={"AutoConfig": "someone/else--modeling_own.OwnConfig"})
    assert "would run code from another place (config.json: someone/else--" in refused(
        own_code, source="path", path="mine", trust_remote_code="mine"
    )
