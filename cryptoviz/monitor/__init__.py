"""Samples how the pipeline is doing and stores it, so that dashboards and alerts can ask ClickHouse alone."""
