"""`recuse cohort`: a matcher of one's own, for a stronger model or for other images."""

from typing import Annotated

import typer

from jobs.cli.console import console, safe, track

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

app = typer.Typer(no_args_is_help=True, help="Make a matcher: whitening, cohort, calibration.")


@app.callback()
def root() -> None:
    """Make a matcher: whitening, cohort, calibration."""


@app.command("build")
def build(
    model: Annotated[str, typer.Argument(help="Model, as model.name: NAME/TAG, hf-hub:ID, ...")],
    folder: Annotated[str, typer.Argument(help="Background images, FOLDER/HAND/IMAGE.")],
    *,
    out: Annotated[str, typer.Option("--out", help="New folder of the matcher.")],
    licence: Annotated[
        str,
        typer.Option("--licence", help="Under which licence the images are; stands in its card."),
    ],
    name: Annotated[
        str, typer.Option("--name", help="What releases call the matcher. [the model's name]")
    ] = "",
    calibrating: Annotated[
        int, typer.Option("--calibration-hands", min=1, help="Most hands that calibrate.")
    ] = 200,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N")] = "auto",
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Images in one forward pass.")
    ] = 32,
) -> None:
    """Make a matcher of a model and a folder with one sub-folder of images for each hand.

    A third of the hands fits the whitening, the others calibrate. Thresholds are as honest as there
    are different hands: 198 that calibrate, with 1,000 images, for a rate of 0.1 %.
    """
    from jobs.cohort import Order, survey
    from jobs.cohort import build as make
    from jobs.enrol import folder as read_folder
    from pipeline.image.canonical import CanonicalHasher
    from pipeline.models.architecture import choose_precision
    from pipeline.models.loading import load_raw
    from pipeline.storage import open_store

    images = read_folder(open_store(folder))
    _, device = choose_precision(model, "fp32", device)
    raw = load_raw(model, device=device, batch_size=batch_size)
    found = survey(images, CanonicalHasher(), track)
    order = Order(model, name or shown_name(model), licence, calibrating)
    done = make(order, raw, found, open_store(out), track)
    said, out_ = done.document, console()
    short = said["fingerprint"][:16]
    out_.print(f"matcher [bold]{safe(said['name'])}[/] {short} in {safe(out)}")
    for part in ("fit", "calibration"):
        out_.print(f"{part}: {said[part]['hands']} hands, {said[part]['images']:,} images")
    for what, count in (
        ("files are no images", found.unreadable),
        ("pictures were there already", found.twice),
        ("lie in folders of two hands, and were left out", found.disputed),
        ("hands have one image only", found.single),
    ):
        if count:
            out_.print(f"{count:,} {what}")
    for rate, share in said["recall"].items():
        out_.print(
            f"recall of one image at {float(rate):g}: {share:.1%} ({said['recall_hands']} hands)"
        )
    out_.print(
        f"taken for copies of each other: {said['copy_pairs']:,} of {said['pairs']:,} pairs of"
        " images by different hands"
    )
    for line in done.warnings:
        out_.print(f"[yellow]warning:[/] {safe(line)}")
    out_.print(f"claims: recuse optout submit --matcher {safe(out)}")
    out_.print(f"builds: recuse build --matcher {safe(out)} (config key match.matcher)")


def shown_name(model: str) -> str:
    """Return a model's name without a folder of this machine in it."""
    kind, _, place = model.partition(":")
    return f"{kind}:{place.rstrip('/').rsplit('/', 1)[-1]}" if kind == "local-dir" else model
