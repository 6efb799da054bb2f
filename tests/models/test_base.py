"""A base checkpoint from a folder or a package: checked, or one error message. Run: pytest tests/models/test_base.py"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from tests.constants import ARCHITECTURES
from transformers import AddedToken

from seodang.errors import ChecksumError, ModelError
from seodang.io.disk_full import check_space
from seodang.io.jsonl import write_json
from seodang.models.base import describe_origin
from seodang.models.checkpoints import compute_weights_sha256
from seodang.models.loading import load_model, load_tokenizer
from seodang.models.tokenization import encode_text
from seodang.models.tokenizer_files import find_tokenizer_file
from seodang.packaging.merge import merge
from seodang.packaging.model_folder import load_inference_model
from seodang.paths import Paths


@pytest.fixture
def project(tiny_model: Path, tmp_path: Path) -> Path:
    """A project with a model in the folder `mine`."""
    shutil.copytree(tiny_model, tmp_path / "mine")
    return tmp_path


def change(file: Path, **values: Any) -> None:
    content = {**json.loads(file.read_text("utf-8")), **values}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}), "utf-8")


# From a folder.


def test_a_checkpoint_is_copied_completely_and_reported_with_its_checksums(project, run_base_stage):
    report = run_base_stage(project, source="path", path="mine")
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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_without_position_embeddings_is_a_base(architecture, tmp_path, make_other_model, run_base_stage):
    make_other_model(tmp_path / "mine", architecture)
    assert run_base_stage(tmp_path, source="path", path="mine")["weights_sha256"] == compute_weights_sha256(
        tmp_path / "mine"
    )


def test_other_files_of_the_folder_are_not_copied(project, run_base_stage):
    for name in ("pytorch_model.bin", "modeling_own.py", "consolidated.safetensors", "trusted_code.json", "train.log"):
        (project / "mine" / name).write_text("{}")
    run_base_stage(project, source="path", path="mine")
    assert not {
        "pytorch_model.bin",
        "modeling_own.py",
        "consolidated.safetensors",
        "trusted_code.json",
        "train.log",
    } & {file.name for file in Paths(project).base.iterdir()}


def test_a_checkpoint_in_several_files_is_copied_and_its_pin_is_the_hash_of_the_sha256sum_output(
    project, run_base_stage, split_into_shards
):
    mine = split_into_shards(project / "mine")
    shards = sorted(mine.glob("model-*.safetensors"))
    checksums = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in shards)
    pin = hashlib.sha256(checksums.encode()).hexdigest()
    assert run_base_stage(project, source="path", path="mine", sha256=pin)["weights_sha256"] == pin
    ids = torch.tensor([[5, 9]])
    with torch.no_grad():
        torch.testing.assert_close(
            load_model(Paths(project).base, "fp32", "cpu")(input_ids=ids).logits,
            load_model(mine, "fp32", "cpu")(input_ids=ids).logits,
        )


def test_a_base_that_is_refused_leaves_the_one_before_in_place(project, run_base_stage):
    run_base_stage(project, source="path", path="mine")
    before = compute_weights_sha256(Paths(project).base)
    with pytest.raises(ChecksumError):
        run_base_stage(project, source="path", path="mine", sha256="0" * 64)
    assert compute_weights_sha256(Paths(project).base) == before


def remove_files(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def turn_into_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def split_and_remove_a_shard(folder: Path) -> None:
    load_model(folder, "fp32", "cpu").save_pretrained(folder, max_shard_size="60KB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    sorted(folder.glob("model-*.safetensors"))[1].unlink()


def truncate_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def save_bert(folder: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM

    BertForMaskedLM(
        BertConfig(vocab_size=400, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    ).save_pretrained(folder)


def save_t5(folder: Path) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    T5ForConditionalGeneration(
        T5Config(vocab_size=400, d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2)
    ).save_pretrained(folder)


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (shutil.rmtree, "model.path mine: there is no folder "),
    (turn_into_pickle, "has pickled weights only (pytorch_model.bin)"),
    (
        remove_files("model.safetensors"),
        "has no model.safetensors and no model.safetensors.index.json with its files (found: chat_template.jinja, config.json",
    ),
    (remove_files("config.json"), "has no config.json"),
    (remove_files("tokenizer.json"), "has no tokenizer: it needs tokenizer_config.json and tokenizer.json"),
    (remove_files("tokenizer_config.json"), "has no tokenizer: it needs"),
    (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be read: "),
    (
        lambda folder: change(folder / "config.json", model_type="nonsense"),
        "describes no model that transformers supports: The checkpoint you are trying to load has model type `nonsense`",
    ),
    (lambda folder: (folder / "config.json").write_text("[]"), "describes no model that transformers supports"),
    (lambda folder: (folder / "config.json").write_text('{"mo'), "config.json of model.path mine is not valid JSON"),
    (save_bert, "is BertForMaskedLM, which does not generate text from left to right"),
    (save_t5, "is T5ForConditionalGeneration, which does not generate"),
    (split_and_remove_a_shard, "lacks 1 of its"),
    (truncate_weights, "is damaged or incomplete"),
    (
        lambda folder: (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
        "is damaged or incomplete",
    ),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_a_folder_without_a_usable_model_is_one_error(project, damage, message, get_base_error):
    damage(project / "mine")
    assert message in get_base_error(project, source="path", path="mine")


def test_git_restores_a_bundled_model_but_no_folder_of_the_user(project, get_base_error):
    bundled = get_base_error(project, source="bundled", path="models/primer-base", sha256="0" * 64)
    assert bundled.endswith(
        f"there is no folder {project}/models/primer-base; restore it: git checkout models/primer-base"
    )
    own = get_base_error(project, source="path", path="gone")
    assert own.endswith(
        f"there is no folder {project}/gone; copy or mount the checkpoint there, or set model.path to its folder"
    )


def test_a_tokenizer_without_an_end_is_refused(project, get_base_error):
    change(project / "mine" / "tokenizer_config.json", eos_token=None, chat_template=None)
    (project / "mine" / "chat_template.jinja").unlink()
    assert "has no end token, so a tuned model would never stop; set eos_token" in get_base_error(
        project, source="path", path="mine"
    )


def test_an_end_that_the_model_does_not_know_is_refused(project, get_base_error):
    change(project / "mine" / "tokenizer_config.json", eos_token="<|another|>")
    assert "is '<|another|>', id 400, but the model has only ids below 400" in get_base_error(
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
            "can produce '훈장', id 401, but the model has 400 tokens, ids below 400 (ids above: 2); use the tokenizer",
        ),
        ({"names": ["<fill>"], "special": True, "pad_token": "<fill>"}, "can produce '<fill>', id 400"),
    ],
)
def test_a_tokenizer_with_tokens_that_the_model_does_not_know_is_refused(project, added, message, get_base_error):
    add_tokens(project / "mine", *added.pop("names"), **added)
    assert message in get_base_error(project, source="path", path="mine")


def test_a_marker_of_the_chat_template_that_the_model_does_not_know_is_refused(project, get_base_error):
    add_tokens(project / "mine", "<turn>", special=True)
    template = project / "mine" / "chat_template.jinja"
    template.write_text(template.read_text("utf-8").replace("<|user|>", "<turn>"), "utf-8")
    assert "can produce '<turn>', id 400" in get_base_error(project, source="path", path="mine")


def test_a_special_token_that_nothing_renders_may_lie_beyond_the_vocabulary(project, run_base_stage):
    add_tokens(project / "mine", "<image>", special=True)
    run_base_stage(project, source="path", path="mine")
    tokenizer = load_tokenizer(Paths(project).base)
    assert tokenizer.convert_tokens_to_ids("<image>") == 400
    assert max(encode_text(tokenizer, "a <image> b")) < 400


def test_other_weights_than_the_pinned_ones_are_refused_with_both_checksums(project, get_base_error):
    message = get_base_error(project, ChecksumError, source="path", path="mine", sha256="0" * 64)
    assert "0" * 64 in message
    assert compute_weights_sha256(project / "mine") in message


def test_a_disk_too_small_is_an_error_before_anything_is_copied(project, get_base_error):
    with (project / "mine" / "model.safetensors").open("r+b") as file:
        file.truncate(4 << 40)  # a sparse file, which takes no space
    message = get_base_error(project, source="path", path="mine")
    assert "copying tiny needs 4,398," in message
    assert "are free at" in message


def test_a_full_disk_is_reported_as_such_by_every_library(project, monkeypatch, get_base_error):
    def copy(*_: Any) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("seodang.models.base.copy_checkpoint", copy)
    message = get_base_error(project, source="path", path="mine")
    assert message.startswith("the disk became full while tiny was downloaded or written to ")
    assert "free some space and run the same command again" in message


def test_the_free_space_is_that_of_the_target_folder(tmp_path):
    check_space(tmp_path / "not" / "yet", 1, "a trifle")
    with pytest.raises(
        ModelError,
        match=r"a wonder needs 1,000,000,000,000,000,000 bytes \(1000000000\.0 GB\), but [\d,]+ bytes .* free at .*free some space",
    ):
        check_space(tmp_path / "not" / "yet", 10**18, "a wonder")


# From Python packages that carry a GGUF file.


def test_a_model_that_was_converted_before_comes_from_the_cache(project, run_base_stage, build_gguf_changes):
    converted = Paths(project).model_cache / ("ab" * 32)
    converted.parent.mkdir(parents=True)
    (project / "mine").rename(converted)
    assert run_base_stage(project, **build_gguf_changes("ab" * 32))["weights_sha256"] == compute_weights_sha256(
        converted
    )


def test_a_package_that_is_not_installed_is_named_with_the_command(
    project, monkeypatch, get_base_error, build_gguf_changes
):
    monkeypatch.delitem(sys.modules, "seodang_test_gguf", raising=False)  # another test may have imported it
    assert "the package seodang_test_gguf 1.0.0 is not installed; run: make gemma" in get_base_error(
        project, **build_gguf_changes("ab" * 32)
    )
    assert not Paths(project).model_cache.exists()


def test_a_package_with_another_model_than_the_pinned_one_is_refused(
    project, monkeypatch, get_base_error, build_gguf_changes
):
    (project / "packages").mkdir()
    (project / "packages" / "seodang_test_gguf.py").write_text(
        "def assemble(file):\n    file.write_bytes(b'another')\n    return file\n"
    )
    monkeypatch.syspath_prepend(str(project / "packages"))
    message = get_base_error(project, ChecksumError, **build_gguf_changes("ab" * 32))
    assert hashlib.sha256(b"another").hexdigest() in message
    assert "install version 1.0.0" in message
    assert not Paths(project).model_cache.exists()


# Custom code of a model.


OWN_MODEL = """
from transformers import Qwen3Config, Qwen3ForCausalLM


