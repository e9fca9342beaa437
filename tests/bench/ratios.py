#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints the ratios of a benchmark's JSON file: the time of svma divided by that of each other container."""

import json
import sys
from collections import defaultdict

# What the project aims at, against Boost.Intrusive. Reported, not enforced: machines differ and are busy.
AIMS = {"find": 1.0, "iterate": 1.0, "insert_erase": 1.6}
NOISE = 1.05  # two runs of the same code differ by this much
PER_ELEMENT = ("iterate", "walk_anon", "walk_file")


def load(path):
    """Fastest nanoseconds per element, as times[operation][size][container]."""
    with open(path, encoding="utf-8") as file:
        runs = json.load(file)["benchmarks"]
    samples = defaultdict(list)
    for run in runs:
        if run.get("run_type", "iteration") != "iteration":
            continue
        operation, container, size = run["name"].split("/")[:3]
        elements = int(size) if operation in PER_ELEMENT else 1
        samples[operation, int(size), container].append(run["cpu_time"] / elements)
    times = defaultdict(lambda: defaultdict(dict))
    for (operation, size, container), values in samples.items():
        times[operation][size][container] = min(values)
    return times


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: ratios.py FILE.json")
    times = load(sys.argv[1])
    others = [c for sizes in times.values() for containers in sizes.values() for c in containers if c != "svma"]
    others = list(dict.fromkeys(others))  # as they come, each once
    print(f"{'operation':<18}{'n':>9}{'svma ns':>10}" + "".join(f"{'/ ' + o:>18}" for o in others))
    for operation, sizes in times.items():
        for size, containers in sorted(sizes.items()):
            own = containers["svma"]
            line = f"{operation:<18}{size:>9}{own:>10.1f}"
            for other in others:
                if other in containers:
                    line += f"{own / containers[other]:>17.2f}x"
            aim = AIMS.get(operation)
            if aim and own / containers["boost_intrusive"] > aim * NOISE:
                line += f"  (aim {aim})"
            print(line)


if __name__ == "__main__":
    main()
