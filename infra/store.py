"""Where are trained models kept, and the keys that sign them? Any folder that fsspec can reach, and two small files on
this machine.

A bundle lies in a folder named by its id; its manifest is written last, so a bundle without one is not there yet. What is
in a bundle, and whether it may be used, is for `models/bundle.py` to say.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import fsspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from infra.errors import Fault, Unavailable
from infra.settings import Store as StoreSettings

MANIFEST = "manifest.json"
_SIGNING, _PUBLIC = "signing.pem", ".public.pem"


class NoBundle(Fault):
    """There is no bundle of this id in the store."""


class Keys:
    """The Ed25519 keys of a folder: one that signs, made when first needed, and all that are trusted (`*.public.pem`)."""

    def __init__(self, folder: Path) -> None:
        """folder: made if it is missing, for this user alone."""
        self.folder = folder

    def signing(self) -> Ed25519PrivateKey:
        """Return the key that signs; the first call on a machine makes it. Raises Fault if others may read it or it is
        damaged.
        """
        file = self.folder / _SIGNING
        with _told(self.folder):
            if not file.exists():
                self._make(file)
            if file.stat().st_mode & 0o077:
                raise Fault(f"{file}: others may read this key; make it yours alone (chmod 600) or delete it to get a new one")
            key = _parsed(load_pem_private_key, file, None)
            if not isinstance(key, Ed25519PrivateKey):
                raise Fault(f"{file}: expected an Ed25519 key; delete it to get a new one")
            public = self.folder / f"{_name(key.public_key())}{_PUBLIC}"
            if not public.exists():
                _write(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return key

    def trusted(self) -> dict[str, Ed25519PublicKey]:
        """Return the public keys of the folder by name: first 16 hex digits of the SHA-256 of the raw key. Raises Fault."""
        found = {}
        with _told(self.folder):
            for file in sorted(self.folder.glob(f"*{_PUBLIC}")):
                key = _parsed(load_pem_public_key, file)
                if not isinstance(key, Ed25519PublicKey):
                    raise Fault(f"{file}: expected an Ed25519 public key")
                found[_name(key)] = key
        return found

    def _make(self, file: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(file, Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


class BundleStore:
    """Bundles by id."""

    def __init__(self, url: str, keys: Keys) -> None:
        """url: a folder or any fsspec address. Raises Fault if nothing here can speak to it."""
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise Fault(f"AFFLUENT_STORE__URL: cannot use {url!r}: {error}") from None
        self.url, self.keys = url, keys

    @classmethod
    def at(cls, settings: StoreSettings) -> "BundleStore":
        """Return the store of the settings."""
        return cls(settings.url, Keys(Path(settings.key_dir).expanduser()))

    def put(self, files: Mapping[str, bytes]) -> str:
        """Keep a bundle's files; returns its id. Doing it twice changes nothing."""
        sha = sha256(files[MANIFEST]).hexdigest()
        with self._reached():
            if not self._fs.exists(f"{self._root}/{sha}/{MANIFEST}"):
                self._fs.makedirs(f"{self._root}/{sha}", exist_ok=True)
                for name in (*sorted(set(files) - {MANIFEST}), MANIFEST):
                    self._fs.pipe_file(f"{self._root}/{sha}/{name}", files[name])
        return sha

    def get(self, sha: str) -> dict[str, bytes]:
        """Return a bundle's files as they lie there, unchecked. Raises NoBundle; Unavailable if the store is away."""
        folder = f"{self._root}/{sha}"
        with self._reached():
            if not self._fs.exists(f"{folder}/{MANIFEST}"):
                raise NoBundle(f"no bundle {sha[:12]} in {self.url}; `affluent models list` shows which there are")
            names = [str(path).rsplit("/", 1)[-1] for path in self._fs.ls(folder, detail=False)]
            return {name: bytes(self._fs.cat_file(f"{folder}/{name}")) for name in names}

    def manifests(self) -> dict[str, bytes]:
        """Return every bundle's manifest by id, unchecked."""
        with self._reached():
            if not self._fs.exists(self._root):
                return {}
            folders = [str(path).rsplit("/", 1)[-1] for path in self._fs.ls(self._root, detail=False)]
            places = {sha: f"{self._root}/{sha}/{MANIFEST}" for sha in folders}
            return {sha: bytes(self._fs.cat_file(place)) for sha, place in places.items() if self._fs.exists(place)}

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """A folder that fails is for a person to put right; a server that fails is away."""
        try:
            yield
        except (Fault, Unavailable):
            raise
        except Exception as error:
            what = f"model store {self.url}: {error}"
            if isinstance(error, OSError) and "file" in self._fs.protocol:
                raise Fault(what) from None
            raise Unavailable(what) from error


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Fault(f"key folder {folder}: {error}; set AFFLUENT_STORE__KEY_DIR to a folder you may write to") from None


def _name(key: Ed25519PublicKey) -> str:
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


def _parsed(parse: Any, file: Path, *rest: Any) -> Any:
    try:
        return parse(file.read_bytes(), *rest)
    except (ValueError, TypeError) as error:
        raise Fault(f"{file}: not a PEM key: {error}") from None


def _write(file: Path, content: bytes) -> None:
    """Write a file that is whole or absent, readable by this user alone; another process that was faster wins."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(part, file)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            part.replace(file)
    finally:
        part.unlink(missing_ok=True)
