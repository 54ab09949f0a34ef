"""Constants, limits and indices against published tables and worked examples; each test names its source."""

from __future__ import annotations

from math import pi, sqrt
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quality.domain.capability import capability
from services.quality.domain.charts import (
    Basis,
    Limits,
    Subgroup,
    confirmed_basis,
    estimate,
    evaluate,
    location_limits,
    plotted_values,
    spread_limits,
)
from services.quality.domain.constants import d2, d3, factors
from services.quality.domain.memory import cusum, ewma
from services.quality.domain.plans import Characteristic
from tests.unit.quality.published import (
    DYED_CLOTH,
    FLOWRATE,
    PISTON_DEVIATIONS,
    PISTON_MEANS,
    PISTON_RINGS,
    PISTON_SIZES,
    PURCHASE_ORDERS,
    WAFER_CHIPS,
    WAFER_DEFECTS,
)

# ASTM Manual on Presentation of Data (MNL 7), table 49, and Montgomery, appendix VI; n = 2 .. 25.
TABLES = {
    "d2": "1.128 1.693 2.059 2.326 2.534 2.704 2.847 2.970 3.078 3.173 3.258 3.336 3.407 3.472 3.532 3.588 3.640 3.689"
    " 3.735 3.778 3.819 3.858 3.895 3.931",
    "d3": "0.853 0.888 0.880 0.864 0.848 0.833 0.820 0.808 0.797 0.787 0.778 0.770 0.763 0.756 0.750 0.744 0.739 0.734"
    " 0.729 0.724 0.720 0.716 0.712 0.708",
    "c4": "0.7979 0.8862 0.9213 0.9400 0.9515 0.9594 0.9650 0.9693 0.9727 0.9754 0.9776 0.9794 0.9810 0.9823 0.9835"
    " 0.9845 0.9854 0.9862 0.9869 0.9876 0.9882 0.9887 0.9892 0.9896",
    "A2": "1.880 1.023 0.729 0.577 0.483 0.419 0.373 0.337 0.308 0.285 0.266 0.249 0.235 0.223 0.212 0.203 0.194 0.187"
    " 0.180 0.173 0.167 0.162 0.157 0.153",
    "A3": "2.659 1.954 1.628 1.427 1.287 1.182 1.099 1.032 0.975 0.927 0.886 0.850 0.817 0.789 0.763 0.739 0.718 0.698"
    " 0.680 0.663 0.647 0.633 0.619 0.606",
    "D3": "0 0 0 0 0 0.076 0.136 0.184 0.223 0.256 0.283 0.307 0.328 0.347 0.363 0.378 0.391 0.403 0.415 0.425 0.434"
    " 0.443 0.451 0.459",
    "D4": "3.267 2.575 2.282 2.114 2.004 1.924 1.864 1.816 1.777 1.744 1.717 1.693 1.672 1.653 1.637 1.622 1.609 1.597"
    " 1.585 1.575 1.566 1.557 1.549 1.541",
    "B3": "0 0 0 0 0.030 0.118 0.185 0.239 0.284 0.321 0.354 0.382 0.406 0.428 0.448 0.466 0.482 0.497 0.510 0.523"
    " 0.534 0.545 0.555 0.565",
    "B4": "3.267 2.568 2.266 2.089 1.970 1.882 1.815 1.761 1.716 1.679 1.646 1.618 1.594 1.572 1.552 1.534 1.518 1.503"
    " 1.490 1.477 1.466 1.455 1.445 1.435",
}


@pytest.mark.parametrize("name", TABLES)
def test_constants_agree_with_the_printed_tables(name: str) -> None:
    for n, printed in enumerate(TABLES[name].split(), start=2):
        # Printed values are rounded, some of them from rounded values.
        assert getattr(factors(n), name) == pytest.approx(float(printed), abs=0.00105), (name, n)


