"""``python -m pidkd``: the command line."""

import sys

from pidkd.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
