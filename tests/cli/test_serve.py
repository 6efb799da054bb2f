"""`seodang serve` before BentoML starts: the port, and a bento that another machine packaged."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path

import pytest

from seodang.cli.main import main
from seodang.errors import ArtifactError, ModelError
from seodang.io.jsonl import write_json
from seodang.packaging.bento import has_bento
from seodang.packaging.model_folder import compute_content_version, read_manifest
from seodang.paths import Paths
from seodang.registry.restore import make_packaged_servable


def test_a_port_in_use_is_refused_with_one_that_is_free(capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    message = capsys.readouterr().err
    assert f"port {port} cannot be used (another program uses it); choose another one: seodang serve --port " in message


def test_a_port_in_use_is_refused_for_ipv6_too(capsys):
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        other.listen()
        port = other.getsockname()[1]
        assert main(["serve", "--host", "::1", "--port", str(port)]) == 2
    assert f"port {port} cannot be used (another program uses it)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, "port 80 cannot be used (this user may not use ports below 1024); choose another one"),
        (errno.EADDRNOTAVAIL, "--host 127.0.0.1 is no address of this machine"),
        (errno.ENOBUFS, f"port 80 cannot be used ({os.strerror(errno.ENOBUFS)})"),
    ],
)
def test_an_address_that_the_system_refuses_is_one_line(number, message, capsys, monkeypatch):
    def refuse(_socket, _address):
        monkeypatch.undo()
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("socket.socket.bind", refuse)
    assert main(["serve", "--port", "80"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("host", ["nowhere.invalid", "127.0.0.256", "a..b"])
def test_a_host_that_is_no_address_is_refused(host, capsys, monkeypatch):
    monkeypatch.setenv("SEODANG_API_KEYS", "me:0123456789abcdef")
    assert main(["serve", "--host", host]) == 2
    error = capsys.readouterr().err
    assert f"--host {host} is no address" in error
    assert error.count("\n") == 1


def test_a_host_of_another_machine_is_refused(capsys, monkeypatch):
    monkeypatch.setenv("SEODANG_API_KEYS", "me:0123456789abcdef")
    assert main(["serve", "--host", "192.0.2.1"]) == 2
    assert "--host 192.0.2.1 is no address of this machine" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["70000", "99999", "0", "-1", "three"])
def test_a_port_that_does_not_exist_is_refused(port, capsys):
    assert main(["serve", "--port", port]) == 2
    assert "--port" in capsys.readouterr().err


@pytest.fixture
def pulled(tmp_path: Path, packaged_model: Path, bentoml_home: Path, copy_project) -> Paths:
    """Return a clone after `dvc pull`: the packaged model and its report, and empty BentoML stores."""
    from seodang.models.checkpoints import compute_weights_sha256

    paths = Paths(copy_project(tmp_path / "clone"))
    shutil.copytree(packaged_model, paths.merged_model)
    tag = f"tiny:{compute_content_version(packaged_model, read_manifest(packaged_model).fingerprint)}"
    report = {
        "model_tag": tag,
        "bento_tag": tag,
        "weights_sha256": compute_weights_sha256(packaged_model),
        "lineage": {"params": {"prompt": {"format": "koalpaca"}}},
    }
    write_json(paths.package_report, report)
    return paths


def test_a_clone_builds_the_bento_from_the_pulled_model_once(pulled, monkeypatch):
    tag = make_packaged_servable(pulled)
    assert has_bento(tag)
    monkeypatch.setattr("seodang.registry.restore.build_bento", None)
    assert make_packaged_servable(pulled) == tag


def test_a_bento_is_built_again_when_the_code_of_the_service_has_changed(pulled, bentoml_home):
    tag = make_packaged_servable(pulled)
    module = pulled.root / "src" / "seodang" / "service" / "app.py"
    module.write_text(f"{module.read_text('utf-8')}# changed\n", "utf-8")
    assert make_packaged_servable(pulled) == tag
    [stored] = bentoml_home.glob("bentos/tiny/*/src/seodang/service/app.py")
    assert stored.read_text("utf-8") == module.read_text("utf-8")


@pytest.mark.parametrize("name", ["model", "report.json"])
def test_a_clone_without_the_model_says_how_to_fetch_it(pulled, name):
    (pulled.artifacts / "package" / name).rename(pulled.root / name)
    with pytest.raises(ArtifactError, match="fetch it: dvc pull package"):
        make_packaged_servable(pulled)


def test_changed_weights_are_not_served(pulled):
    weights = pulled.merged_model / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="the weights in artifacts/package/model changed"):
        make_packaged_servable(pulled)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_another_address_than_loopback_needs_keys(host, capsys, monkeypatch):
    monkeypatch.delenv("SEODANG_API_KEYS", raising=False)
    assert main(["serve", "--host", host]) == 2
    assert "SEODANG_API_KEYS" in capsys.readouterr().err
