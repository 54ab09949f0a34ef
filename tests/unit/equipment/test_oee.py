"""Key figures against published examples, and what holds for all sums."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.equipment.domain.compose import Piece
from services.equipment.domain.counters import CounterStep, Turn
from services.equipment.domain.oee import Output, Report, Times, kpis, losses, measure, output, seconds
from services.equipment.domain.states import Category

T0 = datetime(2026, 11, 23, tzinfo=UTC)
ORDER, OTHER = UUID(int=1), UUID(int=2)


def piece(
    start: float, minutes: float, category: Category, *, planned: bool = True, orders: tuple[UUID, ...] = ()
) -> Piece:
    begin = T0 + timedelta(minutes=start)
    return Piece(
        begin, begin + timedelta(minutes=minutes), category, category, planned=planned, orders=frozenset(orders),
        ids=(f"{start}",),
    )  # fmt: skip


def report(good: int, scrap: int = 0, rework: int = 0, pri: str | None = "1") -> Report:
    return Report(UUID(int=9), Decimal(good), Decimal(scrap), Decimal(rework), Decimal(pri) if pri else None)


def near(value: Decimal | None, expected: str) -> bool:
    return value is not None and abs(value - Decimal(expected)) < Decimal("0.00005")


def test_the_published_example_of_a_shift() -> None:
    # Vorne Industries, oee.com, "OEE Calculation: Definitions, Formulas, and Examples": 480 min shift, 60 min breaks,
    # 47 min down, ideal cycle 1.0 s, 19,271 pieces of which 423 rejected.
    times = measure(
        [
            piece(0, 373, Category.PRODUCING, orders=(ORDER,)),
            piece(373, 47, Category.UNPLANNED_DOWN, orders=(ORDER,)),
            piece(420, 60, Category.NON_SCHEDULED, planned=False),
        ]
    )
    figures = kpis(times, output([report(18848, 423)]))
    assert times.pbt == 420 * 60
    assert near(figures.availability.value, "0.8881")
    assert near(figures.effectiveness.value, "0.8611")
    assert near(figures.quality, "0.9780")
    assert near(figures.oee, "0.7479")
    assert figures.figures["mttr_s"] == 47 * 60
    assert figures.figures["speed_loss_s"] == 373 * 60 - 19271
    assert figures.figures["quality_loss_s"] == 423


def test_the_time_model_of_iso_22400() -> None:
    # ISO 22400-2:2014, time model: AUPT = APT + AUST, AUBT = AUPT + ADET, PBT = AUBT + ADOT, POT = PBT + planned down.
    times = measure(
        [
            piece(0, 60, Category.PRODUCING, orders=(ORDER,)),
            piece(60, 10, Category.SETUP, orders=(ORDER,)),
            piece(70, 5, Category.STANDBY, orders=(ORDER,)),
            piece(75, 7, Category.STANDBY),
            piece(82, 3, Category.UNPLANNED_DOWN),
            piece(85, 20, Category.PLANNED_DOWN),
            piece(105, 4, Category.ENGINEERING, orders=(ORDER,)),
            piece(109, 6, Category.ENGINEERING),
            piece(115, 30, Category.NON_SCHEDULED, planned=False),
        ]
    )
    minutes = [times.apt, times.aust, times.adet, times.adot, times.aupt, times.aubt, times.pbt, times.pot]
    assert [each / 60 for each in minutes] == [60, 10, 9, 10, 70, 79, 89, 115]
    figures = kpis(times, Output()).figures
    assert figures["utilization"] == Decimal(60) / Decimal(79)
    assert figures["allocation"] == Decimal(79) / Decimal(89)
    assert figures["technical"] == Decimal(60) / Decimal(69)
    assert figures["setup_ratio"] == Decimal(10) / Decimal(70)
    assert figures["scrap_ratio"] is None


def test_nothing_is_capped_and_overtime_is_a_line_of_its_own() -> None:
    times = measure([piece(0, 60, Category.PRODUCING), piece(60, 60, Category.PRODUCING, planned=False)])
    figures = kpis(times, output([report(9000)]))
    assert figures.availability.value == 2
    assert figures.oee == Decimal("2.5")
    assert figures.flags == ("availability", "effectiveness", "oee", "production_outside_planned_time")
    assert times.production_outside == 3600


def test_unknown_time_makes_ranges_and_only_a_counter_bridges_it() -> None:
    parts = [piece(0, 60, Category.PRODUCING), piece(60, 60, Category.UNKNOWN)]
    made = output([report(3600)])
    figures = kpis(measure(parts), made)
    assert (figures.availability.low, figures.availability.high, figures.availability.value) == (
        Decimal("0.5"),
        1,
        None,
    )
    assert (figures.effectiveness.low, figures.effectiveness.high) == (Decimal("0.5"), 1)
    assert (figures.oee, figures.nee) == (None, None)
    step = CounterStep("count", Decimal(1), Decimal(9), T0, T0 + timedelta(hours=3), Decimal(8), Turn.AHEAD)
    assert kpis(measure(parts, bridges=[step]), made).oee == Decimal("0.5")
    reset = CounterStep("count", Decimal(9), Decimal(1), T0, T0 + timedelta(hours=3), Decimal(1), Turn.RESET)
    assert kpis(measure(parts, bridges=[reset]), made).oee is None


def test_without_anything_every_figure_is_null_never_zero() -> None:
    figures = kpis(Times(), Output())
    assert figures.availability.value is None
    assert figures.oee is None
    assert all(each is None for name, each in figures.figures.items() if not name.endswith("loss_s"))


def test_a_missing_standard_time_is_unknown_not_zero() -> None:
    figures = kpis(measure([piece(0, 60, Category.PRODUCING)]), output([report(10), report(5, pri=None)]))
    assert figures.oee is None
    assert figures.plain_quality == 1
    assert "no_standard_time" in figures.flags


def test_an_order_gets_its_share_of_a_machine_that_serves_two() -> None:
    parts = [
        piece(0, 60, Category.PRODUCING, orders=(ORDER, OTHER)),
        piece(60, 30, Category.PRODUCING, orders=(OTHER,)),
    ]
    one, other = measure(parts, ORDER), measure(parts, OTHER)
    assert (one.apt / 60, other.apt / 60) == (30, 60)
    assert (one + other).apt == measure(parts).apt


_pieces = st.lists(st.tuples(st.sampled_from(Category), st.integers(1, 500), st.booleans(), st.booleans()), max_size=12)


@settings(max_examples=100, deadline=None)
@given(_pieces, _pieces)
def test_sums_add_up_and_the_model_is_whole(first: list, second: list) -> None:  # type: ignore[type-arg]
    def build(rows: list) -> list[Piece]:  # type: ignore[type-arg]
        start, made = 0, []
        for category, minutes, planned, busy in rows:
            made.append(piece(start, minutes, category, planned=planned, orders=(ORDER,) if busy else ()))
            start += minutes
        return made

    one, other = measure(build(first)), measure(build(second))
    total = one + other
    assert total.pbt == one.pbt + other.pbt
    assert total.calendar == sum(minutes * 60 for _, minutes, _, _ in first + second)
    in_plan = [p for p in build(first) if p.planned and p.category is not Category.NON_SCHEDULED]
    assert one.pot == sum((seconds(p.end - p.start) for p in in_plan), Decimal(0))


def test_losses_are_ranked() -> None:
    found = losses(
        [piece(0, 5, Category.STANDBY), piece(5, 60, Category.PRODUCING), piece(65, 9, Category.UNPLANNED_DOWN)]
    )
    assert [(each[0], each[2]) for each in found] == [("UNPLANNED_DOWN", Decimal(540)), ("STANDBY", Decimal(300))]
