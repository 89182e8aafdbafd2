"""Names for bundles."""

import re


def bundle_name(text: str) -> str:
    """The nearest name that a manifest takes: lower case, with `-` for anything else."""
    name = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    return name[:64] or "model"
