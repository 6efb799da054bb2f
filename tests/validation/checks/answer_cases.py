"""Rows that violate a rule on answers, and similar rows that do not: (rule, row)."""

from __future__ import annotations

from tests.validation.checks.rows import english, row

WALK = (
    "The old man walked to the harbour every morning and watched the boats come in. He liked the sound of the "
    "water. On Sundays his daughter came along and "
)
STROLL = (
    "노인은 아침마다 항구까지 걸어가서 배가 들어오는 것을 보았습니다. 그는 물소리를 좋아했습니다. 일요일이면 딸이 "
    "함께 와서 두 사람은 바닷가에 앉아 지나가는 배를 세고 도시락을 나누어 먹으며 오래 이야기를 나누었습니다. 해가 "
    "지면 두 사람은 천천히 "
)
CHORUS = "We sing it loud and we sing it long\n" * 6

VIOLATIONS = [
    (
        "output-equals-instruction",
        english(instruction="Describe the sea at night.", output="Describe the sea at night"),
    ),
    ("output-equals-instruction", row(instruction="봄을 노래하는 글을 쓰세요.", output='"봄을 노래하는 글을 쓰세요."')),
    (
        "instruction-echo",
        row(
            instruction="가장 높은 산의 이름은 무엇인가요?",
            output="가장 높은 산의 이름은 무엇인가요? 에베레스트산입니다.",
        ),
    ),
    (
        "instruction-echo",
        english(instruction="Name the highest mountain.", output='"Name the highest mountain." Mount Everest.'),
    ),
    (
        "output-equals-input",
        english(
            instruction="Describe the mood of the scene.",
            input="Rain fell on the roof.",
            output="Rain fell on the roof.",
        ),
    ),
    (
        "output-equals-input",
        row(instruction="이 사물을 설명하세요.", input="커다란 나무 책상", output="커다란 나무 책상"),
    ),
    ("refusal", english(output="As an AI language model, I cannot answer that.")),
    ("refusal", english(output="I'm sorry, but I can't help with this request.")),
    ("refusal", row(output="죄송하지만 그 질문에는 답변할 수 없습니다.")),
    ("refusal", row("지구가 둥근 이유를 한 문장으로 설명하세요.", output="죄송하지만 그 질문에는 답변할 수 없습니다.")),
    ("refusal", row(output="인공지능 언어 모델로서 저는 의견을 제공할 수 없습니다.")),
    (
        "refusal",
        english(
            instruction="Reply to this customer.",
            output="I'm sorry, but as an AI language model I cannot track parcels.",
        ),
    ),
    (
        "refusal",
        row(
            instruction="고객에게 답장을 써 주세요.",
            output="죄송하지만 인공지능 언어 모델로서 배송을 확인할 수 없습니다.",
        ),
    ),
    ("asks-back", english(output="Please provide the article that I shall read.")),
    ("asks-back", row(output="어떤 과목인지 추가 정보를 입력해 주세요.")),
    ("truncated", english(output=WALK + "they")),
    ("truncated", english(output="Water boils at a hundred degrees at sea level because of the")),
    ("truncated", english(output="Here is the program that you asked for:\n```python\nprint(1)\n")),
    ("truncated", row(output=STROLL + "어두워진 골목으로")),
    ("truncated", row(output="서울은 대한민국의 수도이며 한강이 그 가운데를 가로질러 흐르고 있는 도시이고 또한")),
    ("repetition", row(output="그는 학교에 갔다가 집에 왔습니다. " * 6)),
    ("repetition", english(output="The cat sat on the mat today. " * 6)),
    ("loop", english(output="The answer is that it is so, " + "and so on " * 7)),
    ("loop", row(output="문장을 고치면 이렇습니다: " + "맞습니다 -> " * 8)),
    ("output-quoted", row(output='"서울은 대한민국의 수도입니다."')),
    ("output-quoted", english(output="“Seoul is the capital of Korea.”")),
    ("output-quoted", row(output='"서울은 대한민국의 수도입니다.')),
    ("output-language", row(output="Seoul is the capital of Korea.")),
    ("output-language", english(output="서울은 대한민국의 수도입니다.")),
    ("foreign-script", row(output="서울은 大韓民国の首都です 도시입니다.")),
    ("foreign-script", english(instruction="Name the seat of government.", output="It is the столица of the land.")),
    ("bare-number", english(instruction="Calculate the area of a 3 by 5 rectangle.", output="15")),
    ("bare-number", row(instruction="7, 8, 9의 평균을 구하세요.", output="평균은 8입니다.")),
    (
        "wrong-result",
        english(instruction="Find the median of these numbers.", input="8, 22, 11, 47", output="The median is 11."),
    ),
    ("wrong-result", english(instruction="Compute the average of 1, 4, 7, and 10.", output="The average is 6.")),
    ("wrong-result", english(instruction="What is 7 x 8?", output="54")),
    ("wrong-result", row(instruction="9, 5, 6의 평균을 구하세요.", output="평균은 6입니다.")),
    ("wrong-result", row(instruction="12 + 30을 계산하세요.", output="43입니다.")),
]

