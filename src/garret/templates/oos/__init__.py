"""OOS templates (FormatVersion OOS-2019-06-01): what `ops schedule` has the cloud do, and what `ops export` writes.

They are made of plain data, never of text: nothing that a person fills in can change what a template does. What goes
to a node goes as a document that garret-node reads and checks; no parameter ever stands inside a shell text.
"""
