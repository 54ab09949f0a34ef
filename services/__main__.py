"""The command line `mes`, and the composition root: the one place that knows every service."""

from __future__ import annotations

from services.cli.app import main

if __name__ == "__main__":
    main()
