"""The outside world in: one file per source, one runner that polls them and publishes what they say."""
