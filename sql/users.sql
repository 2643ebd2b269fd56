-- The users who only read, for a ClickHouse server (the embedded endpoint keeps its own). The passwords come from the
-- environment and arrive here as SHA-256 hashes. `final` makes plain queries see every row once; Grafana asks for up
-- to 65 s, so the limit on time may be raised that far and a little more, the others not at all.
CREATE SETTINGS PROFILE IF NOT EXISTS cryptoviz_reader;

ALTER SETTINGS PROFILE cryptoviz_reader SETTINGS
    readonly = 2 CONST,
    final = 1,
    max_execution_time = 60 MIN 1 MAX 120,
    max_memory_usage = 2000000000 MAX 2000000000,
    max_result_rows = 1000000 MAX 1000000,
    max_rows_to_read = 2000000000 MAX 2000000000,
    max_threads = 4 MAX 8;

CREATE USER IF NOT EXISTS grafana IDENTIFIED WITH sha256_hash BY '{grafana_sha256}';

ALTER USER grafana IDENTIFIED WITH sha256_hash BY '{grafana_sha256}' SETTINGS PROFILE 'cryptoviz_reader';

CREATE USER IF NOT EXISTS analyst IDENTIFIED WITH sha256_hash BY '{analyst_sha256}';

ALTER USER analyst IDENTIFIED WITH sha256_hash BY '{analyst_sha256}' SETTINGS PROFILE 'cryptoviz_reader';

GRANT SELECT ON {database}.* TO grafana, analyst;
