"""Manifests that are refused, and why, and manifests that are taken. The unit tests ask `validate`
about them, the integration tests a real API server as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vectorplane.spec_base import API_VERSION

Spec = dict[str, Any]
VECTOR: Spec = {"size": 3, "distance": "Dot"}


@dataclass(frozen=True)
class Row:
    """A manifest, and what is among the words of its refusal (nothing where it is taken)."""

    title: str
    manifest: dict[str, Any]
    place: str = ""
    words: str = ""

    def __str__(self) -> str:
        return self.title


def collection(spec: Any = None, **metadata: Any) -> dict[str, Any]:
    """A VectorCollection."""
    return {
        "apiVersion": API_VERSION,
        "kind": "VectorCollection",
        "metadata": {"name": "products", **metadata},
        "spec": {"vectors": [VECTOR]} if spec is None else spec,
    }


def with_spec(**fields: Any) -> dict[str, Any]:
    """A VectorCollection of one vector, with further fields."""
    return collection({"vectors": [VECTOR], **fields})


def with_vector(**fields: Any) -> dict[str, Any]:
    """A VectorCollection whose vector has further fields."""
    return collection({"vectors": [{**VECTOR, **fields}]})


def store(**qdrant: Any) -> dict[str, Any]:
    """A VectorStore."""
    return {
        "apiVersion": API_VERSION,
        "kind": "VectorStore",
        "metadata": {"name": "big"},
        "spec": {"qdrant": {"url": "http://qdrant:6333", **qdrant}},
    }


def with_rules(**rules: Any) -> dict[str, Any]:
    """A VectorStore with rules."""
    return {**store(), "spec": {**store()["spec"], **rules}}


def without(manifest: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A manifest without some of its fields."""
    return {k: v for k, v in manifest.items() if k not in keys}


SIZE = "spec.vectors[0].size"
TYPED = "in body must be of type"
PATTERN = "in body should match"
SUBDOMAIN = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters"
EMBEDDING = {"provider": "local", "model": "wordllama"}

