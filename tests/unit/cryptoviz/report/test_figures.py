"""Figures are written as people read them."""

from __future__ import annotations

import pytest

from cryptoviz.report import figures


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (figures.count(1234.6), "1,235"),
        (figures.ratio(0.98765), "0.988"),
        (figures.ratio(12_345.6), "12,346"),
        (figures.share(0.8123), "81.2 %"),
        (figures.percent(12.345), "12.35 %"),
        (figures.percent(0.01234), "0.012 %"),
        (figures.percent(0.0), "0.00 %"),
        (figures.interval(0.444, 0.581), "44-58 %"),
        (figures.hours(86_400), "24 h"),
        (figures.duration(90), "1 min"),
        (figures.duration(30), "less than 1 min"),
        (figures.duration(3600), "1 h"),
        (figures.duration(30 * 86_400 + 3600 + 60), "30 d 1 h"),
        (figures.moment(1_717_200_000_000), "2024-06-01 00:00 UTC"),
    ],
)
def test_a_figure_is_written(written: str, wanted: str) -> None:
    assert written == wanted


def test_what_is_not_there_is_a_dash() -> None:
    assert {write(None) for write in (figures.count, figures.ratio, figures.share, figures.percent)} == {"-"}
    assert figures.interval(None, 0.5) == "-"
