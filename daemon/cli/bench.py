"""The `bench` command."""

from __future__ import annotations

import json

import click

from daemon.cli.place import Place, placed


@click.command()
@click.option("--quick", is_flag=True, help="Fewer and shorter jobs: one or two minutes instead of several.")
@click.option("--device", metavar="NAME", help="Measure only each step of Wav2Lip, on one device: cpu, cuda, cuda:1.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@placed
def bench(place: Place, quick: bool, device: str | None, as_json: bool) -> None:
    """Measure this machine with the configured workers; it should be otherwise idle.

    Both engines render videos with a temporary daemon and spool. No checkpoint is needed: Wav2Lip runs with full-size
    random weights.
    """
    if device is not None:
        _device(place, device, as_json=as_json)
        return
    from rich.console import Console

    from daemon.bench import measure

    with Console(stderr=True).status("") as progress:
        report = measure.measure(place.config, measure.QUICK if quick else measure.FULL, progress.update)
    if as_json:
        click.echo(json.dumps(report.as_dict()))
    else:
        measure.show(report, Console(width=measure.WIDTH))


def _device(place: Place, name: str, *, as_json: bool) -> None:
    from rich.console import Console

    from daemon.bench import device_speed
    from daemon.bench.measure import WIDTH

    try:
        device = device_speed.usable(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--device") from None
    with Console(stderr=True).status("") as progress:
        report = device_speed.measure_device(device, place.config, progress.update)
    if as_json:
        click.echo(json.dumps(report.as_dict()))
    else:
        device_speed.show_device(report, Console(width=WIDTH))
