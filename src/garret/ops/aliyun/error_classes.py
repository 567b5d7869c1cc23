"""What the cloud's error codes ask of us: to send again, to look first, to try elsewhere, or to tell the person.

One table for all calls, by code; a few codes mean something of their own at one call. The evidence for each is in the
vendor's error tables and pages of 2021 to 2026; a code that is not here is bounded: never sent again when the request
was refused (4xx), and only where a second call does no harm when the cloud was at fault (5xx).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["retry", "wait", "user", "fatal", "capacity", "ok"]
Again = Literal["always", "harmless", "look", "never"]


@dataclass(frozen=True)
class ErrorClass:
    """What a code asks for.

    `kind`: retry (passes by itself), wait (something else must end first), user (a person must act: rights, money,
    quota), fatal (the request is wrong), capacity (another zone, type or time), ok (no error: what was wanted is so).
    `again`: "always", the same call may be sent again, for nothing was done; "harmless", it may have been done, so
    only a call that does no harm twice; "look", first see what became of it; "never".
    `known` is False for a code that is not in the table.
    """

    kind: Kind
    again: Again
    hint: str = ""
    known: bool = True


@dataclass(frozen=True)
class _Row:
    meaning: ErrorClass
    codes: tuple[str, ...]
    actions: tuple[str, ...] = ()


def _row(kind: Kind, again: Again, codes: str, hint: str = "", *, at: str = "") -> _Row:
    return _Row(ErrorClass(kind, again, hint), tuple(codes.split()), tuple(at.split()))


_KEYS = "check ALIBABA_CLOUD_ACCESS_KEY_ID, or try `--cloud local`"
_SECRET = "check ALIBABA_CLOUD_ACCESS_KEY_SECRET"  # noqa: S105 - the name of a variable
_RIGHTS = "the user of these keys lacks a permission: garret doctor   (names it)"
_MONEY = "top up the account, then type the same again"
_QUOTA = "raise the quota in the cloud's Quota Center, or choose a smaller --instance-type"
_SOLD_OUT = "another zone or type: --zone … or --instance-type …, or allow some: --fallback-zone, --fallback-type"
_OURS = "this is a request that garret should not have made; please report it"

# A code that ends in * stands for all that begin so. A row with `at` holds for those calls only, and goes before.
_TABLE = (
    _row("ok", "never", "StackNotFound StackNotFound.NotFound", at="GetStack DeleteStack ListStackResources "
         "ListStackEvents"),
    _row("ok", "never", "NotSupported", at="UpdateStack"),
    _row("ok", "never", "DryRunOperation DRYRUN.SUCCESS"),
    _row("ok", "never", "InvalidAssociation.Duplicated"),
    # Refused before any work was done, and the next try may pass.
    _row("retry", "always", "Throttling* Rejected.Throttling SignatureNonceUsed"),
    _row("wait", "always", "LastTokenProcessing IdempotentProcessing OperationConflict InvalidOperation.Conflict "
         "IncorrectVSwitchStatus IncorrectEipStatus InstanceNotReady OperationDenied.HostRepairing TaskConflict "
         "IncorrectDiskStatus.CreatingSnapshot IncorrectDiskStatus.Transferring OperationDenied.ImageCopying"),
    # The cloud was at fault; what it had done by then is not known.
    _row("retry", "harmless", "ServiceUnavailable* LimitedOperation.ServiceUnavailable InternalError* UnknownError "
         "SystemBusy DeliveryTimeout"),
    _row("wait", "look", "ActionInProgress IncorrectInstanceStatus InvalidInstance.NotMatch InvalidInstanceStatus "
         "InstanceNotRunning ClientNotRunning ClientNotResponse ClientIsUpgrading"),
    # Who asks, and who pays.
    _row("user", "never", "InvalidAccessKeyId InvalidAccessKeyId.NotFound InvalidAccessKeyId.Inactive", _KEYS),
    _row("user", "never", "SignatureDoesNotMatch IncompleteSignature", _SECRET),
    _row("user", "never", "InvalidTimeStamp.Expired", "this machine's clock is wrong; set it, then try again"),
    _row("user", "never", "InvalidSecurityToken.Expired InvalidSecurityToken*",
         "the temporary keys have run out: log in again, then type the same again"),
    _row("user", "never", "Forbidden Forbidden.RAM NoPermission Forbidden.Unauthorized Forbidden.SubUser", _RIGHTS),
    _row("user", "never", "Account.Arrearage InsufficientBalance InvalidAccountStatus.NotEnoughBalance "
         "InstanceExpired InstanceExpiredOrInArrears DiskInArrears", _MONEY),
    _row("user", "never", "RealNameAuthenticationError", "finish the account's identity check in the cloud's console"),
    _row("user", "never", "QuotaExceed.Image QuotaExceed.Snapshot",
         "delete images that nobody needs: garret image list, garret image delete; or raise the quota"),
    _row("user", "never", "InvalidAccountStatus.SnapshotServiceUnavailable",
         "images lie on snapshots: open the snapshot service in the ECS console, then type the same again"),
    _row("user", "never", "ImageUsingByInstance", "delete what uses it first, or: garret image delete … --force"),
    _row("user", "never", "QuotaExceed* QuotaExceeded* Quota.Exceed* InstanceDowngrade.QuotaExceed "
         "OperationDenied.QuotaExceed", _QUOTA),
    _row("user", "never", "Invocation.ExceedQuota CmdCount.ExceedQuota",
         "the region's quota of Cloud Assistant for today is used up; tomorrow, or raise it in the Quota Center"),
    _row("user", "never", "InvalidInstanceType.ValueUnauthorized RegionUnauthorized",
         "the account may not use this yet: apply for it in the cloud's console, or choose another"),
    _row("user", "never", "InstanceLockedForSecurity", "the cloud has locked the machine; its console says why"),
    _row("user", "never", "InvalidOperation.DeletionProtection DeletionProtection* StackDeletionProtection*",
         "it is protected from deletion: take the protection away in the cloud's console, then type the same again"),
    _row("user", "never", "StackExists", "take another name: --name …; see what there is: garret list"),
    _row("user", "never", "DiskError ClientNeedUpgrade", "look at the machine in the cloud's console"),
    # Not here, or not now.
    _row("capacity", "never", "OperationDenied.NoStock Zone.NotOnSale InvalidResourceType.NotSupported "
         "InstanceType.Offline InvalidInstanceType.ValueNotSupported PriceNotFound", _SOLD_OUT),
    _row("capacity", "never", "OperationDenied.SpotPriceLowerThanPublicPrice",
         "the market price is above the limit: a higher --spot-price-limit, or later"),
    # The request is wrong: sending it again would not make it better.
    _row("fatal", "never", "StackValidationFailed InvalidSchema InvalidTemplate* CircularDependency "
         "UnknownUserParameter UserParameterMissing TemplateNotFound StackPolicyValidationFailed "
         "ContinueCreateStackValidationFailed"),
    _row("fatal", "never", "InvalidSystemDiskCategory.ValueNotSupported InvalidDiskCategory.NotSupported",
         "gn7i takes ESSD disks only: --disk-category cloud_essd"),
    _row("fatal", "never", "InvalidSystemDiskSize.LessThanImageSize", "the image needs more: --disk-size 100 or more"),
    _row("fatal", "never", "InvalidParameter.Conflict ImageNotSupportInstanceType InvalidImageId.NotFound",
         "this image does not go with this type: leave --image-id out"),
    _row("fatal", "never", "OperationDenied.ImageNotValid",
         "this image is not whole: garret image list; or leave --image-id out"),
    _row("fatal", "never", "InvalidPassword.Malformed InvalidUserData.SizeExceeded InvalidUserData.Base64FormatInvalid "
         "InvalidSecurityGroupId.NotFound InvalidParameter.Mismatch InvalidSpotStrategy"),
    _row("fatal", "never", "InvalidKeyPairName.NotFound",
         "the region has no such key pair: say another --key-pair; or garret delete, and deploy without one"),
    _row("fatal", "never", "InvalidInstanceId.NotSupport InvalidInstanceId.NotFound InvalidInstance.NotFound "
         "InstanceNotExists InstanceReleased"),
    _row("fatal", "never", "CommandNotApplicable AccountNotExists DirectoryNotExists BadCronExpression "
         "ExecutionTimeout ExecutionException ExecutionInterrupted ExitCodeNonzero"),
    _row("fatal", "never", "InvalidAction.NotFound MissingParameter* UnsupportedOperation IdempotentParameterMismatch "
         "IdempotenceParamNotMatch InvalidParamter.Conflict InvalidImageName.Malformed InvalidImageName.Duplicated "
         "InvalidIdempotenceParameter CmdContent.ExceedLimit FileSize.ExceedLimit FileContent.DecodeError "
         "FileTargetDir.Invalid FileMode.Invalid InstanceIds.ExceedLimit Parameter.Disabled Parameter.NotMatched",
         _OURS),
    _row("fatal", "never", "RegionId.ApiNotSupported", "this region does not offer it: another --region"),
)  # fmt: skip
_CODE = re.compile(r"\b[A-Za-z]+(?:\.[A-Za-z0-9]+)*\b")


def classify(action: str, code: str, status: int | None = None) -> ErrorClass:
    """What this code asks for when this call was answered with it and this HTTP status."""
    exact, prefixes = _index()
    for key in ((action, code), ("", code)):
        if key in exact:
            return exact[key]
    for prefix, meaning in prefixes:
        if code.startswith(prefix):
            return meaning
    if status is not None and status >= 500:
        return ErrorClass("retry", "harmless", known=False)
    return ErrorClass("fatal", "never", known=False)


def first_code(text: str) -> str:
    """The first code of the table that a text names, as ROS names ECS's in a resource's reason; empty for none."""
    for found in _CODE.finditer(text):
        word = found.group()
        if ("." in word or _is_telling(word)) and classify("", word).known:
            return word
    return ""


def known_codes() -> dict[str, ErrorClass]:
    """Every code of the table that holds for all calls, wildcards left out."""
    exact, _ = _index()
    return {code: meaning for (action, code), meaning in exact.items() if not action}


def _is_telling(word: str) -> bool:
    """Say whether a word without a dot is a code and not a word of a sentence: it has a capital within."""
    return any(letter.isupper() for letter in word[1:]) and any(letter.islower() for letter in word)


@cache
def _index() -> tuple[dict[tuple[str, str], ErrorClass], list[tuple[str, ErrorClass]]]:
    exact: dict[tuple[str, str], ErrorClass] = {}
    prefixes: list[tuple[str, ErrorClass]] = []
    for row in _TABLE:
        for code in row.codes:
            if code.endswith("*"):
                prefixes.append((code[:-1], row.meaning))
                continue
            for action in row.actions or ("",):
                exact[(action, code)] = row.meaning
    return exact, sorted(prefixes, key=lambda pair: -len(pair[0]))
