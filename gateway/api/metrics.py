"""The gateway's figures for Prometheus: taken when they are asked for, from what counts them anyway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

from gateway.affairs import alarming, intents
from gateway.affairs.intents import OPEN
from gateway.api.joined import Joined
from gateway.core import messages
from gateway.core.ids import first_of
from gateway.core.model import LinkStatus
from gateway.core.tables.staff import delivery
from gateway.figures import Latency

CONTENT_TYPE = CONTENT_TYPE_LATEST


@dataclass(slots=True)
class Figures:
    """What the API itself counts."""

    requests: dict[tuple[str, int], int] = field(default_factory=dict)  # route and status
    accepted: int = 0  # messages
    ussd: Latency = field(default_factory=Latency)
    late: int = 0  # USSD screens that took too long

    def request(self, route: str, status: int) -> None:
        key = (route, status)
        self.requests[key] = self.requests.get(key, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What only the database knows."""

    waiting: Mapping[tuple[str, int], tuple[int, int]]  # link and lane: messages, oldest id
    deliveries: int
    late_cases: int  # questions that should have been answered
    alarms: int  # that stand
    payments: Mapping[tuple[str, str], int] = field(default_factory=dict)  # open ones, by provider and state
    problems: int = 0


def stored(conn: Connection, now: datetime) -> Stored:
    return Stored(
        waiting=messages.waiting(conn),
        deliveries=conn.scalar(select(func.count()).select_from(delivery)) or 0,
        late_cases=alarming.late(conn, now),
        alarms=len(alarming.standing(conn)),
        payments=intents.counted(conn),
        problems=intents.problems_counted(conn),
    )


