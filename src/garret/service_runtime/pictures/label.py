"""The label that China asks of generated pictures, in the file's metadata (GB 45438-2025, in force since 2025-09-01).

A record of seven texts under the key `AIGC`: a text chunk of a PNG, a property of TC260's XMP namespace in JPEG and
WebP. Label 1 says that the content is generated; who makes a picture is its first propagator too.
"""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

KEY = "AIGC"
NAMESPACE = "http://www.tc260.org.cn/ns/AIGC/1.0/"


def label_text(producer: str, propagator: str, identity: str) -> str:
    """Return the label's JSON for the picture with this identity, ASCII throughout."""
    return json.dumps(
        {
            "Label": "1",
            "ContentProducer": producer,
            "ProduceID": identity,
            "ReservedCode1": "",
            "ContentPropagator": propagator or producer,
            "PropagateID": identity,
            "ReservedCode2": "",
        }
    )


def xmp_packet(label: str) -> bytes:
    """Return the XMP packet that holds a label (ISO 16684-1)."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:TC260="{NAMESPACE}"><TC260:{KEY}>{escape(label)}</TC260:{KEY}>'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()
