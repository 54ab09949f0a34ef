"""What is said on the shop floor: names of things, states of machines, times in the site's zone, in one language."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from mes.i18n import t
from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.order.models import Definition, EquipmentState

ENDED = ("Done", "Skipped", "Cancelled", "Aborted", "Superseded")
AT_WORK = ("Setup", "Running", "Paused")


@dataclass(frozen=True, slots=True)
class Named:
    """Something of the workbook: its number and its two names."""

    no: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: in which language, where and when."""

    language: str
    zone: ZoneInfo
    now: datetime

    def say(self, code: str, **params: Any) -> str:
        """The message of a code."""
        return t(code, self.language, **params)

    def known(self, prefix: str, word: str) -> str:
        """The word for a state or a kind; the word itself where no catalogue knows it."""
        said = t(f"{prefix}.{word}", self.language)
        return word if said == f"{prefix}.{word}" else said

    def name(self, zh: str, en: str) -> str:
        """The name in the reader's language, else in the other one."""
        return (zh or en) if self.language.startswith("zh") else (en or zh)

    def called(self, thing: Named | None) -> str:
        """Number and name."""
        if thing is None:
            return "—"
        name = self.name(thing.zh, thing.en)
        return f"{thing.no} {name}" if name and name != thing.no else thing.no

    def when(self, moment: datetime | None) -> str:
        """A time as one says it: the hour today, else with its day."""
        if moment is None:
            return "—"
        local, today = moment.astimezone(self.zone), self.now.astimezone(self.zone)
        said = local.isoformat(" ", "minutes")[:16]
        if local.date() == today.date():
            return said[11:]
        return said[5:] if local.year == today.year else said

    def said(self, reason: str, findings: Iterable[Mapping[str, Any]]) -> str:
        """A reason as somebody put it, and findings {code, params} in the reader's words."""
        said = [self.say(each["code"], **each["params"]) for each in findings]
        return "; ".join([*([reason] if reason else []), *said])

    def span(self, seconds: float) -> str:
        """A duration in its largest sensible units."""
        minutes = round(abs(seconds) / 60)
        if minutes == 0:
            return self.say("page.span.none")
        if minutes < 60:
            return self.say("page.span.minutes", minutes=minutes)
        if minutes < 48 * 60:
            return self.say("page.span.hours", hours=minutes // 60, minutes=minutes % 60)
        return self.say("page.span.days", days=minutes // 1440, hours=minutes % 1440 // 60)

    def age(self, moment: datetime) -> str:
        """How long ago something was."""
        return self.span(max(timedelta(0), self.now - moment).total_seconds())


def plain(value: Decimal | None) -> str | None:
    """A quantity without exponent and needless zeros."""
    if value is None:
        return None
    shown = format(value, "f")
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


# Built once: to build a statement costs as much as to run it, and these run at every look of every terminal.
_NAMED = text(
    """
    SELECT id, no, coalesce(spec #>> '{name,zh}', ''), coalesce(spec #>> '{name,en}', '') FROM definition
    WHERE site_id = :site AND kind = :kind AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY(CAST(:ids AS uuid[])))
    """
)
_MACHINES = select(EquipmentState.__table__).where(EquipmentState.site_id == bindparam("site"))


async def named(
    session: AsyncSession, site_id: UUID, kind: str, ids: Collection[UUID] | None = None
) -> dict[UUID, Named]:
    """Things of a kind by id: those asked for, or all."""
    asked = {"site": site_id, "kind": kind, "ids": None if ids is None else list(ids)}
    return {key: Named(no, zh, en) for key, no, zh, en in await session.execute(_NAMED, asked)}


async def reasons(session: AsyncSession, site_id: UUID, kind: str) -> Mapping[str, Named]:
    """The reasons of a kind by code, in the order of their codes."""
    rows = await session.execute(
        select(Definition.spec)
        .where(
            Definition.site_id == site_id,
            Definition.kind == "reason",
            Definition.outdated.is_(False),
            Definition.spec["kind"].astext == kind,
        )
        .order_by(Definition.no)
    )
    found = {}
    for (spec,) in rows:
        name = spec.get("name") or {}
        found[spec["code"]] = Named(spec["code"], name.get("zh", ""), name.get("en", ""))
    return found


async def machine_states(session: AsyncSession, site_id: UUID) -> dict[UUID, Row[Any]]:
    """The last state told of each machine, as rows of `EquipmentState`."""
    return {row.equipment_id: row for row in await session.execute(_MACHINES, {"site": site_id})}
