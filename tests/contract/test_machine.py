"""Any sequence of what services do, on every log, compared with a log in memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from mes.bus import Batch, Bus, Fenced, Lag, Place, Received, Subscription, partition_of
from mes.embedded import EmbeddedServer

from tests.contract.logs import PARTITIONS, HostileLog, KafkaLog, Log, PostgresLog
from tests.contract.reading import record

KEYS = [f"k{n}" for n in range(9)]
GROUPS = ("one", "two")
_SETTINGS = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    # Making a failure smaller would take many runs against real servers.
    phases=[Phase.generate],
)


class Model:
    """What the log must hold. A position is the number of records that went before, not an offset."""

    def __init__(self) -> None:
        self.records: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
        # By group and partition: what may be committed (two where the log did not say), and what was fetched.
        self.committed: defaultdict[str, dict[int, set[int]]] = defaultdict(lambda: {n: {0} for n in range(PARTITIONS)})
        self.fetched: defaultdict[str, dict[int, list[Received]]] = defaultdict(dict)

    def append(self, key: str, value: str) -> None:
        self.records[partition_of(key, PARTITIONS)].append((key, value))

    def places_of(self, records: list[Received]) -> list[int]:
        """Where records of one partition stand in it."""
        held = self.records[records[0].partition]
        return [held.index((each.key, each.value.decode())) for each in records]

    def lag(self, group: str) -> tuple[int, int]:
        """The least and the most that a group may be behind."""
        ends = {number: len(self.records[number]) for number in range(PARTITIONS)}
        committed = self.committed[group]
        return (
            sum(ends[number] - max(committed[number]) for number in ends),
            sum(ends[number] - min(committed[number]) for number in ends),
        )


class LogMachine(RuleBasedStateMachine):
    """One client of one log with a member in each of two groups."""

    make_log: Any = None
    hostile = False

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = Model()
        self.topic = f"mes.machine-{uuid4().hex[:8]}.v1"
        self.log: Log = self.make_log()
        self.bus: Bus = self.run(self.log.connect())
        self.run(self.bus.create_topics([self.topic]))
        self.members: dict[str, Subscription] = {}
        self.sent = 0

    def run(self, work: Any) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(30):
                return await work

        return self.runner.run(bounded())

    def name_of(self, group: str) -> str:
        return f"{self.topic}-{group}"

    def teardown(self) -> None:
        self.run(self.log.close())
        self.runner.close()

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=12))
    def append(self, keys: list[str]) -> None:
        records = []
        for key in keys:
            self.sent += 1
            records.append(record(self.topic, key, str(self.sent)))
            self.model.append(key, str(self.sent))
        self.run(self.bus.append(records))

    @rule(group=st.sampled_from(GROUPS))
    def join_or_leave(self, group: str) -> None:
        if member := self.members.pop(group, None):
            self.run(member.close())
        else:
            self.members[group] = self.run(self.bus.subscribe(self.name_of(group), [self.topic]))
        self.model.fetched[group].clear()

    @precondition(lambda self: self.members)
    @rule(data=st.data(), limit=st.integers(1, 8))
    def fetch(self, data: st.DataObject, limit: int) -> None:
        group = data.draw(st.sampled_from(sorted(self.members)))
        batch: Batch = self.run(self.members[group].fetch(limit=limit, wait=0.02))
        for (topic, number), records in batch.items():
            assert topic == self.topic
            self.came(group, number, records)

    def came(self, group: str, number: int, records: list[Received]) -> None:
        places = self.model.places_of(records)
        assert places == list(range(places[0], places[0] + len(records))), "records were left out"
        assert [each.offset for each in records] == sorted({each.offset for each in records})
        before = self.model.fetched[group].get(number)
        starts = set(self.model.committed[group][number])
        if before:
            follows = self.model.places_of(before)[-1] + 1
            # A log that lost the partition and found it again begins at what is committed.
            starts = {follows, *starts} if self.hostile else {follows}
        assert places[0] in starts, f"began at {places[0]}, expected one of {starts}"
        if places[0] in self.model.committed[group][number] and not (before and places[0] == follows):
            self.model.committed[group][number] = {places[0]}
        self.model.fetched[group][number] = records

    @precondition(lambda self: self.members)
    @rule(data=st.data(), picks=st.lists(st.integers(0, 99), min_size=PARTITIONS, max_size=PARTITIONS))
    def commit(self, data: st.DataObject, picks: list[int]) -> None:
        # What is drawn may not depend on how much a real log had at hand: Hypothesis would not find its way back.
        group = data.draw(st.sampled_from(sorted(self.members)))
        chosen: dict[int, Received] = {}
        for number, records in self.model.fetched[group].items():
            if picks[number] < 75:
                chosen[number] = records[picks[number] % len(records)]
        if not chosen:
            return
        lost: set[Place] = set()
        try:
            self.run(self.members[group].commit({(self.topic, n): each.offset + 1 for n, each in chosen.items()}))
        except Fenced as fenced:
            assert self.hostile, f"nobody else is in the group: {fenced!r}"
            lost = fenced.places
            self.members[group].rewind(lost)
        for number, each in chosen.items():
            end = self.model.places_of([each])[0] + 1
            if (self.topic, number) in lost:
                self.model.committed[group][number] |= {end}
                self.model.fetched[group].pop(number)
            else:
                self.model.committed[group][number] = {end}

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def rewind(self, data: st.DataObject) -> None:
        group = data.draw(st.sampled_from(sorted(self.members)))
        numbers = data.draw(st.sets(st.integers(0, PARTITIONS - 1)))
        self.members[group].rewind([(self.topic, number) for number in numbers])
        for number in numbers:
            self.model.fetched[group].pop(number, None)

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def consume_all(self, data: st.DataObject) -> None:
        """Whatever happened before, everything comes in the end."""
        group = data.draw(st.sampled_from(sorted(self.members)))
        self.run(self._consume_all(group))

    async def _consume_all(self, group: str) -> None:
        name = self.name_of(group)
        while (await self.bus.lag({name: [self.topic]}))[name].behind:
            batch = await self.members[group].fetch(limit=100, wait=0.1)
            for (_, number), records in batch.items():
                self.came(group, number, records)
            if not batch:
                # Fetched before, and not committed.
                self.members[group].rewind((self.topic, number) for number in range(PARTITIONS))
                self.model.fetched[group].clear()
            for (topic, number), records in batch.items():
                end = self.model.places_of(records)[-1] + 1
                self.model.committed[group][number] |= {end}
                try:
                    await self.members[group].commit({(topic, number): records[-1].offset + 1})
                    self.model.committed[group][number] = {end}
                except Fenced as fenced:
                    assert self.hostile
                    self.members[group].rewind(fenced.places)
                    self.model.fetched[group].pop(number)
        for number in range(PARTITIONS):
            self.model.committed[group][number] = {len(self.model.records[number])}

    @invariant()
    def the_lag_is_right(self) -> None:
        total = sum(map(len, self.model.records.values()))
        lags: dict[str, Lag] = self.run(self.bus.lag({self.name_of(group): [self.topic] for group in GROUPS}))
        for group in GROUPS:
            lag = lags[self.name_of(group)]
            least, most = self.model.lag(group)
            assert lag.end == total
            assert least <= lag.behind <= most

    @rule()
    def read(self) -> None:
        found: list[Received] = self.run(self.bus.read(self.topic, limit=10_000))
        held: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
        for each in found:
            held[each.partition].append((each.key, each.value.decode()))
        assert held == {number: records for number, records in self.model.records.items() if records}


@pytest.mark.parametrize("kind", ["postgres", "kafka", "hostile-postgres", "hostile-kafka"])
def test_the_log_does_what_a_list_in_memory_does(kind: str, request: pytest.FixtureRequest) -> None:
    server: EmbeddedServer = request.getfixturevalue("postgres")
    address = server.admin_address("postgres")
    bootstrap = request.getfixturevalue("kafka") if kind.endswith("kafka") else ""
    seeds = Random(1)

    def make() -> Log:
        log: Log = KafkaLog(bootstrap) if bootstrap else PostgresLog(address)
        return HostileLog(log, seeds.randrange(1 << 30)) if kind.startswith("hostile") else log

    class Machine(LogMachine):
        make_log = staticmethod(make)
        hostile = kind.startswith("hostile")

    run_state_machine_as_test(Machine, settings=_SETTINGS)
