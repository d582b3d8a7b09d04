"""Everyone who can be drawn. A third person is a package like these two, and a line here."""

from __future__ import annotations

from artwork.people import host, presenter
from artwork.person import Person

PEOPLE: dict[str, Person] = {"presenter": presenter.PERSON, "host": host.PERSON}
"""By the name of their avatar."""
