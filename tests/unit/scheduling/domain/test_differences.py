"""How two plans differ, and whether anybody has to know."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.scheduling.domain.differences import changed, difference, matters, promises, with_kept_ranks
from services.scheduling.domain.facts import OrderFacts, Placed

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def put(job: str, machine: str, start: int, end: int, rank: int = 0, order: str = "o", **more: object) -> Placed:
    def at(minute: int) -> datetime:
        return NOW + timedelta(minutes=minute)

    return Placed(job, order, machine, at(start), at(start), at(end), rank, **more)  # type: ignore[arg-type]


def by_job(*plan: Placed) -> dict[str, Placed]:
    return {each.job: each for each in plan}


BEFORE = by_job(put("j1", "a", 0, 10, 1), put("j2", "a", 10, 20, 2), put("j3", "a", 20, 30, 3), put("j4", "b", 0, 9, 1))


def test_finished_work_leaves_gaps_and_nothing_else_changes() -> None:
    plan = with_kept_ranks(BEFORE, [put("j2", "a", 10, 20, 1), put("j3", "a", 20, 30, 2), put("j4", "b", 0, 9, 1)])
    assert changed(BEFORE, plan) == []
    found = difference(BEFORE, by_job(*plan), over={"j1"})
    assert not matters(BEFORE, by_job(*plan), found, 60)


def test_what_comes_between_shifts_those_behind_it_only() -> None:
    new = [put("j1", "a", 0, 10), put("x", "a", 10, 15), put("j2", "a", 15, 25), put("j3", "a", 25, 35)]
    plan = with_kept_ranks(BEFORE, new)
    assert [(each.job, each.rank) for each in plan] == [("j1", 1), ("x", 2), ("j2", 3), ("j3", 4)]
    assert [each.job for each in changed(BEFORE, plan)] == ["x", "j2", "j3"]


def test_kinds_of_difference() -> None:
    plan = by_job(put("j1", "b", 0, 10), put("j2", "a", 11, 21), put("new", "a", 30, 40))
    found = difference(BEFORE, plan, over={"j4"})
    assert (found.added, found.removed, found.moved, found.reassigned) == (["new"], ["j3"], ["j2"], ["j1"])


def test_a_setup_at_another_time_is_a_move() -> None:
    later = replace(BEFORE["j2"], setup_start=BEFORE["j2"].setup_start - timedelta(minutes=3))
    plan = {**BEFORE, "j2": later}
    assert difference(BEFORE, plan, over=set()).moved == ["j2"]
    assert [each.job for each in changed(BEFORE, plan.values())] == ["j2"]


def test_small_shifts_do_not_matter_but_another_order_does() -> None:
    def matters_with(*plan: Placed) -> bool:
        new = by_job(*plan)
        return matters(BEFORE, new, difference(BEFORE, new, over=set()), 120)

    rest = (BEFORE["j3"], BEFORE["j4"])
    assert not matters_with(put("j1", "a", 1, 11), put("j2", "a", 12, 22), *rest)
    assert matters_with(put("j1", "a", 3, 13), put("j2", "a", 13, 23), *rest)
    short = by_job(put("j1", "a", 0, 1), put("j2", "a", 1, 2))
    swapped = by_job(put("j1", "a", 1, 2), put("j2", "a", 0, 1))
    assert matters(short, swapped, difference(short, swapped, over=set()), 120)


lines = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab"), st.integers(0, 50)), max_size=20)


@given(lines, lines)
def test_ranks_grow_along_every_machine_also_for_a_reader_of_the_changes_alone(
    first: list[tuple[int, str, int]], second: list[tuple[int, str, int]]
) -> None:
    def plan(parts: list[tuple[int, str, int]]) -> list[Placed]:
        return [
            put(f"j{job}", machine, start, start + 1) for job, machine, start in {one[0]: one for one in parts}.values()
        ]

    old = by_job(*with_kept_ranks({}, plan(first)))
    new = with_kept_ranks(old, plan(second))
    reader = {job: each for job, each in old.items() if job in by_job(*new)} | by_job(*changed(old, new))
    assert reader == by_job(*new)
    queues = defaultdict(list)
    for each in reader.values():
        queues[each.machine].append(each)
    for queue in queues.values():
        ranks = [each.rank for each in sorted(queue, key=lambda one: (one.setup_start, one.job))]
        by_time = sorted(queue, key=lambda one: one.rank)
        assert len(set(ranks)) == len(ranks)
        assert [one.setup_start for one in by_time] == sorted(one.setup_start for one in queue)


def test_promises_are_the_end_of_the_last_operation() -> None:
    orders = {
        "o": OrderFacts("o", due_at=NOW + timedelta(minutes=25)),
        "p": OrderFacts("p", due_at=NOW, deadline_type="None"),
        "q": OrderFacts("q", due_at=NOW),
    }
    plan = [*BEFORE.values(), put("j9", "b", 9, 12, order="p"), put("j8", "b", 12, 14, order="q")]
    made = promises(plan, orders, {"q"})
    assert (made["o"].projected_end, made["o"].lateness_s) == (NOW + timedelta(minutes=30), 300)
    assert made["p"].lateness_s is None
    assert (made["q"].projected_end, made["q"].cause) == (None, "unplanned")
