"""The CUDA driver by ctypes, and the few kernels of our own, as PTX that the driver compiles.

Nothing here needs a compiler or a package: libcuda.so.1 comes with the driver. Every call is made
in the current context, which PyTorch has made.
"""

from __future__ import annotations

import ctypes
from typing import Any

_PERSISTING_L2 = 0x06
"""CU_LIMIT_PERSISTING_L2_CACHE_SIZE of cuda.h."""
LINE = 128
"""Bytes that one discard takes at a time."""

SPIN = "fitui_spin"
GATE = "fitui_gate"
DISCARD = "fitui_discard"
READ = "fitui_read"

_HEADER = ".version 7.4\n.target sm_{}\n.address_size 64\n"

_SPIN = """
.visible .entry fitui_spin(.param .u64 cycles)
{
    .reg .u64 %start, %now, %due;
    .reg .pred %more;
    ld.param.u64 %due, [cycles];
    mov.u64 %start, %clock64;
AGAIN:
    mov.u64 %now, %clock64;
    sub.u64 %now, %now, %start;
    setp.lt.u64 %more, %now, %due;
    @%more bra AGAIN;
    ret;
}
.visible .entry fitui_gate(.param .u64 flag)
{
    .reg .u64 %at;
    .reg .u32 %value;
    .reg .pred %closed;
    ld.param.u64 %at, [flag];
AGAIN:
    ld.volatile.global.u32 %value, [%at];
    setp.eq.u32 %closed, %value, 0;
    @%closed bra AGAIN;
    ret;
}
.visible .entry fitui_read(.param .u64 base, .param .u64 vectors, .param .u64 sink)
{
    .reg .u64 %at, %end, %step, %bytes, %to, %wide;
    .reg .u32 %block, %threads, %thread, %blocks, %index, %all;
    .reg .u32 %a<4>, %b<4>, %c<4>, %d<4>, %sum;
    .reg .pred %more, %never;
    ld.param.u64 %at, [base];
    ld.param.u64 %end, [vectors];
    ld.param.u64 %to, [sink];
    shl.b64 %end, %end, 4;
    add.u64 %end, %end, %at;
    mov.u32 %block, %ctaid.x;
    mov.u32 %threads, %ntid.x;
    mov.u32 %thread, %tid.x;
    mov.u32 %blocks, %nctaid.x;
    mad.lo.u32 %index, %block, %threads, %thread;
    mul.lo.u32 %all, %threads, %blocks;
    mul.wide.u32 %bytes, %index, 16;
    mul.wide.u32 %step, %all, 16;
    add.u64 %at, %at, %bytes;
    mov.u32 %sum, 0;
    mul.lo.u64 %wide, %step, 3;
AGAIN:
    add.u64 %bytes, %at, %wide;
    setp.ge.u64 %more, %bytes, %end;
    @%more bra DONE;
    ld.global.nc.L1::no_allocate.v4.u32 {%a0, %a1, %a2, %a3}, [%at];
    add.u64 %at, %at, %step;
    ld.global.nc.L1::no_allocate.v4.u32 {%b0, %b1, %b2, %b3}, [%at];
    add.u64 %at, %at, %step;
    ld.global.nc.L1::no_allocate.v4.u32 {%c0, %c1, %c2, %c3}, [%at];
    add.u64 %at, %at, %step;
    ld.global.nc.L1::no_allocate.v4.u32 {%d0, %d1, %d2, %d3}, [%at];
    add.u64 %at, %at, %step;
    xor.b32 %a0, %a0, %a1;
    xor.b32 %a2, %a2, %a3;
    xor.b32 %b0, %b0, %b1;
    xor.b32 %b2, %b2, %b3;
    xor.b32 %c0, %c0, %c1;
    xor.b32 %c2, %c2, %c3;
    xor.b32 %d0, %d0, %d1;
    xor.b32 %d2, %d2, %d3;
    xor.b32 %a0, %a0, %a2;
    xor.b32 %b0, %b0, %b2;
    xor.b32 %c0, %c0, %c2;
    xor.b32 %d0, %d0, %d2;
    xor.b32 %a0, %a0, %b0;
    xor.b32 %c0, %c0, %d0;
    xor.b32 %a0, %a0, %c0;
    xor.b32 %sum, %sum, %a0;
    bra AGAIN;
DONE:
    setp.eq.u32 %never, %sum, 0x5eedface;
    @%never st.global.u32 [%to], %sum;
    ret;
}
"""
_DISCARD = """
.visible .entry fitui_discard(.param .u64 base, .param .u64 lines)
{
    .reg .u64 %at, %left, %bytes;
    .reg .u32 %block, %threads, %thread, %index;
    .reg .pred %over;
    ld.param.u64 %at, [base];
    ld.param.u64 %left, [lines];
    mov.u32 %block, %ctaid.x;
    mov.u32 %threads, %ntid.x;
    mov.u32 %thread, %tid.x;
    mad.lo.u32 %index, %block, %threads, %thread;
    cvt.u64.u32 %bytes, %index;
    setp.ge.u64 %over, %bytes, %left;
    @%over ret;
    shl.b64 %bytes, %bytes, 7;
    add.u64 %at, %at, %bytes;
    discard.global.L2 [%at], 128;
    ret;
}
"""


