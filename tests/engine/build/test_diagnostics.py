"""What compilers, assemblers and linkers say becomes one line; seen from the tools themselves."""

from __future__ import annotations

import time

import pytest

from engine.build.diagnostics import Diagnostic, Trouble, better, error_in, trouble_in

GCC = """\
In file included from kernel.cc:3:
factor.h: In function 'int f()':
factor.h:1:16: error: 'undeclared' was not declared in this scope
    1 | #define FACTOR undeclared
      |                ^~~~~~~~~~
kernel.cc:9:2: error: second
"""
CLANG = """\
In file included from kernel.cc:3:
./factor.h:1:16: error: use of undeclared identifier 'undeclared'
1 error generated.
"""
NVCC = """\
kernel.cu(3): warning #177-D: variable "x" was declared but never referenced
factor.h(2): error: identifier "undeclared" is undefined
  __attribute__((global)) void k(float*x){ x[0]=undeclared; }
                                                ^

1 error detected in the compilation of "kernel.cu".
"""
PTXAS = """\
ptxas /tmp/tmpxft_0000565c_00000000-6_c.ptx, line 27; error   : Unknown modifier '.instr'
ptxas fatal   : Ptx assembly aborted due to errors
"""
LD = """\
/usr/bin/ld: /tmp/cc5YhKgY.o: in function `run':
u.cc:(.text+0x5): undefined reference to `missing()'
collect2: error: ld returned 1 exit status
"""
LD_WITH_LINE = """\
/usr/bin/ld: /tmp/cceiSs06.o: in function `run':
/tmp/s/u.cc:1: undefined reference to `missing()'
collect2: error: ld returned 1 exit status
"""
LLD = """\
ld.lld: error: undefined symbol: missing()
>>> referenced by u.cc
clang: error: linker command failed with exit code 1 (use -v to see invocation)
"""
CLANG_LINK = """\
clang: error: linker command failed with exit code 1 (use -v to see invocation)
mold: error: undefined symbol: missing()
"""


def first_error(text: str) -> str:
    """The first error that a text tells, line by line, as a build's log does it."""
    found: Diagnostic | None = None
    for line in text.splitlines():
        found = better(found, error_in(line.strip()))
    return str(found) if found else ""


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (GCC, "factor.h:1: error: 'undeclared' was not declared in this scope"),
        (CLANG, "./factor.h:1: error: use of undeclared identifier 'undeclared'"),
        (NVCC, 'factor.h:2: error: identifier "undeclared" is undefined'),
        (PTXAS, "error: Unknown modifier '.instr'"),
        (LD, "error: undefined reference to `missing()'"),
        (LD_WITH_LINE, "/tmp/s/u.cc:1: error: undefined reference to `missing()'"),
        (LLD, "error: undefined symbol: missing()"),
        (CLANG_LINK, "error: undefined symbol: missing()"),
        (
            "ptxas error   : Entry function '_Z1kPf' uses too much shared data (0x61a80 bytes)",
            "error: Entry function '_Z1kPf' uses too much shared data (0x61a80 bytes)",
        ),
        (
            "nvlink error   : Undefined reference to '_Z1fi' in 'e.o'",
            "error: Undefined reference to '_Z1fi' in 'e.o'",
        ),
        (
            "nvcc fatal   : Unsupported gpu architecture 'compute_37'",
            "error: Unsupported gpu architecture 'compute_37'",
        ),
        (
            "as.cc:1: Error: no such instruction: `foo'",
            "as.cc:1: error: no such instruction: `foo'",
        ),
        (
            "a.cc:7:1: internal compiler error: in f, at g.cc:5",
            "a.cc:7: error: in f, at g.cc:5",
        ),
        ('"k.cu", line 12: error: expected a ";"', 'k.cu:12: error: expected a ";"'),
        (
            'k.cu(1): catastrophic error: cannot open source file "x.h"',
            'k.cu:1: error: cannot open source file "x.h"',
        ),
        (
            "/usr/bin/ld: cannot find -lnone: No such file or directory\n"
            "collect2: error: ld returned 1 exit status",
            "error: cannot find -lnone: No such file or directory",
        ),
        ("/usr/bin/ld: b.o:b.cc:3: multiple definition of `f'", "b.cc:3: error: multiple "),
        ("g++: error: unrecognized command-line option '--bad'", "error: unrecognized command"),
        ("a.cc:3:10: fatal error: x.h: No such file", "a.cc:3: error: x.h: No such file"),
        ("k.cu(12): error #20-D: bad", "k.cu:12: error: bad"),
        ("ptxas fatal   : Unresolved extern function 'f'", "error: Unresolved extern function 'f'"),
        ("/usr/bin/ld: a.o: undefined reference to `f'", "error: undefined reference to `f'"),
        ("a.cc:3:5: warning: unused variable", ""),
        ("all is fine\nnote: error: nothing", ""),
        ("    5 |   throw error: 3", ""),
    ],
)
def test_the_first_true_error_is_found(said: str, read: str) -> None:
    found = first_error(said)
    assert found.startswith(read)
    assert bool(found) == bool(read)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("virtual memory exhausted: Cannot allocate memory", Trouble.MEMORY),
        ("cc1plus: out of memory allocating 65536 bytes after a total of 9 bytes", Trouble.MEMORY),
        ("terminate called after throwing an instance of 'std::bad_alloc'", Trouble.MEMORY),
        ("LLVM ERROR: out of memory", Trouble.MEMORY),
        ("/usr/include/x.h(151): catastrophic error: out of memory", Trouble.MEMORY),
        ("ptxas fatal   : Memory allocation failure", Trouble.MEMORY),
        ("/usr/bin/ld: final link failed: memory exhausted", Trouble.MEMORY),
        (
            "/usr/lib/gcc/cc1plus: error while loading shared libraries: libgmp.so.10: failed to "
            "map segment from shared object",
            Trouble.MEMORY,
        ),
        ("g++: fatal error: Killed signal terminated program cc1plus", Trouble.KILLED),
        ("nvcc error   : 'cicc' died due to signal 9 (Kill signal)", Trouble.KILLED),
        ("collect2: fatal error: ld terminated with signal 9 [Killed]", Trouble.KILLED),
        (
            "g++: internal compiler error: File size limit exceeded signal terminated program as",
            Trouble.FILE_SIZE,
        ),
        ("a.cc:9:1: fatal error: error writing to /t/c.s: No space left on device", Trouble.DISK),
        ("/usr/bin/ld: final link failed: No space left on device", Trouble.DISK),
        ("    4 |   catch (const std::bad_alloc& e) {}", None),
        ("k.cc:4:1: note: candidate: 'std::bad_alloc::bad_alloc()'", None),
        ("k.cc:4:2: error: #error out of sorts", None),
        ("nvcc error   : 'ptxas' died due to signal 11 (Invalid memory reference)", None),
    ],
)
def test_trouble_of_the_machine_is_told_from_errors_in_sources(
    said: str, read: Trouble | None
) -> None:
    assert trouble_in(said) is read


@pytest.mark.parametrize("piece", ["a:1: ", "write ", "a.b: ", "(1): error", "x"])
def test_long_lines_cost_little(piece: str) -> None:
    began = time.monotonic()
    for _ in range(20):
        error_in(piece * 100_000)
        trouble_in(piece * 100_000)
    assert time.monotonic() - began < 2
