"""The hub as ``onedoor`` runs it, with two numbers of its database changed before it starts. For the power cuts alone: no setting leads here.

    python recorded_hub.py SYNCHRONOUS CHECKPOINT_PAGES serve --demo ...

SYNCHRONOUS 2 is what the product demands, 1 (NORMAL) what it refuses; fewer pages between checkpoints put more of them into a short recording.
"""

import sys

from hub.cli import main
from hub.store import connection

if __name__ == "__main__":
    synchronous, checkpoint_pages = map(int, sys.argv[1:3])
    del sys.argv[1:3]
    connection.REQUIRED["synchronous"] = synchronous
    connection.CHECKPOINT_PAGES = checkpoint_pages
    main()
