"""What a build will cost, before it is begun: bytes on disk and processor time.

The rates were measured by bench/ on two cores of a 2023 server (docs/benchmarks.md); they order the
stages and say hours from days. The web sets the pace of fetching, so its time is a lower bound.
"""

from dataclasses import dataclass

from schemas.config import BuildConfig, ResizeMode

BODY_BYTES = 85_000  # mean body of a web image list
EMBEDDING_BYTES = 2 * (512 + 256 + 512)
SLIM_BYTES = 600  # facts, keys and ledger of one row, compressed
STORED_BYTES_PER_PIXEL = 0.25  # JPEG at quality 95

CPU_MS = {
    "read and screen": 0.05,
    "fetch": 1.0,
    "decode": 5.0,
    "embed (built-in model)": 45.0,
    "relate, match, decide": 0.5,
    "write release": 0.3,
}
CHOSEN_MODEL_MS = 65.0  # ViT-B/32 fp32 on one core; 16 with bf16 matrix units


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan will cost. Times are processor seconds of one core by stage."""

    rows: int
    stage_seconds: dict[str, float]
    work_bytes: int
    release_bytes: int

    def seconds(self, cores: int) -> float:
        """Return the wall time on so many cores, if the web keeps up."""
        return sum(self.stage_seconds.values()) / max(1, cores)


def estimate(rows: int, config: BuildConfig) -> Estimate:
    """Return what `rows` rows will cost under a config."""
    stages = {name: rows * ms / 1000 for name, ms in CPU_MS.items()}
    if config.model.name != "builtin:lite":
        stages[f"embed ({config.model.name})"] = rows * CHOSEN_MODEL_MS / 1000
    edge = config.decode.image_size
    stored = BODY_BYTES
    if config.decode.resize_mode is not ResizeMode.NO:
        stored = int(edge * edge * 1.3 * STORED_BYTES_PER_PIXEL)
    if config.output.format == "urls":
        stored = 0
    release = rows * (stored + EMBEDDING_BYTES + SLIM_BYTES)
    work = rows * (BODY_BYTES + stored + EMBEDDING_BYTES + 3 * SLIM_BYTES)
    return Estimate(rows, stages, work, release)
