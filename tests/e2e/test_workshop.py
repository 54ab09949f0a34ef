"""The whole loop through the public API: a workbook in, a plan out, machines and quality closing it, all by events.

The shop has two lathes that can stand in for each other. While order A-1 is turned on one, the other breaks down, then
A-1 itself drifts out of its control limits, is held, partly reworked, plated outside, deburred, completed and closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from google.protobuf.message import Message
from mes.bus import Bus, Received
from mes.config import Settings
from mes.embedded.server import free_port
from mes.events.v1 import equipment_pb2, order_pb2, quality_pb2, scheduling_pb2
from mes.runtime import open_bus
from mes.testing import TestDatabases

from services.cli.client import do_import, preview, read_import
from services.cli.cluster import clustered
from services.cli.composition import load_services
from services.cli.serving import address_of, serving
from tests.e2e.shop import EPOCH, Person, workbook

SERVICES = ("order", "scheduling", "equipment", "quality")
MESSAGES: dict[str, type[Message]] = {
    message.full_name: getattr(module, message.name)
    for module in (order_pb2, scheduling_pb2, equipment_pb2, quality_pb2)
    for message in module.DESCRIPTOR.message_types_by_name.values()
}


class Log:
    """The event log, read beside the product."""

    def __init__(self, bus: Bus, prefix: str) -> None:
        self.bus = bus
        self.prefix = prefix

    async def all(self) -> list[tuple[Received, Any]]:
        """Every record of every service, with its message."""
        found = []
        for service in SERVICES:
            for record in await self.bus.read(f"{self.prefix}.{service}.v1", limit=100_000):
                found.append((record, MESSAGES[record.headers["ce_type"]].FromString(record.value)))
        return found

    async def of(self, kind: type[Message]) -> list[Any]:
        """Messages of one kind."""
        return [message for _, message in await self.all() if isinstance(message, kind)]


@pytest.fixture(params=["postgres", "postgres 16", "kafka", "kafka beside postgres 16", "processes on kafka"])
def shape(request: pytest.FixtureRequest) -> str:
    """What carries the events, whether each service has a process of its own, and a PostgreSQL that is not 18."""
    return str(request.param)


@pytest.fixture
def on_server(shape: str, request: pytest.FixtureRequest) -> TestDatabases:
    """Databases on the PostgreSQL of the shape."""
    found: TestDatabases = request.getfixturevalue("databases_on_16" if "16" in shape else "databases")
    return found


@pytest.fixture
async def settings(shape: str, request: pytest.FixtureRequest, on_server: TestDatabases, tmp_path: Path) -> Settings:
    """An installation of each shape."""
    found = await on_server.settings(list(SERVICES), port=free_port(), clock_start=EPOCH.isoformat(), home=tmp_path)
    if "kafka" not in shape:
        return found
    # A broker keeps the topics of other tests.
    prefix = f"mes-{uuid4().hex[:8]}"
    changes = {"bus": "kafka", "kafka_bootstrap": request.getfixturevalue("kafka"), "topic_prefix": prefix}
    return found.model_copy(update=changes)


@pytest.fixture
async def person(shape: str, settings: Settings) -> AsyncIterator[Person]:
    services = load_services()
    house = clustered(settings, services, 1) if "processes" in shape else serving(settings, services)
    async with house as server:
        async with httpx.AsyncClient(base_url=address_of(settings), timeout=90) as http:
            (await http.put("/clock", json={"mode": "stepped"})).raise_for_status()
            someone = Person(http, EPOCH)
            await someone.later(minutes=1)
            yield someone
        server.should_exit = True


@pytest.fixture
async def log(settings: Settings) -> AsyncIterator[Log]:
    bus = open_bus(settings)
    await bus.start()
    yield Log(bus, settings.topic_prefix)
    await bus.close()


async def plan_of(person: Person) -> dict[str, dict[str, Any]]:
    """The open jobs of the dispatch list by id."""
    return {row["job_id"]: row for row in await person.items("/order/dispatch")}


async def jobs_of(person: Person, order_id: str) -> list[dict[str, Any]]:
    rows = await person.items("/order/jobs", order=order_id)
    return sorted(rows, key=lambda row: (row["seq"], row["rework_loop"]))


async def measure(person: Person, lot: dict[str, Any], *values: float) -> None:
    """Enter a lot's values, the same for each of its characteristics."""
    entered = [
        {"characteristic_id": each["characteristic_id"], "value": value}
        for each in lot["characteristics"]
        for value in values
    ]
    body = {"inspector": "Q-1", "occurred_at": person.now.isoformat(), "measurements": entered}
    await person.post(f"/quality/inspection-lots/{lot['inspection_lot_id']}/measurements", actor="Q-1", **body)
    await person.settle()


