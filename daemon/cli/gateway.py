"""The command `serve`: the web gateway."""

from __future__ import annotations

import click

from daemon import logs
from daemon.cli.place import Place, placed
from pipeline.errors import ConfigError


@click.command()
@click.option("--host", help="Address to listen on; default: web.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; default: web.port. 0: any free one.")
@click.option("--with-daemon", is_flag=True, help="Also run the daemon, until the gateway ends.")
@click.option("--log-json", is_flag=True, help="Write the log as JSON lines, the daemon's too.")
@placed
def serve(place: Place, host: str | None, port: int | None, with_daemon: bool, log_json: bool) -> None:
    """Serve the HTTP interface and the pages of a spool, whether or not its daemon is running."""
    try:
        from daemon.web import server
    except ImportError as error:
        hint = "install it with: pip install 'lipdrop[web]'"
        raise ConfigError("web_missing", f"the web gateway is not installed: {error}", hint=hint) from error
    logs.set_up(as_json=log_json, program="gateway", level=place.config.log.level)
    changes = {key: value for key, value in {"host": host, "port": port}.items() if value is not None}
    web = place.config.web.model_copy(update=changes)
    place.spool.create()
    file = click.get_current_context().params["config_file"]
    options = [*(["--config", str(file)] if file else []), *(["--log-json"] if log_json else [])]
    daemon = ["run", "--spool", str(place.spool.root), *options]
    server.run(place.config.model_copy(update={"web": web}), place.spool, daemon if with_daemon else ())