def test_constants_where_they_are_known_exactly() -> None:
    assert d2(2) == pytest.approx(2 / sqrt(pi), abs=1e-7)
    assert d3(2) == pytest.approx(sqrt(2 - 4 / pi), abs=1e-6)
    assert d2(3) == pytest.approx(3 / sqrt(pi), abs=1e-7)
    with pytest.raises(ValueError, match="no spread"):
        d2(1)


def groups(rows: Any) -> list[Subgroup]:
    return [Subgroup(tuple(row)) for row in rows]


def lines(kind: str, subgroups: list[Subgroup], n: float) -> tuple[Limits, Limits | None]:
    basis = estimate(kind, subgroups)
    assert basis is not None
    return location_limits(basis, n), spread_limits(basis, n)


def out(kind: str, subgroups: list[Subgroup]) -> list[int]:
    """Numbers of the points beyond limits estimated from all of them."""
    basis = estimate(kind, subgroups)
    points = evaluate(kind, subgroups, [basis] * len(subgroups), rules=(1,))
    return [no for no, each in enumerate(points, start=1) if each.location.rules]


def test_piston_rings_are_as_printed() -> None:
    for row, mean, deviation in zip(PISTON_RINGS, PISTON_MEANS, PISTON_DEVIATIONS, strict=True):
        # The book's table rounds some halves down.
        assert fmean(row) == pytest.approx(mean, abs=0.00062)
        assert stdev(row) == pytest.approx(deviation, abs=0.00011)


def test_xbar_r_of_piston_rings() -> None:
    """Montgomery (4th ed., example 5-1 with the same data): R-bar 0.023, limits 74.014, 73.988 and 0.049."""
    location, spread = lines("xbar_r", groups(PISTON_RINGS), 5)
    assert spread is not None
    assert spread.cl == pytest.approx(0.023, abs=0.0005)
    assert (location.lcl, location.cl, location.ucl) == pytest.approx((73.988, 74.001, 74.014), abs=0.0006)
    assert (spread.lcl, spread.ucl) == pytest.approx((0.0, 0.049), abs=0.0006)
    assert out("xbar_r", groups(PISTON_RINGS)) == []


def test_xbar_s_of_piston_rings() -> None:
    """Montgomery, 6th ed., example 6.3: S-bar 0.0094, limits 74.014, 73.988 and 0.0196."""
    location, spread = lines("xbar_s", groups(PISTON_RINGS), 5)
    assert spread is not None
    assert (location.lcl, location.cl, location.ucl) == pytest.approx((73.988, 74.001, 74.014), abs=0.0006)
    assert (spread.lcl, spread.cl, spread.ucl) == pytest.approx((0.0, 0.0094, 0.0196), abs=0.00006)


def test_xbar_s_with_varying_sample_size() -> None:
    """Montgomery, 6th ed., example 6.4: mean 74.001, pooled S 0.0103; n = 5: 74.016, 73.986 and 0.022."""
    rows = [row[:n] for row, n in zip(PISTON_RINGS, PISTON_SIZES, strict=True)]
    assert sum(map(len, rows)) == 113
    basis = estimate("xbar_s", groups(rows))
    assert basis is not None and basis.s_bar is not None
    assert basis.centre == pytest.approx(74.001, abs=0.0005)
    assert basis.s_bar == pytest.approx(0.0103, abs=0.00006)
    location, spread = location_limits(basis, 5), spread_limits(basis, 5)
    assert spread is not None
    assert (location.lcl, location.ucl) == pytest.approx((73.986, 74.016), abs=0.0006)
    assert (spread.lcl, spread.ucl) == pytest.approx((0.0, 0.022), abs=0.0006)
    # A3 and B4 of n = 3
    assert location_limits(basis, 3).ucl == pytest.approx(74.001 + 1.954 * 0.0103, abs=0.0006)
    assert spread_limits(basis, 3).ucl == pytest.approx(2.568 * 0.0103, abs=0.0003)  # type: ignore[union-attr]


