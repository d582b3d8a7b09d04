"""Print what became of the mutants of the last `make mutation`, as the table of docs/mutation.md."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from mutmut.stats import status_by_exit_code

NAMES = {"no tests": "no test", "caught by type check": "mypy", "segfault": "killed", "not checked": "not run"}
COLUMNS = ("mutants", "mypy", "killed", "timeout", "survived", "no test", "not run")


def counts(meta: Path) -> Counter[str]:
    """How many of a module's mutants came to which end."""
    found: Counter[str] = Counter()
    for code in json.loads(meta.read_text())["exit_code_by_key"].values():
        status = status_by_exit_code[code]
        found[NAMES.get(status, status)] += 1
    found["mutants"] = sum(found.values())
    return found


def main() -> None:
    """Print one row per module, and the total."""
    rows = {str(meta.relative_to("mutants").with_suffix("")): counts(meta) for meta in Path("mutants").rglob("*.meta")}
    rows = {name: row for name, row in sorted(rows.items()) if row["mutants"]}
    total = sum(rows.values(), Counter[str]())
    print("| module |", " | ".join(COLUMNS), "|")
    print("|", " | ".join(["---"] * (len(COLUMNS) + 1)), "|")
    for name, row in [*((f"`{name}`", row) for name, row in rows.items()), ("total", total)]:
        print(f"| {name} |", " | ".join(str(row[column]) for column in COLUMNS), "|")
    caught = total["mypy"] + total["killed"] + total["timeout"]
    print(f"\n{100 * caught / max(1, total['mutants'] - total['not run']):.1f} % of those that were run are caught")


if __name__ == "__main__":
    main()
