"""Makes `foshan-hardware.xlsx`, the sample workshop. Run from the repository's root:

python -m examples.make_foshan_hardware
"""

from __future__ import annotations

from pathlib import Path

from examples.foshan.tables import make_tables
from examples.tables import write_workbook

TARGET = Path(__file__).with_name("foshan-hardware.xlsx")


def main(target: Path = TARGET) -> Path:
    """Write the workbook; the same bytes on every run."""
    write_workbook(make_tables(), target)
    return target


if __name__ == "__main__":
    main()
