"""Every code at every call: what may pass is asked again, what may not is asked once, and each is told as it is.

Behind the real SDKs and the signed reader, against a server that answers as scripted; the clock costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from garret.errors import CloudError
from garret.ops.aliyun.account import CloudAccount
from garret.ops.aliyun.assistant import EcsAssistant
from garret.ops.aliyun.bills import BssBills
from garret.ops.aliyun.catalog import EcsCatalog
from garret.ops.aliyun.error_classes import classify
from garret.ops.aliyun.failures import NO_ANSWER
from garret.ops.aliyun.images import EcsImages
from garret.ops.aliyun.ingress import EcsIngress
from garret.ops.aliyun.instances import EcsInstances
from garret.ops.aliyun.network import VpcNetwork
from garret.ops.aliyun.oos import OosAutomation
from garret.ops.aliyun.session import Session
from garret.ops.aliyun.snapshots import EcsSnapshots
from garret.ops.aliyun.stacks import RosStacks
from tests.ops.aliyun.vendor import StandingClock, Vendor

# Code and HTTP status, as the vendor's pages have them; the last two are in no table.
CODES = (
    ("Throttling", 400), ("Throttling.User", 400), ("Rejected.Throttling", 400), ("SignatureNonceUsed", 400),
    ("LastTokenProcessing", 403), ("IdempotentProcessing", 403), ("OperationConflict", 409),
    ("ServiceUnavailable", 503), ("InternalError", 500), ("InternalError.Dispatch", 500),
    ("LimitedOperation.ServiceUnavailable", 503), ("UnknownError", 500), ("SystemBusy", 503),
    ("Forbidden.RAM", 403), ("NoPermission", 403), ("SignatureDoesNotMatch", 400), ("InvalidAccessKeyId.NotFound", 404),
    ("InvalidAccessKeyId.Inactive", 403), ("InvalidSecurityToken.Expired", 400), ("Account.Arrearage", 400),
    ("InsufficientBalance", 403), ("InvalidAccountStatus.NotEnoughBalance", 403), ("RealNameAuthenticationError", 403),
    ("QuotaExceed.ElasticQuota", 403), ("QuotaExceeded.Eip", 400), ("OperationDenied.NoStock", 403),
    ("Zone.NotOnSale", 403), ("InstanceType.Offline", 403), ("InvalidInstanceType.ValueNotSupported", 400),
    ("StackValidationFailed", 400), ("StackExists", 409), ("InvalidIdempotenceParameter", 400),
    ("IdempotentParameterMismatch", 403), ("IncorrectInstanceStatus", 403), ("ActionInProgress", 409),
    ("InvalidInstance.NotMatch", 400), ("MissingParameter", 400), ("InvalidAction.NotFound", 404),
    ("InvalidOperation.DeletionProtection", 403), ("Brand.New", 409), ("Brand.New", 502),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A call of a verb: how it is made, what a good answer is, and whether making it twice does no harm."""

    action: str
    make: Callable[[Session], Any]
    answer: dict[str, Any]
    twice: bool = True


STACK = {"StackId": "s-1", "StackName": "garret-garret", "Status": "CREATE_COMPLETE"}
CALLS = (
    Asked("GetStack", lambda session: RosStacks(session).get("s-1"), STACK),
    Asked("ListStacks", lambda session: RosStacks(session).tagged(), {"Stacks": [], "TotalCount": 0}),
    Asked("ListStackEvents", lambda session: RosStacks(session).events("s-1"), {"Events": [], "TotalCount": 0}),
    Asked("ListStackResources", lambda session: RosStacks(session).resources("s-1"), {"Resources": []}),
    Asked("ValidateTemplate", lambda session: RosStacks(session).validate("t: 1"), {}),
    Asked("GetTemplateEstimateCost", lambda session: RosStacks(session).price_per_hour("t", {}), {"Resources": {}}),
    Asked(
        "CreateStack",
        lambda session: RosStacks(session).create("n", "t", {}, tags={}, token="token", wait_s=60),
        {"StackId": "s-1"},
    ),
    Asked("DeleteStack", lambda session: RosStacks(session).delete("s-1"), {}),
    Asked("DescribeInstances", lambda session: EcsInstances(session).tagged("garret"), {}),
    Asked("StartInstance", lambda session: EcsInstances(session).start("i-1"), {}, twice=False),
    Asked("StopInstance", lambda session: EcsInstances(session).stop("i-1", economical=True), {}, twice=False),
    Asked("DescribeDisks", lambda session: EcsSnapshots(session).disks("garret"), {}),
    Asked(
        "CreateSnapshot",
        lambda session: EcsSnapshots(session).create("d-1", "garret", token="token"),
        {"SnapshotId": "s-1"},
    ),
    Asked("DeleteSnapshot", lambda session: EcsSnapshots(session).delete("s-1"), {}),
    Asked(
        "CreateImage",
        lambda session: EcsImages(session).create("i-1", "garret-1", {"garret:image": "1"}, token="token"),
        {"ImageId": "m-1"},
    ),
    Asked("DescribeImages", lambda session: EcsImages(session).own(), {}),
    Asked("DeleteImage", lambda session: EcsImages(session).delete("m-1"), {}),
    Asked("TagResources", lambda session: EcsImages(session).mark(["s-1"], {"garret:image": "1"}), {}),
    Asked("DescribeEipAddresses", lambda session: VpcNetwork(session)._addresses("garret"), {}),
    Asked("DescribeAvailableResource", lambda session: EcsCatalog(session).stock("ecs.gn7i"), {}),
    Asked("ListExecutions", lambda session: OosAutomation(session).executions("garret"), {"Executions": []}),
    Asked("ListTaskExecutions", lambda session: OosAutomation(session).tasks("exec-1"), {"TaskExecutions": []}),
    Asked(
        "StartExecution",
        lambda session: OosAutomation(session).start("t", {}, tags={}, token="token", description=""),
        {"Execution": {"ExecutionId": "exec-1"}},
    ),
    Asked("RunCommand", lambda session: EcsAssistant(session, 0).run("i-1", "true"), {"InvokeId": "t-1"}),
    Asked("SendFile", lambda session: EcsAssistant(session, 0).send_file("i-1", "/a", b""), {"InvokeId": "f-1"}),
    Asked("DescribeSecurityGroupAttribute", lambda session: EcsIngress(session).opened("sg-1", "garret ops ssh"), {}),
    Asked(
        "AuthorizeSecurityGroup",
        lambda session: EcsIngress(session).open("sg-1", 22, "1.2.3.4/32", "note", token="token"),
        {},
    ),
    Asked("RevokeSecurityGroup", lambda session: EcsIngress(session).close("sg-1", ["sgr-1"]), {}),
    Asked("QueryAccountBalance", lambda session: CloudAccount(session).balance(), {"Data": {}}),
    Asked("DescribeInstanceBill", lambda session: BssBills(session).items("i-1", "2026-11"), {"Data": {}}),
)
# What a command and a file are asked for afterwards.
RAN = {"Invocation": {"InvocationResults": {"InvocationResult": [{"InvocationStatus": "Success", "ExitCode": 0}]}}}
SENT = {"Invocations": {"Invocation": [{"InvokeInstances": {"InvokeInstance": [{"InvocationStatus": "Success"}]}}]}}


