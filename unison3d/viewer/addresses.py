"""Addresses of this machine."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

__all__ = ['is_loopback', 'own_addresses']

#: Somewhere in the networks a machine can be in: any (addresses reserved for documentation, so
#: the way to them is the one to the internet), the private ones, and those of carriers and VPNs.
_SOMEWHERE = {
    4: ('198.51.100.1', '10.255.255.254', '172.31.255.254', '192.168.255.254', '100.64.0.1'),
    6: ('2001:db8::1', 'fd00::1'),
}


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own and nobody else's."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def own_addresses(version: int) -> list[str]:
    """Under which addresses others can reach this machine, as far as the system tells.

    Nothing is sent: a datagram socket that is "connected" has only asked the system which of its
    addresses it would send from.

    Args:
        version: of the internet protocol, 4 or 6.

    Returns:
        Without repeats, the one that leads to the internet first; none where there is no network.
    """
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    found: list[str] = []
    for place in _SOMEWHERE[version]:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((place, 9))
            address = probe.getsockname()[0]
            known = ipaddress.ip_address(address.partition('%')[0])
            useless = known.is_loopback or known.is_link_local or known.is_unspecified
            if not useless and address not in found:
                found.append(address)
    return found
