"""Old parameter names are refused with the new ones, and a command rewrites the file."""

import subprocess
from pathlib import Path

import pytest
import yaml

from seodang.cli.main import main
from seodang.config.load import load_params
from seodang.config.migration import PARAMS_RENAMES, migrate, select_renames
from seodang.config.profiles import STARTER
from seodang.config.yaml_file import read_yaml
from seodang.errors import ParamsError

ROOT = Path(__file__).resolve().parents[2]
OLD = """\
# our project
train:
  targets: [all-linear]  # all of them
  schedule: wsd
  log_every: 5
gate:
  rules:
    - {against: base, ask: better, metric: exact, higher_is_better: true, margin: 0.0, tasks: [], each: all}
  floors:
    - {metric: stopped, minimum: 0.9, tasks: []}
prepare:
  leaks: {words: 13, characters_ko: 30, threshold: 0.8}
"""


def write_old(folder: Path) -> Path:
    rest = {name: section for name, section in read_yaml(STARTER).items() if name not in ("train", "gate", "prepare")}
    file = folder / "params.yaml"
    file.write_text(OLD + yaml.safe_dump(rest, allow_unicode=True), "utf-8")
    return file


def test_an_old_file_is_refused_with_every_new_name_and_the_command(tmp_path):
    file = write_old(tmp_path)
    with pytest.raises(ParamsError) as caught:
        load_params(file)
    message = str(caught.value)
    for line in (
        "train.targets -> target_modules",
        "train.schedule -> lr_scheduler",
        "train.log_every -> logging_steps",
        "gate.rules[0].ask -> test: better -> superiority",
        "gate.rules[0].each -> group_by",
        "gate.rules[0].metric -> metric: exact -> exact_match",
        "gate.floors -> thresholds",
        "gate.thresholds[0].metric -> metric: stopped -> eos_rate",
        "prepare.leaks -> decontamination",
        "prepare.decontamination.words -> ngram_words",
        f"seodang config migrate {file}",
    ):
        assert line in message


def test_the_command_that_the_message_names_makes_the_file_usable(tmp_path, capsys):
    file = write_old(tmp_path)
    assert main(["config", "migrate", str(file)]) == 0
    assert "train.targets -> target_modules" in capsys.readouterr().out
    params = load_params(file)
    assert params.train.target_modules == ["all-linear"]
    assert params.gate.rules[0].test == "superiority"
    assert params.gate.thresholds[0].metric == "eos_rate"
    text = file.read_text("utf-8")
    assert text.startswith("# our project\n")
    assert "# all of them" in text


def test_a_parameter_moves_into_its_new_section_with_its_comments(tmp_path, capsys):
    file = tmp_path / "params.yaml"
    file.write_bytes(STARTER.read_bytes() + b"  gguf:  # for laptops\n    type: q8_0  # small\n")
    with pytest.raises(ParamsError, match=r"package\.gguf -> export\.gguf"):
        load_params(file)
    assert main(["config", "migrate", str(file)]) == 0
    assert "package.gguf -> export.gguf" in capsys.readouterr().out
    assert load_params(file).export.gguf.type == "q8_0"
    text = file.read_text("utf-8")
    assert text.endswith("export:\n  gguf:  # for laptops\n    type: q8_0  # small\n")


def test_a_moved_parameter_does_not_replace_what_the_new_section_sets(tmp_path):
    content = {"package": {"gguf": {"type": "q8_0"}}, "export": {"gguf": {"type": "f16"}}}
    assert migrate(content, PARAMS_RENAMES) == ["package.gguf -> export.gguf"]
    assert content == {"package": {}, "export": {"gguf": {"type": "f16"}}}


def test_a_file_without_old_names_stays_as_it_is(tmp_path, capsys):
    file = tmp_path / "params.yaml"
    file.write_bytes(STARTER.read_bytes())
    assert main(["config", "migrate", str(file)]) == 0
    assert "no old names" in capsys.readouterr().out
    assert file.read_bytes() == STARTER.read_bytes()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "kind: generate\ndata: {file: a.tsv, exemplars: b.tsv}\nmetrics: [exact, chrf]\n",
            ["few_shot_file", "exact_match"],
        ),
        ("title_ko: a\ntitle_en: b\nseen: [x]\nunseen: [y]\n", ["held_in_tasks", "held_out_tasks"]),
        ("rules: [{metric: exact, ask: not_worse}]\nfloors: []\n", ["non_inferiority", "exact_match", "thresholds"]),
    ],
)
def test_task_study_and_rules_files_are_rewritten_too(tmp_path, text, expected):
    file = tmp_path / "file.yaml"
    file.write_text(text, "utf-8")
    assert main(["config", "migrate", str(file)]) == 0
    assert all(name in file.read_text("utf-8") for name in expected)


def test_no_shipped_file_has_an_old_name():
    files = subprocess.run(
        ["git", "ls-files", "*.yaml"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    shipped = [ROOT / name for name in files if name.split("/")[0] in ("params.yaml", "profiles", "tasks", "studies")]
    for file in filter(Path.exists, shipped):
        content = yaml.safe_load(file.read_text("utf-8"))
        assert migrate(content, select_renames(content)) == [], file


def test_each_new_name_is_a_parameter():
    raw = read_yaml(ROOT / "src" / "seodang" / "config" / "defaults.yaml")
    renamed = [rename for rename in PARAMS_RENAMES if "[]" not in rename.section and rename.section != "model.scratch"]
    for rename in renamed:
        section = raw
        for key in (rename.moved_to or rename.section).split("."):
            section = section[key]
        assert rename.new in section
