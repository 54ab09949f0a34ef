"""The simulated workshop on the rehearsal stage: it ends every order, asks for nothing illegal, survives losses."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.simulator.agent import Progress, Summary, simulate

Maker = Callable[..., tuple[Any, Any]]


async def play(transport: Any, *, seed: int = 1, rounds: int = 100_000) -> Summary:
    """One run as fast as possible, told to stop after so many rounds."""
    stop = asyncio.Event()
    seen = 0

    def look(progress: Progress) -> None:
        nonlocal seen
        seen += 1
        if seen >= rounds:
            stop.set()

    return await simulate(
        "http://mes", seed=seed, as_fast_as_possible=True, stop=stop, progress=look, transport=transport
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_order_ends_and_nothing_illegal_is_asked(make_stage: Maker, seed: int) -> None:
    stage, transport = make_stage()
    summary = await play(transport, seed=seed)
    assert summary.completed
    assert {order["state"] for order in stage.orders.values()} == {"Closed"}
    assert stage.refused == []
    assert (summary.refused, summary.unknown) == (0, 0)


async def test_a_machine_is_known_from_the_beginning_of_work_on(make_stage: Maker) -> None:
    stage, transport = make_stage(orders=1)
    begin, stage.now = stage.now, stage.now + timedelta(minutes=17)
    await play(transport, rounds=1)
    times = [datetime.fromisoformat(signal["time"]) for signal in stage.signals]
    assert (stage.signals[0]["kind"], stage.signals[0]["value"], times[0]) == ("state", "yellow", begin)
    assert max(after - before for before, after in itertools.pairwise(times)) <= timedelta(minutes=5)
    # One that comes back says at once what it is at, and nothing of the time when it was off.
    stage.now = back = stage.now + timedelta(hours=1)
    said = len(stage.signals)
    await play(transport, rounds=1)
    assert datetime.fromisoformat(stage.signals[said]["time"]) == back


async def test_lost_answers_change_nothing(make_stage: Maker) -> None:
    stage, transport = make_stage(orders=2, lost=0.03)
    summary = await play(transport)
    assert summary.completed
    assert summary.unknown > 0
    assert stage.refused == []


async def test_a_new_simulator_goes_on_where_the_last_one_stopped(make_stage: Maker) -> None:
    stage, transport = make_stage()
    stops = 0
    while not (summary := await play(transport, rounds=20)).completed:
        stops += 1
        assert stops < 100
    assert stops > 2
    assert {order["state"] for order in stage.orders.values()} == {"Closed"}
    assert [refusal for refusal in stage.refused if "first article" not in refusal] == []
    assert summary.orders_ended == 3


async def test_a_failed_first_article_is_decided_and_set_up_again(make_stage: Maker) -> None:
    stage, transport = make_stage(fail_first=True)
    summary = await play(transport)
    assert summary.completed
    assert summary.by_path["/quality/nonconformances/O1-1/disposition"] == 1
    assert stage.refused == []


async def test_the_same_seed_gives_the_same_run(make_stage: Maker) -> None:
    one = await play(make_stage()[1], seed=5)
    two = await play(make_stage()[1], seed=5)
    assert (one.ended, one.ok, one.by_path) == (two.ended, two.ok, two.by_path)
