"""Files as rows of points: every format, from any row on, and what is said of a bad one."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vectorplane.client import Columns
from vectorplane.commands import load
from vectorplane.commands.arrays import Arrays
from vectorplane.commands.load import named_columns, opened
from vectorplane.commands.parquet import Parquet
from vectorplane.commands.resume import Job, Ledger, remembered, state_file
from vectorplane.commands.sources import ColumnNames, JsonLines, Source
from vectorplane.errors import InvalidInput

NAMES = ColumnNames(vectors={"": "vector"})
VECTORS = np.arange(20, dtype=np.float32).reshape(10, 2)


def flattened(source: Source, start: int = 0, size: int = 3) -> list[dict[str, Any]]:
    """Every row from `start` on, as a point; checks that the rows are numbered without a gap."""
    found: list[dict[str, Any]] = []
    expected = start
    for rows in source.batches(start, size):
        assert rows.first == expected
        assert 0 < len(rows) <= size
        expected = rows.end
        points = rows.points
        if not isinstance(points, Columns):
            found += [dict(point) for point in points]
            continue
        for i, id in enumerate(points.ids):
            named = {name: array[i].tolist() for name, array in points.named().items()}
            payload = None if points.payloads is None else points.payloads[i]
            id = id.item() if isinstance(id, np.generic) else id
            found.append(
                {"id": id, "vector": named[""] if "" in named else named, "payload": payload}
            )
    return found


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def said(source: Source) -> str:
    with pytest.raises(InvalidInput) as raised:
        flattened(source)
    return raised.value.message


def test_json_lines(tmp_path: Path) -> None:
    rows = [{"id": n, "vector": [n, 1.0], "payload": {"n": n}} for n in range(10)]
    file = lines(tmp_path / "a.jsonl", rows)
    for start in (0, 4, 9, 10, 99):
        assert flattened(JsonLines(file, NAMES), start) == rows[start:]


def test_json_lines_of_other_shapes(tmp_path: Path) -> None:
    def of(row: Any, **names: Any) -> Any:
        file = lines(tmp_path / "a.jsonl", [row])
        chosen = ColumnNames(**{"vectors": {"": "vector"}, **names})
        return flattened(JsonLines(file, chosen))[0]

    flat = {"id": 1, "vector": [1.0], "name": "cup", "price": 4}
    assert of(flat)["payload"] == {"name": "cup", "price": 4}
    assert of(flat, payload=("price",))["payload"] == {"price": 4}
    assert of(flat, payload=())["payload"] == {}
    renamed = {"key": 1, "embedding": [1.0], "payload": {"a": 1}, "b": 2}
    assert of(renamed, id="key", vectors={"": "embedding"}) == {
        "id": 1,
        "vector": [1.0],
        "payload": {"payload": {"a": 1}, "b": 2},
    }
    assert of({"id": 1, "text": "tea"}) == {"id": 1, "text": "tea", "payload": {}}
    assert of({"id": 1, "words": "tea"}, text="words", vectors={})["text"] == "tea"
    two = of({"id": 1, "a": [1.0], "b": [2.0]}, vectors={"x": "a", "y": "b"})
    assert two["vector"] == {"x": [1.0], "y": [2.0]}
    multi = of({"id": 1, "vector": [[1.0, 2.0], [3.0, 4.0]]})
    assert multi["vector"] == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": 1, "vector": [1, 2]', "not JSON"),
        ("[1, 2]", "a JSON object is wanted"),
        ('{"vector": [1, 2]}', "there is no 'id'; see --id-column"),
        ('{"id": 1}', "there is no 'vector'; see --vector-column"),
        ('{"id": 1.5, "vector": [1, 2]}', "the id is a number or a UUID"),
        ('{"id": 1, "vector": [1, 2, 3]}', "3 numbers, the ones before have 2"),
        ('{"id": 1, "vector": [1, "x"]}', "no list of numbers"),
        ('{"id": 1, "vector": []}', "no list of numbers"),
        ('{"id": 1, "vector": [1, 1e99]}', "NaN or infinity"),
    ],
)
def test_a_bad_line_is_named(line: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"id": 0, "vector": [1, 2]}\n\n' + line + "\n")
    message = said(JsonLines(file, NAMES))
    assert message.startswith(f"{file}: line 3: ")
    assert words in message


def table(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=4)
    return path


def test_parquet(tmp_path: Path) -> None:
    file = table(
        tmp_path / "a.parquet",
        id=list(range(10)),
        vector=pa.array(VECTORS.tolist(), pa.list_(pa.float32(), 2)),
        name=[f"n{n}" for n in range(10)],
    )
    rows = [
        {"id": n, "vector": VECTORS[n].tolist(), "payload": {"name": f"n{n}"}} for n in range(10)
    ]
    source = Parquet(file, NAMES)
    assert source.total == 10
    for start in (0, 3, 4, 5, 9, 10, 11):
        assert flattened(Parquet(file, NAMES), start) == rows[start:]


def test_kinds_of_parquet_columns(tmp_path: Path) -> None:
    key = uuid.UUID(int=7)
    file = table(
        tmp_path / "a.parquet",
        key=pa.array([key.bytes], pa.binary(16)),
        a=pa.array([[1, 2]], pa.large_list(pa.float64())),
        b=pa.array([[3]], pa.list_(pa.int8())),
        text=["tea"],
        when=[datetime.datetime(2026, 1, 2)],
        price=[decimal.Decimal("4.5")],
        tags=[["x", "y"]],
        deep=[{"n": 1}],
        none=pa.array([None], pa.string()),
    )
    (found,) = flattened(Parquet(file, ColumnNames("key", {"x": "a", "y": "b"})))
    assert found["id"] == str(key)
    assert found["vector"] == {"x": [1.0, 2.0], "y": [3.0]}
    assert found["payload"] == {
        "text": "tea",
        "when": datetime.datetime(2026, 1, 2),
        "price": 4.5,
        "tags": ["x", "y"],
        "deep": {"n": 1},
        "none": None,
    }
    texts = ColumnNames("key", {}, "text", ("price",))
    (found,) = flattened(Parquet(file, texts))
    assert found == {"id": str(key), "text": "tea", "payload": {"price": 4.5}}
    (found,) = flattened(Parquet(file, ColumnNames("key", {"": "a"}, None, ())))
    assert found["payload"] == {}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"id": [1, None], "vector": [[1.0], [2.0]]}, "row 1: 'id' is empty"),
        ({"id": [1, -2], "vector": [[1.0], [2.0]]}, "row 1: an id is not below 0"),
        ({"id": [1.5, 2.0], "vector": [[1.0], [2.0]]}, "row 0: 'id' is double"),
        ({"id": [1, 2], "vector": [[1.0], None]}, "row 1: 'vector' is empty"),
        ({"id": [1, 2], "vector": [[1.0], [2.0, 3.0]]}, "row 1: the vector has 2 numbers, the"),
        ({"id": [1, 2], "vector": [[1.0], [None]]}, "row 1: the vector has an empty number"),
        ({"id": [1, 2], "vector": [[1.0], [float("nan")]]}, "row 1: the vector has NaN"),
        ({"id": [1, 2], "vector": ["a", "b"]}, "row 0: 'vector' is string"),
        ({"id": [1, 2], "embedding": [[1.0], [2.0]]}, "no column 'vector' (id, embedding)"),
        ({"id": [1, 2], "vector": [[1.0], [2.0]], "raw": [b"a", b"b"]}, "'raw' holds bytes"),
    ],
)
def test_a_bad_row_of_parquet_is_named(columns: dict[str, Any], words: str, tmp_path: Path) -> None:
    file = table(tmp_path / "a.parquet", **columns)
    with pytest.raises(InvalidInput) as raised:
        flattened(Parquet(file, NAMES))
    assert raised.value.message.startswith(f"{file}: ")
    assert words in raised.value.message


def test_a_parquet_file_that_is_broken_inside(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    vectors = np.random.default_rng(1).random((4000, 8)).tolist()
    pq.write_table(pa.table({"id": range(4000), "vector": vectors}), file, row_group_size=1000)
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    file.write_bytes(content)
    source = Parquet(file, NAMES)
    with pytest.raises(InvalidInput, match=r"row \d+ or after it cannot be read") as raised:
        flattened(source, 0, 500)
    assert "\n" not in raised.value.message


def test_npy(tmp_path: Path) -> None:
    file, ids = tmp_path / "a.npy", tmp_path / "ids.npy"
    np.save(file, VECTORS.astype(np.float64))
    np.save(ids, np.arange(50, 60))
    rows = [{"id": n, "vector": VECTORS[n].tolist(), "payload": None} for n in range(10)]
    assert flattened(Arrays(file, NAMES), 4) == rows[4:]
    assert [r["id"] for r in flattened(Arrays(file, ColumnNames(first_id=7)))][:2] == [7, 8]
    assert [r["id"] for r in flattened(Arrays(file, ColumnNames(ids_file=ids)), 8)] == [58, 59]


def test_npz(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    payloads = [{"n": n} for n in range(10)]
    body = Columns(range(10), {"": VECTORS}, payloads).npz()
    file.write_bytes(body)
    assert flattened(Arrays(file, NAMES), 8) == [
        {"id": n, "vector": VECTORS[n].tolist(), "payload": {"n": n}} for n in (8, 9)
    ]
    file.write_bytes(Columns(range(10), {"a": VECTORS, "b": VECTORS}).npz())
    assert flattened(Arrays(file, NAMES), 9)[0]["vector"] == {
        "a": VECTORS[9].tolist(),
        "b": VECTORS[9].tolist(),
    }


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"ids": np.arange(2)}, "it has ids; `vectors` or `vectors.NAME` is wanted"),
        ({"vectors": np.zeros(3)}, "the array is float64 of shape (3,)"),
        ({"vectors": np.zeros((3, 2)), "ids": np.arange(2)}, "3 rows for 2 ids"),
        ({"vectors": np.zeros((3, 2)), "payloads": np.zeros(3)}, "`payloads` is a JSON list"),
        ({"vectors": np.array([[1.0], [np.nan]])}, "row 1: the vector has NaN"),
        ({"vectors": np.array([[None]], dtype=object)}, "no archive of arrays of numbers"),
    ],
)
def test_a_bad_npz_is_named(arrays: dict[str, Any], words: str, tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    np.savez(file, **arrays)
    with pytest.raises(InvalidInput) as raised:
        flattened(Arrays(file, NAMES))
    assert str(file) in raised.value.message
    assert words in raised.value.message


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.parquet"])
def test_a_file_that_is_something_else(name: str, tmp_path: Path) -> None:
    for content in (b"", b"not at all", b"\x93NUMPY\x01\x00"):
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(InvalidInput) as raised:
            opened(file, None, NAMES)
        assert raised.value.message.startswith(f"{file}: no ")


def test_a_format_by_ending_or_by_name(tmp_path: Path) -> None:
    file = lines(tmp_path / "points", [])
    with pytest.raises(InvalidInput, match="--format"):
        opened(file, None, NAMES)
    assert isinstance(opened(file, "jsonl", NAMES), JsonLines)
    assert flattened(opened(file, "jsonl", NAMES)) == []


def test_names_of_vectors() -> None:
    assert named_columns(["embedding"]) == {"": "embedding"}
    assert named_columns(["a=x", "b=y"]) == {"a": "x", "b": "y"}
    for wrong in (["a", "b"], ["a", "b=c"], ["a=x", "a=y"]):
        with pytest.raises(Exception, match="each vector once"):
            named_columns(wrong)


def test_what_is_remembered_has_no_gap(tmp_path: Path) -> None:
    file = lines(tmp_path / "a.jsonl", [{}])
    job = Job.of(file, "http://x", "shop.products", NAMES)
    state = state_file(file)
    ledger = Ledger(state, job, 0)
    ledger.done(10, 20)
    assert remembered(state) is None
    ledger.done(0, 10)
    assert remembered(state) == (job, 20)
    ledger.done(30, 40)
    assert remembered(state) == (job, 20)
    ledger.done(20, 30)
    assert remembered(state) == (job, 40)
    ledger.forget()
    assert not list(tmp_path.glob("*load*"))
    ledger.forget()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"job": {"size": 1}, "rows": 1}', '{"rows": 1}'])
def test_a_state_that_cannot_be_read_is_none(text: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text(text)
    assert remembered(state) is None


def test_a_folder_that_takes_no_state_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load.os, "access", lambda folder, mode: False)
    assert not load._writable(tmp_path / "state")
    assert "a stop will not be remembered" in capsys.readouterr().err
    ledger = Ledger(None, Job.of(tmp_path, "", "", NAMES), 0)
    ledger.done(0, 5)
    ledger.forget()
    assert (ledger.rows, list(tmp_path.iterdir())) == (5, [])
