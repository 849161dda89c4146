"""Counts for Prometheus, read from the desk when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from workstation.desk import Desk

_FEED_GAUGES = {
    "age_s": ("feed_age_seconds", "Age of the newest row."),
    "rows_per_s": ("feed_rows_per_second", "Rows of late."),
    "recorder_lag_s": ("recorder_lag_seconds", "How long the oldest unwritten batch has waited."),
}


class DeskCollector(Collector):
    """The desk's counts as metric families.

    Parameters
    ----------
    desk
        What is counted.
    refused
        Gives logins refused, by reason.
    """

    def __init__(self, desk: Desk, refused: Callable[[], Mapping[str, int]]) -> None:
        self._desk, self._refused = desk, refused

    def collect(self) -> Iterator[Metric]:
        """The families as they are now."""
        hub = self._desk.hub
        for name, doc, counts in (
            ("hub_rows", "Rows accepted.", hub.rows),
            ("hub_rejected_rows", "Rows that did not fit their table.", hub.rejected),
            ("hub_late_rows", "Rows behind the watermark.", hub.late),
        ):
            family = CounterMetricFamily(f"workstation_{name}", doc, labels=["table"])
            for table, count in sorted(dict(counts).items()):
                family.add_metric([table], count)
            yield family
        branches = GaugeMetricFamily(
            "workstation_branch_failed", "1 where an engine or sink has failed.", labels=["branch"]
        )
        for name, state in hub.branches.items():
            branches.add_metric([name], 0.0 if state == "running" else 1.0)
        yield branches
        logins = CounterMetricFamily("workstation_logins_refused", "Logins refused.", labels=["reason"])
        for reason, count in sorted(self._refused().items()):
            logins.add_metric([reason], count)
        yield logins
        yield from self._feeds()

    def _feeds(self) -> Iterator[Metric]:
        feeds = self._desk.board.feeds()
        for column, (name, doc) in _FEED_GAUGES.items():
            gauge = GaugeMetricFamily(f"workstation_{name}", doc, labels=["feed"])
            for feed, value in zip(feeds["feed"], feeds[column], strict=True):
                if math.isfinite(float(value)):
                    gauge.add_metric([str(feed)], float(value))
            yield gauge
        for column in ("gaps", "drops"):
            family = CounterMetricFamily(f"workstation_feed_{column}", f"{column} told.", labels=["feed"])
            for feed, value in zip(feeds["feed"], feeds[column], strict=True):
                family.add_metric([str(feed)], float(value))
            yield family


class Metrics:
    """All metrics of one server, in a registry of its own."""

    def __init__(self, desk: Desk, refused: Callable[[], Mapping[str, int]] = dict) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "workstation_api_answers", "Answers of the API.", ["path", "status"], registry=self._registry
        )
        self.streams = Gauge(
            "workstation_api_streams", "Open websockets of the API.", registry=self._registry
        )
        self.dropped = Counter(
            "workstation_api_stream_dropped_rows",
            "Rows that slow clients of the websocket did not get.",
            registry=self._registry,
        )
        self._registry.register(DeskCollector(desk, refused))
        ProcessCollector(registry=self._registry)

    def answered(self, path: str, status: int) -> None:
        """Count an answer."""
        self._answers.labels(path, str(status)).inc()

    def text(self) -> tuple[bytes, str]:
        """The exposition and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
