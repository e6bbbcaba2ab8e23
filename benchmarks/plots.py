"""The plots of docs/performance.md."""

from pathlib import Path
from statistics import mean, median

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.harness import PROJECT_NAME, Benchmark
from benchmarks.record import read_record


def plot_all(folder: Path) -> None:
    """Draws the plots whose parts have a record in `folder`."""

    def measured(*parts: str) -> list[Benchmark]:
        recorded = [part for part in parts if (folder / f"{part}.json").exists()]
        return [benchmark for part in recorded for benchmark in read_record(part, folder)[1]]

    if benchmarks := measured("training", "submission", "latency", "reading"):
        plot_speedups(benchmarks, folder / "advantages.png")
    if benchmarks := [*measured("pareto"), *measured("accuracy")[1:]]:
        plot_pareto(benchmarks, folder / "pareto.png")
    if benchmarks := measured("growth"):
        plot_growth(benchmarks, folder / "growth.png")


def plot_speedups(benchmarks: list[Benchmark], path: Path) -> None:
    """Speedup over each peer in each benchmark: the median as a bar, the rounds as marks."""
    bars = [
        (f"{benchmark.title}: {peer}", benchmark.speedups(peer))
        for benchmark in benchmarks
        if PROJECT_NAME in benchmark.rounds
        for peer in benchmark.rounds
        if not peer.startswith(PROJECT_NAME)
    ][::-1]
    figure, axes = plt.subplots(figsize=(9, 0.34 * len(bars) + 1.2), layout="constrained")
    for y, (_, ratios) in enumerate(bars):
        axes.barh(y, median(ratios), color="tab:blue" if median(ratios) >= 1 else "tab:gray")
        axes.plot(ratios, [y] * len(ratios), "k|", markersize=6)
        axes.annotate(f" {median(ratios):.1f} ×", (max(ratios), y), va="center", fontsize=8)
    axes.set_yticks(range(len(bars)), [label for label, _ in bars], fontsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.margins(x=0.1)
    axes.set_xlabel(f"speedup of {PROJECT_NAME}; bars: medians, marks: rounds")
    _save(figure, path)


def plot_pareto(benchmarks: list[Benchmark], path: Path) -> None:
    """Test error against seconds of training: one point per budget of this project, the full course of the peers."""
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    networks: dict[str, list[tuple[float, float, float, float]]] = {}
    for benchmark in benchmarks:
        for program in benchmark.rounds:
            if program == PROJECT_NAME and len(benchmark.rounds) > 1:
                continue  # already drawn as a budget
            seconds = benchmark.values(program, "seconds")
            errors = [100 * error for error in benchmark.values(program, "error")]
            if program == PROJECT_NAME:
                network = benchmark.title.partition(",")[0]
                networks.setdefault(network, []).append((median(seconds), mean(errors), min(errors), max(errors)))
            else:
                measurement = benchmark.rounds[program][0]
                epochs = range(1, 1 + sum(key.startswith("error ") for key in measurement))
                course = [(measurement[f"seconds {n}"], 100 * measurement[f"error {n}"]) for n in epochs]
                points = course or [(seconds[0], errors[0])]
                axes.plot(*zip(*points, strict=True), "s--", markersize=4, linewidth=1, label=program)
    for network, budgets in networks.items():
        medians, means, lowest, highest = zip(*budgets, strict=True)
        if len(budgets) == 1:
            axes.plot(medians, means, "o", color="gray")
            axes.annotate(f"  {network}", (medians[0], means[0]), va="center", fontsize=8, color="dimgray")
            continue
        [line] = axes.plot(medians, means, "o-", linewidth=2, label=f"{PROJECT_NAME}: {network}")
        axes.fill_between(medians, lowest, highest, color=line.get_color(), alpha=0.2)
    axes.set(xscale="log", yscale="log", xlabel="seconds of training and testing", ylabel="test error [%]")
    axes.set_yticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper right")
    _save(figure, path)


def plot_growth(benchmarks: list[Benchmark], path: Path) -> None:
    """Seconds (log-log: slope 1 is linear growth) and peak memory against each size."""
    figure, panels = plt.subplots(1, len(benchmarks), figsize=(4 * len(benchmarks), 3.6), layout="constrained")
    for axes, benchmark in zip(panels, benchmarks, strict=True):
        memory: Axes = axes.twinx()
        for panel, quantity, label, color in (
            (axes, "seconds", "seconds", "tab:blue"),
            (memory, "MB", "peak MB", "tab:orange"),
        ):
            sizes = [int(name.replace(",", "")) for name in benchmark.rounds]
            panel.plot(
                sizes, [median(benchmark.values(name, quantity)) for name in benchmark.rounds], "o-", color=color
            )
            panel.set_ylabel(label, color=color)
        axes.set(xscale="log", yscale="log", xlabel=benchmark.title)
        memory.set_ylim(bottom=0)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110)
    plt.close(figure)