async def open_lots(person: Person, job_id: str) -> list[dict[str, Any]]:
    rows = await person.items("/quality/inspection-lots", state="Pending,InProgress,ReInspection")
    return [row for row in rows if row["job_id"] == job_id]


async def test_the_loop(person: Person, log: Log, tmp_path: Path) -> None:
    await nothing_is_frozen(person)
    orders = await import_and_release(person, tmp_path)
    turning = (await jobs_of(person, orders["A-1"]))[0]
    lathe = turning["planned_equipment_id"]
    planned = await plan_of(person)
    assert {row["equipment_id"] for row in planned.values()} > {lathe}
    assert all(row["planned_start"] and row["why"] for row in planned.values())

    await first_article(person, turning["job_id"], lathe)
    other, done = await finish_a_job_on_the_other_lathe(person, orders["A-2"], lathe)
    await counted(person, lathe, turning["job_id"])
    await breakdown(person, orders, lathe, other, done)
    await out_of_control(person, orders, turning["job_id"], lathe)
    await decide(person, log, orders["A-1"], turning["job_id"])
    await finish_order(person, orders["A-1"], lathe)
    await figures(person, orders["A-1"], lathe)
    await history(person, orders["A-1"], lathe)
    await every_hop_was_an_event(log, orders["A-1"], turning["job_id"], lathe)


async def nothing_is_frozen(person: Person) -> None:
    """Let the plan move even what is to begin at once."""
    found = await person.http.get("/scheduling/settings")
    body = {**found.json(), "frozen_window_s": 0}
    body.pop("version", None)
    changed = await person.http.put("/scheduling/settings", json=body, headers={"If-Match": found.headers["ETag"]})
    assert changed.status_code == 200, changed.text


async def import_and_release(person: Person, folder: Path) -> dict[str, str]:
    """Steps 1 and 2. Ids of the orders by number."""
    file = read_import(workbook(folder))
    seen = await preview(person.http, file)
    assert not seen.get("errors")
    assert seen["changes"]
    assert not (await do_import(person.http, file)).get("errors")
    assert (await preview(person.http, file))["changes"] == []
    await person.settle()
    orders = {row["no"]: row["order_id"] for row in await person.items("/order/orders")}
    assert sorted(orders) == ["A-1", "A-2", "A-3"]
    for order_id in orders.values():
        await person.post(f"/order/orders/{order_id}/release", actor="planner")
    await person.settle()
    return orders


async def first_article(person: Person, job_id: str, lathe: str) -> None:
    """The setup waits for the first article: no start before its measurements are good."""
    where = {"equipment_id": lathe, "workers": [{"worker": "W-01"}]}
    await person.post(f"/order/jobs/{job_id}/start-setup", **where)
    await person.signal(lathe, "state", "blue")
    await person.later(minutes=10)
    await person.post(f"/order/jobs/{job_id}/trial", scrap_qty="1", scrap_reason="S-TRIAL")
    await person.settle()
    refused = await person.post(f"/order/jobs/{job_id}/start", 409, **where)
    assert refused["code"]
    (lot,) = await open_lots(person, job_id)
    assert lot["stage"] == "FAI"
    await measure(person, lot, 10.001, 9.999)
    await person.post(f"/order/jobs/{job_id}/start", **where)
    await person.signal(lathe, "state", "green")
    await person.signal(lathe, "counter", "0")


