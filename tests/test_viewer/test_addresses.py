"""Where others find this machine."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from unison3d.viewer.addresses import is_loopback, own_addresses


def test_own_addresses_are_nobody_elses():
    assert all(is_loopback(host) for host in ('127.0.0.1', '127.0.0.9', '::1', 'localhost'))
    others = ('0.0.0.0', '::', '10.0.0.1', 'example.org', 'localhost.example.org', '127.0.0.1.nip')
    assert not any(is_loopback(host) for host in (*others, ''))


@pytest.mark.parametrize('version', [4, 6])
def test_others_can_reach_them(version):
    addresses = [ipaddress.ip_address(text) for text in own_addresses(version)]
    assert all(address.version == version for address in addresses)
    assert not any(a.is_loopback or a.is_unspecified or a.is_link_local for a in addresses)
    # They are of this machine: one can listen on them.
    for address in addresses:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        with socket.socket(family) as listener:
            listener.bind((str(address), 0))


class Socket:
    """Of a machine with two networks, and no way to others."""

    routes = {
        '198.51.100.1': '203.0.113.5',
        '10.255.255.254': '10.1.2.3',
        '100.64.0.1': '127.0.0.1',
    }

    def __init__(self, family, kind):
        # Nothing but a datagram socket can be connected without a word to the other side.
        assert (family, kind) == (socket.AF_INET, socket.SOCK_DGRAM)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def connect(self, place):
        if place[0] not in self.routes:
            raise OSError('no route')
        self.place = place[0]

    def getsockname(self):
        return self.routes[self.place], 1


def test_each_network_has_its_address(monkeypatch):
    monkeypatch.setattr(socket, 'socket', Socket)
    assert own_addresses(4) == ['203.0.113.5', '10.1.2.3']
    monkeypatch.setattr(Socket, 'routes', {})
    assert own_addresses(4) == []
