from __future__ import annotations

import pytest

from cryptoviz.errors import UserError
from cryptoviz.settings import load_settings
from cryptoviz.topics_admin import differences, ensure_topics


def test_only_what_differs_is_corrected() -> None:
    wanted = {"retention.ms": "10", "cleanup.policy": "delete"}
    assert differences(wanted, {"retention.ms": "20", "cleanup.policy": "delete", "other": "x"}) == {
        "retention.ms": "10"
    }
    assert differences(wanted, {"retention.ms": None, "cleanup.policy": "delete"}) == {"retention.ms": "10"}
    assert differences(wanted, wanted) == {}


def test_a_broker_that_does_not_answer_is_one_clear_line() -> None:
    with pytest.raises(UserError, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        ensure_topics(load_settings(kafka="127.0.0.1:1"), wait_s=0)
