from xml.etree import ElementTree

from seodang.orchestration.loss_chart import draw_loss_chart


def test_each_curve_is_a_line_within_the_picture():
    chart = draw_loss_chart(
        {"train_loss": [(1, 3.0), (1000, 1.0)], "validation_loss": [(500, 2.0)], "memory_mb": [(1, 9)]}
    )
    tree = ElementTree.fromstring(chart)
    lines = [each.get("points").split() for each in tree.iter() if each.tag.endswith("polyline")]
    assert lines[0][-1] == "592.0,197.3"
    assert len(lines) == 2
    texts = [each.text for each in tree.iter() if each.tag.endswith("text")]
    assert texts == [
        *("3.00", "0", "1000", "optimizer step", "nats per label token"),
        *("Training loss", "Validation loss"),
    ]


def test_a_long_curve_is_thinned_to_its_last_point():
    chart = draw_loss_chart({"train_loss": [(step, 1.0) for step in range(1, 10_001)]})
    assert len(chart) < 8000
    assert "592.0,48.0" in chart


def test_there_is_no_picture_without_points():
    assert draw_loss_chart({"train_loss": []}) is None
