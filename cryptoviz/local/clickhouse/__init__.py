"""ClickHouse without a server: the chDB engine behind ClickHouse's HTTP interface, for one machine and its user."""
