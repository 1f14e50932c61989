"""`vectorplane search`, `upsert` and `load` as processes, against the real service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.proxy import Proxy, Trap
from vectorplane.client import Client, NotFound, Point, Retries

COMMAND = [sys.executable, "-m", "vectorplane.cli"]
KEY = "all-secret"
NAME = "shop.products"
ROWS = 2000


class Line:
    """The command line, pointed at a service."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("VECTORPLANE")},
            "VECTORPLANE_URL": url,
            "VECTORPLANE_API_KEY": KEY,
        }

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **more,
        )

    def run(self, *arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(input, timeout=60)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture
def line(url: str, tmp_path: Path) -> Line:
    return Line(url, tmp_path)


@pytest.fixture
def products(url: str) -> Any:
    with Client(url, api_key=KEY, retries=Retries(attempts=1)) as client:
        yield client.collection(NAME)


def vectors(rows: int = ROWS) -> Any:
    return np.random.default_rng(4).random((rows, 4), dtype=np.float32) + 0.1


def test_points_are_written_and_found(line: Line, products: Any) -> None:
    points = [{"id": n, "vector": [n, 1, 0, 0], "payload": {"n": n}} for n in range(1, 4)]
    for text in (
        json.dumps(points[0]),
        json.dumps(points, indent=2),
        json.dumps({"points": points}),
        "".join(json.dumps(point) + "\n\n" for point in points),
    ):
        done = line.run("upsert", NAME, input=text)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert done.stdout.endswith(f"points written to {NAME}\n")
    assert products.count() == 3
    (line.folder / "one.json").write_text(json.dumps({"id": 9, "vector": [0, 0, 1, 1]}))
    assert line.run("upsert", NAME, "one.json").stdout == f"1 points written to {NAME}\n"

    shown = line.run("search", NAME, "--vector", "3,1,0,0", "--limit", "2")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[0].split() == ["SCORE", "ID", "PAYLOAD"]
    assert shown.stdout.splitlines()[1].split() == ["1", "3", '{"n":3}']
    found = line.run("search", NAME, "--id", "3", "--json", "--with-vectors", "--limit", "1")
    (result,) = map(json.loads, found.stdout.splitlines())
    assert (result["id"], result["payload"], len(result["vector"])) == (2, {"n": 2}, 4)
    (line.folder / "f.json").write_text('{"must": [{"key": "n", "match": {"value": 1}}]}')
    only = line.run("search", NAME, "--vector", "[1,1,1,1]", "--filter", "@f.json", "--json")
    assert [json.loads(one)["id"] for one in only.stdout.splitlines()] == [1]
    none = line.run("search", NAME, "--vector", "1,1,1,1", "--score-threshold", "2")
    assert (none.returncode, none.stdout, none.stderr) == (0, "", "nothing found\n")


def test_texts_are_found(line: Line) -> None:
    line.run("upsert", "shop.texts", input='{"id": 1, "text": "blue tea pot"}\n')
    found = line.run("search", "shop.texts", "--text", "blue tea pot", "--json")
    assert json.loads(found.stdout)["payload"] == {"text": "blue tea pot"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["search", NAME], 2, "one of the three"),
        (["search", NAME, "--vector", "a,b"], 2, "numbers with commas"),
        (["search", NAME, "--id", "1", "--filter", "{"], 2, "not JSON"),
        (["search", NAME, "--id", "1", "--filter", "@nowhere"], 2, "No such file"),
        (["search", NAME, "--id", "99"], 1, "no point 99"),
        (["search", "shop.nothing", "--id", "1"], 1, "error: "),
        (["search", NAME, "--vector", "1,2"], 1, "vector: "),
        (["search", NAME, "--id", "1", "--api-key", "wrong"], 1, "Give a key by"),
        (["search", NAME, "--id", "1", "--url", "nowhere"], 1, "an address such as"),
        (["search", NAME, "--id", "1", "--api-version", "v9"], 1, "nothing at this path"),
        (["upsert", NAME, "nowhere.json"], 2, "No such file"),
        (["load", "nowhere.npy", "-c", NAME], 2, "does not exist"),
    ],
)
def test_errors_are_one_line_with_a_code(
    arguments: list[str], code: int, words: str, line: Line
) -> None:
    done = line.run(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "all-secret" not in done.stderr
    assert done.stdout == ""
    if code == 1:
        assert done.stderr.count("\n") == 1, done.stderr


def test_nobody_there(line: Line) -> None:
    done = line.run("search", NAME, "--id", "1", "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "no answer from http://127.0.0.1:9" in done.stderr
    assert "Is the service running there?" in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ('{"id": 1, "vector": [1, 2, 3, 4]}\nnonsense\n', "standard input: line 2: "),
        ("[1]", "standard input: point 0: "),
        ('[{"id": 1', "not JSON"),
        ('{"id": 1, "vector": [1]}', "points[0].vector"),
    ],
)
def test_bad_points_are_named(text: str, words: str, line: Line) -> None:
    done = line.run("upsert", NAME, input=text)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def write_parquet(path: Path, array: Any, **columns: Any) -> None:
    named = {
        "key": list(range(len(array))),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1]),
        "n": list(range(len(array))),
    }
    pq.write_table(pa.table({**named, **columns}), path, row_group_size=300)


