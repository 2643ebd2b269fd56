"""The alert rules: when each fires, what it says, and why it keeps quiet otherwise.

What the queries ask is in `sql/migrations/0016_alerts.sql`, the limits come from the settings. A question that finds
nothing means that there is nothing to watch (an empty home, no dead letters), so that is no alert. When ClickHouse does
not answer, all rules fail at once: one of them says so, the others keep what they said last and neither ring nor ring
off.
"""

from __future__ import annotations

from cryptoviz.alerting.rule import Rule
from cryptoviz.dashboards.home import HOME
from cryptoviz.dashboards.multi_source import MULTI_SOURCE
from cryptoviz.dashboards.pipeline import PIPELINE
from cryptoviz.dashboards.predictions import PREDICTIONS
from cryptoviz.dashboards.query import Query, table

JUST_CHANGED_S = 900


def _figure(column: str, view: str, *labels: str) -> Query:
    return table(f"SELECT {', '.join((*labels, column))} FROM {view}", texts=labels, numbers=(column,))


def _limit(name: str) -> Query:
    return _figure(name, "v_alert_limits")


quotes_stopped = Rule(
    "cryptoviz-quotes-stopped", "Quotes have stopped",
    {"age": _figure("age_s", "v_alert_quotes"), "allowed": _figure("allowed_s", "v_alert_quotes_allowed")},
    "$age > $allowed", "critical",
    "No quote of any source for {{ humanizeDuration $values.age.Value }}",
    """The newest quote is {{ humanizeDuration $values.age.Value }} old;
    {{ humanizeDuration $values.allowed.Value }} is allowed.""",
    PIPELINE, "Quotes per minute",
    # After a pause of the machine the newest quote is old until history was fetched, a minute at most.
    pending="3m",
)  # fmt: skip

source_silent = Rule(
    "cryptoviz-source-silent", "A source is silent",
    {"age": _figure("age_s", "v_alert_sources", "source"),
     "allowed": _figure("allowed_s", "v_alert_sources", "source")},
    "$age > $allowed", "warning",
    "No quote of {{ $labels.source }} for {{ humanizeDuration $values.age.Value }}",
    """The newest quote of {{ $labels.source }} is {{ humanizeDuration $values.age.Value }} old;
    {{ humanizeDuration $values.allowed.Value }} is allowed.""",
    PIPELINE, "Age of the newest quote", pending="3m",
)  # fmt: skip

source_diverges = Rule(
    "cryptoviz-source-diverges", "A source diverges",
    {"off": _figure("off_percent", "v_alert_divergence", "asset", "source"), "limit": _limit("divergence_percent")},
    "$off > $limit", "warning",
    """{{ $labels.asset }} at {{ $labels.source }} is {{ printf "%.2f" $values.off.Value }} % off the other sources""",
    """The newest price of {{ $labels.asset }} at {{ $labels.source }} is {{ printf "%.2f" $values.off.Value }} % from
    the middle of all sources, or from the only other one; {{ $values.limit.Value }} % is allowed.""",
    # Prices are up to some minutes apart in time: a fast market drives them apart for about as long.
    MULTI_SOURCE, "Gap between sources, %", pending="10m",
)  # fmt: skip

predictions_missing = Rule(
    "cryptoviz-predictions-missing", "Predictions are missing",
    {"waiting": _figure("waiting_s", "v_alert_predictions", "asset"), "allowed": _limit("unanswered_s")},
    "$waiting > $allowed", "critical",
    "No prediction for {{ $labels.asset }} for {{ humanizeDuration $values.waiting.Value }}, though quotes come",
    """Quotes of {{ $labels.asset }} have come for {{ humanizeDuration $values.waiting.Value }} without a prediction for
    all sources; {{ humanizeDuration $values.allowed.Value }} is allowed.""",
    PREDICTIONS, "As the stream filed it, with its own windows", pending="1m",
)  # fmt: skip

lag_growing = Rule(
    "cryptoviz-lag-growing", "A consumer falls behind",
    {"messages": _figure("messages", "v_alert_lag", "consumer"),
     "before": _figure("messages_before", "v_alert_lag", "consumer"), "limit": _limit("lag_messages")},
    "$messages > $limit && $messages > $before", "warning",
    "{{ $labels.consumer }} is {{ humanize $values.messages.Value }} messages behind, and more by the minute",
    """{{ $labels.consumer }} has not read {{ humanize $values.messages.Value }} messages, and within the five minutes
    before {{ humanize $values.before.Value }}; {{ humanize $values.limit.Value }} is allowed while that grows.""",
    # History that is fetched at the start comes within a minute and is then read.
    PIPELINE, "Messages waiting, by consumer", pending="3m", keep="2m",
)  # fmt: skip

dead_letters = Rule(
    "cryptoviz-dead-letters", "Dead letters arrive",
    {"letters": _figure("letters", "v_alert_letters", "topic", "source", "reason"), "limit": _limit("dead_letters")},
    "$letters > $limit", "warning",
    """{{ $values.letters.Value }} dead letters within ten minutes: {{ $labels.reason }}
    {{- with $labels.source }} of {{ . }}{{ end }}""",
    """{{ $values.letters.Value }} messages{{ with $labels.topic }} of {{ . }}{{ end }}
    {{- with $labels.source }} from {{ . }}{{ end }} could not be used within ten minutes, reason
    {{ $labels.reason }}; {{ $values.limit.Value }} are let pass.""",
    PIPELINE, "Dead letters by reason",
)  # fmt: skip

price_moved = Rule(
    "cryptoviz-price-moved", "A price has moved",
    {"change": _figure("change_percent", "v_alert_prices", "asset"), "limit": _limit("price_move_percent")},
    "abs($change) > $limit", "info",
    """{{ $labels.asset }} {{ printf "%+.2f" $values.change.Value }} % within an hour""",
    """The price of {{ $labels.asset }} over all sources is {{ printf "%+.2f" $values.change.Value }} % from what it was
    an hour before; beyond {{ $values.limit.Value }} % it is told.""",
    # A price that hovers about the limit is one event.
    MULTI_SOURCE, "Change since the start of the period", keep="15m",
)  # fmt: skip

signal_changed = Rule(
    "cryptoviz-signal-changed", "A signal has changed",
    {name: _figure(column, "v_alert_signals", "asset", "horizon", "before", "signal")
     for name, column in {"age": "age_s", "price": "price", "variation": "variation"}.items()},
    f"$age < {JUST_CHANGED_S}", "info",
    "{{ $labels.asset }}, {{ $labels.horizon }} ahead: {{ $labels.before }} is now {{ $labels.signal }}",
    """The signal for {{ $labels.asset }} in {{ $labels.horizon }} went from {{ $labels.before }} to
    {{ $labels.signal }} at a price of {{ $values.price.Value }}, with a forecast of
    {{ printf "%+.2f" $values.variation.Value }} %. Not financial advice.""",
    HOME, "Market",
)  # fmt: skip

clickhouse_away = Rule(
    "cryptoviz-clickhouse-away", "ClickHouse does not answer",
    {"one": table("SELECT 1 AS one", numbers=("one",))},
    "$one != 1", "critical",
    # Grafana leaves the words of the last answer in an alert that fires because of an error: they name no figures.
    "Grafana cannot read from ClickHouse", "Until it can, no alert comes, and those that are told stay as they are.",
    PIPELINE, "Parts", pending="2m", on_no_data="Alerting", on_error="Alerting",
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    quotes_stopped, source_silent, source_diverges, predictions_missing, lag_growing, dead_letters, price_moved,
    signal_changed, clickhouse_away,
)  # fmt: skip
