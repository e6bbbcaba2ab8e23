"""The tables in the documentation equal the committed results, and its links work."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import PROJECT

from benchmarks.faults.table import table_lines
from digits.data.sources import sample
from digits.prediction.classifier import load_classifier
from digits.studies.leaderboard import Leaderboard
from digits.studies.report import read_extra_columns
from digits.studies.results import read_results
from tools.records import add_ensemble, trials_table, update_page

RESULTS = PROJECT / "docs" / "results"
RECORDS = PROJECT / "docs" / "records"
README = PROJECT / "README.md"
PAGES = [README, *sorted((PROJECT / "docs").glob("*.md"))]


def cells(table_row: str) -> list[str]:
    return [cell.strip() for cell in table_row.strip("|").split("|")]


def anchors(page: Path) -> set[str]:
    """Those that GitHub makes from the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_name_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tests_and_modules_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    tests = re.findall(r"`(tests/[\w/]+\.py)`", text)
    modules = re.findall(r"`((?:data|models|evaluation|runs|training|prediction|studies|cli)\.\w+)[`.]", text)
    settings = {"data.fold", "data.folds", "data.root", "data.split_seed", "data.transform", "data.val_size"}
    paths = [PROJECT / test for test in tests]
    paths += [PROJECT / "src" / "digits" / name.replace(".", "/") for name in {*modules} - settings]
    missing = [path for path in paths if not path.exists() and not path.with_suffix(".py").exists()]
    assert missing == []


def test_readme_leads_to_every_page() -> None:
    readme = README.read_text()
    assert [page.name for page in PAGES[1:] if f"](docs/{page.name})" not in readme] == []


def test_table_of_the_originals_is_rebuilt_from_their_metrics() -> None:
    board = Leaderboard("", *read_results([RESULTS / "originals"]))
    assert board.omitted == []
    columns = read_extra_columns(RESULTS / "reported.csv", board.keys)
    assert board.table(columns) in (PROJECT / "docs" / "results.md").read_text()


def test_networks_of_the_readme_have_the_errors_of_the_originals() -> None:
    """The test above verifies the table in docs/results.md."""
    results = {}
    for line in (PROJECT / "docs" / "results.md").read_text().splitlines():
        if line.endswith("done |") and line.count("|") == 10:
            experiment, epochs, _, _, error, _, seconds, _, _ = cells(line)
            results[f"`{experiment}`, {epochs}"] = (error, seconds)
    compared = []
    for line in README.read_text().splitlines():
        if line.startswith("| `") and line.count("|") == 8:
            network, _, _, recipe, error, seconds, _ = cells(line)
            if recipe in results:
                assert (error, seconds) == results[recipe], network
                compared.append(network)
    assert len(compared) == 7


@pytest.mark.parametrize("study", [path.parent.name for path in RESULTS.glob("*/leaderboard.md")])
def test_tables_of_studies_are_rebuilt_byte_for_byte(study: str) -> None:
    board = Leaderboard(study, *read_results([RESULTS / study]))
    assert board.markdown() == (RESULTS / study / "leaderboard.md").read_text()
    assert board.csv() == (RESULTS / study / "leaderboard.csv").read_text()
    assert board.table() in (PROJECT / "docs" / "results.md").read_text()


def test_tables_of_the_records_are_rebuilt_from_their_files() -> None:
    page = (RECORDS.parent / "records.md").read_text()
    assert update_page(page, RECORDS) == page
    assert re.findall("<!-- (.*) -->", page) == ["results", "end", "seeds", "end", "trials", "end", "diversity", "end"]
    assert re.search(r"\| light +\|", page)


def test_trials_are_compared_on_the_folds_that_both_have(tmp_path: Path) -> None:
    (tmp_path / "trials.csv").write_text("trial,change,expected,against\nold,,,planned\nnew,,,old\nplanned,,,old\n")
    mistaken = {"old-0": [1, 2, 3], "old-1": [5, 6], "new-0": [3, 4]}
    for name, indices in mistaken.items():
        run = shutil.copytree(RECORDS / "folds" / "light-0", tmp_path / "folds" / name)
        rows = [f"val,{index},7,1,0.5" for index in indices]
        (run / "mistakes.csv").write_text("\n".join(["split,index,label,predicted,confidence", *rows]) + "\n")
    _, _, old, new = trials_table(tmp_path)
    assert cells(old) == ["old", "", "", "planned", "60,000", "5", "0.008%", "", "", ""]
    assert cells(new) == ["new", "", "", "old", "30,000", "2", "0.007%", "1", "2", "1"]


def test_ensemble_is_scored_by_its_mean_probability(
    tmp_path: Path, trained: Path, small_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [str(trained), str(small_run("model=fast_cnn"))]
    monkeypatch.setattr("tools.records.mnist", lambda root, download: sample())
    add_ensemble(tmp_path / "ensembles.json", "two networks", folders, "")
    images, labels = sample().test
    probabilities = sum(load_classifier(folder).predict(images) for folder in folders)
    [entry] = json.loads((tmp_path / "ensembles.json").read_text())
    assert entry["test"]["errors"] == int((probabilities.argmax(1) != labels.numpy()).sum())
    assert entry["members"] == [Path(folder).name for folder in folders]


def test_table_of_the_faults_is_that_of_the_record() -> None:
    record = json.loads((PROJECT / "docs" / "reliability.json").read_text())
    assert "\n".join(table_lines(record["counts"])) in (PROJECT / "docs" / "reliability.md").read_text()


def test_results_hold_no_absolute_path() -> None:
    for path in [*RESULTS.rglob("*.json"), *RECORDS.rglob("*.json")]:
        assert '"/' not in path.read_text(), path
