"""Kafka to Kafka with Faust (normalise, bars, statistics, forecasts, signals), and the sink into ClickHouse."""