def test_individuals_and_moving_ranges_of_the_flowrate() -> None:
    """NIST/SEMATECH e-Handbook, 6.3.2.2: 50.81, 55.8041, 45.8159; MR-bar 1.8778."""
    subgroups = [Subgroup((value,)) for value in FLOWRATE]
    location, spread = lines("i_mr", subgroups, 1)
    assert spread is not None
    # The handbook divides by 1.128.
    assert (location.lcl, location.cl, location.ucl) == pytest.approx((45.8159, 50.81, 55.8041), abs=0.002)
    assert (spread.cl, spread.ucl) == pytest.approx((1.8778, 3.267 * 1.8778), abs=0.002)
    assert out("i_mr", subgroups) == []


def test_c_chart_of_wafers() -> None:
    """NIST/SEMATECH e-Handbook, 6.3.3.1: c-bar 16, limits 28 and 4; one wafer is out, one lies on the limit."""
    subgroups = [Subgroup(count=count) for count in WAFER_DEFECTS]
    location, spread = lines("c", subgroups, 1)
    assert spread is None
    assert (location.lcl, location.cl, location.ucl) == pytest.approx((4, 16, 28))
    assert out("c", subgroups) == [24]


def test_p_and_np_chart_of_wafers() -> None:
    """NIST/SEMATECH e-Handbook, 6.3.3.2: 0.2313, 0.4102, 0.0524; Montgomery, example 7.2: 11.57, 20.51, 2.62."""
    subgroups = [Subgroup(count=count, n=50) for count in WAFER_CHIPS]
    share, _ = lines("p", subgroups, 50)
    assert (share.lcl, share.cl, share.ucl) == pytest.approx((0.0524, 0.2313, 0.4102), abs=0.00006)
    number, _ = lines("np", subgroups, 50)
    assert (number.lcl, number.cl, number.ucl) == pytest.approx((2.62, 11.57, 20.51), abs=0.006)
    assert out("p", subgroups) == out("np", subgroups) == [15, 23]


def test_p_chart_with_varying_sample_size() -> None:
    """Montgomery, table 7.4, purchase orders: p-bar 234/2450 = 0.096, sample 11 is out of control."""
    subgroups = [Subgroup(count=count, n=n) for n, count in PURCHASE_ORDERS]
    location, _ = lines("p", subgroups, 100)
    assert location.cl == pytest.approx(234 / 2450)
    # The book rounds p-bar to 0.096 before it goes on: 0.184 and 0.007.
    assert (location.lcl, location.ucl) == pytest.approx((0.007, 0.184), abs=0.0006)
    assert out("p", subgroups) == [11]


def test_u_chart_with_varying_units() -> None:
    """Montgomery, table 7.11, dyed cloth: u-bar 153/107.5 = 1.42; limits of 10 units 2.55 and 0.29; none is out."""
    subgroups = [Subgroup(count=count, n=n) for n, count in DYED_CLOTH]
    location, _ = lines("u", subgroups, 10)
    assert (location.lcl, location.cl, location.ucl) == pytest.approx((0.29, 1.42, 2.55), abs=0.006)
    assert out("u", subgroups) == []


def test_limits_of_counts_stay_where_counts_can_be() -> None:
    assert location_limits(Basis("c", 2.0), 1).lcl == 0.0
    assert location_limits(Basis("p", 0.01), 20).lcl == 0.0
    assert location_limits(Basis("p", 0.99), 20).ucl == 1.0
    assert location_limits(Basis("np", 0.99), 20).ucl == 20.0
    assert location_limits(Basis("u", 0.5), 3).lcl == 0.0
    # a zone keeps its width all the same
    assert location_limits(Basis("c", 4.0), 1).z(2.0) == -1.0


