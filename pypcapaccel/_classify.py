# SPDX-License-Identifier: BSD-3-Clause
"""Which class a packet is of, for ``loop_filtered`` and ``loop_to_buffer``: the slow twin of
``csrc/classify.c``, and its oracle in the tests. The meaning of the classes is pcapy-ng 2.1's."""

from __future__ import annotations

from collections.abc import Sequence

OTHER, FLOW_HEAD, SET_MATCH = range(3)
DNS, HTTP, BULK, ADDRESS, HANDSHAKE, SYN = range(6)

_TCP, _UDP = 6, 17
_TAGS = (b"\x81\x00", b"\x88\xa8")


class Classifier:
    """Sorts packets into the classes of one profile."""

    def __init__(
        self,
        is_security: bool,
        l2_offset: int,
        dns_port: int,
        dpi_ports: Sequence[int],
        tls_ports: Sequence[int],
        addresses: bytes,
        flow_cutoff: int,
        /,
    ) -> None:
        self.is_security = is_security
        self._l2_offset = l2_offset
        self._dns_port = dns_port
        self._dpi_ports = frozenset(int(port) & 0xFFFF for port in dpi_ports)
        self._tls_ports = frozenset(int(port) & 0xFFFF for port in tls_ports)
        n = len(addresses) // 4
        self._addresses = frozenset(addresses[4 * i : 4 * i + 4] for i in range(n))
        self._addresses -= {b"\0\0\0\0"}
        self._cutoff = max(flow_cutoff, 0)
        self._flows: dict[tuple[bytes, int, int, int], int] = {}

    def _find_ipv4(self, packet: bytes) -> int | None:
        offset = self._l2_offset
        for n_tags in range(3):
            if len(packet) < offset + 20:
                return None
            if packet[offset] >> 4 == 4:
                return offset
            if n_tags == 2 or offset < 2 or packet[offset - 2 : offset] not in _TAGS:
                return None
            offset += 4
        return None

    def _is_in_set(self, addresses: bytes) -> bool:
        return addresses[:4] in self._addresses or addresses[4:] in self._addresses

    def _is_head(self, key: tuple[bytes, int, int, int]) -> bool:
        if self._cutoff == 0:
            return False
        n = self._flows.get(key, 0)
        self._flows[key] = n + 1
        return n < self._cutoff

    def _by_ports(self, proto: int, ports: tuple[int, int], l4: bytes) -> int | None:
        if self._dns_port in ports:
            return DNS
        if proto != _TCP or len(l4) < 14:
            return None
        if l4[13] == 0x02:
            return SYN
        header = (l4[12] >> 4) * 4
        if header >= 20 and len(l4) > header and not self._dpi_ports.isdisjoint(ports):
            return HTTP
        return None

    def classify(self, packet: bytes, /) -> int:
        """The class, from 0."""
        ip = self._find_ipv4(packet)
        if ip is None:
            return BULK if self.is_security else OTHER
        proto, addresses = packet[ip + 9], packet[ip + 12 : ip + 20]
        header = (packet[ip] & 15) * 4
        l4 = packet[ip + header :]
        has_ports = header >= 20 and len(l4) >= 4 and proto in (_TCP, _UDP)
        ports = (int.from_bytes(l4[:2], "big"), int.from_bytes(l4[2:4], "big"))
        key = (addresses, *ports, proto)
        if self.is_security:
            found = self._by_ports(proto, ports, l4) if has_ports else None
            if found is not None:
                return found
            if self._is_in_set(addresses):
                return ADDRESS
            is_tls = has_ports and not self._tls_ports.isdisjoint(ports)
            return HANDSHAKE if is_tls and self._is_head(key) else BULK
        if self._is_in_set(addresses):
            return SET_MATCH
        return FLOW_HEAD if has_ports and self._is_head(key) else OTHER