async def finish_a_job_on_the_other_lathe(person: Person, order_id: str, lathe: str) -> tuple[str, dict[str, Any]]:
    """A report of completion alone is enough: it starts and finishes by implication."""
    job = (await jobs_of(person, order_id))[0]
    other = next(each["equipment_id"] for each in job["alternatives"] if each["equipment_id"] != lathe)
    await person.signal(other, "state", "green")
    where = {"equipment_id": other, "workers": [{"worker": "W-02"}]}
    await person.post(f"/order/jobs/{job['job_id']}/start", actor="W-02", **where)
    await person.later(hours=1)
    await person.post(
        f"/order/jobs/{job['job_id']}/complete", actor="W-02", good_qty="118", scrap_qty="2", scrap_reason="S-DIM",
        occurred_at=person.now.isoformat(),
    )  # fmt: skip
    await person.settle()
    done = (await jobs_of(person, order_id))[0]
    assert (done["state"], done["good_qty"], done["scrap_qty"]) == ("Done", "118", "2")
    return other, done


async def counted(person: Person, lathe: str, job_id: str) -> None:
    """The machine's counter reports by itself; the inspection that falls due is good."""
    for count in range(5, 26, 5):
        await person.later(minutes=5)
        await person.signal(lathe, "counter", str(count))
    job = await person.get(f"/order/jobs/{job_id}")
    assert job["good_qty"] == "25"
    (lot,) = await open_lots(person, job_id)
    assert lot["stage"] == "IPQC"
    await measure(person, lot, 10.001, 9.998, 10.002, 9.999, 10.0)


async def breakdown(person: Person, orders: dict[str, str], lathe: str, other: str, done: dict[str, Any]) -> None:
    """The idle lathe breaks down: what was planned there moves, what is done or runs does not."""
    before = await plan_of(person)
    running = await person.get(f"/order/jobs/{(await jobs_of(person, orders['A-1']))[0]['job_id']}")
    waiting = (await jobs_of(person, orders["A-3"]))[0]
    assert before[waiting["job_id"]]["equipment_id"] == other
    await person.signal(other, "state", "red")
    await person.settle()
    version = await person.get("/scheduling/versions/current")
    assert version["version"]["no"] > 1
    after = await plan_of(person)
    assert after[waiting["job_id"]]["equipment_id"] == lathe
    assert all(row["equipment_id"] != other for row in after.values())
    still = await person.get(f"/order/jobs/{running['job_id']}")
    assert (still["state"], still["equipment_id"], still["planned_start"]) == (
        "Running", lathe, running["planned_start"],
    )  # fmt: skip
    now_done = (await jobs_of(person, orders["A-2"]))[0]
    assert (now_done["equipment_id"], now_done["finished_at"]) == (done["equipment_id"], done["finished_at"])


async def out_of_control(person: Person, orders: dict[str, str], job_id: str, lathe: str) -> None:
    """Every piece is within its tolerance, but rule 1 is broken: the job is held and the plan goes on without it."""
    for count in range(30, 46, 5):
        await person.later(minutes=5)
        await person.signal(lathe, "counter", str(count))
    waiting = (await jobs_of(person, orders["A-3"]))[0]["job_id"]
    start_before = (await plan_of(person))[waiting]["planned_start"]
    (lot,) = await open_lots(person, job_id)
    await measure(person, lot, 10.011, 10.013, 10.012, 10.010, 10.014)
    job = await person.get(f"/order/jobs/{job_id}")
    assert job["state"] == "Held"
    assert (await plan_of(person))[waiting]["planned_start"] < start_before
    refused = await person.post(f"/order/jobs/{job_id}/start", 409, equipment_id=lathe, workers=[{"worker": "W-01"}])
    assert refused["params"]["legal"]


