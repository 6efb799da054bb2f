"""What a rollback is asked for: versions with and without a v, and the one that was killed."""

import pytest

from seodang.release.journal import create_journal
from seodang.release.rollback import RollbackRequest, continues_last, explain_no_need, find_target


def ask_for(**fields) -> RollbackRequest:
    return RollbackRequest(**{**dict.fromkeys(("message", "to", "worse", "canary", "port")), **fields})


@pytest.mark.parametrize("worse", ["v0.2.0", "0.2.0"])
def test_a_version_may_be_named_without_its_v(two_versions, worse):
    assert explain_no_need(two_versions, ask_for(worse=worse)) is None
    assert explain_no_need(two_versions, ask_for(worse="0.9.0", to="0.2.0")) is None
    assert find_target(two_versions, "0.2.0")[0] == "v0.2.0"
    assert "0.9.0 is not the champion any more" in str(explain_no_need(two_versions, ask_for(worse="0.9.0")))


@pytest.mark.parametrize(
    ("fields", "goes_on"),
    [
        ({}, True),
        ({"to": "0.1.0"}, True),
        ({"to": "v0.1.0", "canary": "c1"}, True),
        ({"to": "v0.0.9"}, False),
        ({"canary": "c2"}, False),
    ],
)
def test_a_killed_rollback_goes_on_if_the_same_one_is_asked_for(fields, goes_on):
    last = create_journal("rollback", 3000, "worse", "c1").model_copy(update={"version": "v0.1.0"})
    assert continues_last(last, ask_for(**fields)) is goes_on
    assert not continues_last(last.model_copy(update={"outcome": "rolled_back"}), ask_for(**fields))
