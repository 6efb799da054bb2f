"""Short texts of our own with the same content in Korean and English; a plan without records counts their tokens."""

from __future__ import annotations

from typing import Final

KOREAN: Final = (
    "도서관은 아침 아홉 시에 문을 엽니다. 책을 빌리려면 회원증이 필요합니다.",
    "어제 산 우산이 벌써 부러졌어요. 가게에 가져가면 바꿔 줄까요?",
    "이 식당은 음식이 맛있지만 기다리는 시간이 너무 깁니다.",
    "다음 주 회의는 화요일 오후로 옮겼습니다. 장소는 그대로입니다.",
    "할머니는 마당에서 고추를 말리고, 아이들은 그 옆에서 공을 찼다.",
    "비가 많이 와서 강물이 불었다. 다리를 건너지 말라는 방송이 나왔다.",
    "컴퓨터가 갑자기 꺼지면 먼저 전원이 꽂혀 있는지 확인하세요.",
    "김치는 배추에 소금을 뿌려 절인 다음 양념을 넣어 만든다.",
    "주문하신 물건은 오늘 저녁에 도착할 예정입니다. 문 앞에 두겠습니다.",
    "그 영화는 처음에는 지루했지만 마지막 장면이 오래 기억에 남는다.",
    "겨울이 되면 새들은 따뜻한 남쪽으로 날아갔다가 봄에 돌아온다.",
    "세금 신고를 늦게 하면 벌금을 낼 수 있으니 날짜를 꼭 지키세요.",
)
ENGLISH: Final = (
    "The library opens at nine in the morning. You need a membership card to borrow books.",
    "The umbrella I bought yesterday has already broken. Will they replace it if I take it to the shop?",
    "The food at this restaurant is good, but the waiting time is too long.",
    "Next week's meeting has moved to Tuesday afternoon. The place stays the same.",
    "Grandmother dried peppers in the yard, and the children kicked a ball beside her.",
    "It rained so much that the river rose. An announcement said not to cross the bridge.",
    "If the computer suddenly turns off, first check whether it is plugged in.",
    "Kimchi is made by sprinkling salt on cabbage, letting it rest, and adding the seasoning.",
    "The goods you ordered should arrive this evening. We will leave them at the door.",
    "The film was boring at first, but its last scene stays in the memory for a long time.",
    "When winter comes, the birds fly to the warm south, and they return in spring.",
    "You may have to pay a fine if you file your taxes late, so be sure to keep the date.",
)
