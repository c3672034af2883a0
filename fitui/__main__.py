"""``python -m fitui``."""

import sys

from fitui.cli import main

if __name__ == "__main__":
    sys.exit(main())
