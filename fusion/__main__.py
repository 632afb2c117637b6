"""`python -m fusion` is `bevduet`."""

import sys

from fusion.cli.main import main

sys.exit(main())