def exposition(
    gateway: Joined, figures: Figures, found: Stored | None, *, called_back: Mapping[tuple[str, int], int]
) -> bytes:
    """All figures in Prometheus' text format, from a registry of our own: nothing of the process is told."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(gateway, figures, found, called_back))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(
        self, gateway: Joined, figures: Figures, found: Stored | None, called_back: Mapping[tuple[str, int], int]
    ) -> None:
        self._gateway = gateway
        self._figures = figures
        self._found = found
        self._called_back = called_back

    def collect(self) -> Iterator[Metric]:
        yield from self._links()
        yield GaugeMetricFamily(
            "muster_database_readable", "1 when the database answers.", value=self._found is not None
        )
        if self._found is not None:
            yield from self._queues(self._found)
        yield from self._desk()
        yield from self._database()
        yield from self._api()
        yield from self._payments()

    def _links(self) -> Iterator[Metric]:
        state = GaugeMetricFamily("muster_link_state", "1 for the state a link is in.", labels=("link", "state"))
        inflight = GaugeMetricFamily("muster_link_inflight", "Parts that await their answer.", labels=("link",))
        window = GaugeMetricFamily("muster_link_window", "Parts that may await one.", labels=("link",))
        signal = GaugeMetricFamily("muster_link_signal_dbm", "Signal of a modem.", labels=("link",))
        received = CounterMetricFamily("muster_received", "Messages received.", labels=("link",))
        written = CounterMetricFamily("muster_written", "Parts written.", labels=("link",))
        throttled = CounterMetricFamily(
            "muster_throttled", "Parts the operator asked us to hold back.", labels=("link",)
        )
        parts = CounterMetricFamily("muster_parts", "Parts by what was heard of them.", labels=("link", "state"))
        for entry in self._gateway.board:
            for status in LinkStatus:
                state.add_metric((entry.name, status.value), float(entry.state.status is status))
            inflight.add_metric((entry.name,), entry.inflight)
            window.add_metric((entry.name,), entry.window)
            if entry.state.signal is not None:
                signal.add_metric((entry.name,), entry.state.signal)
            received.add_metric((entry.name,), entry.came.total)
            written.add_metric((entry.name,), entry.went.total)
            throttled.add_metric((entry.name,), entry.throttled.total)
        for (link, name), count in sorted(self._gateway.desk.counters.parts.items()):
            parts.add_metric((link, name), count)
        yield from (state, inflight, window, signal, received, written, throttled, parts)

    def _queues(self, found: Stored) -> Iterator[Metric]:
        queued = GaugeMetricFamily("muster_queue_messages", "Messages that wait for a link.", labels=("link", "lane"))
        age = GaugeMetricFamily("muster_queue_age_seconds", "Age of the oldest of them.", labels=("link", "lane"))
        now = first_of(self._gateway.now())
        for (link, lane), (count, oldest) in sorted(found.waiting.items()):
            queued.add_metric((link, str(lane)), count)
            age.add_metric((link, str(lane)), max(0, (now - oldest) >> 21) / 1000)  # ids count milliseconds above
        yield from (queued, age)
        yield GaugeMetricFamily("muster_cases_late", "Questions past their time.", value=found.late_cases)
        yield GaugeMetricFamily("muster_alarms_standing", "Alarms that have not ended.", value=found.alarms)
        yield GaugeMetricFamily("muster_deliveries_waiting", "Reports owed to other systems.", value=found.deliveries)

    def _desk(self) -> Iterator[Metric]:
        desk = self._gateway.desk
        counters = desk.counters
        for name, documentation, value in (
            ("muster_repeats", "Messages the operator sent again after they were safe.", counters.repeats),
            ("muster_quarantined", "Messages kept aside because they failed alone.", counters.quarantined),
            ("muster_refused", "Messages not taken: too much waited, or the database failed.", counters.refused),
            ("muster_reports", "Delivery reports received.", counters.reports),
            ("muster_early_reports", "Delivery reports that came before their part's answer.", counters.early_reports),
            ("muster_batches", "Transactions in which messages were answered.", counters.batches),
        ):
            yield CounterMetricFamily(name, documentation, value=value)
        commands = CounterMetricFamily("muster_commands", "Commands carried out, and errors told.", labels=("command",))
        for command, count in sorted(counters.commands.items()):
            commands.add_metric((command,), count)
        yield commands
        yield _histogram("muster_answer_seconds", "From a message's arrival to its commit.", counters.latency)
        yield GaugeMetricFamily("muster_desk_waiting", "Messages and reports not in a batch yet.", value=desk.waiting)
        sessions = self._gateway.place.sessions
        yield GaugeMetricFamily("muster_ussd_sessions", "USSD sessions in memory.", value=len(sessions))

    def _database(self) -> Iterator[Metric]:
        database = self._gateway.database
        yield GaugeMetricFamily("muster_database_waiting", "Works not begun yet.", value=database.waiting)
        yield CounterMetricFamily("muster_database_commits", "Transactions.", value=getattr(database, "commits", 0))
        yield CounterMetricFamily("muster_database_works", "Works done in them.", value=getattr(database, "works", 0))

    def _api(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("muster_http_requests", "API requests.", labels=("route", "status"))
        for (route, status), count in sorted(self._figures.requests.items()):
            requests.add_metric((route, str(status)), count)
        yield requests
        yield CounterMetricFamily(
            "muster_api_accepted", "Messages taken from other systems.", value=self._figures.accepted
        )
        yield _histogram("muster_ussd_http_seconds", "Time to answer a USSD step over HTTP.", self._figures.ussd)
        yield CounterMetricFamily("muster_ussd_late", "USSD steps answered by SMS instead.", value=self._figures.late)

    def _payments(self) -> Iterator[Metric]:
        wallets = self._gateway.wallets
        waiting = GaugeMetricFamily(
            "muster_payments_open", "Payments that a provider has not settled.", labels=("provider", "state")
        )
        answers = CounterMetricFamily(
            "muster_payment_answers", "What became of providers' answers.", labels=("provider", "event")
        )
        troubles = CounterMetricFamily(
            "muster_payment_troubles", "Requests to a provider without an answer.", labels=("provider",)
        )
        callbacks = CounterMetricFamily(
            "muster_payment_callbacks", "Callbacks by the status we answered.", labels=("provider", "status")
        )
        found = self._found.payments if self._found is not None else {}
        for name in wallets.providers:
            for state in sorted(OPEN):
                waiting.add_metric((name, state), found.get((name, state), 0))
            troubles.add_metric((name,), wallets.troubles.get(name, 0))
        for (name, event), count in sorted(wallets.events.items()):
            answers.add_metric((name, event), count)
        for (name, status), count in sorted(self._called_back.items()):
            callbacks.add_metric((name, str(status)), count)
        yield from (waiting, answers, troubles, callbacks)
        if self._found is not None:
            yield GaugeMetricFamily(
                "muster_payment_problems", "Payments that a person has to look at.", value=self._found.problems
            )


def _histogram(name: str, documentation: str, latency: Latency) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, documentation, buckets=latency.buckets(), sum_value=latency.sum)
