"""The application: every module of `daemon/web/routes/`, with the errors, the limits and the checks of all requests."""

from __future__ import annotations

import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.routing import APIRoute
from sse_starlette import EventSourceResponse
from starlette.routing import Route

from daemon.spool.spool import Spool
from daemon.web import access, document, problems, routes, webhooks
from daemon.web.changes import Changes
from daemon.web.gateway import Gateway
from pipeline.config import Config


def make_app(config: Config, spool: Spool) -> FastAPI:
    """The gateway of a spool. Raises ConfigError."""
    signer = webhooks.make_signer(config)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        changes = Changes()
        changes.watch([spool.inbox, spool.outbox, spool.run, spool.webhooks])
        app.state.gateway = Gateway(config, spool, changes)
        try:
            async with webhooks.delivering(config, spool, changes, signer):
                yield
        finally:
            changes.close()

    app = FastAPI(
        title="lipdrop",
        version=version("lipdrop"),
        summary="Text in, talking avatar video out",
        lifespan=running,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation,
    )
    document.install(app)
    problems.install(app)
    access.install(app, config)
    modules = sorted(found.name for found in pkgutil.iter_modules(routes.__path__))
    app.state.routers = [import_module(f"{routes.__name__}.{module}").router for module in modules]
    for router in app.state.routers:
        app.include_router(router)
        got = [route for route in router.routes if isinstance(route, APIRoute) and route.methods == {"GET"}]
        app.router.routes += [_head(route) for route in got if route.response_class is not EventSourceResponse]
    return app


def _head(route: APIRoute) -> Route:
    """Answers HEAD as the route answers GET; of the answer the server sends the headers only."""
    head = Route(route.path, route.endpoint, methods=["HEAD"], include_in_schema=False)
    head.app = route.app
    return head


def _operation(route: APIRoute) -> str:
    """The operation's name in the OpenAPI document and in the clients that are generated from it."""
    return route.name
