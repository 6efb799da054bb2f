"""Releases and rollbacks of a real registry, with services without a model. Run: pytest -m slow tests/release"""

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.constants import ROOT

from seodang.cli import canary
from seodang.cli.main import main
from seodang.paths import Paths
from seodang.registry import promotion
from seodang.registry.champion import read_champion
from seodang.registry.history import read_history
from seodang.release import release as release_module
from seodang.release.journal import create_journal, list_records, read_journal, write_journal
from seodang.release.request import read_packaged_tag
from seodang.release.router import Router
from seodang.release.services import list_services, stop_service
from seodang.release.traffic import start_router, stop_all
from seodang.release.versions import RunningService

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent
STEPS = ["promote:ends", "build:ends", "start:started", "start:ends", "smoke:ends", "verify:ends", "record:ends"]
PATIENCE = 300  # seconds


@pytest.fixture(scope="module")
def released(tmp_path_factory, make_repository, run_pipeline, commit_all) -> Path:
    """A repository whose champion is v0.1.0, and in which a better model is packaged."""
    paths = make_repository(tmp_path_factory.mktemp("release") / "project")
    write_params(paths)
    run_pipeline(paths, "one")
    promotion.promote(paths, "처음", None)
    run_pipeline(paths, "two", accuracy=0.97)
    return paths.root


def write_params(paths: Paths, *faults: str) -> None:
    """Write parameters whose services have no model."""
    command = f"{sys.executable} {FOLDER / 'stub_service.py'} {{port}} {{tag}} {' '.join(faults)}"
    release = {"serve_command": command, "start_seconds": PATIENCE, "stop_seconds": 30}
    content = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    paths.params.write_text(yaml.safe_dump({**content, "release": release}, allow_unicode=True), "utf-8")


@pytest.fixture
def paths(released, tmp_path, monkeypatch):
    """A copy of the repository; restoring a bento is left out, because tests/registry/test_rollback.py tests it."""
    paths = Paths(Path(shutil.copytree(released, tmp_path / "project", symlinks=True)))
    monkeypatch.chdir(paths.root)
    for module in (promotion, release_module):
        monkeypatch.setattr(module, "make_servable", lambda champion, _paths: champion.bento_tag)
    yield paths
    stop_all(paths, 10)


def build_command(paths: Paths, stop_at: str, port: int, *words: str) -> list[str]:
    return [sys.executable, str(FOLDER / "release_process.py"), str(paths.root), stop_at, str(port), *words]


def run(paths: Paths, port: int, *steps: str) -> list[str]:
    """Release once per step, and kill it there; return the signal or exit code of each process."""
    command = build_command(paths, ",".join(steps), port)
    done = subprocess.run(command, cwd=paths.root, capture_output=True, text=True, timeout=PATIENCE, check=False)
    ends = [line.removeprefix("process ended by ") for line in done.stdout.splitlines() if line.startswith("process")]
    assert len(ends) == len(steps), done.stdout + done.stderr
    return ends


def ask(port: int) -> str:
    return RunningService(port).ask_version()


def get_tags(paths: Paths) -> dict[str, str]:
    return {event.version: event.model_tag for event in read_history(paths.history)}


def test_a_release_killed_after_any_step_is_finished_by_the_same_command(paths, find_free_port):
    port = find_free_port()
    assert main(["rollback", "--to", "v0.1.0", "--message", "start", "--port", str(port)]) == 0
    ends = [*(f"9 at {step}" for step in STEPS), "0 at never"]
    assert run(paths, port, *STEPS, "never") == ends
    tags = get_tags(paths)
    assert read_champion(paths.champion).version == "v0.2.0"
    assert ask(port) == tags["v0.2.0"] != tags["v0.1.0"]
    assert [(each.port, each.tag) for each in list_services(paths)] == [(port, tags["v0.2.0"])]
    assert [event.version for event in read_history(paths.history)] == ["v0.1.0", "v0.2.0"]
    assert [row["version"] for row in list_records(paths)] == ["v0.1.0", "v0.2.0"]


