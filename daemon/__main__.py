"""`python -m daemon` is `lipdrop`."""

import sys
from pathlib import Path

if not sys.flags.safe_path and Path(sys.path[0]) != Path(__file__).parent.parent:
    del sys.path[0]  # `-m` put the caller's folder there: its `pipeline` or `torch` must not be imported

from daemon.entry import main

if __name__ == "__main__":
    main()