NEAR_MISSES = [
    ("output-equals-instruction", row(instruction="안녕하세요", output="안녕하세요.")),
    ("output-equals-instruction", english(instruction="Say: the sea is wide.", output="The sea is wide.")),
    ("instruction-echo", row(instruction="왜 그래요?", output="왜 그래요? 무슨 일이 있나요?")),
    (
        "instruction-echo",
        english(instruction="Name the highest mountain.", output="Name it as you like; it is Mount Everest."),
    ),
    (
        "output-equals-input",
        english(instruction="Correct the grammar of the sentence.", input="She is here.", output="She is here."),
    ),
    ("output-equals-input", row(instruction="맞춤법을 교정하세요.", input="그는 갔다.", output="그는 갔다.")),
    (
        "refusal",
        english(
            instruction="Write a letter of apology to a customer.", output="I'm sorry, but I cannot undo what happened."
        ),
    ),
    ("refusal", row("다음 문장을 높임말로 바꾸세요: 미안하지만 못 해.", output="죄송하지만 답변할 수 없습니다.")),
    ("refusal", english(output="Some say that as an AI a model cannot think. Seoul is the capital.")),
    ("refusal", english(output="I'm sorry, but I can't name one. However, here are three ideas: tea, milk, juice.")),
    ("refusal", row(instruction="친구에게 사과하는 말을 써 주세요.", output="죄송하지만 이번에는 갈 수 없습니다.")),
    (
        "refusal",
        english(
            instruction="Write a sentence with which an AI refuses.",
            output="I'm sorry, but as an AI language model I cannot do that.",
        ),
    ),
    ("refusal", row(output="죄송합니다. 수도는 서울입니다.")),
    (
        "refusal",
        english(
            system="You may use these functions: get_news", output="I'm sorry, but I can't help with booking flights."
        ),
    ),
    ("asks-back", english(instruction="Write an e-mail to a customer.", output="Please provide your order number.")),
    ("asks-back", row(output="이 방법은 자세한 정보를 제공합니다.")),
    ("truncated", english(output=WALK + "they sat on the bench.")),
    (
        "truncated",
        english(
            output="Stay healthy in five ways:\n1. Exercise. Walk each day\n2. Eat vegetables\n3. Sleep well\n4. "
            "Practice deep breathing with friends"
        ),
    ),
    ("truncated", english(output="Use these words when you post about it:\n#health #sleep #exercise #walking #water")),
    ("truncated", row(output=STROLL + "집으로 돌아갔습니다.")),
    ("truncated", row(output=STROLL + "집으로 돌아갔다")),
    (
        "truncated",
        row(output="기후 변화의 원인은 다음과 같습니다. 온실 효과, 삼림 파괴, 화석 연료, 산업 활동, 자연재해"),
    ),
    ("repetition", english(instruction="Write a song with a chorus.", output=CHORUS)),
    (
        "repetition",
        row(
            output="서울은 한강을 끼고 있는 도시입니다. 부산은 바다를 끼고 있는 도시입니다. 대전은 그 사이에 있습니다. "
            "모두 기차로 갈 수 있습니다."
        ),
    ),
    ("loop", english(output="Here is a line, as asked in the instruction: " + "-" * 40)),
    ("loop", english(instruction="Repeat the word hello ten times.", output="hello " * 10)),
    ("output-quoted", english(output='"Seoul" and "Busan"')),
    ("output-quoted", english(instruction="Give a famous quote about the sea.", output='"The sea is everything."')),
    ("output-quoted", english(output="The door is 5'10\"")),
    ("output-quoted", row(instruction="이순신의 명언을 하나 적어 주세요.", output='"필사즉생 필생즉사"')),
    (
        "output-language",
        row(instruction="다음을 영어로 번역하세요.", input="나는 학생이다.", output="I am a student at the school."),
    ),
    (
        "output-language",
        row(instruction="다음을 영작하세요.", input="나는 학생이다.", output="I am a student at the school."),
    ),
    ("output-language", row(instruction="1부터 3까지 세세요.", output="1, 2, 3")),
    ("output-language", row(instruction="자료를 다루는 도구를 나열하세요.", output="Pandas, NumPy, SciPy, Matplotlib")),
    ("output-language", english(instruction="Translate into Korean: capital", output="수도입니다.")),
    ("foreign-script", row(output="서울(漢城)은 수도입니다.")),
    (
        "foreign-script",
        row(instruction="고사성어 하나를 설명하세요.", output="溫故知新은 옛것을 익혀 새것을 안다는 뜻입니다."),
    ),
    ("foreign-script", english(instruction="How do you greet someone in Russia?", output="Say привет.")),
    ("bare-number", english(instruction="Calculate the area of a 3 by 5 rectangle.", output="3 x 5 = 15")),
    ("bare-number", english(instruction="How many people live in the country?", output="About 50 million.")),
    ("bare-number", row(instruction="7, 8, 9의 평균을 구하세요.", output="24를 3으로 나누면 8입니다.")),
    (
        "wrong-result",
        english(instruction="Find the median of these numbers.", input="8, 22, 11, 47", output="The median is 16.5."),
    ),
    ("wrong-result", english(instruction="Compute the average of 1, 2 and 2.", output="About 1.67.")),
    ("wrong-result", english(instruction="Find the sum of the even numbers.", input="1, 2, 3, 4", output="6")),
    ("wrong-result", english(instruction="How many goals did he score in 2019-2020?", output="25 goals")),
    ("wrong-result", row(instruction="다음 집합을 정렬하세요.", input="9, 4, 1", output="1, 4, 9")),
]
