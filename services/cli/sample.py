"""The first start of a sample, and its simulated machines."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import httpx
from mes.config import Settings
from mes.errors import Invalid
from openpyxl import load_workbook

from services.cli.client import do_import, read_import
from services.cli.installation import Installation
from services.cli.terminal import language, say, working
from services.simulator.agent import simulate

log = logging.getLogger(__name__)

FACTOR = 60.0
_WORKBOOKS = {"foshan": "foshan-hardware.xlsx"}


def sample_settings(settings: Settings, installation: Installation) -> Settings:
    """The sample's business time runs at 60 and begins where its workbook says; real use runs at 1."""
    if installation.sample == "none":
        return settings.model_copy(update={"clock_factor": 1.0, "clock_start": "", "clock_pinned": True})
    changes: dict[str, Any] = {}
    if "clock_factor" not in settings.model_fields_set:
        changes["clock_factor"] = FACTOR
    # Only a first start needs to know; afterwards the clock goes on from where it was.
    if "clock_start" not in settings.model_fields_set and not installation.loaded:
        with as_file(files("examples") / _WORKBOOKS[installation.sample]) as path:
            changes["clock_start"] = business_epoch(path) or ""
    return settings.model_copy(update=changes)


def business_epoch(workbook: Path) -> str | None:
    """The business time at which a workbook begins (sheet `site`, key `business_epoch`), None when it names none."""
    book = load_workbook(workbook, read_only=True, data_only=True)
    try:
        if "site" not in book.sheetnames:
            return None
        for row in book["site"].iter_rows(values_only=True):
            if len(row) > 1 and row[0] == "business_epoch":
                value = row[1]
                return value.isoformat() if isinstance(value, datetime) else str(value)
        return None
    finally:
        book.close()


async def begin(address: str, home: Path, installation: Installation) -> None:
    """Load the sample if that did not happen yet, say that it is ready, and be its machines until cancelled."""
    if installation.sample == "none":
        await _real_time(address)
        say("cli.ready", address=address)
        return
    if not installation.loaded:
        with working("cli.loading_sample"):
            await _load(address, installation.sample)
        Installation(installation.sample, loaded=True).save(home)
    say("cli.ready", address=address)
    await _be_the_machines(address)


async def _real_time(address: str) -> None:
    """Data of a simulation bring its clock along, stepped or fast: in real use it goes on at the pace of real time."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        clock = (await client.get("/clock")).raise_for_status().json()
        if (clock["mode"], clock["factor"]) != ("running", 1):
            (await client.put("/clock", json={"mode": "running", "factor": 1})).raise_for_status()


async def _load(address: str, sample: str) -> None:
    with as_file(files("examples") / _WORKBOOKS[sample]) as path:
        file = read_import(path)
    headers = {"Accept-Language": language()}
    async with httpx.AsyncClient(base_url=address, timeout=600, headers=headers) as client:
        result = await do_import(client, file)
    if errors := result.get("errors"):
        raise Invalid("cli.sample_refused", field="file", count=len(errors), first=str(errors[0]))


async def _be_the_machines(address: str) -> None:
    """Until all is done or the instance stops; what goes wrong with the simulated people must not end the instance."""
    while True:
        stop = asyncio.Event()
        try:
            await simulate(address, stop=stop)
            return
        except asyncio.CancelledError:
            stop.set()
            raise
        except Exception as error:
            log.warning("the simulated workshop failed, starting it again", exc_info=error)
            await asyncio.sleep(5)
