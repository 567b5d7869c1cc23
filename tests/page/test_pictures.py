"""The kept pictures of the page are all there, and small."""

from __future__ import annotations

from tests.page.pictures import FOLDER, LOGIN, LOOKS, MOST_BYTES, path_of
from tests.page.tabs import TABS

_ALL = 3_000_000


def test_each_tab_has_its_pictures() -> None:
    """In both languages and sizes; none is larger than a reader waits for, nor are all of them."""
    paths = [
        path_of(name, language, size) for name in (LOGIN, *TABS) for language in LOOKS for size in ("desktop", "phone")
    ]
    missing = [path.name for path in paths if not path.is_file()]
    assert not missing, f"python -m tests.page.pictures makes {missing}"
    sizes = {path.name: path.stat().st_size for path in FOLDER.glob("page-*.webp")}
    assert {name: size for name, size in sizes.items() if size > MOST_BYTES} == {}
    assert sum(sizes.values()) <= _ALL
    assert sorted(sizes) == sorted(path.name for path in paths)
