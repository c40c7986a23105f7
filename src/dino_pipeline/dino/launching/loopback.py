"""The meeting point of one machine's workers, on an address that no other machine reaches."""

import socket

from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.rendezvous import (
    RendezvousHandler,
    RendezvousInfo,
    RendezvousParameters,
    RendezvousStoreInfo,
    rendezvous_handler_registry,
)

BACKEND = "loopback"  # of torchrun's --rdzv-backend
_ADDRESS = "127.0.0.1"


class LoopbackRendezvous(RendezvousHandler):
    """A group of one machine, met in a store that its agent serves.

    Torch's own store listens on every interface, and has no password. Each round has a store of its own: an older
    one keeps the addresses of a group's dead processes, and those in their place would dial them.
    """

    def __init__(self, parameters: RendezvousParameters) -> None:
        self._run_id = parameters.run_id
        self._is_closed = False

    @property
    def use_agent_store(self) -> bool:
        """The workers meet in the agent's store."""
        return True

    def get_backend(self) -> str:
        """The name that torchrun knows it by."""
        return BACKEND

    def next_rendezvous(self) -> RendezvousInfo:
        """A new store, in which this agent is the only one."""
        self._store = _serve()
        place = RendezvousStoreInfo(master_addr=_ADDRESS, master_port=self._store.port)
        return RendezvousInfo(self._store, rank=0, world_size=1, bootstrap_store_info=place)

    def is_closed(self) -> bool:
        """Whether the group has ended."""
        return self._is_closed

    def set_closed(self) -> None:
        """The group has ended."""
        self._is_closed = True

    def num_nodes_waiting(self) -> int:
        """No other machine can join."""
        return 0

    def get_run_id(self) -> str:
        """The name of the launch."""
        return str(self._run_id)

    def shutdown(self) -> bool:
        """Nothing else is to be ended."""
        return True


def use() -> None:
    """Have torchrun know it, as `--rdzv-backend=loopback`."""
    rendezvous_handler_registry.register(BACKEND, LoopbackRendezvous)


def _serve() -> TCPStore:
    # The store takes a listening socket over; given an address alone it would listen on all of them.
    listening = socket.create_server((_ADDRESS, 0))
    port = listening.getsockname()[1]
    return TCPStore(
        _ADDRESS,
        port,
        is_master=True,
        wait_for_workers=False,
        multi_tenant=False,
        master_listen_fd=listening.detach(),
    )
