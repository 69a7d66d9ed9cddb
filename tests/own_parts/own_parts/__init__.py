"""A term, a task, a student and a trainable: installed they are found by entry points, as a folder by `--with`."""

from .agreement import AGREEMENT
from .bag import BAG
from .squares import SQUARES
from .threshold import THRESHOLD

PARTS = [AGREEMENT, SQUARES, BAG, THRESHOLD]
