"""Where trials run: the only room that imports Ray."""

import os

# Ray reads this when it is imported: a call after the end of a session must fail instead of starting a new cluster.
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
