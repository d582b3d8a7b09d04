"""The checks, in the order in which their findings are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from daemon.doctor.checks import (
    avatars,
    cluster,
    computing,
    configuration,
    limits,
    media,
    models,
    service,
    spool,
    voices,
    web,
)
from daemon.doctor.finding import Finding
from daemon.doctor.machine import Machine

CHECKS: dict[str, Callable[[Machine], Iterable[Finding]]] = {
    "Configuration": configuration.check,
    "Spool": spool.check,
    "System": limits.check,
    "Cluster": cluster.check,
    "Video": media.check,
    "torch and GPUs": computing.check,
    "Models": models.check,
    "Voices": voices.check,
    "Avatars": avatars.check,
    "Web gateway": web.check,
    "Service": service.check,
}
"""The checks by their titles. The first is the first to read: the others use the configuration."""
