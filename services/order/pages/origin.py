"""Whether a form was sent from a page of our own: what stands against forms that other sites let a browser send."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a POST with these headers (names in lower case) comes from a page of this origin, or from no browser.

    Sec-Fetch-Site is the browser's own word, but it says it only over TLS and to this computer; elsewhere the Origin,
    or from an old browser the Referer, has to name the host that was asked. What sends none of them is no browser that
    another site could make use of.
    """
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    sender = headers.get("origin") or headers.get("referer")
    return sender is None or urlsplit(sender).netloc == headers.get("host")
