"""The network interface through which the workers of one trial reach each other.

Gloo takes the interface to which the machine's own name resolves. On Debian that is 127.0.1.1, which no other machine
reaches. Imports torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import ray
from ray.train.torch import TorchConfig

from ablative.cluster.addresses import VARIABLES
from ablative.cluster.addresses import interface_of


def choose_interface() -> str:
    """Set the unset variables that name the interface to the one by which this machine is in the cluster.

    Return the machine's address and their present values, for a message.
    """
    address = ray.util.get_node_ip_address()
    found = interface_of(address)
    for name in VARIABLES if found else ():
        os.environ.setdefault(name, found or "")
    return f"{address} by {os.environ.get(VARIABLES[0]) or 'any interface'}"


@dataclass
class MeetingConfig(TorchConfig):
    """Ray Train's torch settings for workers that meet over the interface to the head."""

    @property
    def backend_cls(self) -> type:
        """The backend that sets up the workers."""
        return MeetingBackend


class MeetingBackend(TorchConfig().backend_cls):  # type: ignore[misc]
    """Chooses the interface before the process group forms, and names it if that fails."""

    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        """Called by Ray Train once the workers' processes exist."""
        met = worker_group.execute(choose_interface) if len(worker_group) > 1 else ()
        try:
            super().on_start(worker_group, backend_config)
        except ray.exceptions.RayTaskError as error:
            if not met:
                raise
            raise RuntimeError(
                f"the workers could not reach each other ({'; '.join(met)}): {error.cause}. Remedy: name the one "
                f"that leads to the other machines with {' or '.join(VARIABLES)}"
            ) from error
