"""Words that the values of marks use: verdicts, states and names of splits, in lower case."""

from __future__ import annotations

from typing import Final

LOW_WORDS: Final = frozenset(
    (
        *("low", "very low", "lowest", "very bad", "very poor", "terrible", "awful", "worst", "unsatisfactory"),
        *("dissatisfied", "very dissatisfied", "하", "최하", "낮음", "매우 낮음", "미흡", "불만", "불만족"),
        *("매우 불만족", "매우 나쁨", "아주 나쁨", "매우 미흡", "부족"),
    )
)
# Of a flag about an error or a risk, such as 오류여부 or 개인정보: it is there, or it is not.
PRESENT_WORDS: Final = frozenset(
    ("있음", "포함", "유", "해당", "해당함", "유해", "편향", "비윤리", "비공개", "present", "included", "found")
)
ABSENT_WORDS: Final = frozenset(
    (
        "없음",
        "미포함",
        "불포함",
        "무",
        "미해당",
        "해당없음",
        "해당 없음",
        "무해",
        "none",
        "absent",
        "n/a",
        "na",
        "정상",
        "-",
    )
)
LOW_GRADES: Final = frozenset(("d", "d+", "d-", "e", "f", "f-"))


BAD_STATUS: Final = frozenset(
    (
        *("discarded", "discard", "rejected", "reject", "refused", "declined", "disapproved", "denied", "not accepted"),
        *("deleted", "removed", "invalid", "bad", "poor", "wrong", "incorrect", "failed", "fail", "error", "spam"),
        *("ignored", "ignore", "skipped", "skip", "excluded", "exclude", "blocked", "flagged", "banned", "hidden"),
        *(
            "obsolete",
            "deprecated",
            "withdrawn",
            "dropped",
            "drop",
            "unusable",
            "undesirable",
            "low quality",
            "dislike",
        ),
        *("thumbs down", "thumbsdown", "downvote", "do not use", "unacceptable", "down", "content filter", "👎", "❌"),
        *("ng", "n.g", "n.g.", "not ok", "quarantined", "cancelled", "canceled", "expired", "no good", "disabled"),
        *(
            "삭제 요망",
            "삭제요망",
            "삭제 필요",
            "삭제필요",
            "삭제 예정",
            "삭제대상",
            "삭제 대상",
            "폐기대상",
            "폐기 대상",
        ),
        *(
            "제외 대상",
            "제외대상",
            "사용불가능",
            "사용 불가능",
            "불가",
            "불가능",
            "부정확",
            "미활용",
            "비활용",
            "미학습",
        ),
        *("중복", "오류 있음", "오류있음", "오답 처리", "오", "틀림", "비정상", "비유효"),
        *(
            "반려",
            "기각",
            "거절",
            "거부",
            "삭제",
            "삭제됨",
            "폐기",
            "제외",
            "불합격",
            "탈락",
            "오류",
            "무효",
            "불량",
            "오답",
        ),
        *("부적합", "부적절", "나쁨", "싫어요", "사용 안 함", "사용안함", "미사용", "사용금지", "비선호"),
        *("사용 금지", "사용불가", "사용 불가", "미채택", "채택 안 함", "부결", "미승인"),
    )
)


# The part of BAD_STATUS that a label may hold as a verdict; "wrong" may also be the class of a text.
BAD_LABELS: Final = frozenset(
    (
        *("bad", "poor", "undesirable", "rejected", "reject", "discarded", "dislike", "thumbs down", "downvote"),
        *("thumbsdown",),
        *("👎", "❌", "비선호", "나쁨", "반려", "불합격"),
    )
)


OPEN_STATUS: Final = frozenset(
    (
        *("pending", "draft", "todo", "to do", "in progress", "unreviewed", "needs review", "need review", "in review"),
        *("unverified", "unfinished", "incomplete", "not reviewed", "under review", "unsafe", "harmful"),
        *("length", "max tokens", "changes requested", "needs work", "revision requested", "not started"),
        *("검수전", "검수 전", "미완료", "수정필요", "수정 필요", "재작업"),
        *("to review", "to label", "to be reviewed", "in rework", "rework", "awaiting review", "review pending", "wip"),
        *(
            "작업중",
            "작업 중",
            "작업전",
            "작업 전",
            "미작업",
            "검토중",
            "검토 중",
            "검토전",
            "검토 전",
            "재검토",
            "확인필요",
        ),
        *(
            "확인 필요",
            "재검수",
            "재검수 필요",
            "재검수필요",
            "재작업 필요",
            "수정요청",
            "수정 요청",
            "미확정",
            "보완필요",
        ),
        *("보완 필요", "미정제", "비공개", "불일치", "미검증", "미확인"),
        *(
            "대기",
            "검수중",
            "검수 중",
            "검수대기",
            "검수 대기",
            "작성중",
            "작성 중",
            "미검수",
            "보류",
            "임시",
            "초안",
            "진행중",
            "진행 중",
        ),
    )
)


GOOD_STATUS: Final = frozenset(
    (
        *(
            "submitted",
            "accepted",
            "accept",
            "approved",
            "completed",
            "complete",
            "done",
            "valid",
            "ok",
            "good",
            "great",
        ),
        *("published", "active", "final", "reviewed", "verified", "validated", "success", "passed", "pass", "finished"),
        *(
            "stop",
            "eos",
            "end turn",
            "safe",
            "up",
            "correct",
            "high",
            "high quality",
            "medium",
            "desirable",
            "like",
            "thumbs up",
            "upvote",
            "👍",
            "✅",
        ),
        *(
            "승인",
            "완료",
            "채택",
            "검수완료",
            "검수 완료",
            "정상",
            "합격",
            "통과",
            "적합",
            "정답",
            "좋음",
            "우수",
            "양호",
            "선호",
        ),
    )
)


HELD_OUT_SPLITS: Final = frozenset(
    (
        *("test", "tests", "testing", "validation", "valid", "val", "dev", "development", "eval", "evaluation"),
        *(
            "holdout",
            "hold out",
            "held out",
            "heldout",
            "평가",
            "평가용",
            "시험",
            "시험용",
            "검증",
            "검증용",
            "테스트",
            "테스트용",
        ),
    )
)


TRAINING_SPLITS: Final = frozenset(("train", "training", "학습", "학습용", "훈련", "훈련용"))
