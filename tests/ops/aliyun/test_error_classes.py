"""Every code has one class; what is not known is bounded."""

from __future__ import annotations

import pytest

from garret.ops.aliyun.error_classes import classify, first_code, known_codes

# Code, class and whether the same call may be sent again: what the vendor's pages say of each.
CLASSES = [
    ("GetStack", "Throttling", "retry", "always"),
    ("GetStack", "Throttling.User", "retry", "always"),
    ("CreateStack", "Rejected.Throttling", "retry", "always"),
    ("CreateStack", "SignatureNonceUsed", "retry", "always"),
    ("CreateStack", "LastTokenProcessing", "wait", "always"),
    ("StartInstance", "OperationConflict", "wait", "always"),
    ("CreateStack", "ServiceUnavailable", "retry", "harmless"),
    ("RunCommand", "InternalError.Dispatch", "retry", "harmless"),
    ("StopInstance", "LimitedOperation.ServiceUnavailable", "retry", "harmless"),
    ("StopInstance", "IncorrectInstanceStatus", "wait", "look"),
    ("DeleteStack", "ActionInProgress", "wait", "look"),
    ("SendFile", "InvalidInstance.NotMatch", "wait", "look"),
    ("CreateStack", "Forbidden.RAM", "user", "never"),
    ("CreateStack", "InvalidTimeStamp.Expired", "user", "never"),
    ("CreateStack", "StackExists", "user", "never"),
    ("CreateStack", "QuotaExceeded.Eip", "user", "never"),
    ("CreateStack", "QuotaExceed.ElasticQuota", "user", "never"),
    ("StartInstance", "InsufficientBalance", "user", "never"),
    ("StartInstance", "OperationDenied.NoStock", "capacity", "never"),
    ("DescribePrice", "PriceNotFound", "capacity", "never"),
    ("CreateStack", "StackValidationFailed", "fatal", "never"),
    ("CreateStack", "InvalidTemplateReference", "fatal", "never"),
    ("CreateStack", "IdempotentParameterMismatch", "fatal", "never"),
    ("StopInstance", "DryRunOperation", "ok", "never"),
    ("GetStack", "StackNotFound", "ok", "never"),
    ("UpdateStack", "NotSupported", "ok", "never"),
]


@pytest.mark.parametrize(("action", "code", "kind", "again"), CLASSES)
def test_a_code_has_its_class(action: str, code: str, kind: str, again: str) -> None:
    """The class says what we do; whether sending again can do harm is told apart."""
    found = classify(action, code, 400)
    assert (found.kind, found.again, found.known) == (kind, again, True)


def test_a_code_may_mean_something_else_at_another_call() -> None:
    """No change is what an update wanted; anywhere else NotSupported is a refusal."""
    assert classify("UpdateStack", "NotSupported", 400).kind == "ok"
    assert not classify("CreateStack", "NotSupported", 400).known
    assert classify("CreateStack", "StackNotFound", 404).kind == "fatal"


def test_what_is_not_known_is_bounded() -> None:
    """A refusal is not sent again; a fault of the cloud only where that does no harm."""
    refused, broken = classify("CreateStack", "Brand.New", 409), classify("CreateStack", "Brand.New", 502)
    assert (refused.kind, refused.again, refused.known) == ("fatal", "never", False)
    assert (broken.kind, broken.again, broken.known) == ("retry", "harmless", False)
    assert classify("CreateStack", "Brand.New").again == "never"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Resource CREATE failed: resources.Node: code: OperationDenied.NoStock", "OperationDenied.NoStock"),
        ("HTTP Status: 400 Error:QuotaExceeded.Eip The maximum number of EIPs is exceeded.", "QuotaExceeded.Eip"),
        ("Node: Throttling.User after InternalError", "Throttling.User"),
        ("The account is throttling nobody; internal error", ""),
        ("Error: InsufficientBalance your account", "InsufficientBalance"),
        ("WaitConditionTimeout: 0 of 1 signals came", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_a_code_is_found_in_a_reason(text: str, code: str) -> None:
    """ROS tells what ECS said as text; words of a sentence are not taken for codes."""
    assert first_code(text) == code


def test_what_a_person_must_do_is_said() -> None:
    """Every code that needs a person, or another place, has a hint; nothing that is retried speaks of users."""
    for code, meaning in known_codes().items():
        assert bool(meaning.hint) or meaning.kind not in ("user", "capacity"), code
        assert meaning.again == "never" or meaning.kind in ("retry", "wait"), code
