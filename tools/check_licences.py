"""Every installed distribution that the product needs has a licence that fits Apache-2.0."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_ALLOWED = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|PostgreSQL|0BSD|Unlicense|Zlib|MPL[- ]2\.0|Mozilla Public "
    r"License 2\.0|CC0|HPND|MIT-CMU|Public Domain)",
    re.I,
)
_REFUSED = re.compile(r"\b(AGPL|GPL|SSPL|BUSL|Commons Clause)|GNU (Affero )?General Public", re.I)
# LGPL is fine for a dependency that is used unmodified.
_LESSER = re.compile(r"\bLGPL|GNU Lesser General Public", re.I)
# Their metadata name no licence; read in their repositories.
_KNOWN: dict[str, str] = {}


def check() -> list[str]:
    """Distributions of the runtime lock whose licence is not on the list."""
    lock = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    wrong = []
    for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.M):
        try:
            licence = _KNOWN.get(name) or _licence(distribution(name))
        except PackageNotFoundError:
            # Only for another system or Python; checked where it is installed.
            continue
        refused = _REFUSED.search(_LESSER.sub("", licence)) and not _ALLOWED.search(licence)
        if refused or not (_ALLOWED.search(licence) or _LESSER.search(licence)):
            wrong.append(f"{name}: {licence[:80] or 'no licence named'}")
    return wrong


def _licence(found: Distribution) -> str:
    data = found.metadata.json
    classifiers = [line for line in data.get("classifier", []) if line.startswith("License ::")]
    return " ".join([str(data.get("license_expression", "")), *classifiers, str(data.get("license", ""))[:200]]).strip()
