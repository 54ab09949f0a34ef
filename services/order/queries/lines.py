"""One line in plain words for every event of an order's history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from services.order.models import HistoryEntry
from services.order.queries.shopfloor import Named, Reader

_MOST_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Names:
    """What ids are called: jobs of the order (number: its sequence), machines, characteristics, reasons by code."""

    jobs: Mapping[str, Named]
    equipment: Mapping[str, Named]
    characteristics: Mapping[str, Mapping[str, Any]]
    reasons: Mapping[str, Named]


@dataclass(slots=True)
class Entry:
    """A line of the history. detail: it only repeats or follows from another line, so a short view may leave it out.

    symbol: kind of the line for the eye. measurements: what was measured, with limits where they are known.
    """

    row: HistoryEntry
    message: Message | None
    text: str
    symbol: str = "·"
    detail: bool = False
    job: Named | None = None
    machine: Named | None = None
    equipment_id: UUID | None = None
    workers: Sequence[str] = ()
    quantities: Mapping[str, str] = field(default_factory=dict)
    measurements: Sequence[Mapping[str, Any]] = ()


@dataclass(slots=True)
class _Line:
    row: HistoryEntry
    event: Any
    names: Names
    reader: Reader
    entry: Entry

    def say(self, code: str, **params: Any) -> None:
        self.entry.text = self.reader.say(code, **params)

    def job(self, job_id: str) -> str:
        self.entry.job = found = self.names.jobs.get(job_id)
        return self.reader.called(found)

    def machine(self, equipment_id: str) -> str:
        self.entry.machine = found = self.names.equipment.get(equipment_id)
        self.entry.equipment_id = UUID(equipment_id) if equipment_id else None
        return self.reader.called(found) if equipment_id else self.reader.say("page.by_hand")

    def reason(self, code: str) -> str:
        """The name of a reason by its code; free text stays as it is."""
        found = self.names.reasons.get(code)
        return self.reader.name(found.zh, found.en) if found else self.reader.known("page.reason", code)

    def because(self, reason: str) -> str:
        return self.reader.say("page.because", reason=self.reason(reason)) if reason else ""

    def time(self, event: Message, name: str) -> str:
        value: datetime | None = getattr(event, name).ToDatetime(tzinfo=UTC) if event.HasField(name) else None
        return self.reader.when(value)


def describe(row: HistoryEntry, message: Message | None, names: Names, reader: Reader) -> Entry:
    """The entry of a row in the reader's language."""
    entry = Entry(row, message, text=row.type.rpartition(".")[2])
    if message is None:
        return entry
    line = _Line(row, message, names, reader, entry)
    if row.job_id:
        line.job(str(row.job_id))
    writer = _WRITERS.get(row.type.rpartition(".")[2])
    if writer is not None:
        writer(line)
    return entry


def _order(line: _Line) -> None:
    order, verb = line.event.order, line.row.type.rpartition(".")[2]
    line.entry.symbol = "◎"
    if verb == "OrderCreated":
        line.say("page.line.created", qty=order.qty, uom=line.reader.known("page.uom", order.uom),
                 due=line.time(order, "due_at"))  # fmt: skip
    elif verb == "OrderReleased":
        line.say("page.line.released", count=len(line.event.jobs))
    elif verb == "OrderChanged":
        line.entry.detail = set(line.event.changed) <= {"good_qty", "scrap_qty"}
        fields = "、" if line.reader.language.startswith("zh") else ", "
        changed = fields.join(line.reader.known("page.field", each) for each in line.event.changed)
        line.say("page.line.changed", fields=changed, because=line.because(line.event.reason))
    elif verb == "OrderCompleted":
        line.say("page.line.completed", good=order.good_qty or "0", scrap=order.scrap_qty or "0")
    elif verb == "OrderClosed":
        line.say("page.line.closed")
    else:
        line.entry.detail = line.event.verb in ("started", "completed", "closed", "released")
        verb, state = (
            line.reader.known("page.order_verb", line.event.verb),
            line.reader.known("page.order", order.state),
        )
        line.say("page.line.order_state", verb=verb, state=state, because=line.because(line.event.reason))


def _jobs_added(line: _Line) -> None:
    names = ", ".join(f"{job.seq} {line.reader.name(job.name.zh, job.name.en)}" for job in line.event.jobs)
    line.entry.symbol = "+"
    line.say("page.line.jobs_added", jobs=names, because=line.because(line.event.cause))


