"""Counts, and how they are written down."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from etcdlite.stats import Histogram, family, histograms


def parsed(text: str) -> dict[tuple, float]:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for metric in text_string_to_metric_families(text)
        for sample in metric.samples
    }


def test_a_bucket_counts_all_up_to_its_bound():
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 3.0):
        histogram.observe(value)
    found = parsed(histograms("h", [({"a": "b"}, histogram)]))
    assert found["h_bucket", ("a", "b"), ("le", "1.0")] == 2
    assert found["h_bucket", ("a", "b"), ("le", "2.0")] == 3
    assert found["h_bucket", ("a", "b"), ("le", "+Inf")] == 4
    assert found["h_count", ("a", "b")] == 4
    assert found["h_sum", ("a", "b")] == 6.0


def test_labels_are_escaped():
    text = family("n", "gauge", [({"a": 'x"\\\ny'}, 1)])
    assert parsed(text) == {("n", ("a", 'x"\\\ny')): 1}
