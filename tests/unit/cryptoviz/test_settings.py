"""Settings: read from the environment, refused with the variable's name when wrong."""

from __future__ import annotations

import pytest

from cryptoviz.errors import UserError
from cryptoviz.kafka import client_config
from cryptoviz.settings import Settings, load_settings, load_source_settings


def test_the_defaults_are_those_that_others_depend_on() -> None:
    settings = load_settings()
    assert (settings.kafka, settings.clickhouse_url) == ("127.0.0.1:9092", "http://127.0.0.1:8123")
    assert (settings.bar_seconds, settings.forecast_seconds, settings.horizons_s) == (60, 300, (3600, 14_400, 86_400))
    assert (settings.partitions, str(settings.home), settings.host) == (4, ".cryptoviz", "127.0.0.1")


def test_variables_win_and_lists_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTOVIZ_ASSETS", "BTC, ETH,")
    monkeypatch.setenv("CRYPTOVIZ_HORIZON_HOURS", "24,2")
    monkeypatch.setenv("CRYPTOVIZ_BAR_SECONDS", "")
    settings = load_settings()
    assert settings.assets == ("BTC", "ETH")
    assert settings.horizons_s == (7200, 86_400)
    assert settings.bar_seconds == 60


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BAR_SECONDS", "7", "must divide 3600"),
        ("BAR_SECONDS", "soon", "CRYPTOVIZ_BAR_SECONDS"),
        ("FORECAST_SECONDS", "90", "multiple of bar_seconds=60"),
        ("HORIZON_HOURS", "0", "whole hours"),
        ("HORIZON_HOURS", "a", "CRYPTOVIZ_HORIZON_HOURS"),
        ("HORIZON_HOURS", "1,163", "result_retention_hours must be at least 169"),
        ("ALERT_WEBHOOK", "example.com/hook", "CRYPTOVIZ_ALERT_WEBHOOK.*begins with http"),
        ("ALERT_PRICE_MOVE_PERCENT", "0", "CRYPTOVIZ_ALERT_PRICE_MOVE_PERCENT"),
        ("LOG_LEVEL", "chatty", "CRYPTOVIZ_LOG_LEVEL"),
        ("CLICKHOUSE_DATABASE", "crypto; DROP", "CRYPTOVIZ_CLICKHOUSE_DATABASE"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(f"CRYPTOVIZ_{name}", value)
    with pytest.raises(UserError, match=said):
        load_settings()


LOGIN = {"KAFKA_SASL_USERNAME": "pipeline", "KAFKA_SASL_PASSWORD": "very-secret"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"KAFKA_SECURITY": "tls"}, "CRYPTOVIZ_KAFKA_SECURITY: .*'sasl_ssl'"),
        ({"KAFKA_SECURITY": "sasl_ssl"}, "CRYPTOVIZ_KAFKA_SASL_USERNAME is not set"),
        ({"KAFKA_SECURITY": "sasl_ssl", "KAFKA_SASL_USERNAME": "a"}, "CRYPTOVIZ_KAFKA_SASL_PASSWORD is not set"),
        ({"KAFKA_SECURITY": "sasl_ssl", "KAFKA_SASL_MECHANISM": "MD5"}, "CRYPTOVIZ_KAFKA_SASL_MECHANISM: .*'PLAIN'"),
        (LOGIN, "CRYPTOVIZ_KAFKA_SASL_USERNAME is set, .* set it to sasl_plaintext or sasl_ssl"),
        (LOGIN | {"KAFKA_SECURITY": "ssl"}, "CRYPTOVIZ_KAFKA_SASL_USERNAME is set"),
        ({"KAFKA_CA": __file__}, "CRYPTOVIZ_KAFKA_CA is set, .* set it to ssl or sasl_ssl"),
        (LOGIN | {"KAFKA_SECURITY": "sasl_plaintext", "KAFKA_CA": __file__}, "CRYPTOVIZ_KAFKA_CA is set"),
        ({"KAFKA_SECURITY": "ssl", "KAFKA_CA": "/no/ca.pem"}, "CRYPTOVIZ_KAFKA_CA: cannot read /no/ca.pem: No such"),
        ({"KAFKA_SECURITY": "ssl", "KAFKA_CA": "/"}, "CRYPTOVIZ_KAFKA_CA: cannot read /: Is a directory"),
        ({"KAFKA_SECURITY": "ssl", "KAFKA_CERTIFICATE": __file__}, "but CRYPTOVIZ_KAFKA_KEY is not"),
        ({"KAFKA_SECURITY": "ssl", "KAFKA_KEY": __file__}, "but CRYPTOVIZ_KAFKA_CERTIFICATE is not"),
        ({"CLICKHOUSE_URL": "https://x", "CLICKHOUSE_CA": "/no/ca.pem"}, "CRYPTOVIZ_CLICKHOUSE_CA: cannot read"),
    ],
)
def test_security_that_is_half_set_is_one_line_naming_what_to_set(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"CRYPTOVIZ_{name}", value)
    with pytest.raises(UserError, match=said) as refused:
        load_settings()
    assert "very-secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_who_says_plaintext_means_it_whatever_else_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (LOGIN | {"KAFKA_SECURITY": "plaintext", "KAFKA_CA": "/no/ca.pem"}).items():
        monkeypatch.setenv(f"CRYPTOVIZ_{name}", value)
    settings = load_settings()
    assert client_config(settings, "test")["security.protocol"] == "plaintext"
    assert not any(name.startswith(("sasl.", "ssl.")) for name in client_config(settings, "test"))
    assert "very-secret" not in repr(settings)


def test_the_address_of_the_webhook_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTOVIZ_ALERT_WEBHOOK", "https://example.com/very-secret")
    assert load_settings().alert_webhook.get_secret_value().endswith("very-secret")
    assert "very-secret" not in repr(load_settings())
    monkeypatch.setenv("CRYPTOVIZ_ALERT_WEBHOOK", "very-secret")
    with pytest.raises(UserError) as refused:
        load_settings()
    assert "very-secret" not in str(refused.value)


def test_each_source_has_settings_of_its_own_and_its_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTOVIZ_COINMARKETCAP_API_KEY", "very-secret")
    monkeypatch.setenv("CRYPTOVIZ_BINANCE_INTERVAL_SECONDS", "2.5")
    assert load_source_settings("binance").interval_seconds == 2.5
    settings = load_source_settings("coinmarketcap")
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "very-secret"
    assert "very-secret" not in repr(settings)
    for absurd in ("-1", "0", "1e300", "nan"):
        monkeypatch.setenv("CRYPTOVIZ_BINANCE_INTERVAL_SECONDS", absurd)
        with pytest.raises(UserError, match="CRYPTOVIZ_BINANCE_INTERVAL_SECONDS"):
            load_source_settings("binance")


def test_a_worker_without_an_id_goes_by_its_host() -> None:
    assert Settings(worker_id="w-7").worker_name == "w-7"
    assert Settings().worker_name
