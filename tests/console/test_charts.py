"""Charts as numbers: what is drawn fits its room, says its values, and nothing is drawn of nothing."""

from __future__ import annotations

from gateway.console import charts
from gateway.console.charts import Series


def test_bars_are_stacked_and_say_their_values() -> None:
    made = charts.bars("t", ["00", "01"], [Series(name="in", values=[3, 0]), Series(name="out", values=[1, 0])])
    came, went = made.marks
    assert (came.title, went.title) == ("00 in: 3", "00 out: 1")
    assert went.y + went.height == came.y
    assert round(came.height / went.height) == 3
    assert [value for _, value in made.grid] == [0, 2, 4]


def test_an_axis_has_room_for_eight_labels() -> None:
    labels = [f"{hour:02}" for hour in range(24)]
    made = charts.bars("t", labels, [Series(name="in", values=[0] * 24)])
    assert [label for _, label in made.ticks] == labels[::3]
    assert made.marks == []


def test_rows_lie_beside_each_other_with_name_and_sum() -> None:
    series = [Series(name="answers", values=[2, 0]), Series(name="bulk", values=[6, 4])]
    made = charts.rows("t", ["mobile", "a-link-with-a-long-name"], series)
    assert [(name, value) for _, name, value in made.rows] == [("mobile", "8"), ("a-link-with-a…", "4")]
    answers, bulk, other = made.marks
    assert answers.x + answers.width == bulk.x
    assert answers.width + bulk.width == 2 * other.width
    assert bulk.x + bulk.width <= made.width
    assert answers.y == bulk.y < other.y < made.height


def test_a_signal_is_measured_between_none_and_the_best() -> None:
    signal = [Series(name="signal", values=[-113, -82, -51, -40])]
    made = charts.rows("t", ["a", "b", "c", "d"], signal, unit=" dBm", least=-113, most=-51)
    half, full, beyond = made.marks
    assert (half.width * 2, full.width) == (beyond.width, beyond.width)
    assert [value for _, _, value in made.rows] == ["-113 dBm", "-82 dBm", "-51 dBm", "-40 dBm"]


def test_rows_of_nothing_are_drawn_without_bars() -> None:
    made = charts.rows("t", ["mobile"], [Series(name="bulk", values=[0])])
    assert made.marks == []
    assert [value for _, _, value in made.rows] == ["0"]
    assert charts.rows("t", [], []).height > 0
