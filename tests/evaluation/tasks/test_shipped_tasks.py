"""The task files in tasks/: all can be read, and their prompts equal those of their sources, on invented rows."""

from pathlib import Path

import pytest

from seodang.evaluation.ifeval.rules import RULES
from seodang.evaluation.tasks.loading import load_record_task, load_task
from seodang.evaluation.tasks.prompts import render_few_shot_prompt
from seodang.evaluation.tasks.sampling import select_few_shot_examples
from seodang.evaluation.tasks.spec import SplitData, load_specs
from seodang.ingest.readers.strict import read_rows_strict
from seodang.primer.families import build_classification_families, build_families
from seodang.primer.generator import iter_primer_records

FOLDER = Path(__file__).resolve().parents[3] / "tasks"
SPECS = {spec.name: spec for spec in load_specs(FOLDER, [])}


def load(name, folder, table, few_shot_table=""):
    spec = SPECS[name]
    for file, text in ((spec.data.file, table), (spec.data.few_shot_file, few_shot_table)):
        if file:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text or table, "utf-8")
    return load_task(spec, folder, read_rows_strict, seed=1)


def index_samples(task):
    return {sample.id: sample for sample in task.samples}


def test_every_primer_family_has_a_task():
    assert {spec.data.task: spec.kind for name, spec in SPECS.items() if name.startswith("primer_")} == {
        **{name: "choice" if name in build_classification_families() else "generate" for name in build_families()},
        "own_words": "choice",
    }
    for name, family in build_families().items():
        assert SPECS[f"primer_{name}"].cluster == family.cluster


def test_every_task_names_its_source():
    for name, spec in SPECS.items():
        assert (FOLDER / f"{name}.yaml").read_text("utf-8").startswith("# ")
        assert (
            isinstance(spec.data, SplitData) or spec.language is not None or name in ("retention", "replayed")
        )  # its questions are in both


def test_a_primer_task_asks_the_instruction_about_the_input(make_film):
    spec = SPECS["primer_own_words"]
    task = load_record_task(
        spec, [make_film("좋다", "긍정", task="own_words"), make_film("별로", "부정", task="own_words")], [], seed=1
    )
    assert {item.prompt for item in task.samples} == {"감정은?\n좋다", "감정은?\n별로"}


def test_held_out_records_of_all_tasks_are_asked(make_film):
    records = [make_film("좋다", "긍정"), make_film("어디?", "서울", (), task="places")]
    for name in ("held_out", "held_out_perplexity"):
        assert {item.reference for item in load_record_task(SPECS[name], records, [], seed=1).samples} == {
            "긍정",
            "서울",
        }


def test_boolq_is_asked_as_the_harness_does(tmp_path):
    task = load(
        "kobest_boolq",
        tmp_path,
        "ID\tText\tQuestion\tAnswer\n1\t비가 온다.\t맑은가?\tFalse\n2\t눈이 온다.\t추운가?\tTRUE\n",
    )
    assert index_samples(task)["1"].prompt == "비가 온다. 질문: 맑은가? 답변: "
    assert index_samples(task)["1"].choices == ("아니오", "예")
    assert [index_samples(task)[id].reference for id in "12"] == ["아니오", "예"]


def test_copa_is_asked_as_the_harness_does(tmp_path):
    table = (
        "ID\tsentence\tquestion\t1\t2\tAnswer\n"
        "1\t길이 젖었다.\t원인 \t비가 왔다.\t해가 떴다.\t1\n"
        "2\t비가 왔다.\t결과\t해가 떴다.\t길이 젖었다.\t2\n"
    )
    task = load("kobest_copa", tmp_path, table)
    assert index_samples(task)["1"].prompt == "길이 젖었다.  왜냐하면"
    assert index_samples(task)["2"].prompt == "비가 왔다.  그래서"
    assert index_samples(task)["2"].reference == "길이 젖었다."


def test_hellaswag_is_asked_as_the_harness_does(tmp_path):
    table = (
        "context\tchoice1\tchoice2\tchoice3\tchoice4\tlabel\n"
        "공을 던진다.\t친다.\t잡는다.\t본다.\t운다.\t3\n"
        "달린다.\t쉰다.\t뛴다.\t난다.\t긴다.\t0\n"
    )
    task = load("kobest_hellaswag", tmp_path, table)
    item = next(item for item in task.samples if item.prompt == "문장: 공을 던진다.")
    assert (item.choices, item.reference) == (("친다.", "잡는다.", "본다.", "운다."), "운다.")
    assert (task.spec.normalise, task.spec.metrics[0]) == ("characters", "accuracy_norm")


def test_sentineg_is_asked_as_the_harness_does_whatever_the_order_of_columns(tmp_path):
    task = load(
        "kobest_sentineg",
        tmp_path,
        "ID\tLabel\tText\n1\t1\t좋아요\n2\t0\t별로예요\n",
        "ID\tText\tLabel\n1\t만족합니다\t1\n",
    )
    spec = task.spec
    assert (
        render_few_shot_prompt(spec, index_samples(task)["1"], task.few_shot_pool, "harness")
        == "문장: 만족합니다 긍부정: 긍정\n\n문장: 좋아요 긍부정:"
    )
    assert index_samples(task)["2"].reference == "부정"