# Verbs that another entry tells better (runs, reports, moves, plans), or that only follow from it.
_QUIET = {"ready", "waiting", "changed", "report", "production", "setup", "correct", "correction", "scrap", "trial",
          "start_setup", "stop_setup", "start", "resume", "pause", "handover", "send", "return", "first_article",
          "rework_returned", "pieces_arrived"}  # fmt: skip


def _job(line: _Line) -> None:
    event, reader = line.event, line.reader
    line.entry.detail = event.verb in _QUIET
    line.entry.symbol = {"hold": "hand", "finish": "✓", "complete": "✓"}.get(event.verb, "·")
    if event.job.equipment_id:
        line.machine(event.job.equipment_id)
    line.say("page.line.job", job=f"{event.job.seq} {reader.name(event.job.name.zh, event.job.name.en)}",
             verb=reader.known("page.verb", event.verb), state=reader.known("page.job", event.job.state),
             because=line.because(event.reason))  # fmt: skip


def _run(line: _Line) -> None:
    event, opened = line.event, line.row.type.endswith("RunOpened")
    job, machine = line.job(str(line.row.job_id)), line.machine(event.equipment_id)
    line.entry.workers = [each.worker for each in event.workers]
    line.entry.symbol = ("⚙" if event.kind == "setup" else "▶") if opened else "Ⅱ"
    who = ", ".join(line.entry.workers) or line.row.actor
    if opened:
        code = "page.line.setup_opened" if event.kind == "setup" else "page.line.run_opened"
        line.say(code, job=job, machine=machine, who=who)
    else:
        line.say("page.line.run_closed", job=job, machine=machine, who=who, start=line.time(event, "started_at"),
                 end=line.time(event, "ended_at"), cause=line.reader.known("page.run_cause", event.cause),
                 because=line.because(event.reason))  # fmt: skip


def _report(line: _Line) -> None:
    report, reader = line.event.report, line.reader
    job = line.job(report.job_id)
    if report.equipment_id:
        line.machine(report.equipment_id)
    line.entry.workers = [each.worker for each in report.workers] or [report.reported_by]
    line.entry.quantities = {
        "good": report.good_qty or "0", "scrap": report.scrap_qty or "0", "rework": report.rework_qty or "0",
        "uom": report.uom,
    }  # fmt: skip
    line.entry.symbol = "✎"
    parts = [
        reader.say(code, qty=qty, uom=reader.known("page.uom", report.uom))
        for code, qty in (
            ("page.qty.good", report.good_qty), ("page.qty.scrap", report.scrap_qty),
            ("page.qty.rework", report.rework_qty),
        )
        if qty and qty not in ("0", "-0")
    ]  # fmt: skip
    said = {
        "job": job, "quantities": ", ".join(parts) or reader.say("page.qty.nothing"),
        "who": ", ".join(line.entry.workers), "because": line.because(report.scrap_reason),
        "source": reader.known("page.source", report.source),
    }  # fmt: skip
    if line.row.type.endswith("ReportDecided"):
        line.say("page.line.report_decided", state=reader.known("page.report", report.state), **said)
    elif report.state == "Pending":
        line.say("page.line.report_pending", reason=reader.say(report.pending_reason), **said)
    elif report.corrects_report_id:
        line.say("page.line.report_corrected", **said)
    else:
        line.say("page.line.reported", **said)


def _outside(line: _Line) -> None:
    event = line.event
    line.entry.symbol = "⇄"
    code = "page.line.sent" if event.direction == "sent" else "page.line.returned"
    kg = line.reader.say("page.kg", kg=event.kg) if event.kg else ""
    short = line.reader.say("page.shortage", qty=event.shortage_qty) if event.shortage_qty not in ("", "0") else ""
    line.say(code, job=line.job(event.job_id), qty=event.qty, supplier=event.supplier or "—", kg=kg, shortage=short)


def _lot(line: _Line) -> None:
    lot, opened = line.event.lot, line.row.type.endswith("InspectionLotOpened")
    job, stage = line.job(lot.job_id), line.reader.known("page.stage", lot.stage)
    if lot.equipment_id:
        line.machine(lot.equipment_id)
    line.entry.symbol = "◇" if opened else "◆"
    if opened:
        line.say("page.line.lot_opened", job=job, stage=stage, size=lot.sample_size)
        return
    line.entry.measurements = [_measured(each, line.names) for each in line.event.measurements]
    line.entry.workers = [line.event.inspector] if line.event.inspector else []
    bad = sum(not each.conforming for each in line.event.measurements)
    line.say("page.line.inspected", job=job, stage=stage, state=line.reader.known("page.lot", lot.state),
             count=len(line.entry.measurements), bad=bad, who=line.event.inspector or "—")  # fmt: skip


