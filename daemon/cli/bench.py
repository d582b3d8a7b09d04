"""The `bench` command."""

from __future__ import annotations

import json

import click

from daemon.cli.place import Place, placed


@click.command()
@click.option("--quick", is_flag=True, help="Fewer and shorter jobs: one or two minutes instead of several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@placed
def bench(place: Place, quick: bool, as_json: bool) -> None:
    """Measure this machine with the configured workers; it should be otherwise idle.

    Both engines render videos with a temporary daemon and spool. No checkpoint is needed: Wav2Lip runs with full-size
    random weights.
    """
    from rich.console import Console

    from daemon.bench import measure

    with Console(stderr=True).status("") as progress:
        report = measure.measure(place.config, measure.QUICK if quick else measure.FULL, progress.update)
    if as_json:
        click.echo(json.dumps(report.as_dict()))
    else:
        measure.show(report, Console(width=measure.WIDTH))
