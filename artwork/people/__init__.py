"""The people who can be drawn. To add one, add a package like these two and a line here."""

from __future__ import annotations

from artwork.people import host, presenter
from artwork.person import Person

PEOPLE: dict[str, Person] = {"presenter": presenter.PERSON, "host": host.PERSON}
"""People by the name of their avatar."""
