"""Every key of build.yaml. Unknown keys are refused; each key can be given on the command line."""

import json
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.verdict import Family, Purpose, Stance

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]

MAX_LIST_AGE_DAYS = 7.0
"""Days after which a signed list is too old to build by, unless somebody says otherwise."""


class Section(BaseModel):
    """A part of the config: frozen, and no key but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class ResizeMode(StrEnum):
    """As in img2dataset."""

    NO = "no"
    BORDER = "border"
    KEEP_RATIO = "keep_ratio"
    KEEP_RATIO_LARGEST = "keep_ratio_largest"
    CENTER_CROP = "center_crop"


class SourceConfig(Section):
    """What is read, and which of its columns mean what."""

    name: str = Field("", description="name of the source, part of every uid; default: file name")
    input_format: Literal["auto", "parquet", "csv", "tsv", "jsonl", "img2dataset", "images"] = (
        Field("auto", description="format of SOURCE; auto goes by file names")
    )
    url_col: str = Field("", description="column with the URL; default: recognised")
    caption_col: str = Field("", description="column with the caption; default: recognised")
    uid_col: str = Field("", description="column with a 32-hex uid; default: uid")
    page_col: str = Field(
        "", description="column with the URL of the page around the image; it is asked too"
    )
    html_col: str = Field("", description="column with the page's HTML, read without network")
    wat_col: str = Field("", description="column with the page's Common Crawl WAT record, likewise")
    rows_per_task: Positive = Field(100_000, description="rows that one task reads")
    max_caption_bytes: Positive = Field(65_536, description="longer captions are malformed")


class FetchConfig(Section):
    """How hosts are asked."""

    engine: Literal["aiohttp", "img2dataset"] = Field("aiohttp", description="who downloads")
    contact: str = Field(
        "", description="URL or mail address by which a site reaches you; required for public hosts"
    )
    agent: str = Field(
        "RecuseBot", description="product token, letters only (RFC 9309 allows no digits)"
    )
    allow_hosts: tuple[str, ...] = Field(
        (), description="HOST:PORT pairs that may be on loopback or private addresses"
    )
    connections: Positive = Field(128, description="open connections of one task")
    per_host: Positive = Field(4, description="open connections to one host")
    timeout_s: Seconds = Field(30.0, description="whole time for one answer")
    connect_timeout_s: Seconds = Field(10.0, description="time to connect")
    max_bytes: Positive = Field(20_000_000, description="largest body")
    max_redirects: Annotated[int, Field(ge=0)] = Field(5, description="redirects followed")
    retries: Annotated[int, Field(ge=0)] = Field(2, description="more tries of transient failures")
    backoff_s: Seconds = Field(1.0, description="first back-off; doubles, with jitter")
    max_retry_after_s: Seconds = Field(120.0, description="longest Retry-After that is waited for")
    urls_per_task: Positive = Field(2_000, description="URLs that one task asks and publishes")

    @field_validator("agent")
    @classmethod
    def _letters_only(cls, value: str) -> str:
        if not value or not all(c.isascii() and (c.isalpha() or c in "-_") for c in value):
            raise ValueError("expected letters, '-' and '_' only (RFC 9309 section 2.2.1)")
        return value


class SignalsConfig(Section):
    """What machine-readable signals decide."""

    purpose: Purpose = Field(Purpose.TRAIN_GEN, description="what the release is for")
    profile: Literal["default", "strict", "rfc-literal"] = Field(
        "default", description="how disputed signals are read: recuse signals profiles"
    )
    robots_tokens: Literal["", "own-only", "upstream", "any-training-token"] = Field(
        "", description="whose robots.txt groups bind beside our own; default: the profile's"
    )
    index_tokens: bool | None = Field(
        None, description="noindex and noimageindex deny too; default: the profile's"
    )
    rsl_attribution: bool | None = Field(
        None, description="an RSL licence for attribution alone permits; default: the profile's"
    )
    accept_unchecked: tuple[Family, ...] = Field(
        (), description="families that may be unread: robots,well-known,page,headers,embedded,lists"
    )
    max_signal_age_h: Annotated[float, Field(ge=0)] = Field(
        0.0, description="hours after which what was read is too old to release on; 0: no limit"
    )


class ListsConfig(Section):
    """Registries of others, off unless named."""

    spawning_url: str = Field("", description="address of a Spawning-style URL list API")
    spawning_key_env: str = Field(
        "SPAWNING_OPTS_KEY", description="environment variable that holds its key"
    )
    batch_urls: Annotated[int, Field(gt=0, le=10_000)] = Field(
        10_000, description="URLs in one question"
    )
    declarations: tuple[str, ...] = Field(
        (), description="files of declarations (TDM-AI), one JSON object a line"
    )


class DecodeConfig(Section):
    """What is stored of an image; option names as in img2dataset."""

    image_size: Positive = Field(256, description="edge in pixels")
    resize_mode: ResizeMode = Field(ResizeMode.KEEP_RATIO, description="how images are resized")
    resize_only_if_bigger: bool = Field(True, description="never enlarge")
    encode_format: Literal["jpg", "png", "webp"] = Field("jpg", description="stored format")
    encode_quality: Annotated[int, Field(ge=0, le=100)] = Field(95, description="stored quality")
    min_image_size: Annotated[int, Field(ge=0)] = Field(0, description="smallest shorter edge")
    max_aspect_ratio: Annotated[float, Field(gt=0)] = Field(
        float("inf"), description="longest to shortest edge", json_schema_extra={"default": "inf"}
    )
    max_pixels: Positive = Field(100_000_000, description="larger images are refused unread")


class ModelConfig(Section):
    """Which model gives `sem` and clip_similarity."""

    name: str = Field(
        "builtin:lite",
        description="builtin:lite, NAME/TAG of open_clip, hf-hub:ID or local-dir:FOLDER",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="chosen in the plan")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N")
    batch_size: Positive = Field(32, description="images in one forward pass")


class RelateConfig(Section):
    """When two samples are copies."""

    pdq_radius: Annotated[int, Field(ge=0, le=128)] = Field(31, description="PDQ distance")
    pdq_min_quality: Annotated[int, Field(ge=0, le=100)] = Field(50, description="PDQ quality")
    similarity: float = Field(0.0, description="cosine; 0 takes the model card's")
    exact_limit: Positive = Field(200_000, description="vectors above which cells are joined")
    cells_per_vector: Positive = Field(4, description="nearest cells in which each vector stands")
    dedup: bool = Field(True, description="release one of each duplicate group")


class ListConfig(Section):
    """A signed list of another registry: subscribed to, or declined with a reason."""

    name: Annotated[str, Field(min_length=1, description="what you call it")]
    origin: str = Field("", description="the registry that it must come from; default: any")
    location: str = Field("", description="folder or URL that holds it")
    key: str = Field("", description="verifier key of its publisher, NAME+ID+BASE64")
    subscribe: bool = Field(True, description="honour it; false declines it")
    reason: str = Field("", description="why it is declined; the manifest says so")

    @model_validator(mode="after")
    def _says_enough(self) -> "ListConfig":
        if self.subscribe and not self.key:
            raise ValueError(f"list {self.name!r} expects the verifier key of its publisher (key)")
        if not self.subscribe and not self.reason:
            raise ValueError(f"list {self.name!r} is declined: expects a reason")
        return self


class RegistryConfig(Section):
    """Whose opt-outs are honoured."""

    url: str = Field("", description="path or SQLAlchemy URL of the registry")
    trust_local: bool = Field(False, description="take control as proved on this registry")
    pin: bool = Field(False, description="do not look for a newer snapshot before release")
    lists: tuple[ListConfig, ...] = Field(
        (), description="signed lists: {name, location, key}, or {name, subscribe: false, reason}"
    )
    max_age_days: Annotated[float, Field(ge=0)] = Field(
        MAX_LIST_AGE_DAYS, description="age from which a list is too old to build by; 0: no limit"
    )

    @field_validator("lists")
    @classmethod
    def _named_apart(cls, value: tuple[ListConfig, ...]) -> tuple[ListConfig, ...]:
        names = [one.name for one in value]
        if len(set(names)) != len(names):
            raise ValueError(f"expected lists with names of their own, found {names}")
        return value

    @property
    def subscribed(self) -> tuple[ListConfig, ...]:
        """The lists that are honoured."""
        return tuple(one for one in self.lists if one.subscribe)


class MatchConfig(Section):
    """Limits of matching; the thresholds themselves stand in the claims."""

    matcher: str = Field(
        "builtin:lite",
        description="whose vectors judge: builtin:lite, or a folder of recuse cohort build",
    )
    style_budget: Share = Field(0.001, description="share of rows that all styles may drop falsely")
    share_cap: Annotated[float, Field(gt=0)] = Field(
        3.0, description="times alpha N rows that one style may drop before review"
    )
    claim_share: Share = Field(
        0.01, description="share of rows that a claim may drop by copies or by a name before review"
    )
    accept_floods: tuple[str, ...] = Field(
        (), description="ids of claims that somebody has looked at: they drop what they reach"
    )
    epsilon: Annotated[float, Field(ge=0)] = Field(
        0.002, description="a margin above -epsilon is met"
    )
    safe: tuple[str, ...] = Field(
        (), description="safe lists: contents that are no look-alike of a claim, one a line"
    )


class SafetyConfig(Section):
    """Hash lists, one hex hash a line; matches are dropped before anything is stored."""

    sha256: tuple[str, ...] = Field((), description="files of sha256")
    pdq: tuple[str, ...] = Field((), description="files of PDQ hashes")
    pdq_radius: Annotated[int, Field(ge=0, le=64)] = Field(31, description="PDQ distance")


class OutputConfig(Section):
    """The form of the release."""

    format: Literal["parquet", "webdataset", "urls"] = Field("parquet", description="shard format")
    shard_rows: Positive = Field(10_000, description="rows of one unit of work and resume")
    shard_mb: Positive = Field(100, description="size at which a released shard is split")
    title: str = Field("", description="name of the release in its report")
    key: str = Field("", description="file of the key that signs the release; empty: your own")
    hold_days: Annotated[int, Field(ge=0)] = Field(30, description="held bytes are kept so long")
    keep_store: bool = Field(
        False, description="keep all fetched bytes after publication, for --from-store"
    )


class WorkersConfig(Section):
    """Processes of a local cluster; leaves no trace in the release."""

    count: Annotated[int, Field(ge=0)] = Field(1, description="processes; 0: this process, no Dask")
    scheduler: str = Field("", description="address of a Dask scheduler that already runs")
    dashboard: bool = Field(True, description="serve the Dask dashboard on loopback")
    retries: Annotated[int, Field(ge=0)] = Field(2, description="more tries of a failed task")


class BuildConfig(Section):
    """build.yaml."""

    mode: Stance = Field(Stance.OPT_OUT, description="opt_out: keep unless denied; opt_in: granted")
    seed: int = Field(0, description="seed of clustering and samples")
    source: SourceConfig = SourceConfig()
    fetch: FetchConfig = FetchConfig()
    signals: SignalsConfig = SignalsConfig()
    lists: ListsConfig = ListsConfig()
    decode: DecodeConfig = DecodeConfig()
    model: ModelConfig = ModelConfig()
    filters: tuple[str, ...] = Field((), description="expressions that a row must meet")
    relate: RelateConfig = RelateConfig()
    match: MatchConfig = MatchConfig()
    registry: RegistryConfig = RegistryConfig()
    safety: SafetyConfig = SafetyConfig()
    output: OutputConfig = OutputConfig()
    workers: WorkersConfig = WorkersConfig()

    def as_json(self) -> dict[str, Any]:
        """Return a JSON value that `model_validate` reads back; infinity is a string in it."""
        value: dict[str, Any] = json.loads(self.model_dump_json())
        return value
