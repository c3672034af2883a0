"""Blocks a stream until the host has queued a whole call.

The stream waits (``cuStreamWaitValue32``, or a kernel of one thread where the driver refuses
that) for a flag in a page that the guardian shares; the flag is set once everything is queued, so
launch gaps do not count. If the call synchronises inside, the guardian sets the flag.
"""

from __future__ import annotations

import ctypes
import mmap
import time

from engine.measure import gate_page
from engine.measure.driver import GATE, Driver, DriverRefused, Kernels

_REGISTER_PORTABLE, _REGISTER_DEVICEMAP = 1, 2
_WAIT_GEQ = 0


class StreamGate:
    """Blocks a stream until it is opened, by us or by the guardian.

    Args:
        page: Descriptor of the shared page.
        kernels: For where the driver has no stream memory operations; None for no such fallback.

    Raises:
        DriverRefused: Neither way works here.
    """

    def __init__(self, page: int, driver: Driver, kernels: Kernels | None) -> None:
        self._page = mmap.mmap(page, gate_page.SIZE)
        self._driver = driver
        self._kernels = kernels
        anchor = ctypes.c_char.from_buffer(self._page)
        address = ctypes.c_void_p(ctypes.addressof(anchor))
        flags = _REGISTER_PORTABLE | _REGISTER_DEVICEMAP
        driver.demand(
            "cuMemHostRegister_v2", address, ctypes.c_size_t(gate_page.SIZE), ctypes.c_uint(flags)
        )
        pointer = ctypes.c_uint64()
        driver.demand(
            "cuMemHostGetDevicePointer_v2", ctypes.byref(pointer), address, ctypes.c_uint(0)
        )
        self._pointer = pointer
        self.by_kernel = False
        """Whether a kernel does the waiting."""

    def close(self, stream: int) -> None:
        """Block a stream from here on.

        Raises:
            DriverRefused: Neither way works here.
        """
        gate_page.arm(self._page, time.monotonic_ns())
        if not self.by_kernel:
            try:
                self._driver.demand(
                    "cuStreamWaitValue32_v2",
                    ctypes.c_void_p(stream),
                    self._pointer,
                    ctypes.c_uint32(1),
                    ctypes.c_uint(_WAIT_GEQ),
                )
                return
            except DriverRefused:
                if self._kernels is None:
                    self.open()
                    raise
                self.by_kernel = True
        assert self._kernels is not None
        self._kernels.launch(GATE, stream, self._pointer.value)

    def open(self) -> bool:
        """Let the stream run.

        Returns:
            True if the guardian had to open it, because the call waited for the device.
        """
        return gate_page.disarm(self._page)
