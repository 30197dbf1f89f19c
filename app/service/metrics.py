"""What Prometheus may know: counts and seconds, no identity of any kind."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        """Create the counters in a registry of their own."""
        self.registry = CollectorRegistry()
        self.objects = self._counter("objects_total", "C-STORE requests", "outcome")
        self.associations = self._counter("associations_total", "Associations", "end")
        self.jobs = self._counter("job_ends_total", "Ended jobs", "state", "code")
        self.attempts = self._counter("job_attempts_total", "Runs of the batch job", "code")
        self.series = self._counter("series_total", "Series by verdict", "verdict")
        self.deliveries = self._counter(
            "deliveries_total", "Results handed to destinations", "destination", "outcome"
        )
        self.seconds = Histogram(
            "lesionmap_stage_seconds",
            "Seconds a stage",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )

    def watch(self, gauges: Callable[[], Mapping[str, Mapping[str, float]]]) -> None:
        """Ask ``gauges`` at each scrape; it returns values by name and label."""
        self.registry.register(_Gauges(gauges))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"lesionmap_{name}", text, labels, registry=self.registry)


class _Gauges(Collector):
    def __init__(self, gauges: Callable[[], Mapping[str, Mapping[str, float]]]) -> None:
        self._gauges = gauges

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        for name, values in self._gauges().items():
            family = GaugeMetricFamily(f"lesionmap_{name}", name.replace("_", " "), labels=["of"])
            for label, value in values.items():
                family.add_metric([label], value)
            yield family
