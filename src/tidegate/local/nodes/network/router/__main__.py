from __future__ import annotations

import sys

from tidegate.local.nodes.network.router.outside import main

sys.exit(main(sys.argv[1:]))
