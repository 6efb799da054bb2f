"""python -m seodang: the command line."""

import sys

from seodang.cli.main import main

sys.exit(main())
