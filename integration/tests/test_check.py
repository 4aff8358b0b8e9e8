"""`check` before data are submitted: what would become of them, and what their provider could do better."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from publisher import Publisher
from trees import File, differing, everything_below, file_name, lengths, months, rewrite, version_directory, write_series


def _unfiltered_chunk(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        data = file["tas"]
        data.id.write_direct_chunk((3, 0, 0), np.ascontiguousarray(data[3]).tobytes(), filter_mask=0b11)


# The files, what `check` says of `tas`, and the note.
CASES: dict[str, tuple[list[File], str, str, str]] = {
    "ends": (lengths(36, 36, 12, chunks=(10, 5, 7)), "seamed", "chunks-misaligned", "time chunks of 9 or 12 would divide all files"),
    "lengths": (differing(chunks=[(12, 5, 7), (6, 5, 7)]), "virtual", "chunk-shapes-differ", "2 lengths along time"),
    "shuffle": (differing(shuffle=[True, False, True]), "seamed", "codecs-differ", "1 of 3 files have deflate (1)"),
    "byte-order": (differing(endian=["little", "little", "big"]), "seamed", "codecs-differ", "1 of 3 files have"),
    "no-codec": ([File()], "seamed", "codecs-differ", "no reader of Zarr has a codec for lzf (32000)"),
    "mask": ([File()], "seamed", "filter-mask", "1 chunks were stored without all of their filters"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_could_be_better_is_said(name: str, vzarr_publish: Publisher, tmp_path: Path) -> None:
    files, verdict, code, words = CASES[name]
    directory = version_directory(tmp_path, name)
    write_series(directory, files, name)
    first = directory / file_name(name, months(0, 12))
    if name == "mask":
        _unfiltered_chunk(first)
    if name == "no-codec":
        plain = first.rename(tmp_path / "plain.nc")
        rewrite(plain, first, storage={"tas": {"compression": "lzf"}})
        plain.unlink()
    before = everything_below(tmp_path)
    shown = vzarr_publish.run("check", tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert f"variable tas {verdict}, " in shown.stdout, shown.stdout
    (note,) = (line for line in shown.stdout.splitlines() if line.startswith("  note"))
    assert words in shown.stdout and f"[{code}]" in note and "`tas`" in note, shown.stdout
    assert everything_below(tmp_path) == before
    done = vzarr_publish.run("check", "--json", tmp_path)
    (line,) = map(json.loads, done.stdout.splitlines())
    assert line["variables"]["tas"] == verdict and [note["code"] for note in line["notes"]] == [code]


def test_with_nothing_to_better_there_is_no_note(vzarr_publish: Publisher, tmp_path: Path) -> None:
    write_series(version_directory(tmp_path, "good"), lengths(12, 12), "good")
    shown = vzarr_publish.run("check", tmp_path)
    assert shown.returncode == 0 and "note" not in shown.stdout and "without copying data" in shown.stdout, shown.stdout