def test_wic_is_asked_as_the_harness_does(tmp_path):
    head = "ID\tTarget\tSENTENCE1\tDictionary 1\tLink 1\tSENTENCE2\tDictionary 2\tLink2\tANSWER\n"
    task = load(
        "kobest_wic",
        tmp_path,
        f"{head}1\t배\t[배]를 먹다.\t1\tx\t[배]를 타다.\t2\ty\tFALSE\n2\t눈\t[눈]이 온다.\t1\tx\t[눈]이 녹다.\t1\ty\tTrue\n",
    )
    assert (
        index_samples(task)["1"].prompt
        == "문장1: [배]를 먹다. 문장2: [배]를 타다. 두 문장에서 배가 같은 뜻으로 쓰였나?"
    )
    assert [index_samples(task)[id].reference for id in "12"] == ["아니오", "예"]


def test_nsmc_has_the_two_prompts_of_koalpaca_and_leaves_out_remarks_without_text(tmp_path):
    task = load(
        "nsmc", tmp_path, "id\tdocument\tlabel\n1\t굳 ㅋ\t1\n2\t별로\t0\n3\t\t0\n", "id\tdocument\tlabel\n9\t최고\t1\n"
    )
    item = index_samples(task)["1"]
    assert item.prompts == {
        "bare": "문장: 굳 ㅋ\n감정:",
        "question": "다음 문장은 긍정일까요 부정일까요?\n굳 ㅋ\n정답:",
    }
    assert (
        render_few_shot_prompt(task.spec, item, task.few_shot_pool, "bare")
        == "문장: 최고\n감정: 긍정\n문장: 굳 ㅋ\n감정:"
    )
    assert set(index_samples(task)) == {"1", "2"}


def test_kornli_asks_which_of_three_holds(tmp_path):
    rows = "".join(
        f"그가 왔다{mark}\t그가 있다{mark}\t{label}\n"
        for mark, label in ((".", "entailment"), ("!", "neutral"), ("?", "contradiction"))
    )
    task = load("kornli", tmp_path, f"sentence1\tsentence2\tgold_label\n{rows}")
    found = {item.prompts["klue"]: item.reference for item in task.samples}
    assert found == {
        "그가 왔다.:그가 있다.": "(참)",
        "그가 왔다!:그가 있다!": "(중립)",
        "그가 왔다?:그가 있다?": "(모순)",
    }


def test_similar_sentences_are_the_same_from_a_score_of_three(tmp_path):
    rows = "".join(
        f"g\tf\t2015\t{number}\t{score}\t가{number}\t나{number}\n"
        for number, score in enumerate(("2.999", "3.000", "5.000"))
    )
    korsts = load("korsts", tmp_path, f"genre\tfilename\tyear\tid\tscore\tsentence1\tsentence2\n{rows}")
    assert {item.extra["score"]: item.reference for item in korsts.samples} == {
        "2.999": "다름",
        "3.000": "같음",
        "5.000": "같음",
    }
    labels = '{{"label": {0}, "binary-label": {1}}}'
    rows = [
        f'{{"guid": "{label}", "sentence1": "가", "sentence2": "나", "labels": {labels.format(score, label)}}}'
        for label, score in ((0, 2.9), (1, 3.1))
    ]
    klue = index_samples(load("klue_sts", tmp_path, f"[{','.join(rows)}]"))
    assert (klue["0"].reference, klue["1"].reference, klue["1"].extra) == ("다름", "같음", {"score": 3.1})
    assert klue["0"].prompt == "문장1: 가\n문장2: 나\n정답:"


def test_ifeval_keeps_the_instructions_beside_the_prompt(tmp_path):
    row = '{"key": 1000, "prompt": "Write.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}\n'
    item = load("ifeval", tmp_path, row).samples[0]
    assert (item.id, item.prompt, item.reference) == ("1000", "Write.", "")
    assert item.extra == {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    assert sum(not id.startswith("korean:") for id in RULES) == 25  # the published ones


def test_remarks_are_read_one_at_a_time_for_their_perplexity(tmp_path):
    item = load("nsmc_perplexity", tmp_path, "id\tdocument\tlabel\n1\t굳 ㅋ\t1\n").samples[0]
    assert (item.prompt, item.reference, item.choices) == ("", "굳 ㅋ", ())


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_task_is_read_alone_too(name):
    assert load_specs(FOLDER, [name]) == [SPECS[name]]


def test_every_primer_task_can_be_asked_of_the_primers_own_records():
    records = list(
        {
            record.id: record
            for record in iter_primer_records(
                seed=1, classification_per_language=24, sentiment_per_language=24, open_per_language=8
            )
        }.values()
    )
    test_records, training = records[::2], records[1::2]
    for name, spec in SPECS.items():
        if isinstance(spec.data, SplitData):
            task = load_record_task(spec, test_records, training, seed=1)
            assert {item.language for item in task.samples} == {"ko", "en"}, name
            assert all(
                len(select_few_shot_examples(task, language, seed=1, shots=4)) == 4 for language in ("ko", "en")
            ), name
