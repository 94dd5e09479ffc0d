"""Where the files of a product lie: in a folder, or in a zip archive that is read in place."""

from __future__ import annotations

import os
import re
import zipfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from kararaster.errors import ProductError, ProductNotFoundError

_LARGEST_XML = 256 * 2**20
"""Bytes; the metadata of the largest products have a few million. More is a decompression bomb."""

_PASSED_OVER = frozenset({"preview", "support"})
"""Folders of a product that hold neither metadata nor pixels."""

SENTINEL2_METADATA = re.compile(r"MTD_MSI\w+\.xml|S2\w+_MTD_SAF\w+\.xml", re.IGNORECASE)
"""Names of the product metadata of Sentinel-2, which stand for the folder they lie in, as `manifest.safe` does."""


class Container(ABC):
    """Names of the files of one product, relative to its root, and their contents."""

    path: Path

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """All files, with forward slashes, sorted."""

    @abstractmethod
    def head(self, name: str, size: int) -> bytes:
        """The first `size` bytes of a file."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A whole XML file."""

    @abstractmethod
    def gdal_path(self, name: str) -> str:
        """What GDAL opens to read the file in place."""

    @abstractmethod
    def stamp(self, name: str) -> tuple[int, int]:
        """Size of the file in bytes, and the time at which it was last written in ns."""

    def describe(self, name: str) -> str:
        """The file as a message shows it."""
        return f"{self.path.name}/{name}"


@dataclass(frozen=True, eq=False)
class Folder(Container):
    """A product unpacked on disk."""

    path: Path

    def names(self) -> tuple[str, ...]:
        """All files below the folder."""
        found = []
        for folder, below, files in os.walk(self.path):
            below[:] = sorted(name for name in below if name not in _PASSED_OVER)
            found += [(Path(folder) / name).relative_to(self.path).as_posix() for name in files]
        return tuple(sorted(found))

    def head(self, name: str, size: int) -> bytes:
        """The beginning of a file."""
        return self._bytes(name, size)

    def read(self, name: str) -> bytes:
        """A file of reasonable size."""
        _refuse_huge(self.describe(name), self.stamp(name)[0])
        return self._bytes(name, -1)

    def gdal_path(self, name: str) -> str:
        """The path of the file."""
        return str(self.path / name)

    def stamp(self, name: str) -> tuple[int, int]:
        """Size and time of the file."""
        status = (self.path / name).stat()
        return status.st_size, status.st_mtime_ns

    def _bytes(self, name: str, size: int) -> bytes:
        try:
            with (self.path / name).open("rb") as file:
                return file.read(size)
        except OSError as error:
            raise ProductError(f"{self.describe(name)} cannot be read: {error}") from error


@dataclass(frozen=True, eq=False)
class Archive(Container):
    """A product in a zip file, never unpacked."""

    path: Path

    @cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
        except (zipfile.BadZipFile, OSError) as error:
            raise ProductError(f"{self.path.name} is not a readable zip archive: {error}; download it again") from error
        for name in members:
            _refuse_climbing(self.path.name, name)
        return members

    def names(self) -> tuple[str, ...]:
        """All members that are files."""
        return tuple(sorted(name for name in self._members if not _PASSED_OVER.intersection(PurePosixPath(name).parts)))

    def head(self, name: str, size: int) -> bytes:
        """The beginning of a member; the rest is not decompressed."""
        return self._bytes(name, size)

    def read(self, name: str) -> bytes:
        """A member of reasonable size."""
        _refuse_huge(self.describe(name), self._members[name].file_size)
        return self._bytes(name, -1)

    def gdal_path(self, name: str) -> str:
        """A path of GDAL's zip driver; the braces spare it from guessing where the archive's name ends."""
        return f"/vsizip/{{{self.path}}}/{name}"

    def stamp(self, name: str) -> tuple[int, int]:
        """Size of the member and time of the archive."""
        return self._members[name].file_size, self.path.stat().st_mtime_ns

    def _bytes(self, name: str, size: int) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self._members[name]) as file:
                return file.read(size)
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
            raise ProductError(f"{self.describe(name)} cannot be read: {error}; download the archive again") from error


def open_container(path: str | os.PathLike[str]) -> Container:
    """The container at `path`: a SAFE folder, the manifest or the product metadata in it, or a zip archive.

    Raises `ProductNotFoundError` where there is nothing, `ProductError` for any other kind of file.
    """
    location = Path(path).expanduser().absolute()
    if location.name.lower() == "manifest.safe" or SENTINEL2_METADATA.fullmatch(location.name):
        location = location.parent
    if location.is_dir():
        return Folder(location)
    if not location.exists():
        raise ProductNotFoundError(
            f"path: nothing at {location}, want a SAFE folder, a .zip of one, or the manifest.safe in it"
        )
    if not zipfile.is_zipfile(location):
        raise ProductError(
            f"path: {location.name} is neither a SAFE folder, nor a readable zip archive, nor a manifest.safe"
        )
    return Archive(location)


def _refuse_climbing(archive: str, name: str) -> None:
    member = PurePosixPath(name.replace("\\", "/"))
    if member.is_absolute() or ".." in member.parts or ":" in member.parts[0]:
        raise ProductError(f"{archive}: member {name!r} climbs out of the archive; the file is not a Sentinel product")


def _refuse_huge(name: str, size: int) -> None:
    if size > _LARGEST_XML:
        raise ProductError(f"{name}: {size} bytes of XML, want at most {_LARGEST_XML}; the file is no metadata")
