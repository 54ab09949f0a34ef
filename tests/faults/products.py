"""What can be killed, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.faults.campaign import Product
from tests.faults.real_product import SERVICES, TOLD_BY, RealWorkload
from tests.faults.tiny_product import TinyWorkload
from tests.integration.platform.tiny import TABLES


def tiny() -> Product:
    """The two small services of the platform's tests."""
    told_by = {"order": "mes.events.v1.OrderCreated", "report": "mes.events.v1.ReportRecorded"}
    return Product("two small services", "tests.faults.tiny_product", (), TinyWorkload, tuple(TABLES), told_by)


def real() -> Product:
    """The whole product with the sample workshop at work."""
    run = ("run", "--sample", "foshan")
    return Product("mes run", "services", run, RealWorkload, SERVICES, TOLD_BY, ("serve", *SERVICES))


PRODUCTS: Mapping[str, Callable[[], Product]] = {"mes": real, "tiny": tiny}
