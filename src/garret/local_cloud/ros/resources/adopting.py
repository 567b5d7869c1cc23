"""Things that know no ClientToken: made once, or taken as they are where the template says so (IgnoreExisting)."""

from collections.abc import Callable
from typing import Any

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.resources.base import Work, forget_intent, gone, make_once, truth

ADOPTED = "ros_adopted"  # a kind of record: things that were there before the stack and stay after it


def adopted(work: Work) -> bool:
    """Whether the thing was there before the stack; it is neither changed nor deleted then."""
    return work.cloud.store.get(ADOPTED, f"{work.stack_id}/{work.name}/{work.physical_id}") is not None


def make_or_adopt(work: Work, name: str, make: Callable[[], Any], exists: Callable[[], bool]) -> str:
    """Makes a thing and writes its name down; one of that name is taken as it is with IgnoreExisting."""
    try:
        make_once(work, name, make, exists)
    except ApiError as problem:
        if not problem.code.startswith("EntityAlreadyExists.") or not truth(work.properties.get("IgnoreExisting")):
            raise
        work.cloud.store.put(ADOPTED, f"{work.stack_id}/{work.name}/{name}", {"name": name})
    with work.cloud.store.transaction():
        work.made(name)
        forget_intent(work, name)
    return name


def there(work: Work, product: str, action: str, **params: Any) -> bool:
    """Whether a thing can be read."""
    try:
        work.call(product, action, **params)
    except ApiError as problem:
        if gone(problem):
            return False
        raise
    return True


def let_be(work: Work) -> None:
    """Forgets that the stack used a thing of others; the thing stays."""
    work.cloud.store.delete(ADOPTED, f"{work.stack_id}/{work.name}/{work.physical_id}")
