"""The hub, by way of huggingface_hub: the only module that knows that library.

The library is an extra, so it is imported when a :class:`Hub` is made. It reads its own settings:
``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HUB_OFFLINE`` and the others.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.pull.published import PublishedFile, PullError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

EXTRA = "pip install 'fitui[hub]'"
_ANSWER_S = 30.0
"""Seconds that the hub may take to say which commit is meant; it has none by itself."""


class Hub:
    """One dataset on the hub.

    Args:
        repo: ``owner/name``.
        endpoint: Root of another hub; the library's where None.

    Raises:
        PullError: The library is not installed.
    """

    def __init__(self, repo: str, *, endpoint: str | None = None) -> None:
        try:
            import huggingface_hub
            from huggingface_hub.utils.tqdm import disable_progress_bars
        except ImportError as error:
            message = f"huggingface_hub is needed for this and not installed ({error}): {EXTRA}"
            raise PullError(message, final=True) from None
        disable_progress_bars()
        if "HF_HUB_VERBOSITY" not in os.environ:
            # What goes wrong is said by us, once.
            logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        self.repo = repo
        self._api = huggingface_hub.HfApi(endpoint=endpoint, library_name="fitui")

    def commit(self, revision: str | None = None) -> str:
        """The commit that a branch, a tag or a beginning of a commit means; the newest where None.

        Raises:
            PullError: There is none, or the hub cannot be asked.
        """
        with self._sentences(revision or ""):
            found = self._api.dataset_info(self.repo, revision=revision, timeout=_ANSWER_S).sha
        if not found:
            raise PullError(f"{self.repo} has no commit yet", final=True)
        return found

    def files(self, commit: str) -> list[PublishedFile]:
        """Every file at a commit.

        Raises:
            PullError: The hub cannot be asked.
        """
        from huggingface_hub.hf_api import RepoFile

        with self._sentences(commit):
            tree = self._api.list_repo_tree(
                self.repo, revision=commit, repo_type="dataset", recursive=True
            )
            return [_published(item) for item in tree if isinstance(item, RepoFile)]

    def file(self, commit: str, path: str) -> PublishedFile | None:
        """One file at a commit; None where it is not published.

        Raises:
            PullError: The hub cannot be asked.
        """
        from huggingface_hub.hf_api import RepoFile

        with self._sentences(commit):
            found = self._api.get_paths_info(
                self.repo, [path], revision=commit, repo_type="dataset"
            )
            files = [_published(item) for item in found if isinstance(item, RepoFile)]
        return next((file for file in files if file.path == path), None)

    def download(self, commit: str, file: PublishedFile, into: Path) -> Path:
        """Fetch one file. A connection that dies is taken up again a few times.

        Args:
            commit: Where it is published.
            file: Which one.
            into: Folder for it, and for notes of the library about it.

        Returns:
            The file, not yet compared with what is published.

        Raises:
            PullError: It could not be fetched.
        """
        with self._sentences(file.path):
            return Path(
                self._api.hf_hub_download(
                    self.repo, file.path, repo_type="dataset", revision=commit, local_dir=into
                )
            )

    @contextlib.contextmanager
    def _sentences(self, about: str) -> Iterator[None]:
        """Turn what the library raises into one sentence."""
        from huggingface_hub.errors import HfHubHTTPError

        # Connections fail with errors of an HTTP package that differs between versions; what Xet
        # cannot transfer is a RuntimeError.
        bases = (base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception))
        expected: tuple[type[Exception], ...] = (
            *(OSError, ValueError, KeyError, TypeError, RuntimeError),
            *bases,
        )
        try:
            yield
        except expected as error:
            raise self._explain(error, about) from error

    def _explain(self, error: BaseException, about: str) -> PullError:
        from huggingface_hub import errors

        endpoint = self._api.endpoint
        if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ is not None:
            return self._explain(error.__cause__, about)
        match error:
            case errors.HFValidationError():
                text = f"{self.repo!r} is no name of a dataset: owner/name is expected"
            case errors.OfflineModeIsEnabled():
                text = "HF_HUB_OFFLINE is set, so nothing is fetched"
            case errors.GatedRepoError():
                text = (
                    f"{self.repo} on {endpoint} is for those who accepted its terms there; "
                    "accept them and set HF_TOKEN"
                )
            case errors.RepositoryNotFoundError():
                text = (
                    f"There is no dataset {self.repo} on {endpoint}, or it is private and HF_TOKEN "
                    "does not open it"
                )
            case errors.RevisionNotFoundError():
                text = f"{self.repo} has no revision {about!r}"
            case errors.EntryNotFoundError():
                return PullError(f"{about} is listed, but not there")
            case errors.HfHubHTTPError():
                status = f"{error.response.status_code} {error.response.reason_phrase}".strip()
                text = f"{endpoint} answers {status} for {about or self.repo}"
            case ValueError() | KeyError() | TypeError():
                text = f"What {endpoint} answers cannot be read ({_first_line(error)})"
            case OSError(errno=int(), filename=str() as name):
                text = f"{name}: {error.strerror}"
            case OSError(errno=int(), strerror=str() as reason):
                text = f"{about}: {reason}"
            case OSError() | RuntimeError():
                return PullError(f"{about} could not be fetched ({_first_line(error)})")
            case _:
                text = f"{endpoint} cannot be reached ({_first_line(error)})"
        return PullError(text, final=True)


def _published(item: RepoFile) -> PublishedFile:
    if item.lfs is not None:
        return PublishedFile(item.path, item.lfs.size, item.lfs.sha256)
    return PublishedFile(item.path, item.size, item.blob_id)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
