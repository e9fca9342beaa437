#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""cost_report.py COUNT-DIR TIME-DIR OUT.json: prints what cost.sh measured, and writes it to OUT.json.

COUNT-DIR has the results of `cost.sh count` and `sections` of count_plugin, TIME-DIR those of `cost.sh time`."""

import bisect
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections import Counter, defaultdict

AIM = 1.05  # compilation against plain. Reported, not enforced
TOP = 10
CALIBRATION = "ten_nops"  # prefix of what measures the measurement
CALIBRATION_INSTRUCTIONS = 12


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def load_runs(directory):
    """(kind, mode, content) of each file, in the order they were made; see cost.sh for the modes."""
    with open(os.path.join(directory, "order"), encoding="utf-8") as file:
        names = file.read().split()
    return [(*name.split("-")[:2], load(os.path.join(directory, name + ".json"))) for name in names]


class Symbols:
    """Kernel addresses to (name, module or '')."""

    def __init__(self, path):
        table = {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                address, kind, name, *module = line.split()
                if kind in "tTwW":
                    table.setdefault(int(address, 16), (name, module[0].strip("[]") if module else ""))
        self.addresses = sorted(table)
        self.names = [table[address] for address in self.addresses]

    def of(self, address):
        at = bisect.bisect_right(self.addresses, address) - 1
        return self.names[at] if at >= 0 else ("?", "")


def read_sections(path, symbols):
    """For each section a Counter of instructions by (name, module)."""
    sections = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            word, value = line.split()
            if word == "section":
                sections.append(Counter())
            elif word == "user":
                sections[-1]["user space", ""] += int(value)
            else:
                sections[-1][symbols.of(int(word, 16))] += int(value)
    return sections


def demangle(names):
    if not shutil.which("c++filt"):
        return list(names)
    out = subprocess.run(["c++filt", "-p"], input="\n".join(names), text=True, capture_output=True, check=True)
    return out.stdout.splitlines()


class Run:
    """The results of one svma-cost, with the profile of each."""

    def __init__(self, results, profiles):
        self.results = {result["name"]: result for result in results}
        self.profiles = dict(zip(self.results, profiles))

    def each(self, name):
        """Instructions per operation."""
        return self.results[name]["ticks"] / self.results[name]["count"]

    def profile(self):
        """All instructions but those of the calibration."""
        return sum((p for name, p in self.profiles.items() if not name.startswith(CALIBRATION)), Counter())


def read_counts(directory):
    """Lists of Run by kind and mode."""
    sections = read_sections(os.path.join(directory, "sections"), Symbols(os.path.join(directory, "kallsyms")))
    runs = defaultdict(list)
    for kind, mode, content in load_runs(directory):
        results = content["results"]
        if len(sections) < len(results):
            sys.exit("cost_report.py: fewer sections than results")
        runs[kind, mode].append(Run(results, sections[: len(results)]))
        sections = sections[len(results):]
    if sections:
        sys.exit("cost_report.py: more sections than results")
    return runs


def report_operations(runs):
    print("Instructions per operation:")
    print(f"  {'operation':<25}{'plain':>10}{'+ untracked':>13}{'+ tracked':>11}{'ratio':>8}{'of it svma.ko':>15}")
    tracked_run = runs["cost", "tracked"][0]
    rows = []
    for name, result in tracked_run.results.items():
        if name.startswith(CALIBRATION):
            continue
        plain, untracked, tracked = (runs["cost", mode][0].each(name) for mode in ("plain", "untracked", "tracked"))
        own = sum(n for (_, owner), n in tracked_run.profiles[name].items() if owner == "svma") / result["count"]
        rows.append({"operation": name, "plain": plain, "untracked": untracked, "tracked": tracked, "module": own})
        print(f"  {name:<25}{plain:>10.0f}{untracked - plain:>+13.0f}{tracked - plain:>+11.0f}{tracked / plain:>8.2f}"
              f"{own:>15.0f}")
    return rows


def report_exactness(runs):
    every = [(run, name) for group in runs.values() for run in group for name in run.results]
    loops = [run.each(name) for run, name in every if name.startswith(CALIBRATION)]
    off = max(abs(sum(run.profiles[name].values()) / run.results[name]["ticks"] - 1) for run, name in every
              if name in runs["cost", "plain"][0].results)
    print(f"  Exactness: a loop of {CALIBRATION_INSTRUCTIONS} instructions took {min(loops):.3f} to {max(loops):.3f},"
          f" timer interrupts included; clock and counts by address differ by {off:.2%} at most.")
    return {"instructions": CALIBRATION_INSTRUCTIONS, "least": min(loops), "most": max(loops), "clock_against_counts": off}


def report_profile(runs, kind, title):
    def mean(mode):
        group = runs[kind, mode]
        total = sum((run.profile() for run in group), Counter())
        return Counter({key: count / len(group) for key, count in total.items()})

    tracked, plain = mean("tracked"), mean("plain")
    module = Counter({name: count for (name, owner), count in tracked.items() if owner == "svma"})
    kernel = Counter({name: count - plain[name, owner] for (name, owner), count in tracked.items()
                      if owner != "svma" and name != "user space"})
    own = sum(module.values())
    print(f"\n{title}: svma.ko executed {own / 1e6:.2f} M of {sum(tracked.values()) / 1e6:.1f} M instructions."
          " Its most expensive functions, callees not included:")
    top = module.most_common(TOP)
    for (_, count), name in zip(top, demangle([name for name, _ in top])):
        print(f"  {count / 1e3:>12.1f} k {count / own:>7.1%}  {name}")
    print("  and what the rest of the kernel did more than without the module:")
    for name, count in kernel.most_common(TOP // 2):
        print(f"  {count / 1e3:>12.1f} k          {name}")
    return {"module": own, "all": sum(tracked.values()), "functions": dict(module.most_common()),
            "elsewhere": dict(kernel.most_common(2 * TOP))}


def against_aim(ratio):
    return f"{'below' if ratio < AIM else 'ABOVE'} the aim of {AIM - 1:.0%}"


def report_compile_counts(runs):
    totals = {mode: [sum(run.profile().values()) for run in group]
              for (kind, mode), group in runs.items() if kind == "compile"}
    plain = statistics.median(totals["plain"])
    print(f"\nA compilation, in instructions: {plain / 1e6:.1f} M plain, medians of {len(totals['plain'])}:")
    for mode, counts in totals.items():
        ratio = statistics.median(counts) / plain
        print(f"  {mode:<12}{ratio - 1:>+9.3%}   (from {min(counts) / plain - 1:+.3%} to {max(counts) / plain - 1:+.3%})"
              + (f"   {against_aim(ratio)}" if mode != "plain" else ""))
    return {"totals": totals}


def report_compile_times(directory):
    times = defaultdict(list)
    for _, mode, content in load_runs(directory):
        times[mode].append({"wall": content["results"][0]["wall_ns"] / 1e9, "processor": content["children_cpu_s"]})

    def ratio(mode, what):
        return statistics.median(a[what] / b[what] for a, b in zip(times[mode], times["plain"]))

    print("\nA compilation, in seconds under emulation; ratios to the plain one of the same round, medians:")
    plain = [run["wall"] for run in times["plain"]]
    spread = max(plain) / min(plain)
    report = {"seconds": times, "plain_spread": spread}
    for mode, runs in times.items():
        walls = [run["wall"] for run in runs]
        line = f"  {mode:<12}{statistics.median(walls):>7.2f} s (from {min(walls):.2f} to {max(walls):.2f})"
        if mode != "plain":
            report[mode] = {what: ratio(mode, what) for what in ("wall", "processor")}
            line += f"   wall {report[mode]['wall'] - 1:+.1%}, processor {report[mode]['processor'] - 1:+.1%}"
            if spread < AIM:
                line += f"   {against_aim(report[mode]['wall'])}"
        print(line)
    if spread >= AIM:
        print(f"  Plain runs alone differ by {spread - 1:.0%}: seconds can't tell on this machine whether the aim is met.")
    return report


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: cost_report.py COUNT-DIR TIME-DIR OUT.json")
    runs = read_counts(sys.argv[1])
    report = {
        "operations": report_operations(runs),
        "exactness": report_exactness(runs),
        "profile_operations": report_profile(runs, "cost", "The operations above, tracked"),
        "profile_compile": report_profile(runs, "compile", "The compilation, tracked"),
        "compile_instructions": report_compile_counts(runs),
        "compile_seconds": report_compile_times(sys.argv[2]),
    }
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
