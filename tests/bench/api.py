"""`python -m tests.bench.api --port N`: the order service's API as the product serves it, without consumers, so that a
request is all that the process has to do (the relay sends what the requests publish). MES_DATABASE_URL says where.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from mes.config import Settings
from mes.inbox import Consumers

from services.cli.serving import run_async, serving
from services.order.service import service


async def _serve(settings: Settings) -> None:
    alone = replace(service, consumers=Consumers(), listens_to=())
    async with serving(settings, [alone]):
        pass


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    run_async(_serve(Settings(port=parser.parse_args().port)))


if __name__ == "__main__":
    main()