def _measured(value: Any, names: Names) -> dict[str, Any]:
    known = names.characteristics.get(value.characteristic_id, {})
    name = known.get("name") or {}
    return {
        "measurement_id": value.measurement_id, "characteristic_id": value.characteristic_id,
        "characteristic_no": value.characteristic_no, "name_zh": name.get("zh", ""), "name_en": name.get("en", ""),
        "unit": known.get("unit", ""), "lsl": known.get("lsl"), "target": known.get("target"),
        "usl": known.get("usl"), "value": value.value if value.HasField("value") else None,
        "defects": value.defects if value.HasField("defects") else None, "conforming": value.conforming,
        "measured_by": value.measured_by, "gauge": value.gauge,
        "measured_at": value.occurred_at.ToDatetime(tzinfo=UTC) if value.HasField("occurred_at") else None,
    }  # fmt: skip


def _signal(line: _Line) -> None:
    event = line.event
    known = line.names.characteristics.get(event.characteristic_id, {})
    name = known.get("name") or {}
    shown = line.reader.name(name.get("zh", ""), name.get("en", "")) or "—"
    line.entry.symbol = "◆"
    line.say("page.line.signal", characteristic=shown, rule=event.rule, rules=event.rule_set, value=f"{event.value:g}")


def _nonconformance(line: _Line) -> None:
    problem, kind = line.event.nonconformance, line.row.type.rpartition(".")[2]
    line.entry.symbol = "!"
    if kind == "NonconformanceOpened":
        found = [{"code": each.code, "params": dict(each.params)} for each in problem.findings]
        defect = line.reader.said(problem.defect, found)
        line.say("page.line.nc_opened", no=problem.no, defect=defect or "—", qty=problem.qty or "—")
    elif kind == "NonconformanceClosed":
        line.say("page.line.nc_closed", no=problem.no)
    else:
        parts = [f"{line.reader.known('page.disposition', each.kind)} {each.qty}".strip()
                 for each in line.event.dispositions]  # fmt: skip
        line.say("page.line.nc_decided", no=problem.no, decision=", ".join(parts))


def _plan(line: _Line) -> None:
    event, reader = line.event, line.reader
    between, comma = ("；", "、") if reader.language.startswith("zh") else ("; ", ", ")
    operations = sorted(event.changed, key=lambda each: each.start.ToNanoseconds())
    parts = [f"{reader.called(line.names.jobs.get(each.job_id))} → {_place(line, each)} {line.time(each, 'start')}"
             for each in operations[:_MOST_SHOWN]]  # fmt: skip
    jobs = between.join(parts) + (" …" if len(operations) > _MOST_SHOWN else "")
    reasons = dict.fromkeys(each for each in event.trigger.split(",") if each)
    trigger = comma.join(reader.known("page.trigger", each) for each in reasons)
    line.entry.symbol = "▤"
    line.say("page.line.planned", version=event.version_no, jobs=jobs or "—", trigger=trigger or "—")


def _place(line: _Line, operation: Any) -> str:
    machine = line.names.equipment.get(operation.equipment_id)
    return machine.no if machine else line.reader.say("page.outside")


def _machine(line: _Line) -> None:
    event = line.event
    line.entry.symbol = "■" if event.category == "UNPLANNED_DOWN" else "▶"
    line.say("page.line.machine", machine=line.machine(event.equipment_id), since=line.time(event, "since"),
             state=line.reader.known("page.machine", event.category), because=line.because(event.reason))  # fmt: skip


_WRITERS: dict[str, Callable[[_Line], None]] = {
    **dict.fromkeys(("OrderCreated", "OrderChanged", "OrderReleased", "OrderStateChanged", "OrderCompleted"), _order),
    "OrderClosed": _order,
    "JobsAdded": _jobs_added,
    "JobChanged": _job,
    "RunOpened": _run,
    "RunClosed": _run,
    "ReportRecorded": _report,
    "ReportDecided": _report,
    "OutsideMoved": _outside,
    "InspectionLotOpened": _lot,
    "InspectionCompleted": _lot,
    "ControlChartSignal": _signal,
    "NonconformanceOpened": _nonconformance,
    "NonconformanceDispositioned": _nonconformance,
    "NonconformanceClosed": _nonconformance,
    "SchedulePublished": _plan,
    "EquipmentStateChanged": _machine,
}
