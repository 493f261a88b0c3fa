"""Are bundles kept whole, and keys kept private?"""

import os
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from infra.errors import Fault
from infra.settings import Store
from infra.store import BundleStore, Keys, NoBundle

FILES = {"manifest.json": b"{}\n", "signature": b"s", "model.onnx": b"\x00\x01"}
SHA = sha256(FILES["manifest.json"]).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore.at(Store(url=str(tmp_path / "models"), key_dir=str(tmp_path / "keys")))


def test_what_was_put_comes_back_under_the_hash_of_its_manifest(store: BundleStore) -> None:
    assert store.manifests() == {}
    assert store.put(FILES) == store.put(FILES) == SHA
    assert store.get(SHA) == FILES
    assert store.manifests() == {SHA: FILES["manifest.json"]}


def test_any_fsspec_address_will_do() -> None:
    store = BundleStore("memory://some/models", Keys(Path("unused")))
    assert store.get(store.put(FILES)) == FILES


def test_a_bundle_that_is_not_there_is_named(store: BundleStore) -> None:
    with pytest.raises(NoBundle, match="no bundle abcdefabcdef in "):
        store.get("abcdef" * 10)


def test_a_bundle_without_its_manifest_is_not_there_yet(store: BundleStore, tmp_path: Path) -> None:
    store.put(FILES)
    (tmp_path / "models" / SHA / "manifest.json").unlink()
    with pytest.raises(NoBundle):
        store.get(SHA)
    assert store.manifests() == {}
    assert store.put(FILES) == SHA
    assert store.get(SHA) == FILES


def test_an_address_nobody_speaks_is_a_fault() -> None:
    with pytest.raises(Fault, match="AFFLUENT_STORE__URL: cannot use 'nosuch://x'"):
        BundleStore("nosuch://x", Keys(Path("unused")))


def test_a_store_that_is_a_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(Fault, match="model store"):
        BundleStore(str(tmp_path / "models"), Keys(tmp_path)).put(FILES)


def test_the_signing_key_is_made_once_for_this_user_alone_and_trusted(store: BundleStore, tmp_path: Path) -> None:
    key = store.keys.signing()
    assert store.keys.signing().private_bytes_raw() == key.private_bytes_raw()
    for file in (tmp_path / "keys").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0
    ((name, public),) = store.keys.trusted().items()
    assert isinstance(public, Ed25519PublicKey)
    assert name == sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]


def test_a_key_that_others_may_read_is_refused(store: BundleStore, tmp_path: Path) -> None:
    store.keys.signing()
    (tmp_path / "keys" / "signing.pem").chmod(0o644)
    with pytest.raises(Fault, match="others may read this key"):
        store.keys.signing()


def test_a_damaged_key_is_named(store: BundleStore, tmp_path: Path) -> None:
    store.keys.signing()
    (tmp_path / "keys" / "signing.pem").write_bytes(b"-----BEGIN")
    with pytest.raises(Fault, match=r"signing\.pem: not a PEM key"):
        store.keys.signing()


def test_a_stranger_is_trusted_when_their_public_key_is_laid_beside(store: BundleStore, tmp_path: Path) -> None:
    other = Keys(tmp_path / "other")
    other.signing()
    store.keys.signing()
    for file in (tmp_path / "other").glob("*.public.pem"):
        (tmp_path / "keys" / file.name).write_bytes(file.read_bytes())
    assert set(other.trusted()) < set(store.keys.trusted())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_we_may_not_write_to_is_a_fault(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Fault, match="AFFLUENT_STORE__KEY_DIR"):
        Keys(tmp_path / "keys").signing()
