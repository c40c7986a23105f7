"""A rendezvous for the workers of one machine, on an address that other machines cannot reach."""

import socket

from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.rendezvous import (
    RendezvousHandler,
    RendezvousInfo,
    RendezvousParameters,
    RendezvousStoreInfo,
    rendezvous_handler_registry,
)

BACKEND = "loopback"  # value for torchrun's --rdzv-backend
_ADDRESS = "127.0.0.1"


class LoopbackRendezvous(RendezvousHandler):
    """A rendezvous for one machine, with a store that its agent serves.

    Torch's own store listens on every interface and has no password. Each round gets a new store, because an old one
    keeps the addresses of dead processes, and their replacements would connect to them.
    """

    def __init__(self, parameters: RendezvousParameters) -> None:
        self._run_id = parameters.run_id
        self._is_closed = False

    @property
    def use_agent_store(self) -> bool:
        """True: the workers meet in the agent's store."""
        return True

    def get_backend(self) -> str:
        """The name of this backend in torchrun."""
        return BACKEND

    def next_rendezvous(self) -> RendezvousInfo:
        """Start a new store, with this agent as the only member."""
        self._store = _serve()
        place = RendezvousStoreInfo(master_addr=_ADDRESS, master_port=self._store.port)
        return RendezvousInfo(self._store, rank=0, world_size=1, bootstrap_store_info=place)

    def is_closed(self) -> bool:
        """Whether the group has ended."""
        return self._is_closed

    def set_closed(self) -> None:
        """Mark the group as ended."""
        self._is_closed = True

    def num_nodes_waiting(self) -> int:
        """0, because no other machine can join."""
        return 0

    def get_run_id(self) -> str:
        """The name of the launch."""
        return str(self._run_id)

    def shutdown(self) -> bool:
        """True, because there is nothing else to stop."""
        return True


def use() -> None:
    """Register this backend with torchrun, as `--rdzv-backend=loopback`."""
    rendezvous_handler_registry.register(BACKEND, LoopbackRendezvous)


def _serve() -> TCPStore:
    # The store takes over a listening socket; with only an address it would listen on all interfaces.
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
