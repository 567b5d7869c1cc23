"""Which of Gradio's files the page needs first: `python -m tests.page.preloads` asks a browser, and writes them down.

Gradio's files name each other, one step at a time; a page that names them all at once is there sooner.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from garret.service_runtime.page.assets import PRELOADS
from tests.page.chromium import chromium, context_of
from tests.page.house import address, furnished, sign_in

_PATH = "/ui/assets/"


def needed() -> list[str]:
    """Return the names of the files that a first visit asks for before anything is drawn later, in their order."""
    with tempfile.TemporaryDirectory() as folder, furnished(Path(folder)) as house, chromium() as (browser, _):
        context = context_of(browser, address(house))
        sign_in(context, house)
        page = context.new_page()
        page.route("**/own/*/main.js", lambda route: route.abort())  # which asks for what is drawn later
        asked: list[str] = []
        page.on("request", lambda request: asked.append(urlsplit(request.url).path))
        page.goto(address(house), timeout=120_000)
        page.wait_for_selector("#tabs textarea", timeout=120_000)
        page.wait_for_load_state("networkidle")
        context.close()
    return list(dict.fromkeys(path.removeprefix(_PATH) for path in asked if path.startswith(_PATH)))


def main() -> int:
    """Write the list."""
    PRELOADS.write_text("[]\n", encoding="utf-8")  # asked as they name each other, not as an older list has them
    names = needed()
    PRELOADS.write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
