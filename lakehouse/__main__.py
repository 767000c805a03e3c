"""`python -m lakehouse`, and the script that spark-submit is given."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a plain script, Python puts this package's own folder first, where `errors` or `run` would be top-level
    # modules; what belongs on the path is the folder that holds the package, after everything else.
    package = Path(__file__).resolve().parent
    if sys.path and Path(sys.path[0]).resolve() == package:
        sys.path.pop(0)
        sys.path.append(str(package.parent))

    from lakehouse.cli.main import main

    sys.exit(main())
