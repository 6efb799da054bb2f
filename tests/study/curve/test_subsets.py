"""Nested training subsets of a learning curve."""

from seodang.study.curve.subsets import select_subsets


def test_small_subsets_are_contained_in_large_ones_and_the_mix_has_the_same_records_of_the_task(
    make_curve, make_records
):
    training = make_records(["sentiment", "intent", "topic"], 20, "train")
    curve = make_curve(records=[3, 6, 12], seeds=[1, 2])
    subsets = {(one.variant, one.asked, one.seed): one for one in select_subsets(curve, training)}
    assert len(subsets) == 12
    for variant in curve.variants:
        for seed in curve.seeds:
            small, middle, large = (subsets[variant, asked, seed] for asked in curve.records)
            assert small.task_records == middle.task_records[:3] == large.task_records[:3]
            assert small.other_records == middle.other_records[: len(small.other_records)]
    for asked in curve.records:
        single, mix = subsets["single", asked, 1], subsets["mix", asked, 1]
        assert single.task_records == mix.task_records
        assert len(single.task_records) == asked
        assert not single.other_records
        assert len(mix.other_records) == asked  # mix_ratio 0.5
        assert {record.task for record in mix.other_records} == {"topic"}  # never the held-out task
    assert subsets["single", 3, 1].task_records != subsets["single", 3, 2].task_records


def test_the_order_of_the_training_file_and_copies_of_a_record_change_nothing(make_curve, make_records):
    training = make_records(["sentiment", "topic"], 20, "train")
    curve = make_curve()
    assert select_subsets(curve, training) == select_subsets(curve, [*reversed(training), *training])


def test_of_the_numbers_beyond_the_records_there_are_one_takes_all_of_them(make_curve, make_records):
    training = make_records(["sentiment", "topic"], 5, "train")
    subsets = select_subsets(make_curve(records=[2, 8, 16], variants=["mix"], seeds=[1], mix_ratio=0.75), training)
    assert [(one.asked, len(one.task_records)) for one in subsets] == [(2, 2), (8, 5)]
    assert [(one.asked_others, len(one.other_records)) for one in subsets] == [(6, 5), (15, 5)]


def test_a_number_that_equals_the_records_there_are_is_not_short(make_curve, make_records):
    training = make_records(["sentiment", "topic"], 4, "train")
    assert [one.asked for one in select_subsets(make_curve(records=[2, 4, 8], seeds=[1]), training)] == [2, 2, 4, 4]
