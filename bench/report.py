"""What a run found: medians, spread and ratios, as a table for people or as JSON."""
import json
import os
import pathlib
import platform
import statistics

REFERENCES = ("null",)


def summary(samples):
    """Medians of everything that the rounds of one server in one row told."""
    found = {"rounds": [round(s["value"], 4) for s in samples]}
    for key in samples[0]:
        found[key] = statistics.median(s[key] for s in samples)
    low, high = min(found["rounds"]), max(found["rounds"])
    found["spread"] = (high - low) / found["value"] if found["value"] else 0
    return found


def best_peer(row, servers):
    """(name, value) of the best server that is neither ours nor a reference."""
    values = {n: s["value"] for n, s in servers.items() if "error" not in s and n not in REFERENCES
              and not n.startswith("ferryd")}
    if not values:
        return None, None
    name = (max if row.more_is_better else min)(values, key=values.get)
    return name, values[name]


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) >> 20
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": memory, "kernel": platform.release(),
            "system": platform.freedesktop_os_release().get("PRETTY_NAME", "")}


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def row_text(row, found):
    """The lines of one row."""
    lines = [f"{row.title} [{row.name}], {row.unit}"]
    for name, value in found["limits"].items():
        lines.append(f"  {'(' + name + ')':<16}{number(value):>10}")
    best, best_value = best_peer(row, found["servers"])
    for name, s in found["servers"].items():
        if "error" in s:
            lines.append(f"  {name:<16}     error: {s['error']}")
            continue
        text = f"  {name:<16}{number(s['value']):>10}  +-{s['spread'] * 50:>3.0f}%"
        if best_value and name not in REFERENCES:
            text += f"  {s['value'] / best_value:5.2f} of {best if name.startswith('ferryd') else 'best'}"
        if "cpu" in s and row.cpu_unit:
            text += f"   CPU {number(s['cpu'])} {row.cpu_unit}"
        for key, what in (("p99", "p99"), ("first", "first byte")):
            if key in s:
                text += f"   {what} {s[key] / 1000:.2f} ms"
        if s.get("refused"):
            text += f"   {number(s['refused'])} times 425"
        if "kernel" in s:
            text += f"   and {number(s['kernel'])} of the kernel for both ends"
        lines.append(text)
    return "\n".join(lines)


def head(found):
    m = found["machine"]
    lines = [f"{m['cores']} x {m['cpu']}, {m['memory_gib']} GiB, Linux {m['kernel']}, {m['system']}"]
    lines += [f"{name}: {version}" for name, version in found["versions"].items()]
    lines += [f"{found['rounds']} interleaved rounds of {found['seconds']} s; medians, and half the distance "
              "between the extremes"]
    return "\n".join(lines)


def as_json(found):
    return json.dumps(found, indent=1)