def test_every_format_is_loaded(line: Line, products: Any) -> None:
    array = vectors(500)
    write_parquet(line.folder / "a.parquet", array)
    rows = [{"id": 1000 + n, "vector": v.tolist(), "n": n} for n, v in enumerate(array)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (line.folder / "a.jsonl").write_text(text)
    np.save(line.folder / "a.npy", array)
    np.savez(line.folder / "a.npz", ids=np.arange(3000, 3500), vectors=array)
    for arguments in (
        ["a.parquet", "--id-column", "key", "--vector-column", "embedding", "--batch", "90"],
        ["a.jsonl", "--progress"],
        ["a.npy", "--first-id", "2000", "--parallel", "4"],
        ["a.npz"],
    ):
        done = line.run("load", *arguments, "--collection", NAME)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"500 points written to {NAME} in ")
    assert products.count() == 2000
    assert products.get(7).payload == {"n": 7}
    assert products.get(1007).payload == {"n": 7}
    expected = array[7] / np.linalg.norm(array[7])
    for id in (7, 1007, 2007, 3007):
        assert products.get(id).vector == pytest.approx(expected, abs=1e-5)
    assert [p.name for p in line.folder.glob(".*")] == []


def test_texts_are_loaded(line: Line) -> None:
    rows = [{"id": n, "body": f"word{n}", "lang": "en"} for n in range(20)]
    (line.folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = line.run("load", "a.jsonl", "-c", "shop.texts", "--text-column", "body")
    assert done.returncode == 0, done.stderr
    found = line.run("search", "shop.texts", "--text", "word7", "--limit", "1", "--json")
    assert json.loads(found.stdout)["payload"] == {"text": "word7", "lang": "en"}


def test_a_row_that_the_service_refuses_is_named(line: Line, products: Any) -> None:
    array = vectors(50)
    write_parquet(line.folder / "a.parquet", array, key=[f"{n}" for n in range(50)])
    done = line.run(
        "load", "a.parquet", "-c", NAME, "--id-column", "key", "--vector-column", "embedding"
    )
    assert done.returncode == 1
    assert "a.parquet: row 0: " in done.stderr
    assert products.count() == 0
    rows = [{"id": n, "vector": [1, 2, 3, 4][: 4 if n < 150 else 2]} for n in range(200)]
    (line.folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = line.run("load", "a.jsonl", "-c", NAME, "--batch", "50", "--parallel", "1")
    assert done.returncode == 1
    assert "a.jsonl: line 151 and the 49 after it: vectors: " in done.stderr
    assert "150 rows are written; the same command goes on there" in done.stderr
    assert products.count() == 150

    rows[150:] = [{"id": n, "vector": [1, 2, 3, 4]} for n in range(150, 200)]
    (line.folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = line.run("load", "a.jsonl", "-c", NAME, "--resume")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("50 points written")
    assert products.count() == 200


def test_a_load_that_is_killed_goes_on_where_it_was(
    line: Line, products: Any, proxy: Proxy
) -> None:
    line.environment["VECTORPLANE_URL"] = proxy.url
    np.save(line.folder / "a.npy", vectors())
    arguments = ["load", "a.npy", "-c", NAME, "--batch", "50", "--parallel", "2"]
    kills = 0
    for _ in range(3):
        process = line.start(*arguments)
        proxy.trap = Trap(9, process.kill)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        kills += 1
        proxy.trap = None
    before = len(proxy.writes)
    written = products.count()
    assert 0 < written < ROWS
    done = line.run(*arguments)
    assert done.returncode == 0, done.stderr
    assert "going on at row " in done.stderr
    rows = int(done.stderr.split("going on at row ")[1].split()[0])
    # What was acknowledged is not sent again; only what was in flight may be.
    assert rows >= kills * (9 - 3) * 50
    assert len(proxy.writes) - before == (ROWS - rows) / 50
    assert sorted(p.id for p in products.scroll(page=500)) == list(range(ROWS))
    assert not list(line.folder.glob(".*"))


def test_a_payload_that_json_has_no_word_for_is_said(line: Line) -> None:
    spans = pa.array([1, 2], pa.duration("s"))
    write_parquet(line.folder / "a.parquet", vectors(2), span=spans)
    named = ["--id-column", "key", "--vector-column", "embedding"]
    done = line.run("load", "a.parquet", "-c", NAME, *named)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "a.parquet: row 0 or after it: timedelta is not JSON" in done.stderr
    done = line.run("load", "a.parquet", "-c", NAME, *named, "--payload-columns", "n")
    assert done.returncode == 0, done.stderr


def test_ctrl_c_is_quiet_and_remembered(line: Line, proxy: Proxy) -> None:
    line.environment["VECTORPLANE_URL"] = proxy.url
    np.save(line.folder / "a.npy", vectors())
    process = line.start("load", "a.npy", "-c", NAME, "--batch", "50")
    proxy.trap = Trap(9, lambda: process.send_signal(signal.SIGINT), early=0.0)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    proxy.trap = None
    again = line.run("load", "a.npy", "-c", NAME, "--batch", "50")
    assert "going on at row " in again.stderr
    restarted = line.run("load", "a.npy", "-c", NAME, "--restart")
    assert restarted.stdout.startswith(f"{ROWS} points written")


def test_another_file_or_another_place_begins_anew(line: Line, products: Any, proxy: Proxy) -> None:
    line.environment["VECTORPLANE_URL"] = proxy.url
    np.save(line.folder / "a.npy", vectors())

    def killed() -> None:
        process = line.start("load", "a.npy", "-c", NAME, "--batch", "50")
        proxy.trap = Trap(9, process.kill)
        process.communicate(timeout=60)
        proxy.trap = None

    killed()
    np.save(line.folder / "a.npy", vectors(300))
    changed = line.run("load", "a.npy", "-c", NAME)
    assert "the file has changed since the last run" in changed.stderr
    assert changed.stdout.startswith("300 points written")
    np.save(line.folder / "a.npy", vectors())
    killed()
    elsewhere = line.run("load", "a.npy", "-c", "other.secrets")
    assert elsewhere.stdout.startswith(f"{ROWS} points written to other.secrets")
    nothing = line.run("load", "a.npy", "-c", NAME, "--resume")
    assert (nothing.returncode, nothing.stderr.count("\n")) == (1, 1)
    assert "nothing to go on with" in nothing.stderr


def test_a_load_waits_for_a_service_that_is_away(line: Line, products: Any, proxy: Proxy) -> None:
    line.environment["VECTORPLANE_URL"] = proxy.url
    np.save(line.folder / "a.npy", vectors(1000))
    proxy.flaky(5, 0.3, ("refused", "lost", "halved", "503"))
    done = line.run("load", "a.npy", "-c", NAME, "--batch", "50")
    assert done.returncode == 0, done.stderr
    assert products.count() == 1000


def test_a_collection_that_is_not_there_is_said_first(line: Line, url: str) -> None:
    np.save(line.folder / "a.npy", vectors(10))
    done = line.run("load", "a.npy", "-c", "shop.nothing")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    with Client(url, api_key=KEY) as client, pytest.raises(NotFound):
        client.collection("shop.nothing").upsert(Point(1, [1, 2, 3, 4]))
