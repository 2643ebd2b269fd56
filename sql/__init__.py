"""The database: numbered migrations, their runner, and the users of a ClickHouse server."""