def test_a_second_release_waits_and_names_the_first(paths, find_free_port):
    port = find_free_port()
    first = subprocess.Popen(
        build_command(paths, "smoke:pause", port), cwd=paths.root, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    wait_for_line(first, "smoke begins")
    second = subprocess.Popen(build_command(paths, "never", port), cwd=paths.root, stdout=subprocess.PIPE, text=True)
    assert wait_for_line(second, "waits for").startswith(f"waits for {first.pid} ")
    assert read_journal(paths).outcome is None
    (paths.release / "continue").touch()
    assert [process.wait(PATIENCE) for process in (first, second)] == [0, 0]
    assert [row["version"] for row in list_records(paths)] == ["v0.2.0"]
    assert [event.version for event in read_history(paths.history)] == ["v0.1.0", "v0.2.0"]


def wait_for_line(process: subprocess.Popen[str], start: str) -> str:
    """Return the first line of a process that begins so; the end of its output fails the test."""
    assert process.stdout is not None
    return next(line for line in process.stdout if line.startswith(start))


def test_a_version_that_fails_its_smoke_test_is_rolled_back_also_by_a_release_that_is_killed(
    paths, find_free_port, commit_all
):
    port = find_free_port()
    assert main(["rollback", "--to", "v0.1.0", "--message", "start", "--port", str(port)]) == 0
    old = ask(port)
    write_params(paths, f"{read_packaged_tag(paths)}=no_text")
    commit_all(paths, "Change the command of the service")  # no stage of the test's pipeline reads params.yaml
    assert run(paths, port, "registry:ends", "never") == ["9 at registry:ends", "0 at never"]
    assert ask(port) == old
    last, reason = read_history(paths.history)[-1], "release: the smoke test failed: POST /generate: no text"
    assert (last.action, last.version, last.previous, last.message) == ("rollback", "v0.1.0", "v0.2.0", reason)
    assert [(row["outcome"], row["reason"]) for row in list_records(paths)][-1] == ("rolled_back", reason)


def test_a_first_version_that_fails_its_smoke_test_does_not_stay_in_service(
    paths, tmp_path, find_free_port, make_repository, run_pipeline, commit_all, monkeypatch
):
    first = make_repository(tmp_path / "first")
    run_pipeline(first, "one")
    write_params(first, f"{read_packaged_tag(first)}=no_text")
    commit_all(first, "Change the command of the service")
    monkeypatch.chdir(first.root)
    port = find_free_port()
    assert main(["release", "--port", str(port)]) == 3
    assert list_services(first) == []
    write_params(first)
    commit_all(first, "Mend the command of the service")
    try:
        assert main(["release", "--port", str(port)]) == 0
        assert ask(port) == read_packaged_tag(first)
    finally:
        stop_all(first, 10)


def test_a_canary_is_released_and_rolled_back_once_without_a_failed_request(
    paths, find_free_port, send_requests, monkeypatch, capsys
):
    if shutil.which("haproxy") is None:
        pytest.skip("no HAProxy is installed: apt-get install haproxy")
    port, watched = find_free_port(), []
    assert main(["rollback", "--to", "v0.1.0", "--message", "start", "--port", str(find_free_port())]) == 0
    (old,) = list_services(paths)

    def watch(*arguments, event):
        watched.append((*arguments, event))
        Router(paths.router).set_share(1.0)
        return "kept"

    monkeypatch.setattr(canary, "watch_services", watch)
    start_router(paths, port, old.port)
    words = ["rollback", "--to", "v0.1.0", "--worse", "v0.2.0", "--message", "canary: worse"]
    with send_requests(lambda: ask(port)) as sent:
        assert main(["release", "--canary", "--port", str(port)]) == 0
        ((live, new, _id, event),) = watched
        assert (live, event) == (old.port, False)
        assert ask(port) == ask(new) == read_champion(paths.champion).model_tag != old.tag
        sent.wait_for(ask(new))
        assert main([*words, "--canary", "c1"]) == 0
        assert ask(port) == old.tag
        events = read_history(paths.history)
        assert main([*words, "--canary", "c1"]) == 0
        assert "canary c1 was rolled back already" in capsys.readouterr().out
        assert main([*words, "--canary", "c2"]) == 0  # a second canary that fell: the registry has its rollback
    assert sent.failures == []
    assert {tag for _moment, tag in sent.answers} == {old.tag, get_tags(paths)["v0.2.0"]}
    assert list_services(paths) == [old]
    assert events[-1].message == "canary: worse"
    assert read_history(paths.history) == events
    stop_service(paths, old, 10)  # it ends; the champion answers again behind the router
    assert main(["rollback", "--to", "v0.1.0", "--message", "it ended"]) == 0
    assert ask(port) == old.tag
    assert read_history(paths.history) == events


def test_a_release_killed_while_it_watches_its_canary_watches_it_again(paths, find_free_port, monkeypatch):
    """Nobody takes the share away from the candidate when the watch is gone."""
    if shutil.which("haproxy") is None:
        pytest.skip("no HAProxy is installed: apt-get install haproxy")
    port, router, watched = find_free_port(), Router(paths.router), []
    assert main(["rollback", "--to", "v0.1.0", "--message", "start", "--port", str(find_free_port())]) == 0
    (old,) = list_services(paths)
    start_router(paths, port, old.port)
    command = build_command(paths, "watch:shared", port, "--canary")
    assert subprocess.run(command, cwd=paths.root, check=False, timeout=PATIENCE).returncode == -signal.SIGKILL
    assert router.read_share() == 0.25
    services = list_services(paths)

    def watch(live, new, _id, *, event):
        watched.append((live, new, router.read_share()))
        router.set_share(1.0)
        return "kept"

    monkeypatch.setattr(canary, "watch_services", watch)
    assert main(["release", "--canary", "--port", str(port)]) == 0
    (new,) = (each for each in services if each != old)
    assert watched == [(old.port, new.port, 0.0)]
    assert list_services(paths) == services
    assert ask(port) == new.tag == get_tags(paths)["v0.2.0"]
    assert [event.version for event in read_history(paths.history)] == ["v0.1.0", "v0.2.0"]


def test_a_rollback_that_comes_after_another_promotion_changes_nothing(paths, capsys, read_state):
    before = read_state(paths)
    assert main(["rollback", "--to", "v0.0.9", "--worse", "v0.3.0", "--canary", "c3", "--message", "late"]) == 0
    assert "v0.3.0 is not the champion any more, v0.1.0 is" in capsys.readouterr().out
    assert read_state(paths) == before


def test_a_canary_goes_on_after_a_restart_of_the_machine(paths, find_free_port, monkeypatch):
    """The journal names a port at which nothing listens any more, and the router is gone."""
    if shutil.which("haproxy") is None:
        pytest.skip("no HAProxy is installed: apt-get install haproxy")
    port = find_free_port()
    journal = create_journal("release", port, None).model_copy(update={"previous": "v0.1.0"})
    write_journal(paths, journal.model_copy(update={"live_port": find_free_port()}))
    monkeypatch.setattr(canary, "watch_services", lambda *_words, **_names: pytest.fail("there is no old service"))
    assert main(["release", "--canary", "--port", str(port)]) == 0
    assert ask(port) == get_tags(paths)["v0.2.0"]
    assert main(["release", "--canary", "--port", str(find_free_port())]) == 2  # the router listens on the first one


def test_a_model_that_was_not_approved_is_refused(paths, capsys):
    assert main(["release", "--model", "tiny:approved"]) == 2
    assert "tiny:approved was approved, and the packaged model is tiny:" in capsys.readouterr().err
    assert read_champion(paths.champion).version == "v0.1.0"


def test_a_dry_run_changes_nothing(paths, capsys, read_state, find_free_port):
    before = read_state(paths)
    assert main(["release", "--dry-run", "--port", str(find_free_port())]) == 0
    out = capsys.readouterr().out
    assert "verdict: promote" in out
    assert "promote: as v0.2.0" in out
    assert read_state(paths) == before
    assert not paths.release.exists()


def test_a_dry_run_ends_with_the_error_of_the_release_so_that_nobody_approves_it(paths, capsys, find_free_port):
    command = ["release", "--dry-run", "--port", str(find_free_port())]
    paths.params.write_text(paths.params.read_text("utf-8") + "# not committed\n", "utf-8")
    assert main(command) == 2
    assert "uncommitted changes, and a version is a commit: params.yaml" in capsys.readouterr().err


def test_a_dry_run_names_the_program_on_the_port(paths, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["release", "--dry-run", "--port", str(port)]) == 2
        assert str(port) in capsys.readouterr().err