class OwnConfig(Qwen3Config):
    model_type = "seodang-test-own"


class OwnForCausalLM(Qwen3ForCausalLM):
    config_class = OwnConfig
    origin = "custom code"
"""


@pytest.fixture
def custom_code(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    mine = project / "mine"
    (mine / "modeling_own.py").write_text(OWN_MODEL)
    auto_map = {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}
    change(mine / "config.json", model_type="seodang-test-own", architectures=["OwnForCausalLM"], auto_map=auto_map)
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(project / "modules"))
    return project


def test_a_model_with_custom_code_is_refused_unless_it_is_trusted_by_name(custom_code, get_base_error):
    message = get_base_error(custom_code, source="path", path="mine")
    assert "needs custom Python code (modeling_own.OwnConfig" in message
    assert "set model.trust_remote_code to the value of model.hub or model.path" in message
    assert not (custom_code / "modules").exists()


def test_code_that_is_trusted_by_name_runs_and_is_in_the_report(custom_code, run_base_stage):
    report = run_base_stage(custom_code, source="path", path="mine", trust_remote_code="mine")
    assert report["trust_remote_code"] == "mine"
    assert "modeling_own.py" in report["files"]
    assert load_model(Paths(custom_code).base, "fp32", "cpu").origin == "custom code"


def test_only_trusted_code_is_copied_to_the_merged_model(custom_code, make_tiny_adapter, run_base_stage):
    paths = Paths(custom_code)
    run_base_stage(custom_code, source="path", path="mine", trust_remote_code="mine")
    make_tiny_adapter(paths.base, paths.adapter)
    merge(paths.base, paths.adapter, paths.merged_model)
    assert load_inference_model(paths.merged_model, "cpu").origin == "custom code"
    (paths.merged_model / "trusted_code.json").unlink()
    with pytest.raises(ModelError, match=r"the model in .* cannot be read"):
        load_inference_model(paths.merged_model, "cpu")


def test_code_that_was_changed_after_it_was_trusted_does_not_run(custom_code, run_base_stage):
    run_base_stage(custom_code, source="path", path="mine", trust_remote_code="mine")
    (Paths(custom_code).base / "modeling_own.py").write_text(OWN_MODEL + "raise SystemExit")
    with pytest.raises(ChecksumError, match=r"differs from the trusted code \(modeling_own.py\)"):
        load_model(Paths(custom_code).base, "fp32", "cpu")


def test_code_from_another_repository_is_never_trusted(custom_code, get_base_error):
    change(custom_code / "mine" / "config.json", auto_map={"AutoConfig": "someone/else--modeling_own.OwnConfig"})
    assert "would run code from another repository (config.json: someone/else--" in get_base_error(
        custom_code, source="path", path="mine", trust_remote_code="mine"
    )


def test_the_tokenizer_of_a_model_is_found_where_it_lies_and_nowhere_else(project, build_model_params):
    paths = Paths(project)
    assert find_tokenizer_file(build_model_params(source="path", path="mine"), paths) == project / "mine/tokenizer.json"
    assert find_tokenizer_file(build_model_params(source="path", path="absent"), paths) is None
    hub = build_model_params(source="hub", hub="owner/name", revision="0" * 40)
    assert find_tokenizer_file(hub, paths) is None
    paths.base.mkdir(parents=True)
    (paths.base / "tokenizer.json").touch()
    write_json(paths.base_report, describe_origin(hub))
    assert find_tokenizer_file(hub, paths) == paths.base / "tokenizer.json"
    other = build_model_params(source="hub", hub="owner/name", revision="1" * 40)
    assert find_tokenizer_file(other, paths) is None  # stage `base` made another model
