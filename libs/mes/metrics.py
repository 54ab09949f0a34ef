"""Metrics of the platform, in Prometheus' naming; labels are bounded sets, never an id."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

HTTP = Histogram(
    "mes_http_request_duration_seconds",
    "Time to answer a request",
    ["service", "method", "route", "status"],
    buckets=_SECONDS,
)
EVENTS = Counter("mes_events_consumed_total", "Events read by a service", ["service", "outcome"])
SENT = Counter("mes_events_sent_total", "Events sent by a service's relay", ["service"])
OUTBOX_UNSENT = Gauge("mes_outbox_unsent_rows", "Outbox rows not sent yet", ["service"])
CONSUMER_STALLED = Gauge("mes_consumer_stalled", "1 while records wait and none takes effect", ["service"])
CONSUMER_LAG = Gauge("mes_consumer_lag_records", "Records a service has not applied yet", ["service"])
