"""What peers take for the study's tests: `python peers_cohort.py tableone|pandas columns.npz`, in a process of its own.

It needs neither this project nor its packages: it runs in the peer's own environment, too. It prints one JSON line with
the seconds of imports, of the first and of the second analysis, and the peak of resident memory.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

ONCE_FROM = 1_000_000


def frame(path: Path):  # noqa: ANN201  # pandas, which is not loaded to name it
    np, pd = (import_module(name) for name in ("numpy", "pandas"))
    with np.load(path) as kept:
        return pd.DataFrame({name: kept[name] for name in kept.files})


def peak_mb() -> float:
    """Return the peak of resident memory in MB; that of getrusage would be the parent's, where it was larger."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


def by_tableone(data) -> None:  # noqa: ANN001  # as above
    names = [name for name in data.columns if ":" in name]
    binary = [name for name in names if name.startswith("b:")]
    numbers = [name for name in names if name.startswith("c:")]
    import_module("tableone").TableOne(
        data, columns=binary + numbers, categorical=binary, nonnormal=numbers, groupby="group", pval=True, missing=True
    ).tabulate()


def by_pandas(data) -> None:  # noqa: ANN001  # as above
    np, stats, lifelines = (import_module(name) for name in ("numpy", "scipy.stats", "lifelines"))
    parts = [part for _, part in data.groupby("group")]
    for name in (name for name in data.columns if name.startswith("b:")):
        known = [part[name].dropna() for part in parts]
        stats.fisher_exact([[values.sum(), len(values) - values.sum()] for values in known])
    for name in (name for name in data.columns if name.startswith("c:")):
        known = [part[name].dropna().to_numpy() for part in parts]
        for values in (*known, np.concatenate(known)):
            np.quantile(values, (0.25, 0.5, 0.75), method="weibull")
        stats.mannwhitneyu(*known, method="asymptotic")
    for name in ("lvef", "strain"):
        for part in parts:
            stats.wilcoxon((part[f"p:{name}.follow_up"] - part[f"p:{name}.first"]).dropna())
    followed = [part.dropna(subset=["s:time"]) for part in parts]
    for part in followed:
        lifelines.KaplanMeierFitter().fit(part["s:time"], part["s:event"])
    lifelines.statistics.logrank_test(
        followed[0]["s:time"], followed[1]["s:time"], followed[0]["s:event"], followed[1]["s:event"]
    )


PEERS = {
    "tableone": (by_tableone, ("tableone", "pandas", "scipy")),
    "pandas": (by_pandas, ("pandas", "scipy", "lifelines")),
}
MODULES = {"tableone": ("tableone",), "pandas": ("pandas", "scipy.stats", "lifelines.statistics")}


def main(peer: str, path: Path) -> None:
    warnings.simplefilter("ignore")
    work, packages = PEERS[peer]
    started = time.perf_counter()
    for name in MODULES[peer]:
        import_module(name)
    imports = time.perf_counter() - started
    data = frame(path)
    seconds = []
    for _ in range(1 if peer == "tableone" and len(data) >= ONCE_FROM // 2 else 2):
        started = time.perf_counter()
        work(data)
        seconds.append(time.perf_counter() - started)
    print(
        json.dumps(
            {
                "imports": imports,
                "seconds": seconds,
                "peak_mb": peak_mb(),
                "versions": {name: version(name) for name in packages},
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
