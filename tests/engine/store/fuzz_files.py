"""A small dataset in two layers that is changed at random, as people, git and programs do."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.engine.store.store_samples import Json, definition, solution, trace, workload

_BAD = [
    b"<<<<<<< HEAD\n",
    b"=======\n",
    b'{"definition": \n',
    b"\xff\xfe\x00\n",
    b"[]\n",
    b"\n",
    b"   \r\n",
    b"null\n",
    b'{"definition":"d0"}{}\n',
    b"\x00" * 100 + b"\n",
    b"[" * 3000 + b"\n",
    b'{"a": 1' + b"0" * 5000 + b"}\n",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
]


class Files:
    """A dataset in two layers, and ways to change it.

    Args:
        root: Folder of both layers.
        seed: Of everything that happens.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self.layers = [root / "low", root / "high"]
        self.happened: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._number = 0
        self._torn: dict[Path, bytes] = {}
        self._locked: list[Path] = []
        self._stash: dict[Path, dict[str, bytes]] = {}
        for layer in self.layers:
            for name in ("definitions", "solutions", "workloads", "traces", "blob"):
                (layer / name).mkdir(parents=True)
        low = self.layers[0]
        for number in range(3):
            self._document(low / f"definitions/d{number}.json", self._definition(number))
            for part in range(2):
                self._document(low / f"solutions/s{number}{part}.json", self._solution())
            lines = b"".join(self._workload() for _ in range(3))
            (low / f"workloads/w{number}.jsonl").write_bytes(lines)
        self._actions: list[tuple[int, Callable[[], object]]] = [
            (22, self.append),
            (6, self.torn_append),
            (6, self.completion),
            (6, self.bad_lines),
            (7, self.same_size_and_time),
            (5, self.truncate),
            (5, self.middle_insert),
            (6, self.edit_and_append),
            (4, self.shuffle_by_rename),
            (4, self.copy),
            (4, self.rename),
            (3, self.delete),
            (3, self.touch),
            (2, self.lock),
            (2, self.empty),
            (4, self.new_author),
            (2, self.folder_moved),
            (5, self.solution_edited),
            (3, self.document_deleted),
            (4, self.document_restored),
            (2, self.document_spoilt),
            (2, self.definition_edited),
            (3, self.workloads_changed),
            (2, self.blob_changed),
            (4, self.duplicate_lines),
            (1, self.swap),
            (1, self.odd_file),
        ]

    def change(self) -> None:
        """One change, picked at random."""
        self._number += 1
        weights = [weight for weight, _ in self._actions]
        action = self._random.choices(self._actions, weights)[0][1]
        self.happened[action.__name__] += 1
        action()
        if self._locked and self._random.random() < 0.3:
            self.unlock()

    def unlock(self) -> None:
        """Make every file readable again."""
        for path in self._locked:
            with contextlib.suppress(FileNotFoundError):
                path.chmod(0o644)
        self._locked = []

    def some(self) -> list[Path]:
        """A few files as a watcher might name them: there, gone, or none of the dataset's."""
        known = [path for layer in self.layers for path in sorted(layer.rglob("*"))]
        chosen = self._random.sample(known, min(len(known), self._random.randint(1, 6)))
        if self._random.random() < 0.2:
            chosen.append(self.layers[0] / "traces/nothing.jsonl")
        return [path for path in chosen if not path.is_dir() or self._random.random() < 0.3]

    # -- lines of trace files

    def append(self) -> None:
        path = self._file()
        with path.open("ab") as stream:
            stream.write(b"".join(self._trace() for _ in range(self._random.randint(1, 4))))
        if path.stat().st_size > 60_000:
            os.truncate(path, 5_000)

    def torn_append(self) -> None:
        path, line = self._file(), self._trace()
        cut = self._random.randint(1, len(line) - 1)
        with path.open("ab") as stream:
            stream.write(line[:cut])
        self._torn[path] = line[cut:]

    def completion(self) -> None:
        if not self._torn:
            return self.torn_append()
        path = self._random.choice(sorted(self._torn))
        rest = self._torn.pop(path)
        if path.is_file() and path not in self._locked:
            with path.open("ab") as stream:
                stream.write(rest)

    def bad_lines(self) -> None:
        with self._file().open("ab") as stream:
            stream.write(b"".join(self._random.choices(_BAD, k=2)))

    def same_size_and_time(self) -> None:
        path = self._file()
        before, data = path.stat(), bytearray(path.read_bytes())
        for old, new in [(b"2026-03-1", b"2026-03-0"), (b"PASSED", b"passed"), (b'"s1', b'"s2')]:
            place = data.find(old, self._random.randrange(len(data) + 1))
            if place >= 0:
                data[place : place + len(old)] = new
                break
        with path.open("r+b") as stream:
            stream.write(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def truncate(self) -> None:
        path = self._file()
        os.truncate(path, self._random.randint(0, path.stat().st_size))

    def middle_insert(self) -> None:
        path = self._file()
        lines = path.read_bytes().split(b"\n")
        lines.insert(len(lines) // 2, self._trace().rstrip(b"\n"))
        self._write(path, b"\n".join(lines))

    def edit_and_append(self) -> None:
        path = self._file()
        data = path.read_bytes()
        place = data.find(b'"latency_ms": 0.01', len(data) // 3)
        if place >= 0:
            data = data[: place + 14] + b"0.03" + data[place + 18 :]
        self._write(path, data + self._trace())

    def shuffle_by_rename(self) -> None:
        path = self._file()
        lines = path.read_bytes().split(b"\n")
        self._random.shuffle(lines)
        self._replace(path, b"\n".join(lines))

    # -- trace files

    def copy(self) -> None:
        shutil.copyfile(self._file(), self._new_file())

    def rename(self) -> None:
        self._file().rename(self._new_file())

    def delete(self) -> None:
        self._file().unlink()

    def touch(self) -> None:
        stamp = time.time() + self._random.choice([0, 0, -1e9, 3600])
        os.utime(self._file(), (stamp, stamp))

    def lock(self) -> None:
        path = self._file()
        path.chmod(0)
        self._locked.append(path)

    def empty(self) -> None:
        self._file().write_bytes(b"")

    def new_author(self) -> None:
        path = self._layer() / f"traces/author{self._number}/moe/d0.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(self._trace())

    def folder_moved(self) -> None:
        folder = self._file().parent
        if folder.name == "traces":
            return
        if self._random.random() < 0.5:
            folder.rename(folder.with_name(f"moved{self._number}"))
        else:
            shutil.rmtree(folder)

    def duplicate_lines(self) -> None:
        lines = self._file().read_bytes().splitlines(keepends=True)
        chosen = self._random.sample(lines, min(len(lines), 3))
        with self._file().open("ab") as stream:
            stream.write(b"".join(chosen))

    def odd_file(self) -> None:
        path = self._new_file()
        match self._random.randrange(6):
            case 0:
                path.symlink_to(self._file())
            case 1:
                path.symlink_to(path)
            case 2:
                path.mkdir()
                (path / "inner.jsonl").write_bytes(self._trace())
            case 3:
                os.mkfifo(path)
            case 4:
                name = os.fsencode(path.parent) + b"/\xff\xfe%d.jsonl" % self._number
                Path(os.fsdecode(name)).write_bytes(self._trace())
            case 5:
                taken = self._file()
                taken.unlink()
                taken.mkdir()
                (taken / "x.jsonl").write_bytes(self._trace())

    def swap(self) -> None:
        """As a checkout of another branch: files change, come and go at once."""
        layer = self._layer()
        self.unlock()
        now = {}
        for path in sorted(layer.rglob("*.json*")):
            if path.is_file():
                now[os.fspath(path.relative_to(layer))] = path.read_bytes()
        wanted = self._stash.get(layer)
        self._stash[layer] = now
        if wanted is None:
            return
        for name in now.keys() - wanted.keys():
            (layer / name).unlink(missing_ok=True)
        for name, data in wanted.items():
            with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
                (layer / name).parent.mkdir(parents=True, exist_ok=True)
                self._replace(layer / name, data)

    # -- documents

    def solution_edited(self) -> None:
        path = self._layer() / f"solutions/s{self._random.randrange(4)}.json"
        self._document(path, self._solution())

    def definition_edited(self) -> None:
        number = self._random.randrange(4)
        self._document(self._layer() / f"definitions/d{number}.json", self._definition(number))

    def document_deleted(self) -> None:
        for path in self._documents():
            self._stash.setdefault(Path(), {})[os.fspath(path)] = path.read_bytes()
            path.unlink()

    def document_restored(self) -> None:
        gone = self._stash.get(Path(), {})
        if gone:
            name = self._random.choice(sorted(gone))
            self._replace(Path(name), gone.pop(name))

    def document_spoilt(self) -> None:
        for path in self._documents():
            data = path.read_bytes()
            self._write(path, data[: self._random.randrange(len(data) + 1)])

    def workloads_changed(self) -> None:
        path = self._layer() / f"workloads/w{self._random.randrange(3)}.jsonl"
        if self._random.random() < 0.5:
            with path.open("ab") as stream:
                stream.write(self._workload())
        else:
            lines = [self._workload(), self._random.choice(_BAD), self._workload()]
            self._write(path, b"".join(lines))

    def blob_changed(self) -> None:
        path = self.layers[0] / "blob/x.safetensors"
        if path.exists():
            path.unlink()
        else:
            path.write_bytes(self._random.choice([b"tensor", _BAD[-1]]))

    # -- parts

    def _layer(self) -> Path:
        return self._random.choice(self.layers)

    def _file(self) -> Path:
        """A trace file that can be changed, new where there is none."""
        known = [
            path
            for layer in self.layers
            for path in sorted((layer / "traces").rglob("*.jsonl"))
            if path.is_file() and path not in self._locked
        ]
        if len(known) > 24:
            known.pop(self._random.randrange(len(known))).unlink()
        if len(known) > 2:
            return self._random.choice(known)
        path = self._new_file()
        path.write_bytes(self._trace())
        return path

    def _new_file(self) -> Path:
        self._number += 1
        author, letter = self._random.choice(["ada", "bob", "eve"]), self._random.choice("abc")
        path = self._layer() / f"traces/{author}/gemm/{letter}{self._number}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _documents(self) -> list[Path]:
        """One document that is there, or none."""
        known = [
            path
            for layer in self.layers
            for kind in ("definitions", "solutions", "workloads")
            for path in sorted((layer / kind).rglob("*.json*"))
        ]
        return [self._random.choice(known)] if known else []

    def _document(self, path: Path, item: Json) -> None:
        self._random.choice([self._write, self._replace])(path, json.dumps(item).encode())

    def _write(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)

    def _replace(self, path: Path, data: bytes) -> None:
        other = path.with_name(f".{path.name}.new")
        other.write_bytes(data)
        other.replace(path)

    def _definition(self, number: int) -> Json:
        op_type = self._random.choice(["gemm", "moe"])
        tags = self._random.sample(["model:x", "quick", "old"], 2)
        return definition(f"d{number}", op_type, tags=tags)

    def _solution(self) -> Json:
        pick = self._random.choice
        return solution(
            pick(["s0", "s1", "s2", "s3"]),
            pick(["d0", "d1", "d2"]),
            pick(["ada", "bob"]),
            pick(["pass", "return", "x = 1"]),
        )

    def _workload(self) -> bytes:
        pick = self._random.choice
        blob = pick(["", "", "blob/x.safetensors"])
        item = workload(pick(["w0", "w1", "w2"]), pick(["d0", "d1", "d2"]), pick([16, 32]), blob)
        return json.dumps(item).encode() + b"\n"

    def _trace(self) -> bytes:
        pick = self._random.choice
        libs = {}
        if self._random.random() < 0.4:
            libs["solution"] = pick(["v1", "v2"])
        if self._random.random() < 0.7:
            libs["timer"] = pick(["cupti", "cupti", "flashinfer", "cpu-clock", "sundial"])
        if self._random.random() < 0.4:
            libs.update(run=pick(["r1", "r2"]), evaluation=f"e{self._random.randrange(30)}")
            libs.update(note=pick(["", "a", "b"]), commit=pick(["", "0a1b"]))
        item = trace(
            pick(["s0", "s1", "s2", "s3", "none"]),
            pick(["w0", "w1", "w2"]),
            pick(["PASSED", "PASSED", "INCORRECT_NUMERICAL", "RUNTIME_ERROR", "TIMEOUT"]),
            pick([0.01, 0.02, 0.03]),
            self._random.randint(1, 19),
            definition=pick(["d0", "d0", "d1", "d2", "d9"]),
            m=pick([16, 32]),
            log=pick(["", "x\n", "out of memory " * 300]),
            hardware=pick(["NVIDIA H200", "NVIDIA B200"]),
            figures=self._figures(),
            **libs,
        )
        self._age(item)
        return json.dumps(item).encode() + b"\n"

    def _figures(self) -> Json | None:
        pick = self._random.choice
        if self._random.random() < 0.4:
            return None
        roofline = pick([20, 45.5, 80.25, 130.0, None, "80", -1, True, 10**400])
        words = ["host_sync", "late work", "faster than the limit", "low clock: 900 of 1980 MHz"]
        flags = pick([[], [], words[:1], words[1:3], words[2:], words, "late work", [1], None])
        return {"n": 40, "roofline": roofline, "flags": flags, "checks": [{"bad": 0}]}

    def _age(self, item: Json) -> None:
        """Now and then, write a line as older or newer programs do."""
        chance = self._random.random()
        evaluation = item["evaluation"]
        if chance < 0.03:
            del item["workload"]["uuid"]
        elif chance < 0.06:
            evaluation["environment"]["device"] = evaluation["environment"].pop("hardware")
        elif chance < 0.08:
            item["evaluation"] = {}
        elif chance < 0.10:
            evaluation["status"] = "SKIPPED"
        elif chance < 0.12:
            evaluation["timestamp"] = self._random.choice(["yesterday", "2026-03-01 10:00:00"])
        elif chance < 0.14 and "performance" in evaluation:
            evaluation["performance"]["latency_ms"] = self._random.choice([float("inf"), 0, 1e300])
