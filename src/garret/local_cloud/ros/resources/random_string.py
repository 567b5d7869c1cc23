"""ALIYUN::RandomString: a text by chance, such as a password, made once and told by its attribute."""

import random
import string
from collections.abc import Mapping
from secrets import SystemRandom
from typing import Any, ClassVar

from garret.local_cloud.ros.resources.base import FailedError, ResourceType, Work, whole

RANDOM = "ros_random_string"  # a kind of record
CLASSES = {
    "lettersdigits": string.ascii_letters + string.digits,
    "letters": string.ascii_letters,
    "lowercase": string.ascii_lowercase,
    "uppercase": string.ascii_uppercase,
    "digits": string.digits,
    "hexdigits": string.digits + "ABCDEF",
    "octdigits": string.octdigits,
}
LENGTH = 32


class RandomString(ResourceType):
    """Its value is none of its names: it is read from the attribute, and the same as long as the resource lives."""

    name = "ALIYUN::RandomString"
    attributes = ("value", "sequence")
    carried = frozenset({"length", "sequence", "character_classes", "character_sequences", "salt"})
    nested: ClassVar[Mapping[str, frozenset[str]]] = {
        "character_classes": frozenset({"class", "min"}),
        "character_sequences": frozenset({"sequence", "min"}),
    }

    def _slot(self, work: Work) -> str:
        return f"{work.stack_id}/{work.token}"

    def create(self, work: Work) -> str:
        """Draws the text, once."""
        with work.cloud.store.transaction():
            if work.cloud.store.get(RANDOM, self._slot(work)) is None:
                value = draw(work.properties, SystemRandom())
                work.cloud.store.put(RANDOM, self._slot(work), {"value": value})
        return f"{work.stack_name}-{work.name}-{work.token[:12]}"

    def read(self, work: Work) -> dict[str, Any]:
        """The text, and of which characters it was drawn."""
        value = (work.cloud.store.get(RANDOM, self._slot(work)) or {}).get("value", "")
        return {"value": value, "sequence": work.properties.get("sequence") or "lettersdigits"}

    def delete(self, work: Work) -> None:
        """Forgets the text."""
        work.cloud.store.delete(RANDOM, self._slot(work))


def draw(properties: Mapping[str, Any], chance: random.Random) -> str:
    """A text of `length` with at least so many characters of each class and sequence, the rest of all of them."""
    length = whole(properties.get("length"), LENGTH)
    wanted: list[tuple[str, int]] = [
        (CLASSES[one.get("class") or "lettersdigits"], whole(one.get("min"), 1))
        for one in properties.get("character_classes") or []
    ]
    wanted += [(str(one["sequence"]), whole(one.get("min"), 1)) for one in properties.get("character_sequences") or []]
    wanted = wanted or [(CLASSES[properties.get("sequence") or "lettersdigits"], 1)]
    least = sum(count for _, count in wanted)
    if length < least:
        raise FailedError("StackValidationFailed", f"length {length} is less than the {least} characters asked for")
    drawn = [chance.choice(letters) for letters, count in wanted for _ in range(count)]
    everything = "".join(letters for letters, _ in wanted)
    drawn += [chance.choice(everything) for _ in range(length - least)]
    chance.shuffle(drawn)
    return "".join(drawn)
