"""What lies where inside a tar file, so that it is read in place and never unpacked."""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from polyrepro.data.in_memory.image_arrays import DataError

BLOCK = 512


class Member(NamedTuple):
    """A file or folder in a tar.

    Attributes:
        path: its place; a tar inside the tar is a folder of its name without `.tar`.
        offset: position of the first byte in the outermost file; None for a folder.
        size: in bytes.
    """

    path: PurePosixPath
    offset: int | None
    size: int


def list_tar(path: Path) -> Iterator[Member]:
    """Files and folders of a tar, those of tars inside it included, in the order of the file.

    Raises:
        DataError: if the file is no plain tar, is cut off, or has links instead of images.
    """
    with open(path, "rb") as file:
        yield from _walk(path, file, 0, path.stat().st_size, PurePosixPath())


def _walk(
    path: Path, file: IO[bytes], start: int, size: int, folder: PurePosixPath
) -> Iterator[Member]:
    """The members of the tar that begins at `start` and is `size` bytes long."""
    where = f"{path} (in it: {folder}.tar)" if folder.name else str(path)
    mend = "copy or download it again"
    try:
        # Not tarfile.open, which takes compressed files too: nothing there can be read in place.
        archive = tarfile.TarFile(fileobj=file)
    except tarfile.ReadError as error:
        raise DataError(
            f"{where} is not a tar file that can be read in place ({error}); "
            f"{mend}, and decompress it if it is compressed"
        ) from None
    try:
        for member in archive:
            archive.members = []  # otherwise it keeps a million of them
            inside = folder / member.name
            if member.isdir():
                yield Member(inside, None, 0)
            elif member.islnk() or member.issym():
                raise DataError(
                    f"{where}: {member.name} is a link to {member.linkname}; make the tar again "
                    "with `tar --dereference --hard-dereference`"
                )
            elif member.isreg() and inside.suffix == ".tar":
                inner = archive.extractfile(member)
                begin = start + member.offset_data
                yield Member(inside.with_suffix(""), None, 0)
                yield from _walk(path, inner, begin, member.size, inside.with_suffix(""))
            elif member.isreg():
                yield Member(inside, start + member.offset_data, member.size)
    except tarfile.ReadError as error:
        raise DataError(f"{where} is cut off or damaged ({error}); {mend}") from None
    # tarfile takes a damaged or missing header for the end; the true end is a block of zeros.
    file.seek(archive.offset)
    if file.read(BLOCK) != bytes(BLOCK):
        raise DataError(
            f"{where} is cut off or damaged at byte {start + archive.offset:,} of "
            f"{start + size:,}: the end of the tar is missing; {mend}"
        )


def header_matches(header: bytes, name: str, size: int) -> bool:
    """Whether a tar header belongs to a file of this name and size.

    The name is only compared where the header has the whole of it: long and non-ASCII names are
    kept elsewhere.
    """
    field = header[:100].rstrip(b"\0")
    if len(field) < 100 and name.isascii() and field.rsplit(b"/", 1)[-1] != name.encode():
        return False
    octal = header[124:136].strip(b"\0 ")
    return octal.isdigit() and int(octal, 8) == size
