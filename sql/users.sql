-- The users who only read, for a ClickHouse server (the embedded endpoint keeps its own). The passwords come from the
-- environment and arrive here as SHA-256 hashes. `final` makes plain queries see every row once. A limit may be lowered,
-- not raised; 1 is the least, because 0 means none. Grafana asks for up to 65 s, so the limit on time may be raised that
-- far and a little more. Queries beyond the number at once are refused here; the embedded endpoint lets them wait.
CREATE SETTINGS PROFILE IF NOT EXISTS cryptoviz_reader;

ALTER SETTINGS PROFILE cryptoviz_reader SETTINGS
    readonly = 2 CONST,
    final = 1,
    max_execution_time = 60 MIN 1 MAX 120,
    max_memory_usage = 1000000000 MIN 1 MAX 1000000000,
    max_memory_usage_for_user = 4000000000 MIN 1 MAX 4000000000,
    max_rows_to_read = 2000000000 MIN 1 MAX 2000000000,
    max_result_rows = 5000000 MIN 1 MAX 5000000,
    max_result_bytes = 536870912 MIN 1 MAX 536870912,
    max_temporary_data_on_disk_size_for_query = 1000000000 MIN 1 MAX 1000000000,
    max_temporary_data_on_disk_size_for_user = 4000000000 MIN 1 MAX 4000000000,
    max_concurrent_queries_for_user = 32 CONST,
    max_query_size = 262144 MIN 1 MAX 262144,
    max_threads = 4 MIN 1 MAX 8;

CREATE USER IF NOT EXISTS grafana IDENTIFIED WITH sha256_hash BY '{grafana_sha256}';

ALTER USER grafana IDENTIFIED WITH sha256_hash BY '{grafana_sha256}' SETTINGS PROFILE 'cryptoviz_reader';

CREATE USER IF NOT EXISTS analyst IDENTIFIED WITH sha256_hash BY '{analyst_sha256}';

ALTER USER analyst IDENTIFIED WITH sha256_hash BY '{analyst_sha256}' SETTINGS PROFILE 'cryptoviz_reader';

GRANT SELECT ON {database}.* TO grafana, analyst;
