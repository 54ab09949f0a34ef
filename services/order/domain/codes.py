"""Short codes for people and QR labels, in Crockford's base 32 (no I, L, O, U)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_LOOK_ALIKES = str.maketrans("OIL", "011")


def base32(number: int, length: int) -> str:
    """The lowest 5 x length bits of a number."""
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))


def job_code(job_id: UUID) -> str:
    """Eight characters from the random end of a UUIDv7."""
    return base32(job_id.int, 8)


def order_no(order_id: UUID, now: datetime) -> str:
    """A number for an order that came without one: its day and six characters."""
    return f"MO{now:%y%m%d}-{base32(order_id.int, 6)}"


def read_code(typed: str) -> str:
    """A code as it was scanned or typed: case, blanks and look-alikes do not matter (Crockford's rules)."""
    plain = typed.strip().upper().replace("-", "").replace(" ", "")
    return plain.translate(_LOOK_ALIKES)
