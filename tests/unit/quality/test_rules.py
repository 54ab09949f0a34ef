"""The eight rules of GB/T 4091-2001: one sequence made by hand for each, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quality.domain.charts import Basis, Subgroup, evaluate
from services.quality.domain.rules import ALL_RULES, DEFAULT, RunLengths, violations


def completed(rule: int, z: Sequence[float | None], lengths: RunLengths = DEFAULT) -> list[int]:
    """Numbers of the points that complete the rule."""
    return [no for no, found in enumerate(violations(z, rules=(rule,), lengths=lengths), start=1) if found]


SEQUENCES: dict[int, tuple[list[float | None], list[int]]] = {
    # beyond 3 sigma; on the line is inside
    1: ([0.0, 3.01, -2.9, -3.5, 3.0], [2, 4]),
    # nine on one side
    2: ([-0.1, *[0.2, 0.4] * 4, 0.3, 0.1, -0.1], [10, 11]),
    # six rising
    3: ([0.0, -1.0, -0.6, -0.2, 0.1, 0.3, 0.9, 0.8], [7]),
    # fourteen alternating
    4: ([0.5, -0.5] * 7, [14]),
    # two of three beyond 2 sigma on one side
    5: ([0.0, 2.1, 0.3, 2.4, 0.0, -2.2, 2.3, -2.5, 0.0], [4, 8]),
    # four of five beyond 1 sigma on one side
    6: ([0.0, 1.2, 1.4, 0.2, 1.1, 1.6, 0.0], [6]),
    # fifteen within 1 sigma
    7: ([1.5, *[0.3, -0.6, 0.9] * 5, 0.1, 1.2], [16, 17]),
    # eight outside 1 sigma, on both sides
    8: ([0.1, 1.2, 1.5, -1.3, 1.1, -2.0, -1.4, 1.8, 1.2, 0.0], [9]),
}


@pytest.mark.parametrize("rule", ALL_RULES)
def test_each_rule_is_signalled_at_the_point_that_completes_it(rule: int) -> None:
    sequence, expected = SEQUENCES[rule]
    assert completed(rule, sequence) == expected


@pytest.mark.parametrize("rule", ALL_RULES)
def test_a_sequence_one_point_short_is_silent(rule: int) -> None:
    sequence, expected = SEQUENCES[rule]
    assert completed(rule, sequence[: expected[0] - 1]) == []


def test_borders_break_patterns() -> None:
    assert completed(2, [0.2] * 8 + [0.0] + [0.2] * 8) == []
    assert completed(3, [0.0, 0.1, 0.2, 0.3, 0.3, 0.4, 0.5]) == []
    assert completed(4, [0.5, -0.5] * 6 + [-0.5, 0.5]) == []
    assert completed(5, [2.0, 2.0, 2.0]) == []
    assert completed(7, [0.5] * 14 + [1.0]) == []
    assert completed(8, [1.5] * 8) == []


def test_run_lengths_can_be_set() -> None:
    """Western Electric: eight on one side."""
    assert completed(2, [0.5] * 9) == [9]
    assert completed(2, [0.5] * 9, lengths=RunLengths(same_side=8)) == [8, 9]
    assert completed(3, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], lengths=RunLengths(trend=7)) == [7]


def test_excluded_points_are_not_seen_by_any_pattern() -> None:
    assert completed(2, [*[0.5] * 4, None, *[0.5] * 4, None, 0.5]) == [11]
    assert completed(1, [None, 5.0]) == [2]


def test_varying_limits_are_judged_in_each_points_own_sigmas() -> None:
    # 8 of 100 and 3 of 10 are far and near: p-bar 0.02
    basis = Basis("p", 0.02)
    subgroups = [Subgroup(count=8, n=100), Subgroup(count=1, n=10)]
    points = evaluate("p", subgroups, [basis, basis])
    assert [each.location.rules for each in points] == [(1,), ()]


def test_only_some_rules_make_sense_on_some_charts() -> None:
    counts = [Subgroup(count=count) for count in [4] * 16]
    points = evaluate("c", counts, [Basis("c", 4.0)] * 16)
    assert all(7 not in each.location.rules for each in points)
    # R: rule 1 only, though nine lie on one side
    rows = [Subgroup((0.0, 2.5, 1.0, 1.1))] * 10
    ranges = evaluate("xbar_r", rows, [Basis("xbar_r", 1.15, 1.0)] * 10)
    assert all(each.spread is not None and each.spread.rules == () for each in ranges)


def test_without_any_spread_equal_points_are_no_trend() -> None:
    flat = evaluate("i_mr", [Subgroup((6.0,))] * 15, [Basis("i_mr", 5.0, 0.0)] * 15)
    assert flat[-1].location.rules == (1, 2, 5, 6)
    on_the_line = evaluate("i_mr", [Subgroup((5.0,))] * 15, [Basis("i_mr", 5.0, 0.0)] * 15)
    assert on_the_line[-1].location.rules == (7,)


z_values = st.lists(st.floats(-4, 4).map(lambda x: round(x, 2)), max_size=60)


@given(z_values)
def test_the_mirror_image_violates_the_same_rules(z: list[float]) -> None:
    assert violations(z) == violations([-each for each in z])


@given(z_values)
def test_what_comes_later_changes_nothing_before(z: list[float]) -> None:
    whole = violations(z)
    for length in range(0, len(z), 7):
        assert violations(z[:length]) == whole[:length]


@given(
    st.lists(st.floats(-4, 4).map(lambda x: round(x, 2)), min_size=2, max_size=40),
    st.integers(-1000, 1000),
    st.sampled_from([0.001, 0.5, 3.0, 250.0]),
)
def test_shift_and_scale_change_nothing(z: list[float], shift: int, scale: float) -> None:
    plain = evaluate("i_mr", [Subgroup((x,)) for x in z], [Basis("i_mr", 0.0, 1.0)] * len(z))
    moved = evaluate("i_mr", [Subgroup((shift + scale * x,)) for x in z], [Basis("i_mr", float(shift), scale)] * len(z))
    assert [each.location.rules for each in plain] == [each.location.rules for each in moved]
