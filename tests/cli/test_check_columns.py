"""`seodang check` on a table with unknown columns: the ready command works, and prints the source for params.yaml."""

from __future__ import annotations

import shlex

import pytest
import yaml

from seodang.cli.main import main
from seodang.config import SourceParams
from seodang.config.load import read_item_defaults

pytestmark = pytest.mark.usefixtures("fake_validator")

FAQ = "번호,문의내용,답변내용\r\n" + "".join(
    f'{number},"{number}번 상품은\n언제 배송되나요?",{number}번 상품은 내일 도착합니다.\r\n' for number in range(30)
)
REVIEWS = "상품,리뷰,평점\n" + "".join(f"상품,{n}번째 구매인데 배송이 빨라서 좋아요,{n % 5 + 1}\n" for n in range(30))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "options", "format"),
    [
        (FAQ.encode("cp949"), "--column instruction=문의내용 --column output=답변내용", "columns"),
        (REVIEWS.encode(), "--column text=리뷰 --column label=평점", "table"),
    ],
)
def test_the_command_at_the_end_of_the_message_works_and_prints_the_source(elsewhere, capsys, content, options, format):
    (elsewhere / "a.csv").write_bytes(content)
    assert main(["check", "a.csv"]) == 2
    message = capsys.readouterr().err.strip()
    assert message.endswith(f"seodang check a.csv {options}")
    command = message.rpartition("try: ")[2]
    assert main(shlex.split(command)[1:]) == 0
    out = capsys.readouterr().out
    (entry,) = yaml.safe_load(out[out.index("    - name:") :])
    source = SourceParams.model_validate({**read_item_defaults("ingest", "sources"), **entry})
    assert (source.name, source.path, source.format) == ("a", "a.csv", format)


def test_the_encoding_is_shown_and_in_the_json(elsewhere, capsys):
    (elsewhere / "a.csv").write_bytes(FAQ.replace("문의내용", "질문").replace("답변내용", "답변").encode("cp949"))
    assert main(["check", "a.csv"]) == 0
    assert "a.csv: qa (encoding CP949)" in capsys.readouterr().out
    main(["check", "a.csv", "--json"])
    assert '"files": {"a.csv": {"encoding": "cp949"}}' in capsys.readouterr().out


def test_a_label_column_of_free_answers_is_refused_with_the_other_command(elsewhere, capsys):
    (elsewhere / "a.csv").write_text(
        "q,a\n" + "".join(f"{n}번은 언제 오나요?,{n}일 뒤에 옵니다\n" for n in range(80)), "utf-8"
    )
    assert main(["check", "a.csv", "--column", "text=q", "--column", "label=a"]) == 2
    assert "--column instruction=q --column output=a" in capsys.readouterr().err


def test_a_text_without_a_label_is_refused(elsewhere, capsys):
    (elsewhere / "a.csv").write_text("q,a\n하나,둘\n", "utf-8")
    assert main(["check", "a.csv", "--column", "text=q"]) == 2
    assert "exactly the fields text and label" in capsys.readouterr().err
