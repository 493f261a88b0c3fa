"""What is a trained model on disk? A few files under one signed manifest that says what they are and how good.

Pure: a bundle is made from and turned into `{file name: bytes}`; `infra/store.py` keeps them. Nothing is ever unpickled. The
manifest's SHA-256 is the bundle's id, its first 12 hex digits the version.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal, TypeVar

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from models.scoring import Backend, Scorer, scorer

T = TypeVar("T")
MANIFEST, SIGNATURE, MODEL, BASELINE, CARD = "manifest.json", "signature", "model.onnx", "baseline.json", "MODEL_CARD.md"


class BadBundle(Exception):
    """This bundle may not be used; the message names what is wrong."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Feature(_Part):
    """One column of what the model is given."""

    name: str
    dtype: Literal["float32"] = "float32"
    used: bool = Field(description="False: the model was not trained on it and does not look at it.")


class Window(_Part):
    """One part of the split by time. Times are of the predictions."""

    rows: int = Field(ge=0)
    first_at: AwareDatetime
    last_at: AwareDatetime


class Split(_Part):
    """How rows were parted: by time, none shuffled."""

    fractions: tuple[float, float, float] = Field(description="Train, calibration, test, of the rows with a truth.")
    train: Window
    calibration: Window
    test: Window
    left_out: int = Field(ge=0, description="Rows whose truth came only after their part had ended: they would leak.")
    label_lag_median_s: float = Field(
        description="From prediction to truth: the gap between a part's last row and what it may know."
    )


class Metric(_Part):
    """One figure on the test rows, the baseline's beside it."""

    model: float
    baseline: float


class Calibration(_Part):
    """What is added to a prediction for its interval, by split conformal prediction."""

    coverage: float
    low_s: float
    high_s: float
    baseline_low_s: float
    baseline_high_s: float


class Manifest(_Part):
    """All there is to know of a bundle without running it."""

    format: Literal[1] = 1
    name: str = Field(description="What it is and for whom: `dispatch.delay/flights`.")
    source: str
    backend: Backend = Field(default="onnxruntime", description="What answers, chosen by `scoring` when it was trained.")
    scoring: dict[str, Any] = Field(
        default_factory=dict, description="Microseconds a row and distance of each backend, as measured."
    )
    target: str = Field(description="What the model part answers, with its unit.")
    features: tuple[Feature, ...]
    split: Split
    metrics: dict[str, Metric]
    calibration: Calibration
    growth: dict[str, Any] = Field(description="How it was fitted, seed included.")
    made_with: dict[str, str] = Field(description="Versions of the libraries that fitted it.")
    created_at: datetime
    key_id: str = Field(description="Which key signed it: first 16 hex digits of the SHA-256 of the raw public key.")
    files: dict[str, str] = Field(description="SHA-256 of each file but this one and the signature.")


def key_id(key: Ed25519PublicKey) -> str:
    """Return the name of a public key."""
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


def seal(files: Mapping[str, bytes], key: Ed25519PrivateKey, **facts: Any) -> dict[str, bytes]:
    """Return the files with a manifest and its signature. facts: the manifest's fields but key_id and files."""
    hashes = {name: sha256(content).hexdigest() for name, content in sorted(files.items())}
    manifest = Manifest(**facts, key_id=key_id(key.public_key()), files=hashes)
    text = json.dumps(manifest.model_dump(mode="json"), indent=1).encode() + b"\n"
    return {**files, MANIFEST: text, SIGNATURE: key.sign(text)}


@dataclass(frozen=True)
class Bundle:
    """A bundle that was checked. sha256: of its manifest, hex."""

    manifest: Manifest
    sha256: str
    files: Mapping[str, bytes]
    _parsed: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def load(cls, files: Mapping[str, bytes], trusted: Mapping[str, Ed25519PublicKey], sha: str | None = None) -> "Bundle":
        """Return the bundle if it is whole and signed by a key we trust. sha: what its id must be, if known.

        trusted: public keys by `key_id`. Raises BadBundle.
        """
        for name in (MANIFEST, SIGNATURE):
            if name not in files:
                raise BadBundle(f"{name}: missing")
        found = sha256(files[MANIFEST]).hexdigest()
        if sha is not None and found != sha:
            raise BadBundle(f"{MANIFEST}: expected SHA-256 {sha}, found {found}")
        try:
            manifest = Manifest.model_validate_json(files[MANIFEST])
        except ValidationError as error:
            first = error.errors()[0]
            raise BadBundle(f"{MANIFEST}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if manifest.key_id not in trusted:
            raise BadBundle(
                f"{SIGNATURE}: by key {manifest.key_id}, which is not among the trusted ones ({', '.join(trusted) or 'none'})"
            )
        try:
            trusted[manifest.key_id].verify(files[SIGNATURE], files[MANIFEST])
        except InvalidSignature:
            raise BadBundle(f"{SIGNATURE}: not that of key {manifest.key_id} over {MANIFEST}") from None
        for name, expected in manifest.files.items():
            if name not in files:
                raise BadBundle(f"{name}: missing")
            if (seen := sha256(files[name]).hexdigest()) != expected:
                raise BadBundle(f"{name}: expected SHA-256 {expected}, found {seen}")
        return cls(manifest, found, {name: files[name] for name in manifest.files})

    @property
    def version(self) -> str:
        """First 12 hex digits of its id."""
        return self.sha256[:12]

    @property
    def label(self) -> str:
        """Name and version, as predictions carry it."""
        return f"{self.manifest.name}@{self.version}"

    def parsed(self, name: str, parse: Callable[[bytes], T]) -> T:
        """Return a file of the bundle as the domain reads it; read once. Raises BadBundle if there is no such file."""
        if name not in self._parsed:
            if name not in self.files:
                raise BadBundle(f"{name}: missing")
            self._parsed[name] = parse(self.files[name])
        return self._parsed[name]  # type: ignore[no-any-return]  # whatever parse returned

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the model part's answer for each row, float64 (n,). x: float32 (n, features). Raises ScoreFailed."""
        return np.asarray(self._scorer(np.ascontiguousarray(x)), np.float64) if len(x) else np.empty(0, np.float64)

    def warm(self) -> None:
        """Load and compile the model part, so that the first record does not wait for it. Raises ScoreFailed."""
        self._scorer.warm()

    @cached_property
    def _scorer(self) -> Scorer:
        return scorer(self.manifest.backend, self.files)
