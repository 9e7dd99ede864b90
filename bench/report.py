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


def best_peer(row, found):
    """(name, value) of the best server that is neither ours nor a reference: of this row, or of the one that it is
    compared with."""
    servers = found.get(row.against or row.name, {}).get("servers", {})
    values = {n: s["value"] for n, s in servers.items() if "error" not in s and n not in REFERENCES
              and not n.startswith("ferryd")}
    if not values:
        return None, None
    name = (max if row.more_is_better else min)(values, key=values.get)
    return name, values[name]


def has_errors(found):
    """Of ours: what a peer gets wrong is shown, and is no failure of the benchmark."""
    return any("error" in s for row in found["rows"].values() for name, s in row.get("servers", {}).items()
               if name in REFERENCES or name.startswith("ferryd"))


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


def server_text(row, name, s, best, best_value):
    """One line of a row."""
    if "error" in s:
        return f"  {name:<18}     error: {s['error']}"
    text = f"  {name:<18}{number(s['value']):>10}  +-{s['spread'] * 50:>3.0f}%"
    if best_value and name not in REFERENCES:
        text += f"  {s['value'] / best_value:5.2f} of {best if name.startswith('ferryd') else 'best'}"
        text += f" in {row.against}" if row.against else ""
    if "cpu" in s and row.cpu_unit:
        text += f"   CPU {number(s['cpu'])} {row.cpu_unit}"
    for key, what in (("p99", "p99"), ("first", "first byte")):
        if key in s:
            text += f"   {what} {s[key] / 1000:.2f} ms"
    if "resumed" in s:
        text += f"   {s['resumed']:.0%} resumed"
    if s.get("refused"):
        text += f"   {number(s['refused'])} times 425"
    if "kernel" in s:
        text += f"   and {number(s['kernel'])} of the kernel for both ends"
    return text


def row_text(row, found):
    """The lines of one row; found: all rows so far."""
    here = found[row.name]
    lines = [f"{row.title} [{row.name}], {row.unit}"]
    if "skipped" in here:
        return "\n".join(lines + [f"  skipped: {here['skipped']}"])
    for name, value in here["limits"].items():
        lines.append(f"  {'(' + name + ')':<18}{number(value):>10}")
    best, best_value = best_peer(row, found)
    lines += [server_text(row, name, s, best, best_value) for name, s in here["servers"].items()]
    return "\n".join(lines)


def head(found):
    m = found["machine"]
    lines = [f"{m['cores']} x {m['cpu']}, {m['memory_gib']} GiB, Linux {m['kernel']}, {m['system']}"]
    lines += [f"{name}: {version}" for name, version in found["versions"].items()]
    lines += [f"{found['rounds']} interleaved rounds of {found['seconds']} s; medians, and half the distance "
              "between the extremes"]
    return "\n".join(lines)


# ---- the tables of docs/PERFORMANCE.md ----

COLUMNS = ("null", "vsftpd", "proftpd", "pureftpd", "pyftpdlib", "ferryd")
TITLES = {"proftpd": "ProFTPD", "pureftpd": "Pure-FTPd"}


def table(head, lines):
    rows = [head, ["---"] * len(head)] + lines
    return "\n".join("| " + " | ".join(line) + " |" for line in rows)


def cell(s):
    if s is None:
        return "-"
    if "error" in s:
        return "error"
    kernel = f" + {number(s['kernel'])}" if "kernel" in s else ""
    return f"{number(s['value'])}{kernel} ±{s['spread'] * 50:.0f}%"


def last_cell(row, found):
    """What ferryd's figure is to the best peer's, and its other settings."""
    here = found[row.name]["servers"]
    best, value = best_peer(row, found)
    ours = here.get("ferryd", {}).get("value")
    text = f"{ours / value:.2f} ({best}{' in `' + row.against + '`' if row.against else ''})" if ours and value else "-"
    others = [f"{name}: {cell(s)}" for name, s in here.items() if name not in COLUMNS]
    return "; ".join([text] + others)


def value_line(row, found):
    here = found[row.name]
    title = f"{row.title} (`{row.name}`), {row.unit}"
    if "skipped" in here:
        return [title] + ["skipped"] * (len(COLUMNS) + 2)
    bare = ", ".join(f"{name} {number(value)}" for name, value in here["limits"].items()) or "-"
    return [title, bare] + [cell(here["servers"].get(name)) for name in COLUMNS] + [last_cell(row, found)]


def cost_cell(row, s):
    if s is None or "error" in s:
        return "-"
    scale, unit = {"s per 1,000": (1000, "us")}.get(row.cpu_unit, (1, "s"))
    parts = [f"{number(s['cpu'] * scale)} {unit}"] if "cpu" in s and row.cpu_unit else []
    parts += [f"{s[key] / 1000:.2f} ms" for key in ("p99", "first") if key in s]
    if "resumed" in s:
        parts.append(f"{s['resumed']:.0%}")
    return ", ".join(parts) or "-"


def cost_line(row, found):
    servers = found[row.name].get("servers", {})
    sample = next((s for s in servers.values() if "error" not in s), {})
    what = [{"s per GiB": "for each GiB", "s per 1,000": "each"}.get(row.cpu_unit, "in all")]
    what += [text for key, text in (("p99", "p99"), ("first", "first byte"), ("resumed", "resumed")) if key in sample]
    return [f"`{row.name}`: {', '.join(what)}"] + [cost_cell(row, servers.get(name)) for name in COLUMNS]


def errors_text(found):
    said = [f"- `{row}`, {name}: {s['error']}" for row, here in found["rows"].items()
            for name, s in here.get("servers", {}).items() if "error" in s]
    skipped = [f"- `{row}` skipped: {here['skipped']}" for row, here in found["rows"].items() if "skipped" in here]
    return "\n".join(["Errors:", ""] + said + skipped) if said or skipped else "Errors: none."


def markdown(rows, found):
    """Tables ready to paste."""
    titles = [TITLES.get(name, name) for name in COLUMNS]
    values = table(["row", "bare"] + titles + ["ferryd / best peer"], [value_line(row, found["rows"]) for row in rows])
    costs = table(["row"] + titles, [cost_line(row, found["rows"]) for row in rows if row.cpu_unit])
    return "\n\n".join([head(found), values, "CPU time of the server:", costs, errors_text(found)])


def as_json(found):
    return json.dumps(found, indent=1)
