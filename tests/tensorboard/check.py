"""Reads a run's events with TensorBoard itself and compares them with metrics.csv.

    python3 -m venv /tmp/tensorboard && /tmp/tensorboard/bin/pip install tensorboard
    /tmp/tensorboard/bin/python tests/tensorboard/check.py RUN
"""

import csv
import math
import struct
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

PREFIXES = ("evaluation", "exact", "update", "overrun")


def tag(column):
    kind, _, rest = column.partition(".")
    return f"{kind}/{rest}" if kind in PREFIXES else f"training/{column}"


def single(number):
    """What is left of a number in 32 bits."""
    return struct.unpack("f", struct.pack("f", number))[0]


def main(run):
    events = EventAccumulator(str(run), size_guidance={"scalars": 0}).Reload()
    with open(run / "metrics.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = [column for column in rows[0] if column not in ("iteration", "steps", "state_hash")]
    expected = {tag(column) for column in columns}
    found = set(events.Tags()["scalars"])
    assert found == expected, f"tags differ: {found ^ expected}"
    values = 0
    for column in columns:
        cells = [(int(row["iteration"]), float(row[column])) for row in rows if row[column]]
        scalars = [(event.step, event.value) for event in events.Scalars(tag(column))]
        assert len(cells) == len(scalars), f"{column}: {len(scalars)} events for {len(cells)} cells"
        for (iteration, cell), (step, value) in zip(cells, scalars):
            same = single(cell) == value or (math.isnan(cell) and math.isnan(value))
            assert iteration == step and same, f"{column}, iteration {iteration}: {value}, not {cell}"
        values += len(cells)
    print(f"{values} values under {len(columns)} tags: TensorBoard reads what metrics.csv says")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
