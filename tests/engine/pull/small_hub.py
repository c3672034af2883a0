"""A small hub on loopback: real HTTP, and the answers that huggingface_hub asks a hub for.

Large files are kept as a hub keeps them: a redirect to another host, their SHA-256 in headers.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

REPO = "lab/kernels"
HOSTS = ("127.0.0.1", "127.0.0.2")
PAGE = 3
"""Entries of a listing's page."""

Files = Mapping[str, bytes]


def git_oid(data: bytes) -> str:
    """Git's blob id."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data: bytes) -> str:
    """What Git LFS names a file by."""
    return hashlib.sha256(data).hexdigest()


def pointer(data: bytes) -> bytes:
    """What Git holds in place of a large file."""
    head = "version https://git-lfs.github.com/spec/v1"
    return f"{head}\noid sha256:{sha256(data)}\nsize {len(data)}\n".encode()


def is_large(path: str) -> bool:
    """Whether a file is in Git LFS."""
    return path.endswith(".safetensors")


class SmallHub:
    """One dataset with a history, and what is to go wrong with it.

    Attributes:
        commits: Files by path, by commit.
        branches: Commits by name.
        asked: Every request so far: method and path.
        sent: Paths of files whose content was sent to the end.
        ranges: Ranges that were asked for, with their paths.
        cut: By path, how many bytes are sent before the connection dies, once.
        damage: By path, what is sent instead of its content.
        refuse: By path, the status that is answered instead of the file.
        before: Called with a path before its content is sent.
        token: Only who shows this one is let in.
    """

    def __init__(self) -> None:
        self.commits: dict[str, Files] = {}
        self.branches: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.sent: list[str] = []
        self.ranges: list[tuple[str, str]] = []
        self.cut: dict[str, int] = {}
        self.damage: dict[str, bytes] = {}
        self.refuse: dict[str, int] = {}
        self.before: Callable[[str], None] = lambda path: None
        self.token = ""
        self._front = _Server(self, _Front, HOSTS[0])
        self._store = _Server(self, _Store, HOSTS[1])

    @property
    def endpoint(self) -> str:
        """Its root."""
        return self._front.root

    @property
    def store(self) -> str:
        """Root of the server for large files."""
        return self._store.root

    def publish(self, files: Files, branch: str = "main") -> str:
        """Make these the files of a new commit."""
        listing = [(path, git_oid(data)) for path, data in sorted(files.items())]
        commit = hashlib.sha1(repr((branch, listing)).encode()).hexdigest()
        self.commits[commit] = dict(files)
        self.branches[branch] = commit
        return commit

    def forget(self) -> None:
        """Forget what was asked."""
        for seen in (self.asked, self.sent, self.ranges):
            seen.clear()

    def content(self, digest: str) -> tuple[str, bytes]:
        """Path and content of a large file."""
        for files in self.commits.values():
            for path, data in files.items():
                if sha256(data) == digest:
                    return path, data
        raise KeyError(digest)

    def __enter__(self) -> SmallHub:
        return self

    def __exit__(self, *error: object) -> None:
        self._front.close()
        self._store.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: SmallHub, handler: type[BaseHTTPRequestHandler], host: str) -> None:
        super().__init__((host, 0), handler)
        self.hub = hub
        self.root = f"http://{host}:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""

    def close(self) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    @property
    def hub(self) -> SmallHub:
        return self.server.hub

    def log_message(self, *args: Any) -> None:
        """Nothing goes to the terminal."""

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value: object, **headers: str) -> None:
        self.answer(200, json.dumps(value).encode(), Content_Type="application/json", **headers)

    def answer_file(self, path: str, data: bytes, **headers: str) -> None:
        """Send a file or the end of it, or break off."""
        data = self.hub.damage.get(path, data)
        start, status = 0, 200
        if wanted := self.headers.get("Range"):
            self.hub.ranges.append((path, wanted))
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            status = 206
        rest = data[start:]
        headers["Content_Length"] = str(len(rest))
        if self.command == "HEAD":
            self.answer(status, b"", **headers)
            return
        self.hub.before(path)
        most = self.hub.cut.pop(path, None)
        if most is None:
            self.hub.sent.append(path)
        self.answer(status, rest[:most], **headers)
        if most is not None:
            self.close_connection = True


class _Front(_Handler):
    """The hub itself."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.hub.asked.append((self.command, unquote(url.path)))
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self.answer(401, X_Error_Code="RepoNotFound")
            return
        known = f"(?:/api)?/datasets/{REPO}"
        if not re.match(f"{known}(/|$)", url.path):
            self.answer(404, X_Error_Code="RepoNotFound")
            return
        match re.sub(known, "", url.path, count=1).split("/", 3)[1:]:
            case []:
                self._info("main")
            case ["revision", revision]:
                self._info(unquote(revision))
            case ["tree", commit]:
                self._tree(commit, parse_qs(url.query))
            case ["paths-info", commit]:
                wanted = parse_qs(body.decode())["paths"]
                listing = self._listing(commit)
                self.answer_json([item for item in listing if item["path"] in wanted])
            case ["resolve", commit, path]:
                self._resolve(commit, unquote(path))
            case _:
                self.answer(404)

    def _info(self, revision: str) -> None:
        commit = self.hub.branches.get(revision, revision)
        if commit in self.hub.commits:
            self.answer_json({"id": REPO, "sha": commit, "siblings": []})
        else:
            self.answer(404, X_Error_Code="RevisionNotFound")

    def _listing(self, commit: str) -> list[dict[str, Any]]:
        listing = []
        for path, data in self.hub.commits[commit].items():
            item: dict[str, Any] = {"type": "file", "path": path, "size": len(data)}
            item["oid"] = git_oid(data)
            if is_large(path):
                item["oid"] = git_oid(pointer(data))
                lfs = {"oid": sha256(data), "size": len(data), "pointerSize": len(pointer(data))}
                item["lfs"] = lfs
            listing.append(item)
        return listing

    def _tree(self, commit: str, query: dict[str, list[str]]) -> None:
        folder = {"type": "directory", "path": "definitions", "oid": "0" * 40, "size": 0}
        entries = [folder, *self._listing(commit)]
        start = int(query.get("cursor", ["0"])[0])
        headers = {}
        if start + PAGE < len(entries):
            here = f"{self.hub.endpoint}{urlsplit(self.path).path}"
            headers["Link"] = f'<{here}?recursive=True&cursor={start + PAGE}>; rel="next"'
        self.answer_json(entries[start : start + PAGE], **headers)

    def _resolve(self, commit: str, path: str) -> None:
        data = self.hub.commits[commit].get(path)
        if data is None:
            self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        elif status := self.hub.refuse.get(path):
            self.answer(status, X_Error_Message=HTTPStatus(status).phrase)
        elif is_large(path):
            self.answer(
                302,
                X_Repo_Commit=commit,
                X_Linked_Etag=f'"{sha256(data)}"',
                X_Linked_Size=str(len(data)),
                Location=f"{self.hub.store}/{quote(sha256(data))}",
            )
        else:
            self.answer_file(path, data, X_Repo_Commit=commit, ETag=f'"{git_oid(data)}"')


class _Store(_Handler):
    """Where large files lie."""

    def do_GET(self) -> None:
        path, data = self.hub.content(self.path.strip("/"))
        self.answer_file(path, data, ETag=f'"{sha256(data)}"')
