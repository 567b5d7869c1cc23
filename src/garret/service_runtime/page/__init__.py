"""The web page: Gradio Blocks over the same functions that the native API has. docs/page.md says how it is made."""
