"""The closed list of categories, and the versioned mappings from a source's own words to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from mes.errors import Invalid


class Category(StrEnum):
    """What a machine is at, whatever its source calls it."""

    PRODUCING = "PRODUCING"
    STANDBY = "STANDBY"
    SETUP = "SETUP"
    ENGINEERING = "ENGINEERING"
    PLANNED_DOWN = "PLANNED_DOWN"
    UNPLANNED_DOWN = "UNPLANNED_DOWN"
    NON_SCHEDULED = "NON_SCHEDULED"
    UNKNOWN = "UNKNOWN"


def category_of(value: str, field: str = "category") -> Category:
    """The category of that name. Raises Invalid."""
    try:
        return Category(value)
    except ValueError as error:
        raise Invalid("equipment.category_unknown", field=field, value=value, legal=", ".join(Category)) from error


@dataclass(frozen=True, slots=True)
class MappingVersion:
    """One version of a mapping, in force for signals from `valid_from` on. words: native value, upper case."""

    name: str
    version: int
    valid_from: datetime
    words: Mapping[str, Category]


_P, _B, _S, _E = Category.PRODUCING, Category.STANDBY, Category.SETUP, Category.ENGINEERING
_M, _D, _N, _U = Category.PLANNED_DOWN, Category.UNPLANNED_DOWN, Category.NON_SCHEDULED, Category.UNKNOWN
_ALWAYS = datetime(1, 1, 1, tzinfo=UTC)

# PackML states of ANSI/ISA-TR88.00.02; an abort is a failure, a hold an internal and a suspend an external wait.
_PACKML = {
    "EXECUTE": _P, "COMPLETING": _P, "COMPLETE": _B, "IDLE": _B, "STARTING": _B, "RESETTING": _S,
    "HOLDING": _B, "HELD": _B, "UNHOLDING": _B, "SUSPENDING": _B, "SUSPENDED": _B, "UNSUSPENDING": _B,
    "STOPPING": _B, "STOPPED": _B, "ABORTING": _D, "ABORTED": _D, "CLEARING": _D,
}  # fmt: skip
# EXECUTION of MTConnect part 2. FEED_HOLD and the stops are a person's or a program's wait, INTERRUPTED a fault.
_MTCONNECT = {
    "ACTIVE": _P, "WAIT": _B, "READY": _B, "STOPPED": _B, "FEED_HOLD": _B, "PROGRAM_STOPPED": _B,
    "PROGRAM_COMPLETED": _B, "OPTIONAL_STOP": _S, "PROGRAM_OPTIONAL_STOP": _S, "INTERRUPTED": _D, "UNAVAILABLE": _U,
}  # fmt: skip
_TOWER = {
    "RUN": _P, "GREEN": _P, "IDLE": _B, "YELLOW": _B, "ALARM": _D, "RED": _D, "SETUP": _S, "BLUE": _S, "OFF": _N,
}  # fmt: skip

BUILT_IN: Mapping[str, MappingVersion] = {
    name: MappingVersion(name, 1, _ALWAYS, words)
    for name, words in (
        ("packml", _PACKML),
        ("mtconnect", _MTCONNECT),
        ("tower_light", _TOWER),
        ("", {each.value: each for each in Category}),
    )
}


@dataclass(frozen=True, slots=True)
class Dictionary:
    """All versions of one mapping. A word is read by the version in force when it was said, so that a new version
    leaves history alone; a word that no version knows is UNKNOWN."""

    versions: Sequence[MappingVersion]

    def read(self, native: str, at: datetime) -> tuple[Category, int]:
        """Category of a native value said at a moment, and the version that says so."""
        word = native.strip().upper()
        chosen = max(
            (each for each in self.versions if each.valid_from <= at), key=lambda each: each.version, default=None
        )
        if chosen is None:
            return Category.UNKNOWN, 0
        return chosen.words.get(word, Category.UNKNOWN), chosen.version


def dictionary(name: str, custom: Iterable[MappingVersion] = ()) -> Dictionary:
    """The mapping of a name: the built-in one, followed by versions made by the workshop."""
    own = [each for each in custom if each.name == name]
    built_in = BUILT_IN.get(name)
    return Dictionary(([built_in] if built_in else []) + sorted(own, key=lambda each: each.version))
