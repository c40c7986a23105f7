"""A worker that obeys no request to stop and does not notice that its parent has ended."""

import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(sys.argv[1]).with_name("deaf").touch()
    while True:
        time.sleep(1)