BAD = [
    # Fields that are none.
    Row("unknown field", with_spec(foo=1), "spec.foo", 'unknown field "spec.foo"'),
    Row("two unknown", with_vector(dim=1, a={"b": 1}), "spec.vectors[0].dim", "unknown field"),
    Row("unknown in wrong type", with_spec(hnsw=[{"x": 1}]), "spec.hnsw[0].x", "unknown field"),
    Row("unknown at the root", {**collection(), "specs": {}}, "specs", "unknown field"),
    Row("unknown in status", {**collection(), "status": {"x": 1}}, "status.x", "unknown field"),
    Row("unknown in metadata", collection(label={}), "metadata.label", "unknown field"),
    Row("snake case", with_spec(payload_indexes=[]), "spec.payload_indexes", "unknown field"),
    Row("not there yet", with_spec(documents={}), "spec.documents", "unknown field"),
    Row("path", with_spec(gateway={"path": "shop/"}), "spec.gateway.path", "should match"),
    Row("origin", with_spec(gateway={"origins": ["a b"]}), "spec.gateway.origins[0]", "match"),
    # Wrong types.
    Row("size a text", with_vector(size="256"), SIZE, f'{SIZE} {TYPED} integer: "string"'),
    Row("size true", with_vector(size=True), SIZE, 'integer: "boolean"'),
    Row("size a fraction", with_vector(size=1.5), SIZE, 'integer: "number"'),
    Row("size a list", with_vector(size=[3]), SIZE, 'integer: "array"'),
    Row("size an object", with_vector(size={}), SIZE, 'integer: "object"'),
    Row("size of 70 bits", with_vector(size=2**70), SIZE, 'integer: "number"'),
    Row("flag a text", with_vector(onDisk="yes"), "spec.vectors[0].onDisk", 'boolean: "string"'),
    Row("vectors an object", collection({"vectors": {}}), "spec.vectors", 'array: "object"'),
    Row("a vector null", collection({"vectors": [None]}), "spec.vectors[0]", 'object: "null"'),
    Row("a vector a text", collection({"vectors": ["a"]}), "spec.vectors[0]", "must be an object"),
    Row("an alias null", with_spec(aliases=[None]), "spec.aliases[0]", 'string: "null"'),
    Row("an alias a number", with_spec(aliases=[1, 1]), "spec.aliases[1]", "Duplicate value: 1"),
    Row("a name a number", with_vector(name=5), "spec.vectors[0].name", 'string: "integer"'),
    Row("spec a list", collection([]), "spec", f'spec {TYPED} object: "array"'),
    Row("store a list", with_spec(store=["a"]), "spec.store", 'string: "array"'),
    # Bounds.
    Row("size 0", with_vector(size=0), SIZE, "should be greater than or equal to 1"),
    Row("size -1", with_vector(size=-1), SIZE, "Invalid value: -1"),
    Row("size 65537", with_vector(size=65537), SIZE, "should be less than or equal to 65536"),
    Row(
        "a share above 1",
        with_spec(optimizers={"deletedThreshold": 1.5}),
        "spec.optimizers.deletedThreshold",
        "Invalid value: 1.5",
    ),
    Row(
        "a small share",
        with_spec(strictMode={"searchMaxOversampling": 0.00001}),
        "spec.strictMode.searchMaxOversampling",
        "Invalid value: 1e-05",
    ),
    Row(
        "a huge number",
        with_spec(optimizers={"flushIntervalSec": 1e30}),
        "spec.optimizers.flushIntervalSec",
        "Invalid value: 1e+30",
    ),
    Row("quantile 0", with_spec(quantization={"type": "Scalar", "quantile": 0}),
        "spec.quantization.quantile", "quantile should be between 0.5 and 1"),
    Row("quantile 0.1", with_spec(quantization={"type": "Scalar", "quantile": 0.1}),
        "spec.quantization.quantile", "should be greater than or equal to 0.5"),
    Row("65 vectors", collection({"vectors": [{**VECTOR, "name": f"v{i}"} for i in range(65)]}),
        "spec.vectors", "Too many: 65: must have at most 64 items"),
    Row("name too long", with_vector(name="v" * 101), "spec.vectors[0].name",
        "Too long: may not be more than 100 bytes"),
    Row("empty store", with_spec(store=""), "spec.store", "should be at least 1 chars long"),
    # Words.
    Row("distance unknown", with_vector(distance="cosine"), "spec.vectors[0].distance",
        'Unsupported value: "cosine": supported values: "Cosine", "Dot"'),
    Row("distance a list", with_vector(distance=["<&>"]), "spec.vectors[0].distance",
        "\\u003c\\u0026\\u003e"),
    Row("policy unknown", with_spec(deletionPolicy="Forget"), "spec.deletionPolicy",
        "Unsupported value"),
    Row("tenancy unknown", with_spec(tenancy={"mode": "Shared"}), "spec.tenancy.mode",
        "Unsupported value"),
    Row("vector name with a blank", with_vector(name="a b\n"), "spec.vectors[0].name", PATTERN),
    Row("vector name unprintable", with_vector(name="a\u00a0\x00\U000e0001ü"),
        "spec.vectors[0].name", '"a\\u00a0\\x00\\U000e0001ü"'),
    Row("vector name ends in a newline", with_vector(name="a\n"), "spec.vectors[0].name", PATTERN),
    Row("alias with capitals", with_spec(aliases=["Live"]), "spec.aliases[0]", PATTERN),
    Row("alias with underscore", with_spec(aliases=["a_1"]), "spec.aliases[0]", PATTERN),
    Row("alias with two dots", with_spec(aliases=["a..b"]), "spec.aliases[0]", PATTERN),
    Row("alias too long", with_spec(aliases=["a" * 64]), "spec.aliases[0]", "Too long"),
    # Required.
    Row("no size", collection({"vectors": [{"distance": "Dot"}]}), SIZE, "Required value"),
    Row("size null", with_vector(size=None), SIZE, "Required value"),
    Row("no spec", without(collection(), "spec"), "spec", "Required value"),
    Row("no name", {**collection(), "metadata": {}}, "metadata.name", "name or generateName"),
    Row("no metadata", without(collection(), "metadata"), "metadata.name", "Required value"),
    Row("no index type", with_spec(payloadIndexes=[{"field": "a"}]),
        "spec.payloadIndexes[0].type", "Required value"),
    # Twice.
    Row("two vectors of one name", collection({"vectors": [VECTOR, VECTOR]}), "spec.vectors[1]",
        'Duplicate value: {"name":""}'),
    Row("three aliases alike", with_spec(aliases=["a", "a", "a"]), "spec.aliases[1]",
        'Duplicate value: "a"'),
    Row("two indexes of one field", with_spec(payloadIndexes=[{"field": "a", "type": "Geo"}] * 2),
        "spec.payloadIndexes[1]", 'Duplicate value: {"field":"a"}'),
    Row("twice, and no field", with_spec(payloadIndexes=[{"type": "Geo"}] * 2),
        "spec.payloadIndexes[1]", "Duplicate value: {}"),
    # Names.
    Row("name with capitals", collection(name="Products"), "metadata.name", SUBDOMAIN),
    Row("name with underscore", collection(name="my_products"), "metadata.name", SUBDOMAIN),
    Row("name ends in a dash", collection(name="products-"), "metadata.name", SUBDOMAIN),
    Row("name with umlaut", collection(name="bücher"), "metadata.name", '"bücher"'),
    Row("name of 64", collection(name="a" * 64), "metadata.name", "no more than 63 characters"),
    Row("name of 254", collection(name="a" * 254), "metadata.name", "no more than 253 characters"),
    Row("name a number", collection(name=5), "metadata.name", "cannot unmarshal number into Go"),
    Row("label bad", collection(labels={"-a": "_b"}), "metadata.labels", "name part must consist"),
    Row("label prefix bad", collection(labels={"A/b": "c"}), "metadata.labels", "prefix part a"),
    Row("label prefix empty", collection(labels={"/b": "c"}), "metadata.labels", "non-empty"),
    Row("label of two slashes", collection(labels={"a/b/c": "c"}), "metadata.labels", "a quali"),
    Row("label empty", collection(labels={"a/": ""}), "metadata.labels", "name part must be non-"),
    Row("label too long", collection(labels={"a" * 64: "b" * 64}), "metadata.labels", "63 char"),
    Row("label a number", collection(labels={"a": 1}), "metadata.labels.a", "of type string"),
    Row("labels a list", collection(labels=["a"]), "metadata.labels", "of type map[string]string"),
    Row("annotation true", collection(annotations={"vectorplane.dev/paused": True}),
        "metadata.annotations.vectorplane.dev/paused", "cannot unmarshal bool"),
    Row("annotation bad", collection(annotations={"a b": "c"}), "metadata.annotations", "name"),
    Row("annotations too long", collection(annotations={"a": "b" * 262144}),
        "metadata.annotations", "Too long: may not be more than 262144 bytes"),
    Row("finalizer bad", collection(finalizers=["a b"]), "metadata.finalizers", "name part must"),
    Row("finalizers a text", collection(finalizers="a/b"), "metadata.finalizers", "[]string"),
    Row("finalizer a number", collection(finalizers=[1]), "metadata.finalizers[0]", "of type str"),
    Row("generation a fraction", collection(generation=1.5), "metadata.generation", "number 1.5"),
    Row("metadata a list", {**collection(), "metadata": []}, "metadata", "v1.ObjectMeta"),
    Row("owners a text", collection(ownerReferences="a"), "metadata.ownerReferences",
        "of type []v1.OwnerReference"),
    Row("owner without all", collection(ownerReferences=[{}]), "metadata.ownerReferences.uid",
        "must not be empty"),
    Row("owner with more", collection(ownerReferences=[{"spec": 1}]),
        "metadata.ownerReferences[0].spec", "unknown field"),
    # Rules.
    Row("nothing to hold", collection({}), "spec.vectors", "at least one entry"),
    Row("vectors null", collection({"vectors": None}), "spec.vectors", "at least one entry"),
    Row("embedding without vector", with_spec(embedding={**EMBEDDING, "vector": "text"}),
        "spec.embedding.vector", "must name an entry of vectors"),
    Row("embedding of another size", with_spec(embedding=EMBEDDING), "spec.embedding.vector",
        "must have size 64, 128 or 256"),
    Row("one name dense and sparse",
        collection({"vectors": [{**VECTOR, "name": "a"}], "sparseVectors": [{"name": "a"}]}),
        "spec.sparseVectors", "not in both"),
    Row("product without compression", with_vector(quantization={"type": "Product"}),
        "spec.vectors[0].quantization.compression", "Product needs it"),
    Row("quantile of binary", with_spec(quantization={"type": "Binary", "quantile": 0.9}),
        "spec.quantization.quantile", "only with type Scalar"),
    Row("encoding of scalar", with_spec(quantization={"type": "Scalar", "encoding": "OneBit"}),
        "spec.quantization", "only with type Binary"),
    Row("lookup of text",
        with_spec(payloadIndexes=[{"field": "a", "type": "Text", "lookup": True}]),
        "spec.payloadIndexes[0]", "only with type Integer"),
    Row("tokenizer of geo",
        with_spec(payloadIndexes=[{"field": "a", "type": "Geo", "tokenizer": "Word"}]),
        "spec.payloadIndexes[0]", "only with type Text"),
    Row("tenant of geo",
        with_spec(payloadIndexes=[{"field": "a", "type": "Geo", "isTenant": True}]),
        "spec.payloadIndexes[0].isTenant", "only with type Keyword or Uuid"),
    Row("principal of geo",
        with_spec(payloadIndexes=[{"field": "a", "type": "Geo", "isPrincipal": True}]),
        "spec.payloadIndexes[0].isPrincipal", "only with type"),
    Row("bits of scalar", with_spec(quantization={"type": "Scalar", "bits": "Bits2"}),
        "spec.quantization.bits", "only with type Turbo"),
    Row("always in memory, and none",
        with_spec(quantization={"type": "None", "alwaysRam": True}),
        "spec.quantization.alwaysRam", "every type but None"),
    Row("stopwords of geo",
        with_spec(payloadIndexes=[{"field": "a", "type": "Geo", "stopwords": {"custom": ["a"]}}]),
        "spec.payloadIndexes[0]", "only with type Text"),
    Row("shard keys of auto", with_spec(sharding={"method": "Auto", "keys": ["eu"]}),
        "spec.sharding.keys", "only with method Custom"),
    Row("shard key twice", with_spec(sharding={"method": "Custom", "keys": ["eu", "eu"]}),
        "spec.sharding.keys[1]", 'Duplicate value: "eu"'),
    Row("limit of no vector", with_spec(strictMode={"sparse": [{"maxLength": 5}]}),
        "spec.strictMode.sparse[0].name", "Required value"),
    # Maps.
    Row("our key", with_spec(metadata={"vectorplane": "mine"}), "spec.metadata",
        "the key vectorplane is vectorplane's own"),
    Row("a value that is a number", with_spec(metadata={"team": 5}), "spec.metadata.team",
        'string: "integer"'),
    Row("a value that is an object", with_spec(metadata={"team": {"a": 1}}),
        "spec.metadata.team.a", "unknown field"),
    Row("a value too long", with_spec(metadata={"team": "a" * 4097}), "spec.metadata.team",
        "Too long: may not be more than 4096 bytes"),
    Row("a key too long", with_spec(metadata={"a" * 64: ""}), "spec.metadata",
        "a key has 1 to 63 characters"),
    Row("an empty key", with_spec(metadata={"": "a"}), "spec.metadata",
        "a key has 1 to 63 characters"),
    Row("65 keys", with_spec(metadata={f"k{i}": "" for i in range(65)}), "spec.metadata",
        "Too many: 65: must have at most 64 items"),
    Row("metadata a list", with_spec(metadata=["a"]), "spec.metadata", 'object: "array"'),
    # Several at once.
    Row("much", collection({"vectors": [{"size": 0}], "aliases": ["A", "A"]}, name="A"),
        "spec.vectors[0].distance", "Required value"),
    # Stores.
    Row("store without qdrant", {**store(), "spec": {}}, "spec.qdrant", "Required value"),
    Row("url without scheme", store(url="qdrant:6333"), "spec.qdrant.url", PATTERN),
    Row("url with a key", store(url="http://me:key@qdrant"), "spec.qdrant.url", PATTERN),
    Row("url with a blank", store(url="http://qdrant\u3000x"), "spec.qdrant.url", PATTERN),
    Row("timeout 0", store(timeoutSeconds=0), "spec.qdrant.timeoutSeconds", "greater than"),
    Row("secret half", store(apiKeySecretRef={"name": "a"}), "spec.qdrant.apiKeySecretRef.key",
        "Required value"),
    Row("grpc", store(grpcUrl="http://qdrant:6334"), "spec.qdrant.grpcUrl", "unknown field"),
    Row("defaults of vectors", with_rules(defaults={"vectors": []}), "spec.defaults.vectors",
        "unknown field"),
    Row("a default out of bounds", with_rules(defaults={"hnsw": {"m": -1}}), "spec.defaults.hnsw.m",
        "greater than"),
    Row("a default that contradicts itself", with_rules(
        defaults={"quantization": {"type": "Binary", "quantile": 0.99}},
    ), "spec.defaults.quantization.quantile", "quantile goes only with type Scalar"),
    Row("no room at all", with_rules(limits={"maxCollections": 0}), "spec.limits.maxCollections",
        "greater than"),
    Row("more of one than of all", with_rules(
        limits={"maxCollections": 1, "maxCollectionsPerNamespace": 2},
    ), "spec.limits.maxCollectionsPerNamespace", "cannot be more than maxCollections"),
    Row("a default over the limit", with_rules(
        limits={"maxReplicationFactor": 1}, defaults={"replication": {"factor": 2}},
    ), "spec.defaults.replication.factor", "cannot be more than limits.maxReplicationFactor"),
    Row("In without values", with_rules(
        allowedNamespaces={"matchExpressions": [{"key": "a", "operator": "In"}]},
    ), "spec.allowedNamespaces.matchExpressions[0].values", "values go with the operators"),
    Row("Exists with values", with_rules(
        allowedNamespaces={
            "matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}],
        },
    ), "spec.allowedNamespaces.matchExpressions[0].values", "values go with the operators"),
    Row("no such operator", with_rules(
        allowedNamespaces={"matchExpressions": [{"key": "a", "operator": "Is"}]},
    ), "spec.allowedNamespaces.matchExpressions[0].operator", "Unsupported value"),
    Row("no such policy", with_rules(deletionPolicy="Drop"), "spec.deletionPolicy",
        "Unsupported value"),
    Row("default a text", {**store(), "spec": {**store()["spec"], "default": "yes"}},
        "spec.default", 'boolean: "string"'),
]  # fmt: skip

