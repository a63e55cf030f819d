# SPDX-License-Identifier: BSD-3-Clause
"""``python -m pypcapaccel`` is ``pcap-accel``."""

import sys

from .cli import main

sys.exit(main())
