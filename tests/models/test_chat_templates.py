"""Neither the day nor the place changes a prompt. Run: pytest tests/models/test_chat_templates.py"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformers.utils import chat_template_utils

from seodang.models.chat_templates import freeze_clock
from seodang.models.loading import load_tokenizer
from seodang.prompting import compute_fingerprint, render_prompt

# In the form of Llama 3.1 and Granite.
DATED = (
    '{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y")'
    ' %}{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}{%- endif %}'
    "{{- '<|user|>Today Date: ' + date_string + '\n' }}{%- for message in messages %}"
    "{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}"
)


@pytest.fixture
def dated(tmp_path: Path, make_tiny_model) -> Path:
    """A model whose template writes today's date."""
    folder: Path = make_tiny_model(tmp_path / "dated")
    (folder / "chat_template.jinja").write_text(DATED, "utf-8")
    return folder


def set_clock(monkeypatch: pytest.MonkeyPatch, year: int) -> None:
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(year, 11, 3, 23, 59)

    monkeypatch.setattr(chat_template_utils, "datetime", Clock)


def render(folder: Path) -> str:
    return "".join(segment.text for segment in render_prompt("수도는?", "", "chat", load_tokenizer(folder)))


def test_a_template_with_a_date_has_the_same_prompt_and_fingerprint_on_each_day(dated, monkeypatch):
    prompts, fingerprints = set(), set()
    for year in (2026, 2031):
        set_clock(monkeypatch, year)
        prompts.add(render(dated))
        fingerprints.add(compute_fingerprint("chat", load_tokenizer(dated)))
    assert prompts == {"<|user|>Today Date: 26 Jul 2024\n<|user|>수도는?<|end|><|assistant|>"}
    assert len(fingerprints) == 1


def test_the_saved_tokenizer_has_the_frozen_date_for_every_reader(dated, tmp_path, monkeypatch):
    from transformers import AutoTokenizer

    load_tokenizer(dated).save_pretrained(tmp_path / "saved")
    set_clock(monkeypatch, 2031)
    plain = AutoTokenizer.from_pretrained(tmp_path / "saved")
    conversation = [{"role": "user", "content": "수도는?"}]
    assert plain.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True) == render(dated)


@pytest.mark.slow
def test_another_process_has_the_same_fingerprint_tomorrow_in_another_locale(dated):
    code = (
        "import datetime, locale, pathlib, sys\n"
        "from transformers.utils import chat_template_utils\n"
        "class Tomorrow(datetime.datetime):\n"
        "    @classmethod\n"
        "    def now(cls, tz=None):\n"
        "        return datetime.datetime.now(tz) + datetime.timedelta(days=1)\n"
        "chat_template_utils.datetime = Tomorrow\n"
        "locale.setlocale(locale.LC_TIME, 'C.UTF-8')\n"
        "from seodang.models.loading import load_tokenizer\n"
        "from seodang.prompting import compute_fingerprint\n"
        "print(compute_fingerprint('chat', load_tokenizer(pathlib.Path(sys.argv[1]))))\n"
    )
    command = [sys.executable, "-c", code, str(dated)]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == compute_fingerprint("chat", load_tokenizer(dated))


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("%d %b %Y", "26 Jul 2024"),
        ("%B %d, %Y", "July 26, 2024"),
        ("%Y-%m-%d", "2024-07-26"),
        ("%A, %-d %B %y, %H:%M", "Friday, 26 July 24, 00:00"),
        ("100%% %F", "100% 2024-07-26"),
    ],
)
def test_a_frozen_clock_writes_each_form_of_the_stored_date(format, text):
    template = freeze_clock("{% set form = '" + format + "' %}{{ strftime_now(form) }}")
    assert chat_template_utils.render_jinja_template([[]], chat_template=template)[0] == [text]


def test_a_template_is_frozen_once_and_one_without_a_clock_stays_as_it_is(dated):
    assert freeze_clock("{{ messages }}") == "{{ messages }}"
    assert freeze_clock(freeze_clock(DATED)) == freeze_clock(DATED)


def test_the_default_template_is_read_where_a_tokenizer_has_several(dated):
    template = "{% for m in messages %}{{ '<|user|>' + m['content'] + '<|end|>' }}{% endfor %}"
    config = json.loads((dated / "tokenizer_config.json").read_text("utf-8"))
    (dated / "chat_template.jinja").unlink()
    config["chat_template"] = [{"name": "default", "template": template}, {"name": "tool_use", "template": "tools"}]
    (dated / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    assert load_tokenizer(dated).chat_template == template
