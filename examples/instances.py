"""Reads public scheduling instances (job shop, flexible job shop) and makes shops of them.

Job shop (`jobshop/*.txt`): a line "jobs machines", then one line per job of pairs "machine duration". Flexible
(`flexible/*.txt`): a line "jobs machines [average]", then per job the number of operations, and per operation the
number of machines that can do it and pairs "machine duration". Machines are numbered from 0 in the first and from 1 in
the second. A duration is taken as seconds.

python -m examples.instances ../shared/data/scheduling/flexible/mk10.txt mk10.xlsx
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from examples.tables import Row, Tables, joined, write_workbook

Job = tuple[tuple[tuple[int, int], ...], ...]
EPOCH = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Instance:
    """jobs[j][o] = ((machine from 0, seconds), ...): the machines that can do operation o of job j."""

    name: str
    machines: int
    jobs: tuple[Job, ...]

    @property
    def operations(self) -> int:
        """How many operations there are in all."""
        return sum(len(job) for job in self.jobs)


def read_instance(path: Path, form: str = "auto") -> Instance:
    """Read a format (jobshop, flexible); auto: the folder's name says which, else what the lines can be.

    Raises ValueError naming the line that is wrong.
    """
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        jobs, machines = int(lines[0][0]), int(lines[0][1])
    except (IndexError, ValueError) as error:
        raise ValueError(f"{path.name}, line 1: the numbers of jobs and machines are expected") from error
    if len(lines) != jobs + 1:
        raise ValueError(f"{path.name}: {jobs} jobs are announced, {len(lines) - 1} lines follow")
    if form == "auto" and path.parent.name in ("jobshop", "flexible"):
        form = path.parent.name
    readers = {"jobshop": (_plain,), "flexible": (_flexible,)}.get(form, (_plain, _flexible))
    failed: list[_NotThis] = []
    for read in readers:
        try:
            return Instance(path.stem, machines, _jobs(path, lines, machines, read))
        except _NotThis as error:
            failed.append(error)
    # What could be read further is what it was meant to be.
    raise max(failed, key=lambda error: error.line)


class _NotThis(ValueError):
    """A line is not of the format. line: its number."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path.name}, line {line}: {reason}")
        self.line = line


def _jobs(path: Path, lines: list[list[str]], machines: int, read: Callable[[list[int]], Job]) -> tuple[Job, ...]:
    parsed = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            job = read([int(word) for word in line])
        except (ValueError, IndexError) as error:
            raise _NotThis(path, number, "not a job") from error
        for machine, seconds in (choice for choices in job for choice in choices):
            if not 0 <= machine < machines:
                raise _NotThis(path, number, f"there is no machine {machine}")
            if seconds < 0:
                raise _NotThis(path, number, f"a duration of {seconds}")
        parsed.append(job)
    return tuple(parsed)


def _plain(words: list[int]) -> Job:
    if words[-2:] == [-1, -1]:
        words = words[:-2]
    if len(words) % 2:
        raise ValueError("pairs expected")
    return tuple(((words[at], words[at + 1]),) for at in range(0, len(words), 2))


def _flexible(words: list[int]) -> Job:
    operations, at = [], 1
    for _ in range(words[0]):
        count = words[at]
        pairs = words[at + 1 : at + 1 + 2 * count]
        if len(pairs) != 2 * count:
            raise ValueError("the line is too short")
        operations.append(tuple((pairs[each] - 1, pairs[each + 1]) for each in range(0, 2 * count, 2)))
        at += 1 + 2 * count
    if at != len(words):
        raise ValueError("the line is too long")
    return tuple(operations)


def _machine(number: int) -> str:
    return f"M{number + 1:02d}"


def _operation(product: str, seq: int, choices: tuple[tuple[int, int], ...]) -> Row:
    return {
        "product": product,
        "revision": "A",
        "status": "Accepted",
        "seq": seq,
        "kind": "internal",
        "name_zh": f"工序{seq}",
        "name_en": f"Operation {seq}",
        "predecessors": str(seq - 10) if seq > 10 else "",
        "alternatives": joined([(_machine(machine), seconds, 0, 1) for machine, seconds in choices]),
        "interruptible": "no",
    }


def make_tables(instance: Instance) -> Tables:
    """A shop without calendars or setups: every job is a product with its own routing, and an order of one piece."""
    name, count = instance.name, len(instance.jobs)
    codes = [f"{name.upper()}-{number:04d}" for number in range(1, count + 1)]
    named = [{"no": code, "name_zh": code, "name_en": code} for code in codes]
    units = {"stock_uom": "pcs", "order_uom": "pcs", "report_uom": "pcs", "order_factor": "1", "report_factor": "1"}
    epoch = EPOCH.isoformat()
    return {
        "site": [{"key": "business_epoch", "value": epoch}, {"key": "time_zone", "value": "UTC"}],
        "materials": [{**each, **units, "tracking": "none", "uom_digits": 0} for each in named],
        "work_centres": [{"no": "SHOP", "name_zh": "车间", "name_en": "Shop", "area": "", "calendar": ""}],
        "equipment": [
            {
                "no": _machine(number),
                "name_zh": f"机器{number + 1}",
                "name_en": f"Machine {number + 1}",
                "work_centre": "SHOP",
                "is_numerically_controlled": "no",
                "is_networked": "no",
            }
            for number in range(instance.machines)
        ],
        "routings": [
            _operation(code, 10 * place, choices)
            for code, job in zip(codes, instance.jobs, strict=True)
            for place, choices in enumerate(job, start=1)
        ],
        "orders": [
            {"no": f"O-{code}", "material": code, "qty": "1", "uom": "pcs", "priority": 5, "deadline_type": "ASAP"}
            for code in codes
        ],
    }


def main(source: str, target: str) -> None:
    """Write the shop of an instance as a workbook."""
    write_workbook(make_tables(read_instance(Path(source))), Path(target))


if __name__ == "__main__":
    main(*sys.argv[1:])
