"""What every session with PostgreSQL agrees on, so that a host which vanished is noticed on both sides.

Without it the server keeps the locks of a silent client - a leader's, a member's, those of rows - for two hours, and a
client waits for ever for an answer that the server gave up to deliver.
"""

from __future__ import annotations

import sys

# Real seconds after which a statement has lost its server.
STATEMENT_S = 60.0

# Seconds, but for the timeouts, which are milliseconds (PostgreSQL's documentation, 19.3 and 19.11).
_NOTICED = {"idle_in_transaction_session_timeout": "60000"}
if sys.platform == "linux":
    # A server on another system refuses some of these.
    _NOTICED |= {
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "25000",
    }


def server_settings(application: str, **more: str) -> dict[str, str]:
    """Settings of a session. application: its name among the server's activities."""
    return {"application_name": application, **_NOTICED, **more}
