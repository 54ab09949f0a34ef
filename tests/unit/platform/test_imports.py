"""What is loaded only by those who use it."""

from __future__ import annotations

import subprocess
import sys


def test_kafka_is_loaded_only_where_it_carries_the_events() -> None:
    program = "import sys, mes.runtime; assert not any('kafka' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
