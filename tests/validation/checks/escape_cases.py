"""Rows with escapes of another format, spreadsheet errors and marks, and similar rows without: (rule, row)."""

from __future__ import annotations

from tests.validation.checks.rows import english, row

from seodang.ingest.rows import LOSS_UNCLEAR, NOT_LEARNED, make_field_error

# Escaped text, and the text that it stands for.
ESCAPED = [
    (r"첫 줄입니다.\n둘째 줄입니다.\n\n끝.", "첫 줄입니다.\n둘째 줄입니다.\n\n끝."),
    (r"1. Red\n2. Blue", "1. Red\n2. Blue"),
    (r"One line.\r\nAnother line.", "One line.\nAnother line."),
    (r"이름\t나이\n철수\t열 살", "이름\t나이\n철수\t열 살"),
    (r"그는 \"네\"라고 말했다.", '그는 "네"라고 말했다.'),
    (r"\uc11c\uc6b8\uc785\ub2c8\ub2e4.", "서울입니다."),
    (r"웃음 \ud83d\ude00 입니다", "웃음 😀 입니다"),
    (r"caf\u00e9 opens", "café opens"),
    (r"\u{c11c}\u{c6b8}", "서울"),
    ("%uC11C%uC6B8", "서울"),
    ("%EC%84%9C%EC%9A%B8입니다", "서울입니다"),
    ("Seoul%20is%20the%20capital", "Seoul is the capital"),
    (r"\xec\x84\x9c\xec\x9a\xb8", "서울"),
    (r"\xbc\xad\xbf\xef", "서울"),
    (r"\354\204\234\354\232\270", "서울"),
    (r"b'\xec\x84\x9c\xec\x9a\xb8'", "서울"),
    ("b'Seoul'", "Seoul"),
    (r"답은 b'\xec\x84\x9c' 입니다", "답은 서 입니다"),
    ("서울입니다._x000D_\n부산입니다.", "서울입니다.\n부산입니다."),
    ("빨강입니다._x000D_둘째 줄입니다.", "빨강입니다.\n둘째 줄입니다."),
    ("서울_x0020_부산", "서울 부산"),
    ("=EC=84=9C=EC=9A=B8", "서울"),
    ("=?UTF-8?B?7ISc7Jq4?=", "서울"),
]
# Texts in which such characters are meant.
LITERAL = [
    r"The file is in C:\new\table\readme.txt.",
    r"파일은 C:\Users\uc11c\x64 폴더에 있습니다.",
    r"공유 폴더 \\server\new\tmp 를 여세요.",
    r"The gradient is $\nabla f = \frac{\partial f}{\partial x}$, and \theta \neq \nu.",
    r"\theta \times \nu \rho",
    r"Match it with \d+\n\w* and \bword\b.",
    r'Call print("a\nb") to see two lines.',
    r"줄을 나누는 문자는 '\n'입니다.",
    "Use `\\n` for a new line.",
    "```python\nprint('가\\n나\\uc11c')\n```",
    "See https://ko.wikipedia.org/wiki/%EC%84%9C%EC%9A%B8 for more.",
    "It rose by 100%20 years ago, or 50%.",
    "Give 20%EC discount",
    r"¯\_(ツ)_/¯",
    "변수 이름은 _x_와 _x1_입니다.",
    'The list is ["a","b","c"].',
    "1 + 1 = 2, a=B=C",
    r"5 \times 3 = 15",
    r"\(x + y\)\n",
    "A/B 시험은 1\\2입니다.",
]
VIOLATIONS = [
    *(("escaped-text", row(output=text)) for text, _ in ESCAPED),
    ("escaped-text", row(instruction=r"무엇인가요?\n\n설명하세요.")),
    ("escaped-text", row(input=r"가\n나")),
    ("escaped-text", row(system=r"짧게.\n정확히.")),
    ("escaped-text", row(rejected=r"가\n나")),
    ("escaped-text", row(turns=[{"role": "user", "content": r"안녕\n하세요"}])),
    *(
        ("spreadsheet-error", row(output=text))
        for text in (
            "#REF!",
            "#N/A",
            "#NAME?",
            "#VALUE!",
            "#DIV/0!",
            "#NUM!",
            "########",
            "Err:502",
            "합계는 #REF!원입니다.",
        )
    ),
    ("spreadsheet-error", row(input="#REF!")),
    ("spreadsheet-error", row(instruction="#NAME?")),
    ("spreadsheet-error", english(input="Total: #DIV/0! dollars")),
    ("spreadsheet-error", row(rejected="#N/A")),
    ("rounded-number", row(output="1.23457E+15")),
    ("rounded-number", row(input="주문 번호 1.23457E+15, 수량 2")),
    ("rounded-number", english(output="The card is 4.53958E+15.")),
    ("record-rejected", row(marks={"record-rejected": "status: discarded"})),
    ("record-doubtful", row(marks={"record-doubtful": "rating: 1"})),
    ("answer-corrected", row(marks={"answer-corrected": "corrected_output: 서울"})),
    ("pair-reversed", row(marks={"pair-reversed": "score_chosen: 1 < score_rejected: 2"})),
    ("held-out", row(marks={"held-out": "role: train"})),
    (NOT_LEARNED, row(output=make_field_error(NOT_LEARNED, "부산"))),
    (LOSS_UNCLEAR, row(output=make_field_error(LOSS_UNCLEAR, "weight is half"))),
]
NEAR_MISSES = [
    *(("escaped-text", row(output=text)) for text in LITERAL),
    ("escaped-text", english(instruction="How do I print a newline in Python?", output=r'Use print("a\nb").')),
    ("escaped-text", english(instruction="Decode this URL.", input="%EC%84%9C", output="서")),
    ("escaped-text", row(instruction="줄바꿈 문자는 어떻게 쓰나요?", output=r"첫 줄\n둘째 줄처럼 씁니다.")),
    (
        "spreadsheet-error",
        row(instruction="엑셀에서 #REF! 오류는 왜 나나요?", output="#REF!는 참조가 사라지면 나옵니다."),
    ),
    ("spreadsheet-error", english(output="It has the tag #name and #ref and costs # 5.")),
    ("spreadsheet-error", english(input="#N/A")),
    ("spreadsheet-error", english(output="# Heading\n##### Small heading")),
    ("rounded-number", english(instruction="Write this number in scientific notation.", output="1.5E+15")),
    ("rounded-number", english(output="The value is 1.5E+3, and its name is E+15.")),
    ("rounded-number", row(output="아보가드로 상수는 6.02E+13이 아니라 6.02E+23입니다.")),
    *(
        (id, row(marks={}))
        for id in ("record-rejected", "record-doubtful", "answer-corrected", "pair-reversed", "held-out")
    ),
    (NOT_LEARNED, row()),
    (LOSS_UNCLEAR, row()),
]
