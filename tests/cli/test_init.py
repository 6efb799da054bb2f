"""`seodang init`: from data files to a params.yaml that can be run, with a frozen test file for each task."""

from __future__ import annotations

import io
import json
import subprocess

import pytest
import yaml
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

from seodang.cli.main import main
from seodang.config import load
from seodang.config.load import load_params
from seodang.ingest.sources import iter_source_rows
from seodang.ingest.tally import Tally


@pytest.fixture
def project(clone, monkeypatch):
    """The clone, on a machine without a GPU."""
    monkeypatch.chdir(clone)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return clone


def read_lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def init(*words):
    return main(["init", "--no-dvc", "--profile", "tiny", *map(str, words)])


def test_the_data_become_tasks_with_frozen_test_files(project, make_user_files, capsys):
    mine = make_user_files()
    assert init("--data", mine / "faq.csv", "--data", mine / "reviews.csv") == 0
    params = load_params(project / "params.yaml")
    sources = {source.name: source for source in params.ingest.sources}
    assert {name: (source.task, source.role) for name, source in sources.items()} == {
        "faq": ("faq", "train"),
        "faq-test": ("faq", "test"),
        "reviews": ("reviews", "train"),
        "reviews-test": ("reviews", "test"),
    }
    assert sources["faq"].columns == {"instruction": "문의내용", "output": "답변내용"}
    assert sources["reviews"].table.labels == {"만족": "만족", "불만": "불만"}
    train, test = (read_lines(project / "data" / f"faq.{role}.jsonl") for role in ("train", "test"))
    assert (len(train) + len(test), len(test)) == (840, 115)
    assert not {row["문의내용"] for row in train} & {row["문의내용"] for row in test}
    assert not params.gate.rules  # gate.default_rules judge each task
    assert params.evaluate.generations_per_free_text_task >= params.gate.minimum_items == 100
    assert params.train.max_length == 80
    out = capsys.readouterr().out
    assert "free text, metric chrF" in out
    assert "classification (만족, 불만), metric accuracy" in out


def test_params_yaml_is_small_and_has_no_bundled_records(project, make_user_files):
    init("--data", make_user_files() / "faq.csv")
    text = (project / "params.yaml").read_text("utf-8")
    assert len(text.splitlines()) <= 60
    assert "kind: primer" not in text
    load_params(project / "params.yaml")  # with all sections that DVC looks for


def test_the_commands_that_it_prints_check_the_files(project, make_user_files, capsys, fake_validator):
    mine = make_user_files()
    init("--data", mine / "faq.csv", "--data", mine / "reviews.csv", "--data", mine / "chats.jsonl")
    lines = capsys.readouterr().out.splitlines()
    commands = lines[lines.index("params.yaml is written. Next:") + 1 :]
    assert commands[0].strip().startswith("dvc add data/faq.train.jsonl data/faq.test.jsonl")
    assert commands[-1].strip() == "seodang run"
    assert len(commands) == 5
    for command in commands[1:-1]:
        assert main(command.split()[1:]) == 0, command


def test_the_same_data_give_the_same_test_file(project, make_user_files):
    faq = make_user_files() / "faq.csv"
    init("--data", faq)
    first = (project / "data" / "faq.test.jsonl").read_bytes()
    assert init("--data", faq) == 0  # params.yaml does not change
    assert (project / "data" / "faq.test.jsonl").read_bytes() == first


def test_few_records_lower_the_number_of_items_aloud(project, make_user_files, capsys):
    init("--data", make_user_files() / "chats.jsonl")
    params = load_params(project / "params.yaml")
    assert 20 <= params.gate.minimum_items < 100
    assert len(read_lines(project / "data" / "chats.test.jsonl")) >= params.gate.minimum_items
    assert f"gate.minimum_items: {params.gate.minimum_items}, as the data allow no more" in capsys.readouterr().out


