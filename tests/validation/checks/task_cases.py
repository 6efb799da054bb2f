"""Rows that violate a rule on tasks, and similar rows that do not: (rule, row)."""

from __future__ import annotations

from tests.validation.checks.rows import english, row

NEWS = "The council has decided to widen the bridge over the river, because the traffic has doubled in ten years. " * 3
REPORT = "시의회는 강을 건너는 다리를 넓히기로 했다. 십 년 사이에 다리를 지나는 차가 두 배로 늘었기 때문이다. " * 3
LINK = "https://news.example.com/2020/bridge"

VIOLATIONS = [
    ("missing-input", english(instruction="Summarize the following article.", output="It is about a bridge.")),
    ("missing-input", row(instruction="다음 기사를 요약하세요.", output="다리에 관한 글입니다.")),
    (
        "input-thin",
        english(instruction="Summarize the news article in one sentence.", input="The bridge will be widened."),
    ),
    ("input-thin", row(instruction="이 기사를 두 문장으로 요약하세요.", input="다리를 넓힌다.")),
    ("external-link", english(instruction="Summarize this article.", input=LINK)),
    (
        "external-link",
        english(instruction="Evaluate the design of the website www.bridges.org", output="It is modern."),
    ),
    ("external-link", row(instruction="이 기사의 내용을 설명하세요.", input=LINK)),
    ("external-media", english(instruction="Describe the following picture.", output="A red boat.")),
    ("external-media", english(instruction="Write a caption.", input="[Image of a boat]")),
    ("external-media", english(instruction="How many people are there?", input="photo_17.jpg")),
    ("external-media", row(instruction="다음 사진을 설명하세요.", output="빨간 배입니다.")),
    ("external-media", row(instruction="무엇이 보이나요?", input="[그림 첨부]")),
    ("beyond-text", english(instruction="Design a logo for a bakery.", output="A round logo with a loaf.")),
    ("beyond-text", english(instruction="Draw a picture of a cat.", output="Here it is.")),
    ("beyond-text", english(instruction="Turn off the lights in the hall.", output="Done.")),
    ("beyond-text", row(instruction="빵집의 로고를 디자인하세요.", output="빵 모양의 둥근 로고입니다.")),
    ("current-data", english(instruction="Search the web and find the tallest tower.", output="It is in Dubai.")),
    ("current-data", english(instruction="What is the latest news about the election?", output="It was won.")),
    ("current-data", row(instruction="인터넷에서 검색하여 가장 높은 탑을 찾으세요.", output="두바이에 있습니다.")),
    ("current-data", row(instruction="내일 서울의 날씨를 예측하세요.", output="맑습니다.")),
    (
        "claimed-action",
        english(
            instruction="Add the text to the document.", input="Hello", output="The document now includes the text."
        ),
    ),
    ("claimed-action", english(instruction="Design a flyer.", output="The flyer has been designed and printed.")),
    ("claimed-action", row(instruction="제품 후기를 작성하세요.", output="제품 후기를 작성했습니다.")),
    (
        "human-experience",
        english(
            instruction="Describe a time when you had to learn something.",
            output="When I was working as a nurse, I learnt Spanish.",
        ),
    ),
    ("human-experience", row(instruction="당신의 어린 시절을 말해 보세요.", output="저는 어릴 때 시골에 살았습니다.")),
]

NEAR_MISSES = [
    ("missing-input", english(instruction="Summarize the following article.", input=NEWS)),
    ("missing-input", english(instruction="Is the following sentence true? The sea is wide and the land is dry.")),
    ("missing-input", english(instruction="Shorten it.", turns=[{"role": "user", "content": NEWS}])),
    ("missing-input", row(instruction="다음 문장을 고치세요: 나는 학교에 간다.")),
    ("missing-input", row(instruction="이야기를 들려주세요.")),
    ("input-thin", english(instruction="Summarize the news article in one sentence.", input=NEWS)),
    ("input-thin", english(instruction="Write a news article on the topic, with the main points.", input="bridges")),
    ("input-thin", row(instruction="이 기사를 두 문장으로 요약하세요.", input=REPORT)),
    ("external-link", english(instruction="Summarize this article.", input=NEWS + LINK)),
    ("external-link", english(instruction="Which domain does this URL have?", input=LINK)),
    ("external-link", row(instruction="이 주소를 하이퍼링크로 만드세요.", input=LINK)),
    ("external-media", english(instruction="Who painted the Mona Lisa, and when was the picture painted?")),
    (
        "external-media",
        english(
            instruction="Describe this painting.", input="A river runs through a valley, painted in blue and gold."
        ),
    ),
    ("external-media", row(instruction="고양이 동영상을 왜 좋아할까요?")),
    ("beyond-text", english(instruction="Design an experiment on plant growth.")),
    ("beyond-text", english(instruction="Create a poster in HTML.", output="<html><body>Sale</body></html>")),
    ("beyond-text", english(instruction="Provide a description of a painting.")),
    ("beyond-text", row(instruction="좋은 로고의 특징을 설명하세요.")),
    ("beyond-text", row(instruction="웹 사이트를 만드는 데 필요한 것을 나열하세요.")),
    ("current-data", english(instruction="Give three ways to increase website traffic.")),
    ("current-data", english(instruction="How does weather form?")),
    ("current-data", row(instruction="오늘 날씨 좋아서 놀러 가고 싶어")),
    ("claimed-action", english(instruction="Add an adjective.", output="The red boat sails.")),
    ("claimed-action", english(instruction="Who designed the tower?", output="The tower was designed by an engineer.")),
    ("claimed-action", row(instruction="문장을 긍정문으로 다시 작성하세요.", output="그는 일을 완료했습니다.")),
    (
        "human-experience",
        english(instruction="Write a story about your first day.", output="When I was working as a nurse, it rained."),
    ),
    (
        "human-experience",
        english(instruction="What can you do?", output="As an AI, I have no job, and my favourite is none."),
    ),
    (
        "human-experience",
        row(instruction="당신이 간호사라면 어떻게 할까요?", output="저는 어릴 때부터 배운 대로 하겠습니다."),
    ),
]
