"""Grafana, where this machine has one: how it is found, and how it is run with our provisioning."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptoviz.dashboards.home import HOME
from cryptoviz.local.private_files import write_private
from cryptoviz.settings import Settings

PROVISIONING = Path(__file__).resolve().parents[2] / "grafana"
NO_WEBHOOK = "CryptoViz"  # the folder's name, by which the notification policy knows that none is set
PLUGIN = "grafana-clickhouse-datasource"
PLUGIN_VERSION = "4.20.0"
HOW_TO_GET_IT = (
    "no Grafana on this machine: install it (https://grafana.com/grafana/download) so that `grafana` is on PATH, or "
    "set GRAFANA_HOME to the unpacked archive, and start again; or run everything with `docker compose up`"
)


@dataclass(frozen=True)
class Grafana:
    """An installed Grafana: its command and the folder with its own files."""

    command: tuple[str, ...]
    homepath: Path

    def argv(self) -> tuple[str, ...]:
        """The command that is the server."""
        return (*self.command, "--homepath", str(self.homepath))


def find_grafana() -> Grafana | None:
    """The Grafana of GRAFANA_HOME, else the one on PATH, else None."""
    home = os.environ.get("GRAFANA_HOME")
    folders = [Path(home) / "bin", Path(home)] if home else []
    for name, arguments in (("grafana", ("server",)), ("grafana-server", ())):
        found = shutil.which(name, path=os.pathsep.join(map(str, folders))) if folders else shutil.which(name)
        if found:
            homepath = _homepath(Path(found), home)
            return Grafana((found, *arguments), homepath) if homepath else None
    return None


def _homepath(binary: Path, home: str | None) -> Path | None:
    beside = binary.resolve().parent.parent  # an unpacked archive
    candidates = (*([Path(home)] if home else []), beside, beside / "share" / "grafana", Path("/usr/share/grafana"))
    return next((folder for folder in candidates if (folder / "conf" / "defaults.ini").is_file()), None)


def grafana_environment(settings: Settings, grafana: Grafana, data: Path) -> dict[str, str]:
    """Grafana's settings: our data source, dashboards, alerts, open to readers, no calls home, no known password."""
    plugins = _plugin_folder(grafana)
    return {
        "GF_SERVER_HTTP_ADDR": settings.host,
        "GF_SERVER_HTTP_PORT": str(settings.grafana_port),
        "GF_PATHS_DATA": str(data),
        "GF_PATHS_LOGS": str(data / "logs"),
        "GF_PATHS_PLUGINS": str(plugins or data / "plugins"),
        "GF_PATHS_PROVISIONING": str(PROVISIONING / "provisioning"),
        "GF_LOG_MODE": "console",
        "GF_LOG_CONSOLE_FORMAT": settings.log_format,
        "GF_SECURITY_ADMIN_PASSWORD": _admin_password(data),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_USERS_DEFAULT_THEME": "dark",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(PROVISIONING / "dashboards" / HOME.file),
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        # Signatures are verified with the key that comes with Grafana; it would ask grafana.com for others every hour.
        "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
        # Readers of Grafana's own database do not lock its writers out, who are many since rules are evaluated.
        "GF_DATABASE_WAL": "true",
        # Until then after the first start, alerts would go to an address of Grafana's own.
        "GF_UNIFIED_ALERTING_ALERTMANAGER_CONFIG_POLL_INTERVAL": "10s",
        **_plugin_environment(plugins),
        **_clickhouse_environment(settings),
        # Provisioning refuses an empty address.
        "CRYPTOVIZ_ALERT_WEBHOOK": settings.alert_webhook.get_secret_value() or NO_WEBHOOK,
        "CRYPTOVIZ_ALERT_WEBHOOK_TOKEN": settings.alert_webhook_token.get_secret_value(),
    }


def _admin_password(data: Path) -> str:
    """The password of Grafana's user `admin`: made once, in a file that only its owner reads."""
    file = data / "admin-password"
    if not file.exists():
        write_private(file, secrets.token_urlsafe(18))
    return file.read_text(encoding="utf-8")


def _plugin_folder(grafana: Grafana) -> Path | None:
    candidates = (grafana.homepath / "data" / "plugins", Path("/var/lib/grafana/plugins"))
    return next((folder for folder in candidates if (folder / PLUGIN).is_dir()), None)


def _plugin_environment(plugins: Path | None) -> Mapping[str, str]:
    # SYNC: the plugin must be there before the data source is provisioned. Where it is there already, nothing is asked.
    wanted = "" if plugins else f"{PLUGIN}@{PLUGIN_VERSION}"
    return {"GF_PLUGINS_PREINSTALL_SYNC": wanted} if wanted else {"GF_PLUGINS_PREINSTALL_DISABLED": "true"}


def _clickhouse_environment(settings: Settings) -> Mapping[str, str]:
    address = urlsplit(settings.clickhouse_url)
    secure = address.scheme == "https"
    authority = settings.clickhouse_ca.read_text(encoding="utf-8") if secure and settings.clickhouse_ca else ""
    return {
        "CRYPTOVIZ_CLICKHOUSE_HOST": address.hostname or "",
        "CRYPTOVIZ_CLICKHOUSE_PORT": str(address.port or (8443 if secure else 8123)),
        "CRYPTOVIZ_CLICKHOUSE_SECURE": "true" if secure else "false",
        "CRYPTOVIZ_CLICKHOUSE_WITH_AUTHORITY": "true" if authority else "false",
        "CRYPTOVIZ_CLICKHOUSE_AUTHORITY": authority,
        "CRYPTOVIZ_CLICKHOUSE_DATABASE": settings.clickhouse_database,
        "CRYPTOVIZ_CLICKHOUSE_GRAFANA_PASSWORD": settings.clickhouse_grafana_password.get_secret_value(),
        "CRYPTOVIZ_DASHBOARDS": str(PROVISIONING / "dashboards"),
    }
