# SPDX-License-Identifier: BSD-3-Clause
"""Who makes Python objects of packets: the extension module ``_speedups``, or its plain twin where it was
not built (no Python.h), is not for this interpreter (before 3.11, PyPy), or was switched off with
``PCAP_ACCEL_SPEEDUPS=0``. Both have the same names, and the tests run on both.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ._lib import ffi_and_lib
from .errors import InUseError, PcapError

__all__ = [
    "FAST",
    "Block",
    "Classifier",
    "Pkthdr",
    "Source",
    "block_meta",
    "block_tolist",
]


def _speedups() -> Any:
    """The extension module, bound to the opened library, or None."""
    if os.environ.get("PCAP_ACCEL_SPEEDUPS") == "0" or sys.version_info < (3, 11):
        return None
    try:
        from . import _speedups as module
    except ImportError:
        return None
    ffi, lib = ffi_and_lib()
    addresses = {
        name: int(ffi.cast("uintptr_t", ffi.addressof(lib, name))) for name in module.names()
    }
    module.bind(addresses, PcapError, InUseError)
    return module


_module = _speedups()
FAST = _module is not None  # is it the extension module?

if TYPE_CHECKING:
    from ._speedups import Block, Classifier, Pkthdr, Source, block_meta, block_tolist, keep_lent
elif FAST:
    Block, Classifier, Pkthdr = _module.Block, _module.Classifier, _module.Pkthdr
    Source = _module.Source
    block_meta, block_tolist, keep_lent = (
        _module.block_meta,
        _module.block_tolist,
        _module.keep_lent,
    )
else:
    from ._classify import Classifier
    from ._source import Block, Pkthdr, Source, block_meta, block_tolist, keep_lent

# A child that looks at what is lent would see what becomes of the ring.
os.register_at_fork(before=keep_lent)
