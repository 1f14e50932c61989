"""What `vectorplane dev` says: each thing once."""

from __future__ import annotations

import pytest

from vectorplane.domain.model import Collection, Key
from vectorplane.domain.status import Event, Outcome, Trouble
from vectorplane_service.local.announcer import Announcer, line

KEY = Key("shop", "products")
READY = Outcome(Collection("shop.products_1", {}, points=3))


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Announcer:
    return Announcer(lambda key: f"http://here/{key.collection}")


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def reconciled(said: Announcer, outcome: Outcome) -> None:
    said.reconciled(KEY, "embedded", outcome, 0.1)


def test_ready_is_said_once_and_again_after_trouble(
    said: Announcer, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = "shop/products  Ready  http://here/shop.products  3 points"
    reconciled(said, READY)
    reconciled(said, READY)
    assert lines(capsys) == [ready]
    for _ in range(2):
        reconciled(said, Outcome(trouble=Trouble("NotOwned", "it is another's")))
    said.recorded(KEY, Event("Warning", "NotOwned", "it is another's"))
    assert lines(capsys) == ["shop/products  not Ready  NotOwned: it is another's"]
    said.recorded(KEY, Event("Normal", "Ready", "shop.products answers"))
    reconciled(said, READY)
    assert lines(capsys) == [ready]
    reconciled(said, Outcome())
    assert lines(capsys) == []


def test_what_was_done_and_what_the_engine_lacks(
    said: Announcer, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome(READY.collection, lacking=("sharding",), changed=("create collection x",))
    reconciled(said, outcome)
    assert lines(capsys) == [
        "  shop/products  create collection x",
        "shop/products  Ready  http://here/shop.products"
        "  (left out, for this engine has none: sharding)  3 points",
    ]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("drop collection shop.products_1 and its points",), "and its data"),
        (("release ownership of shop.products_1",), "its data stays, owned by nobody"),
        ((), "nothing of it was there"),
    ],
)
def test_a_deletion_says_what_becomes_of_the_data(
    said: Announcer, capsys: pytest.CaptureFixture[str], changed: tuple[str, ...], words: str
) -> None:
    reconciled(said, Outcome(changed=changed, deleted=True))
    assert lines(capsys)[-1] == f"shop/products  deleted  {words}"


def test_problems_of_files(said: Announcer, capsys: pytest.CaptureFixture[str]) -> None:
    said.problems({"a.yaml": "bad"})
    said.problems({"a.yaml": "bad", "b.yaml": "worse"})
    said.problems({"b.yaml": "worse"})
    said.damaged(KEY, "x.json cannot be read")
    assert lines(capsys) == [
        "problem  a.yaml: bad",
        "problem  b.yaml: worse",
        "mended  a.yaml",
        "shop/products  not Ready  DamagedFile: x.json cannot be read",
    ]


def test_a_reader_that_has_gone_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(text: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("vectorplane_service.local.announcer.click.echo", gone)
    line("nobody reads this")