def test_limits_that_came_with_a_plan() -> None:
    spec = Characteristic(
        "1", "HOLE", chart="xbar_r", subgroup_size=5, limit_lcl=31.97585, limit_cl=32.0, limit_ucl=32.02415,
        limit_sigma=0.018,
    )  # fmt: skip
    basis = confirmed_basis(spec)
    assert basis is not None
    assert location_limits(basis, 5).ucl == 32.02415
    assert location_limits(basis, 4).ucl == pytest.approx(32.027)
    spread = spread_limits(basis, 5)
    assert spread is not None and spread.cl == pytest.approx(2.326 * 0.018, abs=1e-5)
    # sigma from the limits, and nothing where neither is known
    assert confirmed_basis(Characteristic("1", "X", chart="i_mr", limit_lcl=4.0, limit_cl=10.0, limit_ucl=16.0)) == (
        Basis("i_mr", 10.0, 2.0, n=1, lcl=4.0, ucl=16.0, method="plan")
    )
    assert confirmed_basis(Characteristic("1", "X", chart="i_mr", limit_cl=10.0)) is None
    np = confirmed_basis(Characteristic("1", "X", kind="attribute", chart="np", subgroup_size=50, limit_cl=2.0))
    assert np is not None and location_limits(np, 50).cl == pytest.approx(2.0)


def test_excluded_points_stay_but_count_for_nothing() -> None:
    subgroups = [Subgroup((value,)) for value in (10.0, 10.2, 30.0, 9.9, 10.1)]
    subgroups[2] = Subgroup((30.0,), excluded=True)
    basis = estimate("i_mr", subgroups)
    assert basis is not None and basis.centre == pytest.approx(10.05)
    points = evaluate("i_mr", subgroups, [basis] * 5)
    assert len(points) == 5 and points[2].location.value == 30.0 and points[2].location.rules == ()
    # the moving range goes from 10.2 to 9.9
    assert plotted_values("i_mr", subgroups)[3][1] == pytest.approx(0.3)


def test_a_process_without_spread_has_limits_on_its_centre() -> None:
    subgroups = [Subgroup((5.0, 5.0))] * 4 + [Subgroup((5.1, 5.1))]
    basis = estimate("xbar_r", subgroups[:4])
    points = evaluate("xbar_r", subgroups, [basis] * 5)
    assert [each.location.rules for each in points] == [(), (), (), (), (1,)]


def test_too_little_gives_no_limits() -> None:
    assert estimate("xbar_r", groups([(1.0, 2.0)])) is None
    assert estimate("xbar_s", groups([(1.0,), (2.0,)])) is None
    assert estimate("c", []) is None


def test_capability_of_the_handbook() -> None:
    """NIST/SEMATECH e-Handbook, 6.1.6: USL 20, LSL 8, mean 16, s 2: Cp 1.0, upper 0.6667, lower 1.3333."""
    found = capability([(14.0,), (16.0,), (18.0,)], 8.0, 20.0)
    assert (found.mean, found.sigma_overall) == (16.0, 2.0)
    assert (found.pp, found.ppu, found.ppl, found.ppk) == pytest.approx((1.0, 0.6667, 1.3333, 0.6667), abs=5e-5)
    assert found.cm == found.pp
    assert found.method == "MR/d2"


def test_capability_of_piston_rings() -> None:
    """Montgomery, 4th ed., section 5-2: limits 74.000 +/- 0.05, sigma 0.023/2.326 = 0.0099, Cp 1.68."""
    found = capability(PISTON_RINGS, 73.95, 74.05)
    assert found.method == "R/d2"
    # The book rounds R-bar to 0.023 first.
    assert found.sigma_within == pytest.approx(0.0099, abs=0.0001)
    assert found.cp == pytest.approx(1.68, abs=0.02)
    assert found.cpk is not None and found.cp is not None and found.cpk < found.cp