FULL = {
    "store": "default",
    "vectors": [
        {
            "name": "image",
            "size": 65536,
            "distance": "Cosine",
            "datatype": "Float16",
            "onDisk": True,
            "multivector": "MaxSim",
            "hnsw": {"m": 0},
            "quantization": {"type": "Product", "compression": "X16", "alwaysRam": True},
        },
        {"name": "text", "size": 256, "distance": "Cosine"},
    ],
    "sparseVectors": [{"name": "words", "modifier": "Idf", "onDisk": False}],
    "hnsw": {"m": 16, "efConstruct": 128, "payloadM": 8},
    "quantization": {"type": "Scalar", "quantile": 0.99},
    "sharding": {"number": 2, "method": "Auto"},
    "replication": {"factor": 2, "writeConsistencyFactor": 1},
    "optimizers": {"indexingThreshold": 20000, "deletedThreshold": 0.2},
    "wal": {"walCapacityMb": 32},
    "onDiskPayload": True,
    "metadata": {"team": "shop", "vectorplane.dev/note": "ü", "vectors": ""},
    "strictMode": {
        "enabled": True,
        "maxPointsCount": 2**63 - 1,
        "searchMaxOversampling": 2,
        "maxDiskUsagePercent": 90,
        "multivector": [{"maxVectors": 5}, {"name": "image", "maxVectors": 5}],
        "sparse": [{"name": "words", "maxLength": 5}],
    },
    "payloadIndexes": [
        {"field": "category", "type": "Keyword", "isTenant": True},
        {"field": "price", "type": "Float", "isPrincipal": True},
        {"field": "text", "type": "Text", "tokenizer": "Word", "phraseMatching": True},
    ],
    "aliases": ["live", "a.b"],
    "embedding": {**EMBEDDING, "vector": "text"},
    "tenancy": {"mode": "Dedicated"},
    "deletionPolicy": "Delete",
    "adoptionPolicy": "IfUnowned",
    "changePolicy": "Refuse",
}

