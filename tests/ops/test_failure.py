"""A failed stack is told by its first cause, in its own words, with what to type."""

from __future__ import annotations

import json

import pytest

from garret.errors import BootstrapFailed, NodeSilent, StackFailed
from garret.ops.cloud import Billed, StackEvent
from garret.ops.failure import explain, explain_left
from garret.ops.node_journal import NOW, Sight, parse
from garret.ops.watch import STACK_KIND


def event(resource: str, reason: str, status: str = "CREATE_FAILED") -> StackEvent:
    """An event of a resource."""
    return StackEvent(f"{resource}{reason}", resource, "ALIYUN::X", status, reason, "")


def test_the_first_cause_is_told() -> None:
    """What was cancelled because something else failed is not the cause."""
    events = [
        event("Network", "", "CREATE_COMPLETE"),
        event("Address", "Resource creation cancelled"),
        event("Node", "code: OperationDenied.NoStock, message: sold out"),
        event("Ready", "Resource creation cancelled"),
    ]
    error = explain("garret", events, "Stack failed", [])
    assert isinstance(error, StackFailed)
    assert error.resource == "machine"
    assert "sold out" in error.message
    assert "--zone" in error.hint
    assert error.billed == "nothing"


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("code: QuotaExceed.ElasticQuota", "quota"),
        ("code: Account.Arrearage", "top up"),
        ("code: Odd", "garret deploy"),
    ],
)
def test_the_hint_fits_the_cause(reason: str, word: str) -> None:
    """Quota, money and all else have different ways out."""
    assert word in explain("garret", [event("Node", reason)], "", []).hint


def test_the_node_speaks_through_its_signal() -> None:
    """The step, its reason and the end of its log are taken apart."""
    text = "WaitConditionFailure: ensure_gpu: nvidia-smi names no GPU\n" + "\n".join(f"line {n}" for n in range(30))
    error = explain("mine", [event("Ready", text)], "", [Billed("instance", "i-1")])
    assert isinstance(error, BootstrapFailed)
    assert error.step == "ensure_gpu"
    assert error.message.endswith("nvidia-smi names no GPU")
    assert error.log_tail.splitlines()[-1] == "line 29"
    assert len(error.log_tail.splitlines()) == 8
    assert error.billed == "instance i-1"
    assert error.hint.startswith("garret delete mine")


def test_a_busy_port_leads_to_another() -> None:
    """The way out of a busy port is --port."""
    error = explain(
        "mine", [event("Ready", "X: ensure_service: 127.0.0.1:7860 is already in use on this machine")], "", []
    )
    assert "--port" in error.hint
    assert "--name mine" in error.hint


def test_a_first_stage_that_failed_is_a_step() -> None:
    """The runtime did not arrive: told as the node told it."""
    error = explain("garret", [event("Ready", "X: ensure_bundle: 0 of 9 bytes of the runtime arrived")], "", [])
    assert isinstance(error, BootstrapFailed)
    assert error.step == "ensure_bundle"


def test_a_stack_without_a_failed_part_has_its_own_reason() -> None:
    """When no part says anything, the stack does."""
    error = explain("garret", [], "timed out", [])
    assert isinstance(error, StackFailed)
    assert "timed out" in error.message


REQUEST = "4C3B9A5E-0000-4000-8000-00000000000A"


def test_code_class_and_request_id_are_kept() -> None:
    """A program reads from the error what class it is of, and support asks for the request id."""
    said = f"ResponseException: code: OperationDenied.NoStock, message: sold out, requestId: {REQUEST}"
    error = explain("garret", [event("Node", said)], "", [])
    facts = error.to_dict()
    assert (facts["code"], facts["kind"], facts["request_id"]) == ("OperationDenied.NoStock", "capacity", REQUEST)
    unknown = explain("garret", [event("Node", "code: Brand.New, message: no")], "", []).to_dict()
    assert "kind" not in unknown
    assert "request_id" not in unknown


def test_an_earlier_try_does_not_explain_this_one() -> None:
    """Only what happened since the stack's newest beginning counts."""
    begun = StackEvent("e1", "garret-x", STACK_KIND, "CREATE_IN_PROGRESS", "", "")
    again = StackEvent("e2", "garret-x", STACK_KIND, "UPDATE_IN_PROGRESS", "", "")
    events = [
        begun,
        event("Node", "code: OldTrouble.X"),
        again,
        event("Address", "code: QuotaExceeded.Eip", "UPDATE_FAILED"),
    ]
    assert "QuotaExceeded.Eip" in explain("garret", events, "", []).message


def test_a_stack_that_would_not_go_names_what_holds_it() -> None:
    """Deletion protection and dependencies are told by the part, with what lets go of it."""
    protected = event("Node", "code: InvalidOperation.DeletionProtection, message: i-1 is protected", "DELETE_FAILED")
    error = explain_left("mine", [protected], "", [Billed("instance", "i-1")])
    assert error.message.startswith("machine: code: InvalidOperation.DeletionProtection")
    assert "protection" in error.hint
    assert "garret delete mine" in error.hint
    assert error.billed == "instance i-1"
    other = explain_left(
        "mine", [event("Network", "code: DependencyViolation, message: in use", "DELETE_FAILED")], "", []
    )
    assert other.message.startswith("VPC: ")
    assert explain_left("mine", [], "timed out", []).message.endswith("timed out")


TIMED_OUT = event("Ready", "WaitConditionTimeout: 0 of 1 received within 60 seconds")


def seen(*entries: dict[str, object], log: str = "", now: int = 1_800_000_072) -> Sight:
    """A node as it was last seen."""
    lines = "\n".join(json.dumps({"at": "2027-01-15T08:00:00+00:00", "reason": "", **one}) for one in entries)
    return parse(f"{lines}\n{NOW}{now}\n{log}")


@pytest.mark.parametrize(
    ("sight", "step", "words"),
    [
        (seen({"step": "ensure_python", "state": "running"}), "ensure_python", "in step ensure_python for 72 s"),
        (seen({"step": "ensure_gpu", "state": "skipped"}), "ensure_gpu", "after step ensure_gpu (skipped)"),
        (
            seen({"step": "signal", "state": "failed", "reason": "SUCCESS was not delivered: timed out"}),
            "signal",
            "its signal did not get through: SUCCESS was not delivered",
        ),
        (Sight(), "", "nothing of its bootstrap was ever seen: cloud-init"),
    ],
)
def test_a_node_that_never_signalled_is_told_by_where_it_was_last_seen(sight: Sight, step: str, words: str) -> None:
    """Not as one that said why it failed."""
    error = explain("mine", [TIMED_OUT], "", [], sight=sight, console="Linux boots\nno network\n")
    assert isinstance(error, NodeSilent)
    assert error.message.startswith("the node never signalled (WaitConditionTimeout: 0 of 1")
    assert words in error.message
    assert error.step == step
    assert error.log_tail == "Linux boots\nno network"
    assert "--wait-timeout-s" in error.hint


def test_the_nodes_own_log_says_more_than_its_console() -> None:
    """The last lines of what Cloud Assistant could still read."""
    sight = seen({"step": "ensure_python", "state": "running"}, log="one\ntwo\n")
    error = explain("mine", [TIMED_OUT], "", [], sight=sight, console="Linux boots")
    assert isinstance(error, NodeSilent)
    assert error.log_tail == "one\ntwo"
