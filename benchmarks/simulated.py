"""What a plan of simulated trials knows of its data: there is none, so that it has one digest."""

from __future__ import annotations

from ablative.orchestrator.inputs import Inputs
from ablative.trainables.kinds.clip_td import CLIP_TD
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.trainable import Digests


def simulated_inputs() -> Inputs:
    """Return the inputs of studies whose trials read nothing."""
    digests = Digests(data="simulated")
    return Inputs(trainable=CLIP_TD, catalogue=bundled(), digests=lambda config: digests)
