"""The pictures of docs/performance.md."""

from pathlib import Path
from statistics import mean, median

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks.contest import US, Contest


def plot_advantages(contests: list[Contest], path: Path) -> None:
    """How many times as fast as each peer, the median and all turns, in every contest that has peers."""
    bars = [
        (contest, peer)
        for contest in contests
        if US in contest.turns
        for peer in contest.turns
        if not peer.startswith(US)
    ]
    figure, axes = plt.subplots(figsize=(9, 0.34 * len(bars) + 1.2), layout="constrained")
    for place, (contest, peer) in enumerate(reversed(bars)):
        ratios = contest.advantages(peer)
        axes.barh(place, median(ratios), color="tab:blue" if median(ratios) >= 1 else "tab:gray")
        axes.plot(ratios, [place] * len(ratios), "k|", markersize=6)
        axes.annotate(f" {median(ratios):.1f} ×", (max(ratios), place), va="center", fontsize=8)
    axes.set_yticks(range(len(bars)), [f"{contest.title}: {peer}" for contest, peer in reversed(bars)], fontsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.margins(x=0.1)
    axes.set_xlabel(f"{US} is so many times as fast; bars: medians, marks: turns")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_pareto(contests: list[Contest], path: Path) -> None:
    """Test error against the seconds of training: ours a point a budget, of the peers the whole course."""
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    ours: dict[str, list[tuple[float, float, float, float]]] = {}
    for contest in contests:
        for name in contest.turns:
            if name == US and len(contest.turns) > 1:
                continue  # stands there as one of the budgets
            seconds, errors = contest.values(name, "seconds"), [100 * e for e in contest.values(name, "error")]
            if name == US:
                model = contest.title.partition(",")[0]
                ours.setdefault(model, []).append((median(seconds), mean(errors), min(errors), max(errors)))
            else:
                turn = contest.turns[name][0]
                epochs = sum(key.startswith("error ") for key in turn)
                course = [(turn[f"seconds {n}"], 100 * turn[f"error {n}"]) for n in range(1, epochs + 1)]
                points = course or [(seconds[0], errors[0])]
                axes.plot(*zip(*points, strict=True), "s--", markersize=4, linewidth=1, label=name)
    for model, outcomes in ours.items():
        when, means, lowest, highest = zip(*outcomes, strict=True)
        if len(outcomes) == 1:
            axes.plot(when, means, "o", color="gray")
            axes.annotate(f"  {model}", (when[0], means[0]), va="center", fontsize=8, color="dimgray")
            continue
        [line] = axes.plot(when, means, "o-", linewidth=2, label=f"{US}: {model}")
        axes.fill_between(when, lowest, highest, color=line.get_color(), alpha=0.2)
    axes.set(xscale="log", yscale="log", xlabel="seconds of training and testing", ylabel="test error [%]")
    axes.set_yticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_growth(contests: list[Contest], path: Path) -> None:
    """Seconds and peak memory against each size, both axes logarithmic: a line of slope 1 is linear."""
    figure, panels = plt.subplots(1, len(contests), figsize=(4 * len(contests), 3.6), layout="constrained")
    for axes, contest in zip(panels, contests, strict=True):
        sizes = [int(name.replace(",", "")) for name in contest.turns]
        _line(axes, sizes, [median(contest.values(name, "seconds")) for name in contest.turns], "seconds", "tab:blue")
        memory: Axes = axes.twinx()
        _line(memory, sizes, [median(contest.values(name, "MB")) for name in contest.turns], "peak MB", "tab:orange")
        memory.set_ylim(bottom=0)
        axes.set_xlabel(contest.title)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _line(axes: Axes, sizes: list[int], values: list[float], label: str, color: str) -> None:
    axes.plot(sizes, values, "o-", color=color)
    axes.set_xscale("log")
    if label == "seconds":
        axes.set_yscale("log")
    axes.set_ylabel(label, color=color)