def test_one_sided_and_unknown_indices() -> None:
    only_upper = capability([(1.0, 2.0), (1.5, 2.5)], None, 5.0)
    assert only_upper.cp is None and only_upper.cpl is None and only_upper.pp is None
    assert only_upper.cpk == only_upper.cpu is not None
    for rows in ([], [(1.0,)], [(2.0, 2.0), (2.0, 2.0)]):
        nothing = capability(rows, 0.0, 4.0)
        assert (nothing.cp, nothing.cpk, nothing.pp, nothing.ppk, nothing.cm) == (None,) * 5
    free = capability([(1.0, 2.0), (1.5, 2.5)], None, None)
    assert free.cpk is None and free.sigma_within is not None


def test_ewma_of_the_handbook() -> None:
    """NIST/SEMATECH e-Handbook, 6.3.2.4: centre 50, s 2.0539, weight 0.3: limits 52.5884 and 47.4115, none is out."""
    data = (
        52.0, 47.0, 53.0, 49.3, 50.1, 47.0, 51.0, 50.1, 51.2, 50.5, 49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4,
        53.6, 52.1,
    )  # fmt: skip
    printed = (
        50.60, 49.52, 50.56, 50.18, 50.16, 49.21, 49.75, 49.85, 50.26, 50.33, 50.11, 49.36, 49.52, 50.05, 49.38,
        49.92, 50.73, 51.23, 51.94, 51.99,
    )  # fmt: skip
    found = ewma(data, 50.0, 2.0539)
    assert [each.value for each in found] == pytest.approx(printed, abs=0.0051)
    assert (found[0].lcl, found[0].ucl) == pytest.approx((47.4115, 52.5884), abs=0.0005)
    assert not any(each.outside for each in found)
    assert ewma(data, 50.0, 2.0539, exact=True)[0].ucl == pytest.approx(50 + 3 * 0.3 * 2.0539)


def test_cusum_of_the_handbook() -> None:
    """NIST/SEMATECH e-Handbook, 6.3.2.3: target 325, k 0.3175, h 4.1959; the mean rises with group 13."""
    data = (
        324.925, 324.675, 324.725, 324.350, 325.350, 325.225, 324.125, 324.525, 325.225, 324.600, 324.625, 325.150,
        328.325, 327.250, 327.825, 328.500, 326.675, 327.775, 326.875, 328.350,
    )  # fmt: skip
    found = cusum(data, 325.0, k=0.3175, h=4.1959)
    assert [each.outside for each in found] == [False] * 13 + [True] * 7
    # by hand: 0.0075 below after the second group, 3.0075 above after group 13, 4.94 after group 14
    assert found[1].low == pytest.approx(0.0075)
    assert (found[12].high, found[13].high) == pytest.approx((3.0075, 4.94))


values = st.floats(-100, 100).map(lambda x: round(x, 3))


@given(st.lists(st.tuples(values, values, values), min_size=3, max_size=12), st.floats(-50, 50), st.floats(0.1, 20))
def test_limits_move_and_stretch_with_the_values(rows: list[Any], shift: float, scale: float) -> None:
    for kind in ("xbar_r", "xbar_s"):
        before, wide = lines(kind, groups(rows), 3)
        after, wider = lines(kind, groups([[scale * x + shift for x in row] for row in rows]), 3)
        assert wide is not None and wider is not None
        for name in ("lcl", "cl", "ucl"):
            assert getattr(after, name) == pytest.approx(scale * getattr(before, name) + shift, abs=1e-6)
            assert getattr(wider, name) == pytest.approx(scale * getattr(wide, name), abs=1e-6)


@given(st.lists(st.tuples(st.integers(1, 200), st.floats(0, 1)), min_size=2, max_size=30))
def test_attribute_limits_stay_in_their_range(rows: list[tuple[int, float]]) -> None:
    subgroups = [Subgroup(count=round(n * share), n=n) for n, share in rows]
    for kind in ("p", "np", "c", "u"):
        basis = estimate(kind, subgroups)
        for each in evaluate(kind, subgroups, [basis] * len(rows)):
            assert each.location.limits is not None
            assert 0 <= each.location.limits.lcl <= each.location.limits.cl + 1e-12
            if kind == "p":
                assert each.location.limits.ucl <= 1
