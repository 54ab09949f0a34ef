"""Every request that the simulated workshop makes, in one place: what the API calls things is known here only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from services.simulator.client import Client
from services.simulator.views import Job, Lot, Nonconformance, Order, lot_of, nonconformance_of

_PAGE = 500
# So many signals may come at once.
_BATCH = 1000


def _plain(quantity: Decimal | float) -> str:
    return format(Decimal(str(quantity)).normalize(), "f")


class Gateway:
    """The verbs and reads of the API as the workshop's people use them."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def _all(self, path: str, **params: Any) -> list[Any]:
        """Every row of a paged list."""
        rows: list[Any] = []
        while True:
            answer = await self.client.get(path, limit=_PAGE, offset=len(rows), **params)
            page = answer["items"] if isinstance(answer, dict) else answer
            rows += page
            if len(page) < _PAGE:
                return rows

    # ---- clock ----

    async def clock(self) -> tuple[datetime, float, str]:
        """Business time, factor and mode."""
        answer = await self.client.get("/clock")
        return datetime.fromisoformat(answer["now"]), float(answer["factor"]), str(answer["mode"])

    async def stand_still(self) -> None:
        """From now on business time moves only when it is told."""
        await self.client.put("/clock", {"mode": "stepped"})

    async def advance(self, to: datetime, settle: float) -> bool:
        """Move a stepped clock on once every event has had its effects; whether those of the step have had theirs too,
        within so many real seconds. Raises Refused (`clock.busy`) while the instance does not come to rest."""
        answer = await self.client.post("/clock/advance", {"to": to.astimezone(UTC).isoformat(), "settle": settle})
        return bool(answer["idle"])

    async def idle(self, wait: float) -> bool:
        """Whether every event has had all its effects within `wait` real seconds."""
        return bool((await self.client.get("/idle", wait=wait))["idle"])

    # ---- what is there ----

    async def definitions(self, kind: str) -> list[Any]:
        """All definitions of a kind, in the fields of the event contracts."""
        return await self._all(f"/order/definitions/{kind}")

    async def dispatch(self, each: int) -> list[Job]:
        """What every machine has next before it, in the order in which it should be done: so many Ready and Waiting."""
        answer = await self.client.get("/order/dispatch/queues", limit_per_equipment=each)
        rows = answer["items"] if isinstance(answer, dict) else answer
        return [Job.of(row) for row in rows]

    async def outside_jobs(self) -> list[Job]:
        """Outside operations that can be sent or are away."""
        rows = await self._all("/order/jobs", kind="outside", state="Ready,Sent,PartlyReturned,Returned")
        return [Job.of(row) for row in rows]

    async def orders(self, *states: str) -> list[Order]:
        """Orders in one of the states; all without any."""
        params = {"state": ",".join(states)} if states else {}
        return [Order.of(row) for row in await self._all("/order/orders", **params)]

    # ---- orders ----

    async def release(self, order: Order) -> None:
        """Release a drafted order."""
        await self.client.post(f"/order/orders/{order.id}/release", actor="planner")

    async def close(self, order: Order) -> None:
        """Close a completed order."""
        await self.client.post(f"/order/orders/{order.id}/close", actor="supervisor")

    # ---- jobs ----

    async def _verb(self, job_id: str, verb: str, actor: str, **body: Any) -> Any:
        return await self.client.post(f"/order/jobs/{job_id}/{verb}", body, actor=actor)

    async def start_setup(self, job_id: str, equipment_id: str, worker: str) -> None:
        """Begin to set a machine up for a job."""
        await self._verb(job_id, "start-setup", worker, equipment_id=equipment_id, workers=[{"worker": worker}])

    async def start(self, job_id: str, equipment_id: str, worker: str) -> None:
        """Begin to produce."""
        await self._verb(job_id, "start", worker, equipment_id=equipment_id, workers=[{"worker": worker}])

    async def pause(self, job_id: str, worker: str, reason: str) -> None:
        """Stop for a while."""
        await self._verb(job_id, "pause", worker, reason=reason)

    async def resume(self, job_id: str, worker: str) -> None:
        """Go on."""
        await self._verb(job_id, "resume", worker)

    async def report(
        self,
        job_id: str,
        worker: str,
        good: Decimal,
        scrap: Decimal,
        at: datetime,
        *,
        reason: str = "",
        final: bool = False,
    ) -> None:
        """Say what was made; with `final` the job is finished by it."""
        body: dict[str, Any] = {"good_qty": _plain(good), "scrap_qty": _plain(scrap), "occurred_at": at.isoformat()}
        if scrap:
            body["scrap_reason"] = reason
        await self._verb(job_id, "complete" if final else "reports", worker, **body)

    async def scrap(self, job_id: str, worker: str, quantity: Decimal, reason: str) -> None:
        """Some of what was counted as good is scrap."""
        await self._verb(job_id, "scrap", worker, qty=_plain(quantity), reason=reason)

    async def trial(self, job_id: str, worker: str, pieces: int) -> None:
        """Trial pieces of a setup."""
        await self._verb(job_id, "trial", worker, scrap_qty=str(pieces), scrap_reason="S-TRIAL")

    async def finish(self, job_id: str, worker: str) -> None:
        """The job is done."""
        await self._verb(job_id, "finish", worker)

    async def hand_over(self, job_id: str, before: str, after: str) -> None:
        """The next shift takes over a running job."""
        await self._verb(job_id, "handover", before, workers=[{"worker": after}])

    async def send(self, job: Job) -> None:
        """Send an outside operation's pieces to its supplier."""
        await self._verb(job.id, "send", "dispatcher", qty=_plain(job.remaining), supplier=job.supplier)

    async def take_back(self, job: Job, quantity: Decimal) -> None:
        """Pieces come back from the supplier."""
        await self._verb(job.id, "return", "dispatcher", qty=_plain(quantity))

    # ---- machines ----

    async def signals(self, batch: Sequence[dict[str, Any]]) -> None:
        """Deliver what machines said; sending it twice does no harm."""
        for start in range(0, len(batch), _BATCH):
            signals = list(batch[start : start + _BATCH])
            await self.client.post("/equipment/signals", {"signals": signals}, actor="gateway")

    async def heard(self) -> set[str]:
        """Ids of the machines that have ever said anything."""
        return {row["equipment_id"] for row in await self._all("/equipment/equipment") if row["last_signal_at"]}

    async def stop_machine(self, equipment_id: str, worker: str, reason: str, at: datetime) -> None:
        """Tell that a machine without signals is down."""
        body = {"reason": reason, "start": at.isoformat(), "worker": worker}
        await self.client.post(f"/equipment/equipment/{equipment_id}/stops", body, actor=worker)

    # ---- quality ----

    async def open_lots(self) -> list[Lot]:
        """Inspection lots that wait for measurements."""
        rows = await self._all("/quality/inspection-lots", state="Pending,InProgress,ReInspection")
        return [lot_of(row) for row in rows]

    async def measure(self, lot: Lot, values: Sequence[dict[str, Any]], at: datetime) -> None:
        """Enter a lot's measurements."""
        body = {"inspector": "inspector", "occurred_at": at.isoformat(), "measurements": list(values)}
        await self.client.post(f"/quality/inspection-lots/{lot.id}/measurements", body, actor="inspector")

    async def open_nonconformances(self) -> list[Nonconformance]:
        """Nonconformances that wait for a disposition."""
        rows = await self._all("/quality/nonconformances", state="Registered,Contained,UnderReview")
        return [nonconformance_of(row) for row in rows]

    async def dispose(self, problem: Nonconformance, parts: Sequence[tuple[str, Decimal]]) -> None:
        """Decide what becomes of nonconforming pieces: (use_as_is | rework | scrap, quantity) of each part."""
        body = {"dispositions": [{"kind": kind, "qty": _plain(qty), "reason": "simulated"} for kind, qty in parts]}
        await self.client.post(f"/quality/nonconformances/{problem.id}/disposition", body, actor="quality-engineer")
