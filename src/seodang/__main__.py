"""python -m seodang: the command line."""

import sys

from seodang.cli import main

sys.exit(main())
