"""An empty Gradio page in the kind of server that ours is in: `python -m benchmarks.empty_page PORT`."""

from __future__ import annotations

import os
import sys

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


def main() -> None:
    """Serve a page with a single text field until it is ended."""
    import gradio
    import uvicorn
    from fastapi import FastAPI

    with gradio.Blocks() as page:
        gradio.Textbox(label="Prompt", lines=3, max_lines=8)
    app = gradio.mount_gradio_app(FastAPI(), page, path="/")
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
