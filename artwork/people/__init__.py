"""The people who can be drawn. To add one, add a package like these and a line here."""

from __future__ import annotations

from artwork.people import expert, guide, host, presenter
from artwork.person import Person

PEOPLE: dict[str, Person] = {
    "presenter": presenter.PERSON,
    "host": host.PERSON,
    "guide": guide.PERSON,
    "expert": expert.PERSON,
}
"""People by the name of their avatar."""