def ready(vendor: Vendor) -> None:
    """Begin anew, with the answers that belong to a call and are not it."""
    vendor.answers.clear()
    vendor.sent.clear()
    vendor.says("DescribeInvocationResults", RAN)
    vendor.says("DescribeSendFileResults", SENT)


@pytest.mark.parametrize("asked", CALLS, ids=lambda asked: asked.action)
def test_each_code_is_answered_by_its_class(asked: Asked, vendor: Vendor, session: Session) -> None:
    """Refused once with each code: again where that may help and does no harm, else exactly one call and an error."""
    for code, status in CODES:
        meaning = classify(asked.action, code, status)
        passes = meaning.again == "always" or (meaning.again == "harmless" and asked.twice)
        ready(vendor)
        vendor.refuses(asked.action, code, status=status)
        vendor.says(asked.action, asked.answer)
        if passes:
            asked.make(session)
            assert len(vendor.of(asked.action)) == 2, code
            continue
        with pytest.raises(CloudError) as told:
            asked.make(session)
        assert len(vendor.of(asked.action)) == 1, f"{code} is asked exactly once"
        assert (told.value.code, told.value.kind, told.value.action) == (code, meaning.kind, asked.action)
        assert told.value.request_id, code


@pytest.mark.parametrize("asked", CALLS, ids=lambda asked: asked.action)
def test_a_reply_that_is_lost_is_asked_for_where_that_does_no_harm(
    asked: Asked, vendor: Vendor, session: Session
) -> None:
    """No answer is no answer: a create is adopted by its token, a stop is told and not sent twice."""
    ready(vendor)
    vendor.breaks(asked.action)
    vendor.says(asked.action, asked.answer)
    if asked.twice:
        asked.make(session)
        assert len(vendor.of(asked.action)) == 2
        return
    with pytest.raises(CloudError) as told:
        asked.make(session)
    assert told.value.code == NO_ANSWER
    assert len(vendor.of(asked.action)) == 1


@pytest.mark.parametrize("action", ["CreateStack", "CreateSnapshot", "CreateImage", "RunCommand"])
def test_what_is_made_is_asked_for_with_one_token(action: str, vendor: Vendor, session: Session) -> None:
    """However often a create is sent, its token stays the same, so that the cloud makes one."""
    asked = next(one for one in CALLS if one.action == action)
    ready(vendor)
    vendor.refuses(action, "ServiceUnavailable", status=503, times=3)
    vendor.says(action, asked.answer)
    asked.make(session)
    tokens = {sent.parameters["ClientToken"] for sent in vendor.of(action)}
    assert (len(vendor.of(action)), len(tokens)) == (4, 1)


@pytest.mark.parametrize("refusal", [("Throttling.User", 400, 11), ("Brand.New", 502, 5)])
def test_patience_is_bounded(
    refusal: tuple[str, int, int], vendor: Vendor, session: Session, clock: StandingClock
) -> None:
    """A cloud that goes on refusing is asked so many times and no more, within two minutes, at every call."""
    code, status, most = refusal
    for asked in CALLS:
        if code == "Brand.New" and not asked.twice:
            continue
        ready(vendor)
        vendor.refuses(asked.action, code, status=status)
        before = clock.now
        with pytest.raises(CloudError):
            asked.make(session)
        assert len(vendor.of(asked.action)) == most, asked.action
        assert clock.now - before <= 120


def test_the_matrix_is_as_large_as_it_says() -> None:
    """At least twenty-four codes at nine calls, and every class among them."""
    assert len(CODES) >= 24
    assert len(CALLS) >= 9
    classes = {classify("CreateStack", code, status).kind for code, status in CODES}
    assert classes == {"retry", "wait", "user", "fatal", "capacity"}
