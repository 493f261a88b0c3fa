"""Which models are there, how good is each, which is in force? `affluent models list`, and `promote` to change it."""

from typing import TYPE_CHECKING, Any

from affluent import answers, wiring
from infra.errors import Fault

if TYPE_CHECKING:
    from infra.settings import Settings
    from models.bundle import Bundle


def list_models(*, json: bool = False) -> int:
    """Show every stored version, newest last, its error beside the baseline's, and the stage it last entered. Returns 0."""
    settings = wiring.settings()
    stages = _stages(settings) if settings.kafka.brokers else {}
    rows = [_row(sha, found, stages) for sha, found in _bundles(settings)]
    rows.sort(key=lambda row: (row["model"], row["created_at"]))
    if json:
        answers.as_json({"models": rows})
    elif not rows:
        answers.said(f"no models in {settings.store.url} yet: `affluent train dispatch delay`")
    else:
        columns = ("model", "version", "created_at", "trained_rows", "mae_min", "baseline_mae_min", "stage")
        answers.as_table(columns, [[row[name] for name in columns] for row in rows])
    return 0


def promote(model: str, version: str, *, note: str = "") -> int:
    """Announce that a stored version is in force from now on; a running relay carries it into the facts. Returns 0. Raises Fault."""
    from affluent.train import announce_stage

    settings = wiring.settings()
    known = [(sha, found) for sha, found in _bundles(settings) if not isinstance(found, str) and found.manifest.name == model]
    match = [found for sha, found in known if sha.startswith(version)]
    if len(match) != 1:
        names = ", ".join(sha[:12] for sha, _ in known) or "none"
        raise Fault(f"version: expected one of those stored for {model} ({names}), found {version!r}")
    announce_stage(settings, match[0], "promoted", note=note or "promoted by a person")
    answers.said(f"{match[0].label} is in force from its place in the log on; `affluent relay dispatch` carries it there")
    return 0


def _bundles(settings: "Settings") -> "list[tuple[str, Bundle | str]]":
    """Return every bundle of the store by its hash; why it may not be used, in place of one that may not."""
    from infra.store import BundleStore, NoBundle
    from models.bundle import BadBundle, Bundle

    store = BundleStore.at(settings.store)
    found: list[tuple[str, Bundle | str]] = []
    for sha in store.manifests():
        try:
            found.append((sha, Bundle.load(store.get(sha), store.keys.trusted(), sha)))
        except (BadBundle, NoBundle) as bad:
            found.append((sha, str(bad)))
    return found


def _row(sha: str, found: "Bundle | str", stages: dict[str, str]) -> dict[str, Any]:
    if isinstance(found, str):
        return dict.fromkeys(("trained_rows", "mae_min", "baseline_mae_min"), None) | {
            "model": "?", "version": sha[:12], "created_at": "", "stage": f"refused: {found}",
        }  # fmt: skip
    manifest = found.manifest
    mae = manifest.metrics["mae_min"]
    return {
        "model": manifest.name,
        "version": sha[:12],
        "created_at": f"{manifest.created_at:%Y-%m-%d %H:%M}",
        "trained_rows": manifest.split.train.rows,
        "mae_min": round(mae.model, 3),
        "baseline_mae_min": round(mae.baseline, 3),
        "stage": stages.get(sha, "stored"),
    }


def _stages(settings: "Settings") -> dict[str, str]:
    """Return the last stage of each bundle; a version that another was promoted over is obsolete."""
    from infra import kafka
    from infra.kafka import columns
    from infra.registry import Registry
    from schemas.columns import Reader
    from schemas.control import MODEL_VERSIONS, ModelVersionChanged
    from streams.engine.reading import bounds, stretch

    if MODEL_VERSIONS.name not in kafka.partitions(settings.kafka):
        return {}
    consumer = columns.consumer(settings.kafka, group="affluent.models")
    reader = Reader(MODEL_VERSIONS, Registry(settings.registry.url))
    stages: dict[str, str] = {}
    in_force: dict[str, str] = {}
    try:
        for records in stretch(consumer, MODEL_VERSIONS.name, 0, *bounds(consumer, MODEL_VERSIONS.name, 0)):
            for change in reader.read(records).rows():
                if isinstance(change, ModelVersionChanged):
                    stages[change.sha256] = change.stage
                    if change.stage == "promoted":
                        before = in_force.get(change.model)
                        if before not in (None, change.sha256):
                            stages[str(before)] = "obsolete"
                        in_force[change.model] = change.sha256
    finally:
        consumer.close()
    return stages
