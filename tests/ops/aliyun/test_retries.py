"""What is sent again, for how long, and what a person hears meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from garret.errors import CloudError
from garret.ops.aliyun.retries import ATTEMPTS, OUTAGE_S, PATIENCE_S, with_retries
from garret.ops.aliyun.session import Session
from garret.ops.aliyun.signed import Refused, Unanswered
from garret.ops.aliyun.stacks import RosStacks
from tests.ops.aliyun.vendor import StandingClock, Vendor


class Cloud:
    """Raises what it was given, one after the other, then answers; each answer takes `seconds`."""

    def __init__(self, clock: StandingClock, *errors: Exception, seconds: float = 0) -> None:
        self.clock, self.errors, self.seconds, self.asked = clock, list(errors), seconds, 0

    def __call__(self) -> str:
        """Answer once."""
        self.asked += 1
        self.clock.now += self.seconds
        if self.errors:
            raise self.errors.pop(0)
        return "answered"


def refused(code: str, status: int = 400, **headers: float) -> Refused:
    """An answer with this code."""
    return Refused(code, "no", status=status, **headers)


def ask(cloud: Cloud, *, again: bool = True, tell: list[str] | None = None) -> str:
    """Send with retries, on the cloud's clock."""
    lines: list[str] = [] if tell is None else tell
    return with_retries("GetStack", cloud, again=again, clock=cloud.clock, tell=lines.append)


# What was not done may always be sent again; what may have been done only where that does no harm.
SENT_AGAIN = [
    (refused("Throttling.User"), True, True),
    (refused("IdempotentProcessing", 403), True, True),
    (refused("OperationConflict", 409), True, True),
    (refused("InternalError", 500), True, False),
    (refused("ServiceUnavailable", 503), True, False),
    (refused("NeverHeardOf", 500), True, False),
    (Unanswered("connection reset"), True, False),
    (refused("NeverHeardOf", 409), False, False),
    (refused("Forbidden.RAM", 403), False, False),
    (refused("OperationDenied.NoStock", 403), False, False),
    (refused("StackExists", 409), False, False),
    (Unanswered("its certificate is not trusted", again=False), False, False),
]


@pytest.mark.parametrize(("error", "harmless", "always"), SENT_AGAIN, ids=lambda value: getattr(value, "code", None))
def test_the_class_of_the_code_decides(clock: StandingClock, error: Exception, harmless: bool, always: bool) -> None:
    """A read, or a write with its token, and a write without one: each by the table, unknown codes too."""
    for again, expected in ((True, harmless), (False, always)):
        cloud = Cloud(clock, error)
        if expected:
            assert ask(cloud, again=again) == "answered"
        else:
            with pytest.raises(CloudError):
                ask(cloud, again=again)
        assert cloud.asked == 1 + expected


def test_short_waits_are_nobodys_business(clock: StandingClock) -> None:
    """One throttled call makes no noise."""
    told: list[str] = []
    ask(Cloud(clock, refused("Throttling")), tell=told)
    assert told == []
    assert len(clock.slept) == 1


def test_longer_waits_are_told_with_their_reason(clock: StandingClock) -> None:
    """A person who waits for seconds reads which call, why, which try and how long; not once per try."""
    told: list[str] = []
    ask(Cloud(clock, *[refused("Throttling.User")] * 8), tell=told)
    assert 2 <= len(told) < 8
    assert all("GetStack: Throttling.User; try" in line and line.endswith(" s") for line in told)
    told.clear()
    with pytest.raises(CloudError):
        ask(Cloud(clock, *[Unanswered("connection refused")] * 9), tell=told)
    assert "the connection was refused" in told[0]


def test_the_answers_own_wait_is_kept(clock: StandingClock) -> None:
    """x-acs-retry-after is longer than our first pause: it counts."""
    ask(Cloud(clock, refused("Throttling.User", retry_after_s=7.5)))
    assert clock.slept == [7.5]


def test_retry_after_is_read_from_the_wire(vendor: Vendor, session: Session, clock: StandingClock) -> None:
    """The header holds milliseconds, for the typed SDK and for our reads alike."""
    stacks = RosStacks(session)
    vendor.headers["x-acs-retry-after"] = "9000"
    for action, send in (("GetStack", lambda: stacks.get("s")), ("ValidateTemplate", lambda: stacks.validate("t"))):
        clock.slept.clear()
        vendor.refuses(action, "Throttling.User")
        vendor.says(action, {"StackId": "s", "Status": "CREATE_COMPLETE"})
        send()
        assert clock.slept == [9.0]


def test_no_answer_is_waited_for_longer_than_promised(clock: StandingClock) -> None:
    """Slow refusals end by the clock, not by the count; what asks for too long a wait is told at once."""
    for error, seconds, bound in ((refused("Throttling"), 25.0, PATIENCE_S), (Unanswered("timed out"), 30.0, OUTAGE_S)):
        clock.now = 0
        cloud = Cloud(clock, *[error] * 20, seconds=seconds)
        with pytest.raises(CloudError):
            ask(cloud)
        assert clock.now <= bound + seconds
        assert cloud.asked < ATTEMPTS + 1
    cloud = Cloud(clock, refused("Throttling", retry_after_s=600))
    with pytest.raises(CloudError):
        ask(cloud)
    assert cloud.asked == 1


@pytest.mark.parametrize(("minutes", "words"), [(42, "42 minutes behind"), (-61, "61 minutes ahead"), (0, "right now")])
def test_a_wrong_clock_is_measured(vendor: Vendor, session: Session, minutes: int, words: str) -> None:
    """The answer's Date says by how much; the call is sent once more at once, for machines that had slept."""
    vendor.headers["Date"] = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    vendor.refuses("GetStack", "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
    with pytest.raises(CloudError) as raised:
        session.read("ros", "GetStack")
    assert words in raised.value.hint
    assert len(vendor.sent) == 2


def test_a_machine_that_slept_goes_on(vendor: Vendor, session: Session, clock: StandingClock) -> None:
    """Signed anew, the same question passes, and nobody waited."""
    vendor.refuses("GetStack", "InvalidTimeStamp.Expired")
    vendor.says("GetStack", {"StackId": "s"})
    assert session.read("ros", "GetStack")["StackId"] == "s"
    assert clock.slept == []