def test_a_test_file_of_the_user_is_taken_as_it_is(project, make_user_files, tmp_path):
    faq = make_user_files() / "faq.csv"
    lines = faq.read_bytes().decode("cp949").split("\r\n")
    (tmp_path / "exam.csv").write_bytes("\r\n".join(lines[:31]).encode("cp949"))
    assert init("--data", faq, "--test", tmp_path / "exam.csv") == 0
    assert len(read_lines(project / "data" / "faq.test.jsonl")) == 30
    assert len(read_lines(project / "data" / "faq.train.jsonl")) == 840


def test_instruction_records_with_few_answers_become_a_task_with_labels(project, tmp_path):
    rows = [
        {"instruction": f"{n}번째 문장의 감정은?", "input": "", "output": "긍정" if n % 3 else "부정"}
        for n in range(90)
    ]
    (tmp_path / "mood.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    init("--data", tmp_path / "mood.jsonl")
    assert load_params(project / "params.yaml").ingest.sources[0].choices == ["긍정", "부정"]


def write_conversations(path, answers, turns=()):
    """Write conversations, each with a system text, earlier turns, and one of the answers."""
    conversations = [
        [
            {"role": "system", "content": "감정을 답하세요."},
            *({"role": role, "content": f"{content} {n}"} for role, content in turns),
            {"role": "user", "content": f"{n}번째 문장입니다."},
            {"role": "assistant", "content": answers[n % len(answers)]},
        ]
        for n in range(90)
    ]
    lines = [json.dumps({"messages": messages}, ensure_ascii=False) for messages in conversations]
    path.write_text("\n".join(lines), "utf-8")
    return path


@pytest.mark.parametrize("turns", [(), (("user", "안녕하세요"), ("assistant", "문장을 주세요"))])
def test_conversations_that_end_with_a_label_become_a_task_with_labels(project, tmp_path, capsys, turns):
    chats = write_conversations(tmp_path / "mood.jsonl", ["긍정", "부정", " 중립\n"], turns)
    assert init("--data", chats) == 0
    params = load_params(project / "params.yaml")
    assert [source.choices for source in params.ingest.sources] == [["긍정", "부정", "중립"]] * 2
    assert "classification (긍정, 부정, 중립), metric accuracy" in capsys.readouterr().out
    rows = [
        row for source in params.ingest.sources for row in iter_source_rows(source, params.ingest, project, Tally())
    ]
    assert {(row["output"], *row["choices"]) for row in rows} == {
        (answer, "긍정", "부정", "중립") for answer in ("긍정", "부정", "중립")
    }


def test_conversations_with_free_answers_stay_free_text(project, tmp_path, capsys):
    init("--data", write_conversations(tmp_path / "talk.jsonl", [f"{n}번째 답입니다." for n in range(90)]))
    assert load_params(project / "params.yaml").ingest.sources[0].choices == []
    assert "free text, metric chrF" in capsys.readouterr().out


def test_files_in_data_are_found_without_being_named(project, make_user_files):
    (project / "data" / "faq.csv").write_bytes((make_user_files() / "faq.csv").read_bytes())
    assert init() == 0
    assert [source.name for source in load_params(project / "params.yaml").ingest.sources] == ["faq", "faq-test"]


def test_a_changed_params_yaml_is_replaced_only_by_force(project, make_user_files, capsys):
    mine = make_user_files()
    init("--data", mine / "faq.csv")
    before = (project / "params.yaml").read_text("utf-8")
    assert init("--data", mine / "chats.jsonl") == 2
    shown = capsys.readouterr()
    assert "+  name: seodang-chats" in shown.out
    assert "--force" in shown.err
    assert (project / "params.yaml").read_text("utf-8") == before
    assert not (project / "data" / "chats.train.jsonl").exists()
    assert init("--data", mine / "chats.jsonl", "--force") == 0


def test_a_profile_gives_its_model(project, make_user_files):
    init("--data", make_user_files() / "faq.csv", "--profile", "gemma-270m", "--force")
    content = yaml.safe_load((project / "params.yaml").read_text("utf-8"))
    assert content["model"]["name"] == "gemma-3-270m"
    assert content["train"]["precision"] == "bf16"


def test_lengths_are_counted_with_the_tokenizer_of_the_chosen_model(project, make_user_files, capsys):
    faq = make_user_files() / "faq.csv"
    init("--data", faq, "--profile", "qwen3-0.6b", "--force")
    assert "that of qwen3-0.6b-base is not on this machine" in " ".join(capsys.readouterr().out.split())
    bundled = load_params(project / "params.yaml").train.max_length
    model = load_params(project / "params.yaml").model
    cache = project / ".seodang" / "downloads" / "hub" / "models" / model.hub.replace("/", "--") / model.revision
    cache.mkdir(parents=True)
    characters = Tokenizer(WordLevel({"<unk>": 0}, unk_token="<unk>"))  # a token for each character
    characters.pre_tokenizer = Split(Regex("."), "isolated")
    characters.save(str(cache / "tokenizer.json"))
    init("--data", faq, "--profile", "qwen3-0.6b", "--force")
    assert "is not on this machine" not in capsys.readouterr().out
    assert load_params(project / "params.yaml").train.max_length > bundled


def test_the_defaults_are_parsed_once(project, make_user_files, monkeypatch):
    parsed = []
    read_yaml = load.read_yaml
    load._parse_defaults.cache_clear()
    monkeypatch.setattr(load, "read_yaml", lambda path: parsed.append(path) or read_yaml(path))
    mine = make_user_files()
    init("--data", mine / "faq.csv", "--data", mine / "chats.jsonl")
    assert parsed.count(load.DEFAULTS) == 1


def test_a_folder_that_is_no_clone_is_refused_with_the_way_out(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 2
    assert "is no clone of Seodang" in capsys.readouterr().err


def test_no_data_file_is_one_clear_line(project, capsys):
    assert init() == 2
    assert "seodang init --data FILE" in capsys.readouterr().err


@pytest.mark.slow
def test_the_data_are_tracked_by_dvc(project, make_user_files):
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["dvc", "init", "-q"], check=True)
    assert main(["init", "--profile", "tiny", "--data", str(make_user_files() / "faq.csv")]) == 0
    assert sorted(path.name for path in (project / "data").glob("*.dvc")) == [
        "faq.test.jsonl.dvc",
        "faq.train.jsonl.dvc",
    ]


class Terminal(io.StringIO):
    """Input that a person types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def type_answers(monkeypatch):
    """Makes the command run in a terminal, in which a person types these lines."""

    def type_answers(*lines: str) -> None:
        monkeypatch.setattr("sys.stdin", Terminal("".join(f"{line}\n" for line in lines)))
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    return type_answers


def test_in_a_terminal_it_asks_for_licence_and_base_model(project, make_user_files, type_answers, capsys):
    type_answers("CC-BY-4.0", "gemma-270m")
    assert main(["init", "--no-dvc", "--data", str(make_user_files() / "faq.csv")]) == 0
    params = load_params(project / "params.yaml")
    assert {source.licence for source in params.ingest.sources} == {"CC-BY-4.0"}
    assert params.model.name == "gemma-3-270m"
    assert "licence of the data" in capsys.readouterr().out


def test_options_and_pipes_are_asked_nothing(project, make_user_files, type_answers, capsys):
    mine = make_user_files()
    assert init("--data", mine / "faq.csv", "--licence", "CC0-1.0") == 0
    assert load_params(project / "params.yaml").ingest.sources[0].licence == "CC0-1.0"
    type_answers()
    assert init("--data", mine / "faq.csv", "--force", "--yes") == 0
    assert init("--data", mine / "faq.csv", "--force", "--licence", "") == 0
    assert "licence of the data" not in capsys.readouterr().out
