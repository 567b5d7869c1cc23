"""Extensions in this process: imported, registered with pluggy, and called so that what goes wrong has a name."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from garret.service_runtime.errors import ExtensionFailed
from garret.service_runtime.extensions.registry import Extension, Registry

if TYPE_CHECKING:
    from pluggy import HookImpl, PluginManager

logger = logging.getLogger(__name__)
T = TypeVar("T")
IN_WORKER = ("image", "judge")


def load_one(extension: Extension, registry: Registry, manager: PluginManager) -> tuple[str, ...]:
    """Import an extension and register its hooks, whose names it returns; raises whatever its code raises."""
    for path in extension.paths:
        place = str(registry.code / extension.folder / path)
        if not Path(place).resolve().is_relative_to(registry.code.resolve()):
            # The service can write its records and not that folder: so nobody makes it load code from elsewhere.
            raise ImportError(f"{extension.folder}/{path} is not below {registry.code}")
        if place not in sys.path:
            # Last: nothing that an extension brings takes the place of a package of the service's own.
            sys.path.append(place)
    plugins = []
    for point, target in sorted(extension.entry_points.items()):
        module, _, attribute = target.partition(":")
        plugin: Any = importlib.import_module(module)
        for part in filter(None, attribute.split(".")):
            plugin = getattr(plugin, part)
        name = f"{extension.name}/{point}"
        manager.register(plugin, name)
        plugins.append(plugin)
    try:
        manager.check_pending()
    except Exception:
        for plugin in plugins:
            manager.unregister(plugin)
        raise
    names = {caller.name for plugin in plugins for caller in manager.get_hookcallers(plugin) or ()}
    return tuple(sorted(names))


def new_manager() -> PluginManager:
    """Return a manager that knows the hooks of version 1."""
    import pluggy

    from garret.service_runtime.extensions import v1

    manager = pluggy.PluginManager(v1.GROUP)
    manager.add_hookspecs(v1.Hooks)
    return manager


class Extensions:
    """Those that this process has loaded; `failed` says of the others why not."""

    def __init__(self, registry: Registry, chosen: Iterable[Extension] = ()) -> None:
        self.registry = registry
        self.chosen = tuple(chosen)
        self.failed: dict[str, str] = {}
        self.held_back = False
        self._manager: PluginManager | None = None

    def load(self) -> None:
        """Import them, in the reverse order of their names: pluggy calls the last one registered first."""
        if not self.chosen or self.held_back:
            return
        self._manager = new_manager()
        for extension in sorted(self.chosen, key=lambda one: one.name, reverse=True):
            try:
                load_one(extension, self.registry, self._manager)
            except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever it is, the service lives on without)
                self.fail(extension, error)

    def fail(self, extension: Extension, error: BaseException) -> None:
        """Note that an extension cannot be used; one on trial is rolled back."""
        said = "".join(traceback.format_exception(error)).strip()
        logger.error("extension %s cannot be used:\n%s", extension.name, said)
        self.failed[extension.name] = f"{type(error).__name__}: {error}"[:300]
        if extension.trial:
            self.registry.roll_back(extension.name, extension.digest, said)
        if self._manager is not None:
            for name, plugin in self._manager.list_name_plugin():
                if plugin is not None and name.partition("/")[0] == extension.name:
                    self._manager.unregister(plugin)

    def of_worker(self) -> str:
        """Return the names of those that a worker is to load, with commas between them."""
        return ",".join(one.name for one in self.chosen if set(one.hooks) & set(IN_WORKER) and not self.held_back)

    def implementations(self, hook: str) -> list[tuple[Extension, Callable[..., Any], tuple[str, ...]]]:
        """Return who implements a hook, in the order of their turns, with the arguments that each one takes."""
        if self._manager is None:
            return []
        known = {extension.name: extension for extension in self.chosen}
        found: list[HookImpl] = list(reversed(getattr(self._manager.hook, hook).get_hookimpls()))
        return [(known[one.plugin_name.partition("/")[0]], one.function, one.argnames) for one in found]

    def has(self, hook: str) -> bool:
        """Say whether anybody implements a hook."""
        return bool(self.implementations(hook))

    def check(self, hooks: Iterable[str]) -> None:
        """Refuse to go on without an extension that has one of these hooks and is not there."""
        for extension in self.chosen:
            if extension.name in self.failed and set(extension.hooks) & set(hooks):
                raise failure(extension.name, self.failed[extension.name])

    def chain(self, hook: str, value: T, limit_s: float, check: Callable[[Any], T], **rest: Any) -> T:
        """Hand a value from one implementation to the next; each has so many seconds, and `check` raises at nonsense.

        Raises:
            ExtensionFailed: names the extension.
        """
        for extension, function, names in self.implementations(hook):
            given = {_CHANGED[hook]: value, **rest}
            call = _call(function, {name: given[name] for name in names})
            try:
                changed = in_time(call, limit_s)
                value = value if changed is None else check(changed)
            except (Exception, SystemExit) as error:
                logger.error("extension %s, hook %s", extension.name, hook, exc_info=error)
                raise failure(extension.name, f"{type(error).__name__}: {error}"[:300]) from error
        return value


# The argument that each hook may hand on changed.
_CHANGED = {"prompt": "words", "image": "picture"}


def expect(value: object, kind: type[T], hook: str) -> T:
    """Return what a hook returned, if it is of this kind."""
    if not isinstance(value, kind):
        raise TypeError(f"{hook} returned {type(value).__name__}, not {kind.__name__}")
    return value


def failure(name: str, reason: str) -> ExtensionFailed:
    """Return the error that a caller is told."""
    return ExtensionFailed(f"extension {name}: {reason}")


def _call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Callable[[], Any]:
    return lambda: function(**arguments)


def in_time(work: Callable[[], Any], limit_s: float) -> Any:
    """Return what a call returns, or raise TimeoutError after so many seconds; what hangs is left behind."""
    done: list[Any] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
            raised.append(error)

    # A daemon: a hook that never returns must not keep the process from its end.
    thread = threading.Thread(target=run, name="extension", daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        raise TimeoutError(f"took longer than {limit_s:g} s")
    if raised:
        raise raised[0]
    return done[0]
