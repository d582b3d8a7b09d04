"""Addresses that webhooks are sent to: resolved once, checked, and then used as they are.

A name that is resolved again for the connection could have another address by then (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from pipeline.webhooks import Receiver

NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressError(OSError):
    """A name without an address that may be called."""


async def resolved(receiver: Receiver) -> list[str]:
    """The addresses of a receiver. Raises OSError; AddressError if any of them is not public and has to be."""
    place = receiver.place
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    private = [address for address in addresses if not is_public(address)]
    if private and not receiver.may_be_private:
        raise AddressError(f"{place.host} has the address {private[0]}, which is not public")
    return addresses


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet: not private, local, shared, multicast or reserved."""
    parsed = _unwrapped(ipaddress.ip_address(address))
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, if it does."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address