GOOD = [
    Row("least", collection()),
    Row("sparse only", collection({"sparseVectors": [{"name": "words"}]})),
    Row("everything", collection(FULL)),
    Row("nulls", with_spec(store=None, aliases=None, hnsw=None, deletionPolicy=None)),
    Row("nulls in a map", with_spec(metadata={"a": None, "b": ""})),
    Row("no quantization", with_spec(quantization={"type": "None"})),
    Row("shard keys", with_spec(sharding={"method": "Custom", "keys": ["eu", "us"]})),
    Row("nulls in parts", with_vector(name=None, onDisk=None, quantization=None)),
    Row("name of 63", collection(name="a" * 63)),
    Row("name with a dot", collection(name="v1.2-products")),
    Row("status", {**collection(), "status": {"store": 5, "conditions": []}}),
    Row("metadata", collection(
        labels={"app.kubernetes.io/name": "shop", "b": ""},
        annotations={"vectorplane.dev/paused": "true", "A/B": "ü"},
        finalizers=["vectorplane.dev/collection"],
        creationTimestamp=None,
        ownerReferences=[{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}],
    )),
    Row("a store", store()),
    Row("a store with all", {**store(
        url="https://qdrant.example.com:443/prefix?a=b",
        timeoutSeconds=600,
        apiKeySecretRef={"namespace": "q", "name": "key", "key": "api-key"},
        tls={"caSecretRef": {"namespace": "q", "name": "ca", "key": "ca.crt"}},
    )}),
    Row("every namespace", with_rules(allowedNamespaces={})),
    Row("a store with rules", with_rules(
        default=True,
        deletionPolicy="Snapshot",
        limits={
            "maxCollections": 10,
            "maxCollectionsPerNamespace": 10,
            "maxVectorSize": 65536,
            "maxReplicationFactor": 3,
        },
        allowedNamespaces={
            "matchLabels": {"vectors": "yes", "kubernetes.io/metadata.name": ""},
            "matchExpressions": [
                {"key": "team", "operator": "In", "values": ["a", "b"]},
                {"key": "team", "operator": "NotIn", "values": ["c"]},
                {"key": "team", "operator": "Exists"},
                {"key": "old", "operator": "DoesNotExist", "values": []},
            ],
        },
        defaults={
            "hnsw": {"m": 8},
            "quantization": {"type": "Scalar", "quantile": 0.99},
            "sharding": {"number": 2},
            "replication": {"factor": 2},
            "optimizers": {"indexingThreshold": 100},
            "wal": {"walCapacityMb": 8},
            "onDiskPayload": True,
            "strictMode": {"enabled": True, "sparse": [{"name": "text", "maxLength": 5}]},
            "payloadIndexes": [{"field": "team", "type": "Keyword", "isTenant": True}],
            "metadata": {"cost-centre": "17"},
            "snapshots": {"schedule": "0 3 * * *", "keep": 3},
        },
    )),
]  # fmt: skip
