"""Names of keys with which records describe themselves; `mark_values` has the words of their values.

Names are in lower case with _ for blanks and dashes, and without the prefix "is_".
"""

from __future__ import annotations

from typing import Final

# A false value rejects the record.
GOOD_KEYS: Final = frozenset(
    (
        *(
            "correct",
            "valid",
            "good",
            "accepted",
            "approved",
            "acceptable",
            "desirable",
            "use",
            "usable",
            "keep",
            "kept",
        ),
        *("include", "included", "train", "trainable", "training", "passed", "pass", "ok", "answer_correct"),
        *("correctness", "license_ok", "licence_ok", "o/x", "ox"),
        *(
            "사용",
            "사용여부",
            "사용_여부",
            "정답여부",
            "정답_여부",
            "적합",
            "적합여부",
            "적합성",
            "채택",
            "채택여부",
            "승인",
            "승인여부",
            "학습여부",
            "학습_여부",
            "합격",
            "합격여부",
            "use_yn",
            "valid_yn",
            "thumbs_up",
        ),
    )
)
# Names of GOOD_KEYS whose number may be an index or a count: only true, false and words are verdicts.
INDEX_KEYS: Final = frozenset(("correct", "training", "use"))
# A true value rejects the record.
BAD_KEYS: Final = frozenset(
    (
        *("deleted", "removed", "discarded", "discard", "rejected", "invalid", "flagged", "spam", "hidden", "blocked"),
        *("ignore", "ignored", "skip", "skipped", "exclude", "excluded", "bad", "wrong", "incorrect", "low_quality"),
        *("obsolete", "deprecated", "withdrawn", "duplicate", "duplicated", "masked", "cancelled", "canceled"),
        *("hallucination", "hallucinated", "error", "errors", "contaminated", "outdated"),
        *("quarantined", "suppressed", "todelete", "to_delete", "for_deletion", "mark_for_deletion"),
        *("marked_for_deletion", "superseded", "retracted", "revoked", "corrupted", "corrupt", "garbage"),
        *("plagiarized", "plagiarism", "skipped"),
        *("삭제", "삭제여부", "삭제_여부", "제외", "제외여부", "오답여부", "오답", "폐기", "반려"),
        *("thumbs_down", "del_yn", "delete_yn", "deleted_yn"),
    )
)
# A false value leaves the record in doubt.
CONFIRMED_KEYS: Final = frozenset(
    (
        *("verified", "validated", "reviewed", "checked", "confirmed", "human_verified", "completed", "finished"),
        *("final", "published", "safe", "검수여부", "검수_여부", "검증여부", "검수완료", "확인여부"),
        *("complete", "helpful", "grounded", "faithful", "relevant", "coherent", "consistent", "consensus"),
        *("active", "enabled", "visible", "factual", "truthful", "allowed", "permitted", "publishable"),
    )
)
# A true value leaves the record in doubt.
DOUBT_KEYS: Final = frozenset(
    (
        *("draft", "needs_review", "need_review", "unverified", "pending", "toxic", "nsfw", "harmful", "unsafe"),
        *("truncated", "refusal", "refused", "suspicious", "재검수", "검토필요", "검토_필요"),
        *("pii", "personal_data", "personal_information", "sensitive", "copyrighted", "ambiguous", "disagreement"),
        *(
            "leaked",
            "expired",
            "disabled",
            "broken",
            "stale",
            "archived",
            "noisy",
            "biased",
            "immoral",
            "hateful",
            "hate",
            "hate_speech",
            "offensive",
            "profanity",
        ),
        *(
            "needs_fix",
            "need_fix",
            "needs_revision",
            "needs_rework",
            "needs_work",
            "needs_correction",
            "low_confidence",
        ),
    )
)
# A remark that is only a verdict counts as one; other remarks are reported.
NOTE_KEYS: Final = frozenset(
    ("note", "notes", "comment", "comments", "remark", "remarks", "memo", "review_comment", "reviewer_comment")
)
STATUS_KEYS: Final = frozenset(
    (
        *(
            "status",
            "state",
            "review",
            "review_status",
            "review_result",
            "verdict",
            "decision",
            "judgement",
            "judgment",
        ),
        *("annotation", "annotation_status", "record_status", "response_status", "answer_status", "label_status"),
        *(
            "quality",
            "quality_label",
            "quality_flag",
            "feedback",
            "vote",
            "evaluation",
            "assessment",
            "result",
            "qa_status",
            "answer",
        ),
        *(
            "상태",
            "검수",
            "검수결과",
            "검수_결과",
            "검수상태",
            "판정",
            "결과",
            "품질",
            "평가",
            "피드백",
            "label",
            "kto_tag",
            "tag",
            "approval",
            "outcome",
            "safety",
            "thumbs",
            "finish_reason",
            "stop_reason",
        ),
        *("qc", "qa", "inspection", "check", "last_action", "human_label", "annotator_label", "expert_label"),
        *("judge_label", "labels", "grade", *NOTE_KEYS),
    )
)
# A date under one of these names rejects the record.
DATE_KEYS: Final = frozenset(
    ("deleted_at", "removed_at", "rejected_at", "discarded_at", "deleted_on", "삭제일", "삭제일시")
)
# A name that ends with, or begins with, one of these words is read like the word alone: human_approved,
# use_for_training. Numbers under such a name may be counts, so only true, false and words are verdicts there.
LAST_WORDS: Final = frozenset(
    (
        *("approved", "accepted", "acceptable", "correct", "valid", "passed", "usable", "desirable"),
        *("rejected", "deleted", "removed", "discarded", "excluded", "invalid", "incorrect", "flagged", "masked"),
        *("hallucination", "hallucinated", "error", "cancelled", "canceled", "obsolete", "deprecated"),
        *("verified", "validated", "reviewed", "confirmed", "toxic", "harmful", "unsafe", "nsfw", "truncated"),
        *("status", "decision", "verdict", "judgement", "judgment", "outcome", "quality", "feedback", "approval"),
        *("result", "check", "pass", "ok", "split", "duplicate", "contaminated", "note", "comment", "grade"),
    )
)
FIRST_WORDS: Final = frozenset(("use", "include", "train", "exclude", "skip", "ignore", "discard", "keep"))
LINKING_WORDS: Final = frozenset(("for", "in", "from", "on", "as"))
# A text says why the record was rejected, so it was.
REASON_KEYS: Final = frozenset(
    f"{word}_reason"
    for word in ("reject", "rejection", "rejected", "delete", "deletion", "deleted", "discard", "exclude", "exclusion")
) | {"reason_for_rejection", "removal_reason", "skip_reason", "invalid_reason"}
# A word such as "low" or 하 leaves a doubt; the scale of a number is unknown.
LEVEL_KEYS: Final = frozenset(
    ("level", "confidence", "satisfaction", "fluency", "coherence", "overall", "correctness_level", "usefulness")
)
VOTE_KEYS: Final = frozenset(("vote", "votes", "upvotes", "vote_score", "추천"))  # a negative number leaves a doubt
# A number above 0.5 leaves a doubt.
HARM_KEYS: Final = frozenset(("toxicity", "toxicity_score", "toxic_score", "nsfw_score", "unsafe_score", "harm_score"))
WEIGHT_KEYS: Final = frozenset(("weight", "sample_weight", "example_weight", "loss_weight", "loss_mask"))
RATING_KEYS: Final = frozenset(
    (
        *("rating", "ratings", "stars", "star_rating", "user_rating", "human_rating", "quality_score", "score"),
        *("overall_rating", "quality_rating", "answer_rating", "response_rating", "annotator_rating", "expert_rating"),
        *("overall_score", "human_score", "quality", "helpfulness", "평점", "별점", "점수", "품질", "품질등급", "등급"),
    )
)
# A letter such as D or F leaves a doubt; a number under "grade" may be a class at school.
GRADE_KEYS: Final = frozenset(("grade", "letter_grade", "quality_grade", "answer_grade", "quality", "등급", "품질등급"))
CORRECTION_KEYS: Final = frozenset(
    (
        *("corrected_output", "corrected_answer", "corrected_response", "corrected_completion", "corrected"),
        *("correction", "human_correction", "correct_output", "correct_response", "fixed_output", "fixed_answer"),
        *("revised_output", "revised_answer", "revised_response", "edited_output", "edited_answer", "edited_response"),
        *("new_output", "new_answer", "new_response", "better_output", "better_answer", "rewritten_output"),
        *("수정답변", "수정_답변", "수정된_답변", "정정답변", "교정답변", "교정_답변"),
    )
)
SPLIT_KEYS: Final = frozenset(
    (
        *(
            "split",
            "partition",
            "set",
            "subset",
            "dataset_split",
            "data_split",
            "usage",
            "구분",
            "분할",
            "fold",
            "phase",
        ),
        *("set_type", "set_name", "split_name", "split_type", "subset_name", "data_type", "dataset_type"),
        *("train_test", "train_or_test", "train_test_split", "data_usage"),
    )
)
HELD_OUT_KEYS: Final = frozenset(
    ("test", "validation", "eval", "dev", "holdout", "held_out", "in_test", "in_test_set", "for_test", "for_eval")
)  # is_test: true
NESTED_KEYS: Final = frozenset(
    (
        *("metadata", "meta", "annotation", "annotations", "review", "info", "extra", "properties", "attributes"),
        *("quality", "evaluation", "eval", "judge", "judgement", "feedback", "moderation", "메타데이터", "검수"),
        *("verdict", "inspection", "qc", "qa", "grader", "grader_result", "result", "results", "reviews", "labels"),
        *("label_info", "labeling_info", "annotation_info", "worker_answer", "rating", "ratings", "status"),
        *("라벨", "라벨링", "라벨정보", "라벨링정보", "가공정보", "검수정보", "품질정보", "메타정보", "작업정보"),
    )
)
