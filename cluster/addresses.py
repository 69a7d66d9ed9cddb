"""Which network interface has an address. Imports no torch."""

from __future__ import annotations

import fcntl
import socket
import struct

VARIABLES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
_SIOCGIFADDR = 0x8915
"""Linux: asks for an interface's address."""


def interface_of(address: str) -> str | None:
    """Return the name of the interface that has an IPv4 address; None if that is unknown."""
    for _, name in socket.if_nameindex():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            try:
                found = fcntl.ioctl(asked.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:  # it has no such address, or this is no Linux
                continue
        if socket.inet_ntoa(found[20:24]) == address:
            return name
    return None