class DriverRefused(Exception):
    """The driver cannot do what was asked of it."""


class Driver:
    """Calls of the driver that PyTorch does not offer.

    Raises:
        DriverRefused: There is no driver.
    """

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise DriverRefused(str(error)) from None

    def demand(self, name: str, *arguments: Any) -> None:
        """Make a call.

        Raises:
            DriverRefused: It is not there, or failed.
        """
        try:
            call = getattr(self._library, name)
        except AttributeError:
            raise DriverRefused(f"this driver has no {name}") from None
        code = call(*arguments)
        if code != 0:
            raise DriverRefused(f"{name} gave CUDA error {code}")

    def forget_persisting_lines(self) -> None:
        """Take back what of the L2 cache a call has reserved for lines of its own choice."""
        self.demand("cuCtxSetLimit", ctypes.c_uint(_PERSISTING_L2), ctypes.c_size_t(0))
        self.demand("cuCtxResetPersistingL2Cache")


class Kernels:
    """Our own kernels, loaded into the current context.

    Attributes:
        can_discard: Whether this GPU can drop lines of the L2 cache (compute capability 8.0).

    Raises:
        DriverRefused: The driver does not take them.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._functions: dict[str, ctypes.c_void_p] = {}
        self._load(_HEADER.format(70) + _SPIN, SPIN, GATE, READ)
        try:
            self._load(_HEADER.format(80) + _DISCARD, DISCARD)
            self.can_discard = True
        except DriverRefused:
            self.can_discard = False

    def _load(self, text: str, *names: str) -> None:
        module = ctypes.c_void_p()
        self._driver.demand("cuModuleLoadData", ctypes.byref(module), text.encode())
        for name in names:
            function = ctypes.c_void_p()
            self._driver.demand(
                "cuModuleGetFunction", ctypes.byref(function), module, name.encode()
            )
            self._functions[name] = function

    def launch(
        self, name: str, stream: int, *values: int, blocks: int = 1, threads: int = 1
    ) -> None:
        """Queue a kernel, all of whose parameters are 64 bits wide.

        Raises:
            DriverRefused: It cannot be queued.
        """
        held = [ctypes.c_uint64(value) for value in values]
        pointers = (ctypes.c_void_p * len(held))(
            *(ctypes.cast(ctypes.byref(one), ctypes.c_void_p) for one in held)
        )
        one, none = ctypes.c_uint(1), ctypes.c_uint(0)
        self._driver.demand(
            "cuLaunchKernel",
            self._functions[name],
            *(ctypes.c_uint(blocks), one, one),
            *(ctypes.c_uint(threads), one, one),
            *(none, ctypes.c_void_p(stream), pointers, None),
        )
