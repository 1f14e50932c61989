"""A client that asks a real API server what it thinks of a manifest, and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from support.cluster import Cluster
from vectorplane.manifest import Document, Problem, describe_refusal, validate
from vectorplane.schema.problems import BAD_REQUEST, UNKNOWN

NAMESPACE = "default"


@dataclass(frozen=True)
class Answer:
    """What was said of a manifest: one line, or the causes with place, words and reason."""

    line: str = ""
    causes: tuple[tuple[str, str, str], ...] = ()

    @property
    def taken(self) -> bool:
        return not self.line and not self.causes


class Judge(Cluster):
    """One API server."""

    @cached_property
    def speaks_like_us(self) -> bool:
        """True for the version whose words `vectorplane.schema` speaks. Another one (of a cluster
        that somebody gives) must still take and refuse the same.
        """
        return str(self._http.get("/version").json()["minor"]).startswith("34")

    def agree(self, document: Document) -> Answer:
        """What both say of a document. Fails where they differ."""
        theirs = self.judge(document.object)
        own = ours(document, validate(document))
        assert own.taken == theirs.taken, (own, theirs)
        if self.speaks_like_us:
            assert own == theirs
        return own

    def judge(self, manifest: dict[str, Any]) -> Answer:
        """A dry run of `kubectl create`."""
        path = self.path(manifest["kind"], namespace=NAMESPACE)
        query = {"dryRun": "All", "fieldValidation": "Strict"}
        response = self._http.post(path, json=manifest, params=query)
        if response.is_success:
            return Answer()
        status = response.json()
        if status["reason"] == "Invalid":
            causes = status["details"]["causes"]
            return answer([(c["field"], c["message"], c["reason"]) for c in causes])
        return Answer(line=status["message"])


def ours(document: Document, problems: list[Problem]) -> Answer:
    """The same of what `validate` said."""
    if any(p.reason in (BAD_REQUEST, UNKNOWN) for p in problems):
        told = describe_refusal(document, problems)
        return Answer(line=told.removeprefix("Error from server (BadRequest): "))
    return answer([(p.place, p.message, p.reason) for p in problems])


def answer(causes: list[tuple[str, str, str]]) -> Answer:
    # The API server goes through the fields of an object as Go goes through a map: in no order.
    # It may tell a cause twice (two owners without a name), and kubectl prints it once.
    return Answer(causes=tuple(sorted(set(causes))))
