"""Users of the embedded ClickHouse: the file, the binding, the credentials."""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from cryptoviz.errors import UserError
from cryptoviz.local.clickhouse.__main__ import main
from cryptoviz.local.clickhouse.failures import QueryError
from cryptoviz.local.clickhouse.users import User, authenticate, check_binding, ensure_users, load_users

FILE = Path("users.json")
USERS = {
    "cryptoviz": User("cryptoviz", "secret", readonly=False),
    "grafana": User("grafana", None, readonly=True),
    "analyst": User("analyst", None, readonly=True),
}


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_the_file_is_made_once_with_a_password_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "users.json"
    first = ensure_users(path, None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(first["cryptoviz"].password or "") >= 24
    assert first["grafana"].password is None
    assert [user.readonly for user in first.values()] == [False, True, True]
    assert ensure_users(path, None) == first == load_users(path)


def test_a_password_from_the_settings_wins_and_other_users_stay(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text(json.dumps({"analyst": {"password": "mine", "readonly": True}}))
    users = ensure_users(path, "given")
    assert users["cryptoviz"].password == "given"
    assert users["analyst"].password == "mine"
    assert load_users(path) == users
    assert list(tmp_path.iterdir()) == [path], "no draft is left behind"


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_the_file_is_never_open_to_others_not_even_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    modes = []

    def replace(draft: Path, path: Path) -> Path:
        modes.append(stat.S_IMODE(draft.stat().st_mode))
        return draft.rename(path)

    monkeypatch.setattr(Path, "replace", replace)
    before = os.umask(umask)
    try:
        ensure_users(tmp_path / "users.json", None)
    finally:
        os.umask(before)
    assert modes == [0o600]


def test_a_file_left_open_by_hand_is_closed_and_keeps_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users = ensure_users(path, "given")
    path.chmod(0o644)
    assert ensure_users(path, None) == users == load_users(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"password": 1, "readonly": true}}', '{"a": {}}'])
def test_a_file_that_is_no_users_file_is_named_in_the_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "users.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"users\.json is not a users file"):
        load_users(path)


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*nowhere\.json"):
        load_users(tmp_path / "nowhere.json")


def test_users_without_password_are_for_this_machine_only() -> None:
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        check_binding(host, USERS, FILE)
    with pytest.raises(UserError, match=r"analyst, grafana; give each a password in users\.json"):
        check_binding("0.0.0.0", USERS, FILE)
    check_binding("0.0.0.0", {"cryptoviz": USERS["cryptoviz"]}, FILE)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.org"])
def test_the_endpoint_does_not_start_for_other_machines_while_a_user_has_no_password(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users, tables = tmp_path / "users.json", tmp_path / "tables"
    ensure_users(users, "secret")
    assert main(["--data", str(tables), "--users", str(users), "--host", host, "--port", "0"]) == 1
    said = capsys.readouterr().err
    assert "these users have no password: analyst, grafana" in said
    assert "secret" not in said
    assert not tables.exists()


def test_credentials_are_looked_for_in_the_servers_own_order() -> None:
    key = {"X-ClickHouse-User": "cryptoviz", "X-ClickHouse-Key": "secret"}
    assert authenticate(USERS, key | basic("grafana", ""), {}).name == "cryptoviz"
    assert authenticate(USERS, basic("grafana", ""), {"user": "analyst"}).name == "grafana"
    assert authenticate(USERS, {}, {"user": "cryptoviz", "password": "secret"}).name == "cryptoviz"


def test_nobody_and_the_clients_default_user_are_analyst() -> None:
    assert authenticate(USERS, {}, {}).name == "analyst"
    assert authenticate(USERS, basic("default", ""), {}).name == "analyst"


@pytest.mark.parametrize(
    "headers",
    [
        basic("cryptoviz", "wrong"),
        basic("cryptoviz", ""),
        basic("nobody", ""),
        basic("default", "something"),
        {"Authorization": "Basic !"},
        {"Authorization": "Bearer x"},
        {"X-ClickHouse-Key": "secret"},
    ],
)
def test_everybody_else_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(QueryError) as refused:
        authenticate(USERS, headers, {})
    assert (refused.value.code, refused.value.status) == (516, 403)


def test_nobody_is_refused_where_analyst_has_a_password() -> None:
    with pytest.raises(QueryError, match="Authentication is required"):
        authenticate({"analyst": User("analyst", "x", readonly=True)}, {}, {})


def test_a_password_does_not_show_in_logs() -> None:
    assert "secret" not in repr(USERS["cryptoviz"])
