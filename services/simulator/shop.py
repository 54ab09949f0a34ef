"""Builds the simulated workshop from the definitions that the API shows."""

from __future__ import annotations

from datetime import date, datetime, time
from random import Random
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from services.simulator.domain import Machine, Profile
from services.simulator.gateway import Gateway
from services.simulator.signals import Controller
from services.simulator.views import Place
from services.simulator.working_time import Shift, WorkingTime
from services.simulator.workplace import Workplace

# How the machines of an ordinary workshop behave; a shop without calendars is a benchmark and runs to its times.
ORDINARY = Profile(
    mtbf_s=60 * 3600,
    repair_s=45 * 60,
    cycle_noise=0.04,
    scrap_rate=0.006,
    shift_rate=0.03,
    wear_per_1000=0.15,
)
EXACT = Profile()
# A bench has no motor that could fail.
_BENCH = Profile(cycle_noise=0.10, scrap_rate=0.003)


def _time(text: str) -> time:
    return time.fromisoformat(text)


def working_time(row: dict[str, Any]) -> WorkingTime:
    """Working time from a calendar's definition."""
    shifts = tuple(
        Shift(
            each["shift"],
            frozenset(each["weekdays"]),
            _time(each["start"]),
            _time(each["end"]),
            tuple((_time(pause["start"]), _time(pause["end"])) for pause in each.get("breaks") or ()),
        )
        for each in row["shifts"]
    )
    every = frozenset(shift.code for shift in shifts)
    exceptions = {
        date.fromisoformat(each["date"]): (frozenset(each.get("shifts") or ()) or every)
        if each["working"]
        else frozenset()
        for each in row.get("exceptions") or ()
    }
    return WorkingTime(ZoneInfo(row["time_zone"]), shifts, exceptions)


def _profile(row: dict[str, Any], benchmark: bool) -> Profile:
    if benchmark:
        return EXACT
    if not row["is_networked"] and not row["is_numerically_controlled"]:
        return _BENCH
    return Profile(**{**_fields(ORDINARY), "modulus": int(row.get("counter_modulus") or 0)})


def _fields(profile: Profile) -> dict[str, Any]:
    return {name: getattr(profile, name) for name in Profile.__slots__}


async def load_workplaces(gateway: Gateway, *, seed: int, now: datetime) -> dict[str, Workplace]:
    """Every machine and bench by its id. A shop in which no calendar has shifts runs exactly to its standard times.

    A machine with signals says at once what it is at. At the very first start it has stood there since work began: the
    time until somebody switched the simulation on is known, and no gap.
    """
    calendars = {row["calendar_id"]: working_time(row) for row in await gateway.definitions("calendars")}
    centres = {row["work_centre_id"]: row for row in await gateway.definitions("work-centres")}
    always = WorkingTime(ZoneInfo("UTC"))
    benchmark = not any(calendar.shifts for calendar in calendars.values())
    heard = await gateway.heard()
    places = {}
    for row in sorted(await gateway.definitions("equipment"), key=lambda each: str(each["no"])):
        centre = centres.get(row["work_centre_id"], {})
        calendar = calendars.get(row.get("calendar_id") or centre.get("calendar_id") or "", always)
        place = Place(row["equipment_id"], row["no"], bool(row["is_networked"]), row.get("mapping") or "")
        random = Random(f"{seed}/{place.no}")
        span = calendar.current(now) if place.id not in heard else None
        machine = Machine(place.no, random, calendar, span.start if span else now, _profile(row, benchmark))
        controller = (
            Controller(place.id, f"sim-{place.no}", place.mapping, str(uuid4())) if place.is_networked else None
        )
        if controller:
            controller.say(machine.begin())
        places[place.id] = Workplace(place, machine, controller, gateway)
    return places
