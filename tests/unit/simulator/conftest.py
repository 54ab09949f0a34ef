"""A rehearsal stage: the smallest server that the simulated workshop can play on.

It knows the verbs' legal states and nothing else, refuses what is illegal, forgets no key, and loses as many answers as
it is told. The real services are played on in `tests/integration/simulator`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Row = dict[str, Any]
START = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
_LEGAL = {
    "start-setup": ({"Ready"}, "Setup"),
    "trial": ({"Setup"}, "Setup"),
    "start": ({"Ready", "Setup"}, "Running"),
    "reports": ({"Running"}, "Running"),
    "complete": ({"Running"}, "Done"),
    "scrap": ({"Running"}, "Running"),
    "finish": ({"Running", "Returned"}, "Done"),
    "pause": ({"Running"}, "Paused"),
    "resume": ({"Paused"}, "Running"),
    "handover": ({"Running"}, "Running"),
    "send": ({"Ready"}, "Sent"),
    "return": ({"Sent"}, "Returned"),
}
_SHIFTS = [
    {"shift": "D", "weekdays": [1, 2, 3, 4, 5], "start": "07:30", "end": "16:00", "breaks": []},
    {"shift": "N", "weekdays": [1, 2, 3, 4, 5], "start": "16:00", "end": "00:30", "breaks": []},
]
# (machine, setup seconds, seconds per piece, first article); None is outside work.
_ROUTE: list[tuple[str, int, float, bool] | None] = [
    ("P", 1800, 3.0, True),
    ("T", 2400, 60.0, True),
    None,
    ("B", 0, 20.0, False),
]


class Illegal(Exception):
    """What the stage refuses."""


class Stage:
    """Orders of four operations each, on a press with signals, a lathe without, outside, and at a bench."""

    def __init__(self, orders: int, lost: float, fail_first: bool) -> None:
        self.now = START
        self.lost = lost
        self.fail_first = fail_first
        self.random = Random(7)
        self.answers: dict[str, Response] = {}
        self.refused: list[str] = []
        self.orders: dict[str, Row] = {}
        self.jobs: dict[str, Row] = {}
        self.lots: dict[str, Row] = {}
        self.problems: dict[str, Row] = {}
        self.counters: dict[tuple[str, str], int] = {}
        self.signals: list[Row] = []
        for number in range(1, orders + 1):
            self._add_order(f"O{number}")

    def _add_order(self, no: str) -> None:
        self.orders[no] = {"order_id": no, "no": no, "state": "Draft", "release_at": self.now.isoformat()}
        for seq, place in enumerate(_ROUTE, start=1):
            machine, setup, run, first = place or ("", 0, 0.0, False)
            self.jobs[f"{no}-{seq}"] = {
                "job_id": f"{no}-{seq}",
                "order_id": no,
                "seq": seq,
                "kind": "internal" if place else "outside",
                "state": "Waiting",
                "qty": "250",
                "left": Decimal(250),
                "equipment_id": machine,
                "setup_s": setup,
                "run_s_per_unit": run,
                "first_article": first,
                "passed": not first,
                "lead_days": 2,
            }

    # ---- HTTP ----

    async def answer(self, request: Request) -> Response:
        key = request.headers.get("idempotency-key", "")
        body = await request.json() if request.method != "GET" else {}
        if self.random.random() < self.lost:
            return Response(status_code=503)
        try:
            answer = self.answers.get(key) or JSONResponse(self.act(request, body))
        except Illegal as illegal:
            self.refused.append(str(illegal))
            return JSONResponse({"code": "illegal", "detail": str(illegal)}, 409)
        if key:
            self.answers[key] = answer
        self._move_on()
        return Response(status_code=503) if self.random.random() < self.lost else answer

    def act(self, request: Request, body: Row) -> Any:
        service, *rest = request.url.path.strip("/").split("/")
        if service in {"clock", "idle"}:
            return self._time(rest, body)
        if service == "equipment":
            return self._machines() if request.method == "GET" else self._signals(body.get("signals", []))
        if request.method == "GET":
            return {"items": self._list(rest, request.query_params.get("state", "").split(","))}
        kind, name, verb = rest
        handlers: dict[str, Callable[[str, str, Row], None]] = {
            "orders": self._order_verb,
            "jobs": self._job_verb,
            "inspection-lots": self._measured,
            "nonconformances": self._disposed,
        }
        handlers[kind](name, verb, body)
        return {}

    def _time(self, rest: list[str], body: Row) -> Row:
        if rest:
            to = datetime.fromisoformat(body["to"])
            assert to >= self.now
            self.now = to
        return {"now": self.now.isoformat(), "factor": 60, "mode": "stepped", "idle": True}

    def _list(self, rest: list[str], states: list[str]) -> list[Row]:
        match rest:
            case ["definitions", "calendars"]:
                zone = "Asia/Shanghai"
                return [{"calendar_id": "C", "time_zone": zone, "shifts": _SHIFTS, "exceptions": []}]
            case ["definitions", "work-centres"]:
                return [{"work_centre_id": "W", "calendar_id": "C"}]
            case ["definitions", "equipment"]:
                return [_machine("P", True), _machine("T", False), _machine("B", False)]
            case ["dispatch", "queues"]:
                alive = (job for job in self.jobs.values() if job["kind"] == "internal" and job["state"] != "Done")
                return [self._view(job) for job in alive if self.orders[job["order_id"]]["state"] == "Released"]
            case ["jobs"]:
                outside = (job for job in self.jobs.values() if job["kind"] == "outside")
                return [self._view(job) for job in outside if job["state"] in states]
            case ["orders"]:
                return list(self.orders.values())
            case ["inspection-lots"]:
                return list(self.lots.values())
            case _:
                return list(self.problems.values())

    def _view(self, job: Row) -> Row:
        return {**{name: value for name, value in job.items() if name != "left"}, "remaining_qty": str(job["left"])}

    # ---- what the verbs do ----

    def _move_on(self) -> None:
        for name, job in self.jobs.items():
            before = self.jobs.get(f"{job['order_id']}-{job['seq'] - 1}")
            released = self.orders[job["order_id"]]["state"] == "Released"
            if released and job["state"] == "Waiting" and (before is None or before["state"] == "Done"):
                self.jobs[name]["state"] = "Ready"
        for no, order in self.orders.items():
            done = all(job["state"] == "Done" for job in self.jobs.values() if job["order_id"] == no)
            if order["state"] == "Released" and done:
                order["state"] = "Completed"

    def _order_verb(self, name: str, verb: str, body: Row) -> None:
        legal = {"release": ("Draft", "Released"), "close": ("Completed", "Closed")}
        before, after = legal[verb]
        if self.orders[name]["state"] != before:
            raise Illegal(f"{verb} {name} in {self.orders[name]['state']}")
        self.orders[name]["state"] = after

    def _job_verb(self, name: str, verb: str, body: Row) -> None:
        job = self.jobs[name]
        states, after = _LEGAL[verb]
        if job["state"] not in states:
            raise Illegal(f"{verb} {name} in {job['state']}")
        if verb in {"start-setup", "start"} and self._other_at(job):
            raise Illegal(f"{verb} {name}: its place is taken")
        if verb == "start" and not job["passed"]:
            raise Illegal(f"start {name} before its first article has passed")
        if verb == "trial":
            self.lots[name] = _lot(job)
        if verb in {"reports", "complete"}:
            self._book(job, Decimal(body["good_qty"]) + Decimal(body["scrap_qty"]))
        if after == "Done" and job["kind"] == "internal" and job["left"]:
            raise Illegal(f"{verb} {name} with {job['left']} left")
        job["state"] = after

    def _other_at(self, job: Row) -> bool:
        busy = (each for each in self.jobs.values() if each["state"] in {"Setup", "Running"})
        return any(each is not job and each["equipment_id"] == job["equipment_id"] for each in busy)

    def _book(self, job: Row, pieces: Decimal) -> None:
        if not 0 <= pieces <= job["left"]:
            raise Illegal(f"{pieces} pieces for {job['job_id']}, {job['left']} left")
        job["left"] -= pieces

    def _machines(self) -> list[Row]:
        heard = {str(signal["equipment_id"]): signal["time"] for signal in self.signals}
        return [{"equipment_id": no, "last_signal_at": heard.get(no)} for no in ("P", "T", "B")]

    def _signals(self, signals: list[Row]) -> Row:
        self.signals += signals
        for signal in signals:
            if signal["kind"] != "counter":
                continue
            source = (signal["equipment_id"], signal["session"])
            value, before = int(signal["value"]), self.counters.get(source)
            self.counters[source] = value
            for job in self.jobs.values():
                if before is not None and job["state"] == "Running" and job["equipment_id"] == signal["equipment_id"]:
                    job["left"] -= min(job["left"], Decimal((value - before) % 1000))
        return {}

    def _measured(self, name: str, verb: str, body: Row) -> None:
        lot = self.lots.pop(name)
        assert len(body["measurements"]) == lot["sample_size"]
        self.jobs[name]["passed"] = not self.fail_first
        if self.fail_first:
            self.fail_first = False
            self.jobs[name]["state"] = "Held"
            self.problems[name] = {"nonconformance_id": name, "job_id": name, "state": "Registered", "qty": "4"}

    def _disposed(self, name: str, verb: str, body: Row) -> None:
        problem = self.problems.pop(name)
        assert sum(Decimal(each["qty"]) for each in body["dispositions"]) == Decimal(problem["qty"])
        self.jobs[name]["state"] = "Ready"


def _machine(no: str, networked: bool) -> Row:
    return {
        "equipment_id": no,
        "no": no,
        "work_centre_id": "W",
        "is_networked": networked,
        "is_numerically_controlled": no == "T",
        "mapping": "tower_light" if networked else "",
        "counter_modulus": "1000" if networked else "",
    }


def _lot(job: Row) -> Row:
    characteristic = {"characteristic_id": "OD", "kind": "variable", "lsl": 9.9, "target": 10.0, "usl": 10.1}
    return {
        "inspection_lot_id": job["job_id"],
        "job_id": job["job_id"],
        "stage": "FAI",
        "state": "Pending",
        "sample_size": 2,
        "equipment_id": job["equipment_id"],
        "characteristics": [characteristic],
    }


@pytest.fixture
def make_stage() -> Callable[..., tuple[Stage, httpx.ASGITransport]]:
    """Make a stage and the way to it."""

    def make(orders: int = 3, lost: float = 0.0, fail_first: bool = False) -> tuple[Stage, httpx.ASGITransport]:
        stage = Stage(orders, lost, fail_first)
        app = Starlette(routes=[Route("/{path:path}", stage.answer, methods=["GET", "POST", "PUT"])])
        return stage, httpx.ASGITransport(app)

    return make
