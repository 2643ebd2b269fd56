"""The embedded ClickHouse as its clients see it: clickhouse-connect, plain HTTP, the Go client's bytes."""

from __future__ import annotations

import gzip
import json
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import clickhouse_connect
import lz4.frame
import pytest
import requests
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from endpoint import clickhouse_process, running_clickhouse
from waiting import wait_until

from cryptoviz.local.clickhouse.blocks import compress_blocks, decompress_blocks
from cryptoviz.local.clickhouse.engine import CACHES
from cryptoviz.local.clickhouse.users import User

pytestmark = pytest.mark.stack

COLUMNS = ["id", "at", "amount", "asset", "tags", "note"]
AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
ROWS = [
    [1, AT, 1.5, "BTC", ["a", "b"], "it's\ta\\note\n"],
    [2, AT, None, "ETH", [], "ü €"],
]


class Served:
    """An endpoint with tables in it, and the ways to talk to it."""

    def __init__(self, url: str, users: dict[str, User]) -> None:
        self.url = url
        self.password = users["cryptoviz"].password or ""
        self.writer = self.client("cryptoviz", self.password)
        self.writer.command("CREATE DATABASE crypto")
        self.writer.command(
            "CREATE TABLE crypto.t (id UInt64, at DateTime64(3, 'UTC'), amount Nullable(Float64), "
            "asset LowCardinality(String), tags Array(String), note String) ENGINE = MergeTree ORDER BY id"
        )
        self.writer.insert("crypto.t", ROWS, column_names=COLUMNS)
        self.reader = self.client("analyst", "")

    def client(self, user: str, password: str, **options: object) -> Client:
        return clickhouse_connect.get_client(dsn=self.url, username=user, password=password, **options)

    def post(self, statement: str | bytes, user: str = "analyst", **params: str) -> requests.Response:
        auth = ("cryptoviz", self.password) if user == "cryptoviz" else (user, "")
        body = statement.encode() if isinstance(statement, str) else statement
        return requests.post(self.url, data=body, params=params, auth=auth, timeout=30)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as (url, users):
        yield Served(url, users)


# clickhouse-connect