async def decide(person: Person, log: Log, order_id: str, job_id: str) -> None:
    """Five pieces are reworked, the rest is used as it is; the rework is planned."""
    (problem,) = await person.items("/quality/nonconformances", state="Registered,Contained,UnderReview")
    assert problem["job_id"] == job_id
    qty = int(problem["qty"])
    parts = [
        {"kind": "rework", "qty": "5", "reason": "re-turn"},
        {"kind": "use_as_is", "qty": str(qty - 5), "reason": "within tolerance"},
    ]
    await person.post(
        f"/quality/nonconformances/{problem['nonconformance_id']}/disposition", actor="Q-2", dispositions=parts
    )
    await person.settle()
    jobs = await jobs_of(person, order_id)
    rework = next(each for each in jobs if each["rework_of"] == job_id)
    assert rework["qty"] == "5"
    assert rework["planned_start"] is not None
    assert next(each for each in jobs if each["job_id"] == job_id)["rework_qty"] == "5"
    assert [each for each in await log.of(order_pb2.JobsAdded) if each.order_id == order_id]


async def finish_order(person: Person, order_id: str, lathe: str) -> None:
    """The rest is turned, the rework done, all is plated outside and deburred; the order completes by itself."""
    turning = (await jobs_of(person, order_id))[0]
    if turning["state"] == "Paused":
        await person.post(f"/order/jobs/{turning['job_id']}/resume")
    elif turning["state"] == "Ready":
        where = {"equipment_id": lathe, "workers": [{"worker": "W-01"}]}
        await person.post(f"/order/jobs/{turning['job_id']}/start", **where)
    await person.settle()
    await person.later(minutes=20)
    await person.signal(lathe, "counter", "60")
    turning = await person.get(f"/order/jobs/{turning['job_id']}")
    assert turning["remaining_qty"] == "0", turning
    for lot in await open_lots(person, turning["job_id"]):
        await measure(person, lot, 10.0, 10.001, 9.999, 10.002, 9.998)
    await person.post(f"/order/jobs/{turning['job_id']}/finish")
    await person.settle()
    rework = next(each for each in await jobs_of(person, order_id) if each["rework_of"])
    await person.later(hours=1)
    await person.post(
        f"/order/jobs/{rework['job_id']}/complete", good_qty="4", scrap_qty="1", scrap_reason="S-DIM",
        occurred_at=person.now.isoformat(),
        equipment_id=lathe, workers=[{"worker": "W-01"}, {"worker": "W-03"}],
    )  # fmt: skip
    await person.settle()
    plating, deburring = [each for each in await jobs_of(person, order_id) if not each["rework_of"]][1:]
    assert (plating["kind"], plating["state"], plating["qty"]) == ("outside", "Ready", "60")
    good = plating["remaining_qty"]
    assert good == "59"
    url = f"/order/jobs/{plating['job_id']}"
    await person.post(f"{url}/send", qty=good, kg="11.2", supplier="顺德电镀")
    await person.later(days=2)
    await person.post(f"{url}/return", qty="30", kg="5.7")
    await person.settle()
    assert (await person.get(url))["state"] == "PartlyReturned"
    await person.post(f"{url}/return", qty="29", kg="5.5")
    await person.post(f"{url}/finish")
    await person.settle()
    await person.post(
        f"/order/jobs/{deburring['job_id']}/complete", actor="W-05", good_qty="59", occurred_at=person.now.isoformat()
    )
    await person.settle()
    order = await person.get(f"/order/orders/{order_id}")
    assert (order["state"], order["good_qty"]) == ("Completed", "59")
    await person.post(f"/order/orders/{order_id}/close", actor="supervisor")
    await person.settle()
    assert (await person.get(f"/order/orders/{order_id}"))["state"] == "Closed"


