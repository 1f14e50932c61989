"""The payload indexes of a manifest: every type that Qdrant has, with its parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from vectorplane.spec_base import Natural, Part, rule, rules

StopwordLanguage = Literal[
    "Arabic",
    "Azerbaijani",
    "Basque",
    "Bengali",
    "Catalan",
    "Chinese",
    "Danish",
    "Dutch",
    "English",
    "Finnish",
    "French",
    "German",
    "Greek",
    "Hebrew",
    "Hinglish",
    "Hungarian",
    "Indonesian",
    "Italian",
    "Japanese",
    "Kazakh",
    "Nepali",
    "Norwegian",
    "Portuguese",
    "Romanian",
    "Russian",
    "Slovene",
    "Spanish",
    "Swedish",
    "Tajik",
    "Turkish",
]
StemmerLanguage = Literal[
    "Arabic",
    "Armenian",
    "Danish",
    "Dutch",
    "English",
    "Finnish",
    "French",
    "German",
    "Greek",
    "Hungarian",
    "Italian",
    "Norwegian",
    "Portuguese",
    "Romanian",
    "Russian",
    "Spanish",
    "Swedish",
    "Tamil",
    "Turkish",
]
_SET = {"x-kubernetes-list-type": "set"}


class Stopwords(Part):
    """Words that a text index leaves out."""

    languages: (
        Annotated[list[StopwordLanguage], Field(max_length=32, json_schema_extra=_SET)] | None
    ) = None
    """Languages whose common words are left out."""
    custom: (
        Annotated[
            list[Annotated[str, StringConstraints(min_length=1, max_length=128)]],
            Field(max_length=1024, json_schema_extra=_SET),
        ]
        | None
    ) = None
    """Further words."""


class Stemmer(Part):
    """Words of one stem are one word of a text index (Snowball)."""

    language: StemmerLanguage
    """Whose stems."""


class PayloadIndex(Part):
    """An index on a payload field, so that filters on it are quick."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.lookup) || has(self.range)) || self.type == 'Integer'",
                "lookup and range go only with type Integer",
            ),
            rule(
                "!has(self.isTenant) || self.type in ['Keyword', 'Uuid']",
                "isTenant goes only with type Keyword or Uuid",
                ".isTenant",
            ),
            rule(
                "!has(self.isPrincipal) || self.type in ['Integer', 'Float', 'Datetime']",
                "isPrincipal goes only with type Integer, Float or Datetime",
                ".isPrincipal",
            ),
            rule(
                "!(has(self.tokenizer) || has(self.minTokenLen) || has(self.maxTokenLen)"
                " || has(self.lowercase) || has(self.phraseMatching) || has(self.asciiFolding)"
                " || has(self.stopwords) || has(self.stemmer)) || self.type == 'Text'",
                "tokenizer, minTokenLen, maxTokenLen, lowercase, phraseMatching, asciiFolding,"
                " stopwords and stemmer go only with type Text",
            ),
        )
    )

    field: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    """The payload field, as a path: `price`, `address.city`, `tags[].name`."""
    type: Literal["Keyword", "Integer", "Float", "Bool", "Geo", "Datetime", "Text", "Uuid"]
    """What its values are."""
    on_disk: bool | None = None
    """Keep the index on disk."""
    enable_hnsw: bool | None = None
    """Build further edges of the HNSW graph for this field's values, where `hnsw.payloadM` asks
    for some."""
    is_tenant: bool | None = None
    """Keyword, Uuid: store points of one value side by side."""
    is_principal: bool | None = None
    """Integer, Float, Datetime: most filters are on this field."""
    lookup: bool | None = None
    """Integer: filters for equality."""
    range: bool | None = None
    """Integer: filters for ranges."""
    tokenizer: Literal["Prefix", "Whitespace", "Word", "Multilingual"] | None = None
    """Text: how it is split into words."""
    min_token_len: Natural | None = None
    """Text: shorter words are left out."""
    max_token_len: Natural | None = None
    """Text: longer words are left out."""
    lowercase: bool | None = None
    """Text: ignore case."""
    ascii_folding: bool | None = None
    """Text: ignore accents."""
    phrase_matching: bool | None = None
    """Text: filters for whole phrases."""
    stopwords: Stopwords | None = None
    """Text: words that are left out."""
    stemmer: Stemmer | None = None
    """Text: words of one stem are one."""