def test_rows_come_back_as_they_were_inserted(served: Served) -> None:
    result = served.reader.query("SELECT * FROM t ORDER BY id", column_formats={"at": "int"})
    assert result.column_names == tuple(COLUMNS)
    assert [list(row[2:]) for row in result.result_rows] == [row[2:] for row in ROWS]
    assert result.result_rows[0][1] == int(AT.timestamp() * 1000)


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
def test_answers_and_inserts_work_in_every_compression(served: Served, compress: str | bool) -> None:
    client = served.client("cryptoviz", served.password, compress=compress)
    client.command("CREATE OR REPLACE TABLE crypto.packed (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    rows = [[n, f"text {n}"] for n in range(20_000)]
    client.insert("crypto.packed", rows, column_names=["n", "s"])
    assert client.query("SELECT n, s FROM crypto.packed ORDER BY n").result_rows == [tuple(row) for row in rows]


def test_parameters_are_bound_by_the_engine(served: Served) -> None:
    text = "it's\n\t\\ {x} 'quoted'"
    result = served.reader.query(
        "SELECT {n:UInt8} + 1, {s:String}, {l:Array(String)}", {"n": 3, "s": text, "l": ["a'b"]}
    )
    assert result.result_rows == [(4, text, ["a'b"])]


@pytest.mark.parametrize("in_form", [True, False])
def test_a_long_parameter_travels_in_a_form_or_in_the_url(served: Served, in_form: bool) -> None:
    text = "x" * 100_000
    client = served.client("analyst", "", form_encode_query_params=in_form)
    assert client.query("SELECT length({s:String})", {"s": text}).result_rows == [(100_000,)]


def test_columns_of_an_empty_answer_are_named(served: Served) -> None:
    assert served.reader.query("SELECT * FROM t LIMIT 0").column_names == tuple(COLUMNS)


def test_an_error_carries_its_code(served: Served) -> None:
    with pytest.raises(DatabaseError, match=r"Code: 47\. DB::Exception: .*nope.* \(UNKNOWN_IDENTIFIER\)"):
        served.reader.query("SELECT nope FROM t")


def test_replacing_tables_are_read_final_by_readers(served: Served) -> None:
    served.writer.command(
        "CREATE OR REPLACE TABLE crypto.r (k UInt8, v UInt8) ENGINE = ReplacingMergeTree(v) ORDER BY k"
    )
    for version in (1, 2):
        served.writer.insert("crypto.r", [[7, version]], column_names=["k", "v"])
    assert served.writer.query("SELECT count() FROM crypto.r").result_rows == [(2,)]
    assert served.writer.query("SELECT k, v FROM crypto.r FINAL").result_rows == [(7, 2)]
    assert served.reader.query("SELECT k, v FROM r").result_rows == [(7, 2)]
    assert served.reader.query("SELECT count() FROM r SETTINGS final = 0").result_rows == [(2,)]


def test_a_parameterized_view_can_be_read(served: Served) -> None:
    served.writer.command(
        "CREATE OR REPLACE VIEW crypto.of_asset AS SELECT id FROM crypto.t WHERE asset = {asset:String}"
    )
    for name in ("of_asset", "crypto.of_asset"):
        assert served.reader.query(f"SELECT id FROM {name}(asset = 'ETH')").result_rows == [(2,)]
    assert served.reader.query("SELECT id FROM of_asset(asset = {a:String})", {"a": "BTC"}).result_rows == [(1,)]


def test_a_batch_sent_twice_with_one_token_is_stored_once(served: Served) -> None:
    served.writer.command(
        "CREATE OR REPLACE TABLE crypto.d (n UInt8) ENGINE = MergeTree ORDER BY n "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    for token in ("first", "first", "second"):
        served.writer.insert("crypto.d", [[1]], ["n"], settings={"insert_deduplication_token": token})
    assert served.writer.query("SELECT count() FROM crypto.d").result_rows == [(2,)]


def test_lines_become_rows_by_what_the_statement_makes_of_them(served: Served) -> None:
    served.writer.command(
        "CREATE OR REPLACE TABLE crypto.u (n UInt8, s String) ENGINE = MergeTree ORDER BY n "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    insert = (
        b"INSERT INTO crypto.u (n, s) SELECT i, upper(s) FROM input('s String, l Array(UInt8)') ARRAY JOIN l AS i "
        b'FORMAT JSONCompactEachRow\n["\xc3\xa9) input(", [1, 2]]\n["none", []]\n["b", [3]]'
    )
    for token in ("first", "first", "second"):
        served.writer.raw_insert(insert_block=insert, settings={"insert_deduplication_token": token})
    rows = [(1, "\u00e9) INPUT("), (2, "\u00e9) INPUT("), (3, "B")]
    assert served.writer.query("SELECT n, s FROM crypto.u ORDER BY n").result_rows == sorted(rows * 2)
    with pytest.raises(DatabaseError, match="Code: 130"):
        served.writer.raw_insert(insert_block=insert + b"\n[1, 2")
    assert served.writer.query("SELECT count() FROM crypto.u").result_rows == [(6,)]


def test_a_summary_counts_written_rows(served: Served) -> None:
    served.writer.command("CREATE OR REPLACE TABLE crypto.s (n UInt8) ENGINE = MergeTree ORDER BY n")
    assert served.writer.insert("crypto.s", [[1], [2]], ["n"]).written_rows == 2


# plain HTTP


def test_what_the_engine_caches_is_bounded(served: Served) -> None:
    kept = served.writer.query("SELECT name, value FROM system.server_settings WHERE changed").result_rows
    assert {name: str(size) for name, size in CACHES.items()}.items() <= dict(kept).items()


def test_the_root_and_ping_say_ok_without_credentials(served: Served) -> None:
    for path in ("/", "/ping"):
        assert requests.get(served.url + path, timeout=5).text == "Ok.\n"


def test_a_statement_may_be_in_the_url_or_in_the_body_or_in_both(served: Served) -> None:
    assert requests.get(served.url, params={"query": "SELECT 1"}, timeout=5).text == "1\n"
    assert served.post("SELECT 1").text == "1\n"
    assert served.post("+ 1", query="SELECT 1").text == "2\n"


def test_inserted_data_follows_the_statement(served: Served) -> None:
    served.writer.command("CREATE OR REPLACE TABLE crypto.h (n UInt8, s String) ENGINE = MergeTree ORDER BY n")
    served.post("1\tone\n2\ttwo\n", "cryptoviz", query="INSERT INTO crypto.h FORMAT TSV")
    served.post("INSERT INTO crypto.h FORMAT JSONEachRow\n" + '{"n": 3, "s": "FORMAT CSV"}', "cryptoviz")
    served.post("INSERT INTO crypto.h (n, s) VALUES (4, 'VALUES'), (5, {x:String})", "cryptoviz", param_x="five")
    served.post("INSERT INTO h SELECT 6, 'six'", "cryptoviz", database="crypto")
    rows = served.post("SELECT * FROM h ORDER BY n FORMAT JSONCompactEachRow").text.splitlines()
    assert [json.loads(row)[1] for row in rows] == ["one", "two", "FORMAT CSV", "VALUES", "five", "six"]


@pytest.mark.parametrize(
    ("pack", "coding"),
    [(gzip.compress, {"Content-Encoding": "gzip"}), (lz4.frame.compress, {"Content-Encoding": "lz4"})],
)
def test_packed_bodies_are_unpacked(served: Served, pack: object, coding: dict[str, str]) -> None:
    answer = requests.post(served.url, data=pack(b"SELECT 1"), headers=coding, timeout=5)  # type: ignore[operator]
    assert answer.text == "1\n"


def test_bodies_and_answers_may_be_in_clickhouse_blocks(served: Served) -> None:
    answer = served.post(compress_blocks(b"SELECT 'in blocks'"), compress="1", decompress="1")
    assert decompress_blocks(answer.content, 100) == b"in blocks\n"


def test_formats_are_chosen_by_clause_then_url_then_header(served: Served) -> None:
    header = {"X-ClickHouse-Format": "CSV"}

    def ask(statement: str, **params: str) -> requests.Response:
        return requests.post(served.url, data=statement, params=params, headers=header, timeout=5)

    assert ask("SELECT 'a' AS x").text == '"a"\n'
    assert ask("SELECT 'a' AS x", default_format="JSONEachRow").text == '{"x":"a"}\n'
    answer = ask("SELECT 'a' AS x FORMAT TabSeparatedWithNames", default_format="JSON")
    assert answer.text == "x\na\n"
    assert answer.headers["X-ClickHouse-Format"] == "TabSeparatedWithNames"


def test_headers_name_the_query_its_format_and_its_cost(served: Served) -> None:
    headers = served.post("SELECT id FROM t FORMAT JSON", query_id="my-query").headers
    assert headers["X-ClickHouse-Query-Id"] == "my-query"
    assert headers["X-ClickHouse-Timezone"] == "UTC"
    assert headers["X-ClickHouse-Format"] == "JSON"
    assert headers["Content-Type"].startswith("application/json")
    assert json.loads(headers["X-ClickHouse-Summary"])["read_rows"] == "2"


def test_settings_in_the_url_reach_the_engine_and_unknown_ones_are_refused(served: Served) -> None:
    assert served.post("SELECT getSetting('max_block_size')", "cryptoviz", max_block_size="123").text == "123\n"
    answer = served.post("SELECT 1", "cryptoviz", no_such_setting="1")
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (404, "115")


def test_settings_of_one_request_do_not_reach_the_next(served: Served) -> None:
    default = served.post("SELECT getSetting('max_block_size'), currentDatabase()", "cryptoviz").text
    served.post("SET max_block_size = 77", "cryptoviz", database="crypto")
    served.post("SELECT 1", "cryptoviz", max_block_size="77", database="crypto")
    assert served.post("SELECT getSetting('max_block_size'), currentDatabase()", "cryptoviz").text == default


@pytest.mark.parametrize(
    ("statement", "status", "code", "name"),
    [
        ("SELECT nope", 400, "47", "UNKNOWN_IDENTIFIER"),
        ("SELEC 1", 400, "62", "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", 400, "62", "SYNTAX_ERROR"),
        ("SELECT * FROM nope", 404, "60", "UNKNOWN_TABLE"),
        ("SELECT 1 FORMAT Nope", 404, "73", "UNKNOWN_FORMAT"),
        ("SELECT {x:UInt8}", 400, "456", "UNKNOWN_QUERY_PARAMETER"),
        ("INSERT INTO crypto.t FORMAT TSV\nnot a number", 400, "27", "CANNOT_PARSE_INPUT_ASSERTION_FAILED"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 501, "48", "NOT_IMPLEMENTED"),
    ],
)
def test_errors_have_status_code_and_name(served: Served, statement: str, status: int, code: str, name: str) -> None:
    answer = served.post(statement, "cryptoviz")
    assert answer.status_code == status
    assert answer.headers["X-ClickHouse-Exception-Code"] == code
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert f"({name})" in answer.text
    assert "parseQueryToJSON" not in answer.text


def test_a_long_answer_is_streamed_and_complete(served: Served) -> None:
    with requests.post(served.url, data="SELECT number FROM numbers(1000000)", stream=True, timeout=30) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert sum(int(line) for line in answer.iter_lines()) == 999_999 * 1_000_000 // 2


@pytest.mark.parametrize(
    ("format_name", "head", "foot"),
    [("JSON", b'{\n\t"meta"', b"}\n"), ("Parquet", b"PAR1", b"PAR1"), ("CSVWithNames", b'"n"', b"99\n")],
)
def test_a_long_answer_with_head_and_foot_is_streamed_as_well(
    served: Served, format_name: str, head: bytes, foot: bytes
) -> None:
    statement = f"SELECT number AS n FROM numbers(3000000) FORMAT {format_name}"
    with requests.post(served.url, data=statement, headers={"Accept-Encoding": ""}, stream=True, timeout=30) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        body = answer.content
    assert body.startswith(head)
    assert body.endswith(foot)
    assert body.count(head) == (2 if head == foot else 1)


def test_an_error_after_the_first_byte_breaks_the_stream_off_with_its_text(served: Served) -> None:
    statement = "SELECT number, throwIf(number = 2500000) FROM numbers(3000000) SETTINGS max_block_size = 65536"
    with requests.post(served.url, data=statement, stream=True, timeout=30) as answer:
        tag = answer.headers["X-ClickHouse-Exception-Tag"]
        received: list[bytes] = []
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            received.extend(answer.iter_content(65536))
    assert f"__exception__\r\n{tag}\r\nCode: 395. DB::Exception: ".encode() in b"".join(received)


def test_the_go_clients_greeting_is_answered_in_its_own_block_form(served: Served) -> None:
    greeting = "SELECT displayName(), version(), revision(), timezone()"
    params = {"client_protocol_version": "54460", "default_format": "Native", "max_execution_time": "15"}
    block = served.post(greeting, "grafana", database="crypto", **params).content
    version = served.reader.server_version.encode()
    assert block == (
        b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01"
        b"\x0ddisplayName()\x06String\x00\x09cryptoviz"
        b"\x09version()\x06String\x00"
        + bytes([len(version)])
        + version
        + b"\x0arevision()\x06UInt32\x00\x00\x00\x00\x00"
        b"\x0atimezone()\x06String\x00\x03UTC"
    )
    after = served.post("SELECT 1", "grafana", **params).content
    assert after == b"\x01\x01\x011\x05UInt8\x01", "what follows is the engine's own Native, revision 0"


# who may do what


def test_credentials_are_read_from_headers_basic_or_the_url(served: Served) -> None:
    question = "SELECT getSetting('readonly')"
    by_header = {"X-ClickHouse-User": "cryptoviz", "X-ClickHouse-Key": served.password}
    by_url = {"user": "cryptoviz", "password": served.password}
    assert requests.post(served.url, data=question, headers=by_header, timeout=5).text == "0\n"
    assert requests.post(served.url, data=question, params=by_url, timeout=5).text == "0\n"
    assert served.post(question, "cryptoviz").text == "0\n"
    assert requests.post(served.url, data=question, timeout=5).text == "2\n", "nobody is analyst"


@pytest.mark.parametrize("auth", [("cryptoviz", "wrong"), ("nobody", ""), ("cryptoviz", "")])
def test_wrong_credentials_are_refused(served: Served, auth: tuple[str, str]) -> None:
    answer = requests.post(served.url, data="SELECT 1", auth=auth, timeout=5)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
    assert "AUTHENTICATION_FAILED" in answer.text


def test_a_writers_get_request_cannot_write(served: Served) -> None:
    params = {"query": "CREATE TABLE crypto.by_get (n UInt8) ENGINE = Memory"}
    answer = requests.get(served.url, params=params, auth=("cryptoviz", served.password), timeout=5)
    assert answer.headers["X-ClickHouse-Exception-Code"] == "164"


ALLOWED = [
    "WITH x AS (SELECT 1 AS a) SELECT a FROM x UNION ALL SELECT 2",
    "SELECT toStartOfInterval(at, INTERVAL 5 minute) AS b, sumIf(id, id > 1), quantile(0.5)(id) FROM t GROUP BY b",
    "SELECT avg(id) OVER (ORDER BY at ROWS BETWEEN (20 - 1) PRECEDING AND CURRENT ROW) FROM t",
    "SELECT CASE WHEN id > 1 THEN 'a' ELSE 'b' END, tags[1], id IN (1, 2), at + INTERVAL 1 DAY, * FROM t",
    "SELECT count() FROM t WHERE asset IN (SELECT asset FROM crypto.t) AND id NOT IN (SELECT number FROM numbers(1))",
    "SELECT * APPLY(toString) FROM t",
    "SELECT * FROM values('a UInt8', 1, 2) AS a, generate_series(1, 2) AS b",
    "SELECT count() FROM t SETTINGS max_threads = 1, additional_table_filters = {'crypto.t': 'id = 1'}",
    "SELECT sum(bytes_on_disk) FROM system.parts WHERE database = 'crypto'",
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'crypto'",
    "SHOW TABLES",
    "SHOW DATABASES",
    "SHOW CREATE TABLE t",
    "SHOW COLUMNS FROM t",
    "SHOW FUNCTIONS",
    "DESCRIBE TABLE crypto.t",
    "DESCRIBE (SELECT 1)",
    "EXISTS TABLE t",
    "EXISTS DATABASE crypto",
    "EXPLAIN SELECT * FROM t",
    "EXPLAIN indexes = 1 SELECT * FROM t WHERE id = 1",
]


@pytest.mark.parametrize("statement", ALLOWED)
def test_readers_may_read(served: Served, statement: str) -> None:
    answer = served.post(statement)
    assert answer.status_code == 200, answer.text


REFUSED = [
    # files and networks, wherever a function may stand
    "SELECT * FROM file('/etc/passwd', 'LineAsString', 's String')",
    "SELECT file('/etc/passwd')",
    "SELECT `file`/**/('/etc/passwd')",
    "SELECT * APPLY(x -> file('/etc/passwd')) FROM t",
    "SELECT COLUMNS('note') APPLY file FROM t",
    "SELECT * REPLACE(file('/etc/passwd') AS note) FROM t",
    "SELECT arrayMap(x -> file(x), ['/etc/passwd'])",
    "SELECT (SELECT file('/etc/passwd'))",
    "SELECT 1 WHERE '1' IN file('/etc/passwd')",
    "SELECT id FROM t WINDOW w AS (ORDER BY file('/etc/passwd'))",
    "SELECT id FROM t ORDER BY id LIMIT (SELECT length(file('/etc/passwd')))",
    "SELECT * FROM view(SELECT * FROM file('/etc/passwd'))",
    "WITH x AS (SELECT * FROM file('/etc/passwd')) SELECT * FROM x",
    "SELECT 1 UNION ALL SELECT length(file('/etc/passwd'))",
    "SELECT * FROM t JOIN url('http://127.0.0.1/', 'CSV', 'id UInt64') AS u USING id",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM executable('x', 'TSV', 'a String')",
    "SELECT * FROM python('x')",
    "SELECT * FROM merge('system', '.*')",
    "SELECT * FROM loop('default', 'x')",
    "SELECT * FROM dictionary('x')",
    "SELECT dictGet('x', 'y', 1)",
    "SELECT joinGet('t', 's', 1)",
    "SELECT aiGenerate('x')",
    "DESCRIBE file('/etc/passwd')",
    "DESCRIBE (SELECT * FROM url('http://127.0.0.1/'))",
    "EXPLAIN SELECT * FROM file('/etc/passwd')",
    "EXPLAIN QUERY TREE SELECT file('/etc/passwd')",
    "SELECT count() FROM t SETTINGS additional_table_filters = {'crypto.t': 'file(\\'/etc/passwd\\') != \\'\\''}",
    "SELECT 1 FORMAT Template SETTINGS format_template_resultset = '/etc/passwd'",
    "SELECT 1 INTO OUTFILE '/tmp/cryptoviz-never-written'",
    # the default database of the engine reads files by name
    "SELECT * FROM default.`/etc/passwd`",
    "SELECT * FROM `/etc/passwd`",
    "SELECT '1' IN default.`/etc/hostname`",
    "SELECT nullIn('1', default.`/etc/hostname`)",
    "SELECT * FROM {d:Identifier}.{f:Identifier}",
    "SELECT '1' IN {p:Identifier}",
    "WITH `/etc/passwd` AS (SELECT 1) SELECT * FROM default.`/etc/passwd`",
    "SHOW TABLES FROM default",
    "SHOW CREATE TABLE default.x",
    "EXISTS default.`/etc/passwd`",
    # other people's business
    "SELECT * FROM system.processes",
    "SELECT * FROM system.users",
    "SHOW PROCESSLIST",
    # writing and ruling
    "INSERT INTO t (id) VALUES (1)",
    "INSERT INTO t SELECT * FROM t",
    "INSERT INTO FUNCTION file('/tmp/cryptoviz-never-written') SELECT 1",
    "EXPLAIN INSERT INTO t SELECT * FROM t",
    "CREATE TABLE crypto.z (a Int8) ENGINE = Memory",
    "CREATE VIEW crypto.z AS SELECT 1",
    "DROP TABLE t",
    "TRUNCATE TABLE t",
    "ALTER TABLE t DELETE WHERE 1",
    "DELETE FROM t WHERE 1",
    "RENAME TABLE t TO u",
    "OPTIMIZE TABLE t",
    "KILL QUERY WHERE 1",
    "SYSTEM FLUSH LOGS",
    "BACKUP TABLE t TO File('/tmp/cryptoviz-never-written')",
    "GRANT ALL ON *.* TO analyst",
    "BEGIN TRANSACTION",
    "USE system",
    "SELECT 1; DROP TABLE crypto.t",
    # lifting the limits
    "SET readonly = 0",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS profile = 'default'",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT 1 SETTINGS max_execution_time = '1e9'",
    "SELECT 1 SETTINGS max_memory_usage = DEFAULT",
    "SELECT 1 SETTINGS allow_introspection_functions = 1",
    "SELECT * FROM (SELECT 1 SETTINGS max_result_rows = 1000000000)",
    "SELECT sleepEachRow(3) FROM numbers(10)",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_readers_may_do_nothing_else(served: Served, statement: str) -> None:
    parameters = {"param_d": "default", "param_f": "/etc/passwd", "param_p": "default./etc/passwd"}
    answer = served.post(statement, **parameters)
    assert answer.status_code != 200, answer.text
    assert "root:" not in answer.text
    assert served.writer.query("SELECT count() FROM crypto.t").result_rows == [(2,)]
    assert not Path("/tmp/cryptoviz-never-written").exists()


def test_the_url_cannot_lift_a_readers_limits(served: Served) -> None:
    settings = {"max_execution_time": "100000", "max_result_rows": "0", "max_memory_usage": "99999999999999"}
    question = "SELECT getSetting('max_execution_time'), getSetting('max_result_rows'), getSetting('max_memory_usage')"
    assert served.post(question, **settings).text == "60\t5000000\t1000000000\n"
    assert served.post(question, max_execution_time="5").text.startswith("5\t")
    assert served.post("SELECT 1", allow_ddl="1").headers["X-ClickHouse-Exception-Code"] == "164"
    filters = "{'crypto.t': 'file(\\'/etc/passwd\\') = \\'\\''}"
    assert served.post("SELECT 1 FROM t", additional_table_filters=filters).status_code == 403
    assert served.post("SELECT id FROM t", additional_table_filters="{'crypto.t': 'id = 2'}").text == "2\n"


def test_a_reader_cannot_take_more_than_its_share(served: Served) -> None:
    answer = served.post("SELECT number FROM numbers(5100000)", wait_end_of_query="1")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "396"
    answer = served.post("SELECT groupArray(number) FROM numbers(2000000000)")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "241"
    answer = served.post("SELECT count() FROM numbers(1900000000) WHERE sipHash64(number) = 1", max_execution_time="1")
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (408, "159")


# at work together

ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"


def _running(served: Served) -> int:
    """How many long queries the engine is busy with."""
    statement = (
        "SELECT countIf(query LIKE '%sipHash64(number) = 1' AND query NOT LIKE '%countIf%') FROM system.processes"
    )
    return int(served.writer.query(statement).result_rows[0][0])


def test_a_query_whose_client_has_gone_is_stopped_and_others_are_served_meanwhile(served: Served) -> None:
    session = requests.Session()
    failed: list[Exception] = []

    def ask() -> None:
        try:
            session.post(served.url, data=ENDLESS, auth=("cryptoviz", served.password), timeout=2)
        except requests.exceptions.RequestException as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: _running(served) == 1, 10, "the long query to run")
    started = time.monotonic()
    assert requests.get(served.url + "/ping", timeout=10).ok
    assert served.post("SELECT 1").text == "1\n"
    assert time.monotonic() - started < 10
    asking.join()
    assert failed
    session.close()
    wait_until(lambda: _running(served) == 0, 10, "the long query to be stopped")


def test_what_one_client_makes_all_others_see_at_once(served: Served) -> None:
    served.writer.command("CREATE OR REPLACE TABLE crypto.seen (n UInt64) ENGINE = MergeTree ORDER BY n")
    errors: list[Exception] = []

    def write(base: int) -> None:
        try:
            client = served.client("cryptoviz", served.password)
            for batch in range(10):
                first = base + batch * 100
                client.insert("crypto.seen", [[n] for n in range(first, first + 100)], ["n"])
                assert client.query(
                    f"SELECT count() FROM crypto.seen WHERE n >= {first} AND n < {first + 100}"
                ).result_rows == [(100,)]
        except Exception as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(number * 1000,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not errors
    assert served.reader.query("SELECT count(), uniqExact(n) FROM seen").result_rows == [(4000, 4000)]


# ends and beginnings


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_keeps_what_was_confirmed(tmp_path: Path, ending: signal.Signals) -> None:
    with clickhouse_process(tmp_path) as (url, users, process):
        first = Served(url, users)
        process.send_signal(ending)
        process.wait(5)
    with clickhouse_process(tmp_path) as (url, users, _):
        again = clickhouse_connect.get_client(dsn=url, username="analyst", database="crypto")
        assert again.query("SELECT id, asset FROM t ORDER BY id").result_rows == [(1, "BTC"), (2, "ETH")]
        assert users["cryptoviz"].password == first.password


def test_the_end_comes_soon_even_during_an_endless_query(tmp_path: Path) -> None:
    with clickhouse_process(tmp_path) as (url, users, process):
        served = Served(url, users)
        asking = threading.Thread(target=lambda: served.post(ENDLESS, "cryptoviz"), daemon=True)
        asking.start()
        wait_until(lambda: _running(served) == 1, 10, "the long query to run")
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert time.monotonic() - started < 10
