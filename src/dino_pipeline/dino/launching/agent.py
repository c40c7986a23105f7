"""torchrun that ends together with its parent, so that a killed pipeline leaves no training behind."""

import logging
import os
import signal
import sys
import threading

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main as torchrun

from dino_pipeline.dino.launching import inheritance, loopback, restarts
from dino_pipeline.dino.launching.stop import STOPPED, end_with_parent


def main() -> int:
    """Run torchrun with this process's arguments; return 75 if its workers stopped on request."""
    parent = os.getppid()
    threading.Thread(target=end_with_parent, args=(parent,), daemon=True).start()
    # torchrun forwards SIGTERM to its workers, but not SIGUSR1, the notice of preemption.
    signal.signal(signal.SIGUSR1, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    said = logging.StreamHandler(sys.stdout)  # torchrun.py logs what arrives there
    logging.getLogger(restarts.__name__).addHandler(said)
    for part in (restarts, loopback, inheritance):
        part.use()
    try:
        torchrun(sys.argv[1:])
    except SignalException:
        return STOPPED
    except ChildFailedError as error:
        if all(failure.exitcode == STOPPED for failure in error.failures.values()):
            return STOPPED
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
