"""The people who stand at no machine: planner, dispatcher of outside work, inspector, quality engineer, supervisor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

from services.simulator.client import Refused
from services.simulator.diary import Diary
from services.simulator.domain import Machine
from services.simulator.gateway import Gateway
from services.simulator.views import Characteristic, Job, Lot, Nonconformance, Order

log = logging.getLogger(__name__)

Item = TypeVar("Item")

_RELEASE_AHEAD = timedelta(days=1)
_PACKING = timedelta(hours=2)
_CUSTOMS = timedelta(minutes=30)
_TRY_AGAIN = timedelta(minutes=15)


@dataclass
class People:
    """What they do on a round. Each returns whether anything was done."""

    gateway: Gateway
    diary: Diary
    random: Random
    machines: dict[str, Machine]
    # jobs whose first article waits for its measurements
    gated: set[str] = field(default_factory=set)

    async def _each(
        self, items: Iterable[Item], name: Callable[[Item], str], work: Callable[[Item], Awaitable[None]], now: datetime
    ) -> bool:
        """Do the work for every item; what is refused is looked at again later."""

        async def one(item: Item) -> bool:
            try:
                await work(item)
            except Refused as refused:
                log.info("refused", extra={"what": name(item), "why": str(refused)})
                self.diary.put_off(name(item), now + _TRY_AGAIN)
                return False
            self.diary.done(name(item))
            return True

        return any(await asyncio.gather(*(one(item) for item in items)))

    async def release_orders(self, drafts: Iterable[Order], now: datetime) -> bool:
        """The planner releases what is to start by tomorrow."""
        due = []
        for order in drafts:
            wait = (order.release_at - _RELEASE_AHEAD - now) if order.release_at else timedelta(0)
            if self.diary.is_due(f"release {order.id}", now, max(wait, timedelta(0))):
                due.append(order)
        return await self._each(due, lambda order: f"release {order.id}", self.gateway.release, now)

    async def close_orders(self, completed: Iterable[Order], now: datetime) -> bool:
        """The supervisor closes what is complete."""
        due = [order for order in completed if self.diary.is_due(f"close {order.id}", now, timedelta(0))]
        return await self._each(due, lambda order: f"close {order.id}", self.gateway.close, now)

    async def move_outside_work(self, now: datetime) -> bool:
        """The dispatcher sends pieces out and takes them back after the supplier's days."""
        jobs = await self.gateway.outside_jobs()
        ready = [job for job in jobs if job.state == "Ready"]
        away = [job for job in jobs if job.state in {"Sent", "PartlyReturned"}]
        back = [job for job in jobs if job.state == "Returned"]
        to_send = [job for job in ready if self.diary.is_due(f"send {job.id}", now, _PACKING)]
        to_fetch = [job for job in away if self.diary.is_due(_return(job), now, timedelta(days=job.lead_days))]
        to_finish = [job for job in back if self.diary.is_due(f"receive {job.id}", now, _CUSTOMS)]
        gateway, each = self.gateway, self._each
        sent = await each(to_send, lambda job: f"send {job.id}", gateway.send, now)
        fetched = await each(to_fetch, _return, lambda job: gateway.take_back(job, job.remaining), now)
        finished = await each(
            to_finish, lambda job: f"receive {job.id}", lambda job: gateway.finish(job.id, "dispatcher"), now
        )
        return sent or fetched or finished

    async def inspect(self, now: datetime) -> bool:
        """The inspector measures what waits, a few minutes after it came."""
        lots = await self.gateway.open_lots()
        self.gated = {lot.job_id for lot in lots if lot.stage == "FAI"}
        due = [lot for lot in lots if self.diary.is_due(f"lot {lot.id}", now, self._minutes(3, 9))]

        async def measure(lot: Lot) -> None:
            await self.gateway.measure(lot, self._measurements(lot), now)

        return await self._each(due, lambda lot: f"lot {lot.id}", measure, now)

    def _minutes(self, least: float, most: float) -> timedelta:
        return timedelta(minutes=self.random.uniform(least, most))

    def _measurements(self, lot: Lot) -> list[dict[str, Any]]:
        """One value per sample and characteristic; what a drifted machine made shows it."""
        machine = self.machines.get(lot.equipment_id)
        values = []
        for each in lot.characteristics:
            values += [self._value(each, machine) for _ in range(max(1, lot.sample_size))]
        return values

    def _value(self, characteristic: Characteristic, machine: Machine | None) -> dict[str, Any]:
        base = {"characteristic_id": characteristic.id, "gauge": "G-01"}
        if characteristic.kind == "attribute":
            return {**base, "defects": int(self.random.random() < 0.002)}
        if machine is None:
            value = characteristic.target + characteristic.sigma * self.random.gauss(0.0, 1.0)
        else:
            value = machine.measure(characteristic.target, characteristic.sigma)
        return {**base, "value": round(value, 5)}

    async def decide(self, now: datetime) -> bool:
        """The quality engineer decides about nonconformances after an hour or so, and has the machine adjusted."""
        problems = await self.gateway.open_nonconformances()
        due = [each for each in problems if self.diary.is_due(f"nc {each.id}", now, self._minutes(40, 120))]

        async def dispose(problem: Nonconformance) -> None:
            await self.gateway.dispose(problem, self._decision(problem))
            for machine in self.machines.values():
                if machine.work is None or machine.work.job_id == problem.job_id:
                    machine.correct()

        return await self._each(due, lambda each: f"nc {each.id}", dispose, now)

    def _decision(self, problem: Nonconformance) -> list[tuple[str, Decimal]]:
        """Mostly a concession; else a few pieces are reworked or scrapped and the rest is used as it is."""
        kind = self.random.choices(["use_as_is", "rework", "scrap"], [5, 3, 2])[0]
        if kind == "use_as_is" or problem.source == "chart" or problem.qty <= 0:
            return [("use_as_is", problem.qty)]
        bad = min(problem.qty, Decimal(self.random.randint(1, 5)))
        return [(kind, bad)] + ([("use_as_is", problem.qty - bad)] if problem.qty > bad else [])


def _return(job: Job) -> str:
    """What the diary calls a job that is away."""
    return f"return {job.id} {job.state}"
