"""What a teacher is asked, in the language of the tasks. These are requests to a model, no messages to a user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from seodang.records import Language

Texts = Mapping[Language, str]
LANGUAGE_NAMES: Final[Mapping[Language, Texts]] = {
    "en": {"en": "English", "ko": "Korean"},
    "ko": {"en": "영어", "ko": "한국어"},
}
"""By language of the prompt, then by language."""

LIST_FORM: Final[Texts] = {
    "en": "Write each task in this form, and a line with ### after the last one:\n{form}",
    "ko": "과제마다 아래 형식으로 쓰고, 마지막 과제 뒤에도 ### 줄을 넣으세요.\n{form}",
}
JSON_FORM: Final[Texts] = {
    "en": 'Return nothing but a JSON object with a list "{list}". Each task in it is an object with the keys {keys}; "" '
    "stands for none.",
    "ko": 'JSON 객체 하나만 출력하세요. 객체에는 "{list}" 목록이 있고, 목록의 과제는 {keys} 키를 가진 객체입니다. 없는 값은 ""로 '
    "씁니다.",
}

SELF_INSTRUCT: Final[Texts] = {
    "en": """\
You write tasks with which a language model learns to follow instructions. The list below has tasks 1 to {given}. Continue it with \
tasks {first} to {last}.

- Begin the instructions with different verbs. Ask questions, too.
- Cover many kinds of tasks: open questions, writing, editing, summaries, extraction, explanation, ideas, planning, classification.
- The model reads and writes text only. It sees no pictures, opens no files or pages, and knows neither the date nor the user.
- The instruction is in English and has one or two sentences.
- Classification: if the answer is one of a few labels, name the labels in the instruction, give them as the choices, separated by \
" | ", and answer with exactly one of them. Other tasks have no choices.
- The input is the concrete material of the task, realistic and at most 100 words long. A task that needs no material has none.
- The output is a correct and complete answer of at most 100 words.""",
    "ko": """\
언어 모델이 지시를 따르는 법을 배울 과제를 만듭니다. 아래 목록에는 과제 1번부터 {given}번까지 있습니다. {first}번부터 {last}번까지 \
이어서 쓰세요.

- 지시문마다 다른 동사를 쓰고, 질문도 섞으세요.
- 여러 종류의 과제를 고루 만드세요: 열린 질문, 글쓰기, 고쳐쓰기, 요약, 정보 추출, 설명, 아이디어, 계획, 분류.
- 모델은 글만 읽고 씁니다. 그림을 보거나 파일과 웹 페이지를 열 수 없고, 오늘 날짜와 사용자를 모릅니다.
- 지시문은 자연스러운 한국어 한두 문장입니다. 번역투를 피하고 한국의 생활과 문화에 맞게 쓰세요.
- 분류 과제: 답이 몇 가지 라벨 가운데 하나라면 지시문에 라벨을 밝히고, 선택지에 라벨을 " | "로 나누어 적고, 그중 하나만 답하세요. \
다른 과제에는 선택지가 없습니다.
- 입력은 과제에 필요한 구체적인 자료입니다. 실제로 있을 법한 내용을 100단어 이내로 쓰세요. 자료가 필요 없는 과제에는 입력이 없습니다.
- 답은 정확하고 완전하게 100단어 이내로 쓰세요.""",
}

TRANSLATE: Final[Texts] = {
    "en": """\
Translate the instruction and the input of each task below into natural English. Do not do the tasks and do not answer them.

- Keep numbers, code, formulas, addresses and placeholders such as {{name}} or <tag> exactly as they are.
- A task about the wording, the spelling or the sounds of its own language needs an example that makes sense in English.
- A task without input has none in the translation.""",
    "ko": """\
아래 과제마다 지시문과 입력을 자연스러운 한국어로 번역하세요. 과제를 풀거나 답하지 마세요.

- 숫자, 코드, 수식, 주소, {{name}}이나 <tag> 같은 자리 표시는 그대로 두세요.
- 낱말이나 철자, 소리를 다루는 과제는 한국어에서도 뜻이 통하게 옮기세요.
- 입력이 없는 과제는 번역에도 입력이 없습니다.""",
}

ANSWER: Final[Texts] = {
    "en": "Answer each of the tasks below correctly, completely and in {language}, unless the task itself asks for another "
    "language. Repeat neither the instruction nor the input.",
    "ko": "아래 과제에 각각 정확하고 완전하게 답하세요. 과제가 다른 언어를 요구하지 않으면 {language}로 답하고, 지시문과 입력은 되풀이하지 "
    "마세요.",
}

REWRITE: Final[Texts] = {
    "en": """\
A check rejected the training example below. Write it anew as an instruction with its input and its output, so that it passes the \
check. Change as little as that takes, keep its language and its facts, and invent none.

Why it was rejected:
{reasons}""",
    "ko": """\
아래 학습 예시는 검사에서 거부되었습니다. 검사를 통과하도록 지시문, 입력, 답을 다시 쓰세요. 필요한 만큼만 고치고, 언어와 사실은 그대로 \
두며, 없는 내용을 지어내지 마세요.

거부된 이유:
{reasons}""",
}
REASON: Final[Texts] = {
    "en": "- {reason} ({field}: {found}). {fix}",
    "ko": "- {reason} ({field}: {found}). {fix}",
}