async def figures(person: Person, order_id: str, lathe: str) -> None:
    """OEE of the order on its lathe is the ratio of sums of what it is made of."""
    found = await person.get("/equipment/oee", order=order_id, equipment=lathe)
    (line,) = found["by_equipment"]
    made, times = line["kpis"]["quantities"], line["kpis"]["times"]
    assert Decimal(made["good"]) == sum(Decimal(each["good"]) for each in line["reports"]) > 50
    seconds = sum(Decimal(each["run_s_per_unit"]) * Decimal(each["good"]) for each in line["reports"])
    assert float(line["kpis"]["oee"]) == pytest.approx(float(seconds) / float(times["pbt"]), rel=1e-6)
    assert line["interval_ids"]


async def history(person: Person, order_id: str, lathe: str) -> None:
    """Who did what, when, on which machine, with which measurements, in one call."""
    found = await person.items(f"/order/orders/{order_id}/history")
    types = {row["type"].rsplit(".", 1)[-1] for row in found}
    assert types >= {
        "OrderCreated", "OrderReleased", "JobChanged", "RunOpened", "RunClosed", "ReportRecorded",
        "InspectionCompleted", "ControlChartSignal", "NonconformanceOpened", "NonconformanceDispositioned",
        "JobsAdded", "OutsideMoved", "OrderCompleted", "OrderClosed",
    }  # fmt: skip
    assert [row["at"] for row in found] == sorted(row["at"] for row in found)
    assert {"W-01", "Q-1", "Q-2", "planner", "supervisor"} <= {row["who"] for row in found}
    whole = str(found)
    assert lathe in whole
    assert "10.014" in whole


async def every_hop_was_an_event(log: Log, order_id: str, job_id: str, lathe: str) -> None:
    """What each service told the others is in the log; an order's events keep their order without gaps."""
    records = await log.all()
    caused = {record.headers["ce_id"]: (record, message) for record, message in records}

    def cause_of(record: Received) -> Any:
        found = caused.get(record.headers.get("ce_causationid", ""))
        return found[1] if found else None

    def first(kind: type[Message], wanted: Any = lambda message: True) -> tuple[Received, Any]:
        return next((record, message) for record, message in records if isinstance(message, kind) and wanted(message))

    # order -> plan -> jobs
    assert first(order_pb2.OrderReleased, lambda m: m.order.order_id == order_id)
    planned, _ = first(order_pb2.JobChanged, lambda m: m.verb == "plan" and m.job.job_id == job_id)
    assert isinstance(cause_of(planned), scheduling_pb2.SchedulePublished)
    # machine -> count -> report
    counted, _ = first(order_pb2.ReportRecorded, lambda m: m.report.source == "machine")
    assert isinstance(cause_of(counted), equipment_pb2.CounterAdvanced)
    # job -> inspection lot -> result -> hold -> disposition -> rework
    opened, _ = first(quality_pb2.InspectionLotOpened)
    assert isinstance(cause_of(opened), order_pb2.JobChanged | order_pb2.ReportRecorded)
    held, _ = first(order_pb2.JobChanged, lambda m: m.verb == "hold" and m.job.job_id == job_id)
    assert isinstance(cause_of(held), quality_pb2.NonconformanceOpened)
    added, _ = first(order_pb2.JobsAdded, lambda m: m.order_id == order_id)
    assert isinstance(cause_of(added), quality_pb2.NonconformanceDispositioned)
    # the broken machine was told, and a plan followed
    first(equipment_pb2.EquipmentStateChanged, lambda m: m.category == "UNPLANNED_DOWN")
    assert (
        len({message.version_id for _, message in records if isinstance(message, scheduling_pb2.SchedulePublished)}) > 2
    )
    sequences: dict[tuple[str, str], list[int]] = {}
    for record, _ in records:
        sequences.setdefault((record.headers["ce_source"], record.key), []).append(int(record.headers["ce_sequence"]))
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sequences.values())
