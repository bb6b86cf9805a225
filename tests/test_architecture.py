"""The rules of the source itself: who imports whom, what stands once, how big a piece may be, who writes files."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from parsed_sources import imports_among, nodes_of, tree_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "seekcli"
SOURCES = sorted(PACKAGE.rglob("*.py"))
GRIDS = sorted((ROOT / "grids").rglob("*.toml"))

# The rooms from top to bottom, as docs/architecture.md lists them; a room may import those below it.
PAGE_OF_ROOMS = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = tuple(re.findall(r"^\| `(\w+)(?:/|\.py)` \|", PAGE_OF_ROOMS, re.MULTILINE))
# What a room, or a part of one, leaves alone although it stands below: the method, the loop and its batches take plain
# arguments and know no settings (resolve/build.py alone makes them of a config), comparisons are made of records alone,
# and reports of comparisons.
LEFT_ALONE: dict[str, set[str]] = {
    "method": {"documents", "files", "errors"},
    "train": {"config", "documents", "files"},
    "data": {"documents", "method"},
    "data.loading": {"config"},
    "data.augment": {"config.schema", "config.settings", "config.layers", "config.identity"},
    "models": {"documents", "files"},
    "runs": {"models"},
    "export": {"train", "data"},
    "analysis": {"resolve", "export", "train", "models", "data"},
    "report": {"resolve", "export", "train", "models", "data"},
}
# Seconds to import, each of them: kept off `--help`, `compare` and `grid status`.
HEAVY = ("torch", "torchvision", "sklearn", "pandas", "timm", "scipy", "matplotlib", "fvcore", "pyarrow")
SLOWEST = ("torch", "torchvision", "sklearn", "timm", "fvcore")
WRITING_METHODS = {"write_text", "write_bytes", "to_parquet", "to_csv", "to_json", "to_pickle", "tofile"}
WRITING_FUNCTIONS = {
    "torch.save",
    "pickle.dump",
    "json.dump",
    "np.save",
    "np.savez",
    "os.replace",
    "os.rename",
    "os.open",
    "shutil.move",
    "shutil.copy",
    "shutil.copyfile",
    "shutil.copytree",
}
# The lease creates its file exclusively, which is what makes it a lease.
WRITERS = {"files", "runs.exclusive", "runs.lease"}
# Libraries that want a path to write to: each in a file that hands them one through files.write_with.
PATH_WRITERS = {"write_table", "write_parquet", "save_file", "savefig"}
# What changes a folder that has a lease; the last argument is the check.
GUARDED_WRITES = {"write_bytes", "write_json", "write_text", "write_with", "write_document", "write_status"}
GUARDED_WRITES |= {"write_epochs", "write_steps", "write_classes", "save_checkpoint", "resume_from", "keep_newest"}
GUARDED_WRITES |= {"remove", "quarantine", "set_aside"}
# The constants of runs/records.py and the files that they name.
FILES_OF_A_RUN = {
    "CONFIG": "config.json",
    "ENVIRONMENT": "environment.json",
    "EPOCHS": "epochs.parquet",
    "STEPS": "steps.parquet",
    "CLASSES": "classes.parquet",
    "STATUS": "status.json",
    "CHECKPOINTS": "checkpoint",
    "TRACKING": "tracking.json",
}
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_NESTING = 300, 60, 3
Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_name(path: Path) -> str:
    """`seekcli/data/keys.py` -> `data.keys`; a folder's `__init__` is the folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def room_of(name: str) -> str:
    """The room of `data.loading.batches`: its first folder, or the file that stands alone."""
    return name.partition(".")[0]


@cache
def own_modules_imported(path: Path) -> list[tuple[int, str]]:
    """(line, module) of every import of this package's own; of `from seekcli.a import b` both `a` and `a.b`."""
    parts = [(line, *name.partition(".")[::2]) for line, name in imports_among(nodes_of(path))]
    return [(line, module) for line, top, module in parts if top == "seekcli" and module not in {"", "__version__"}]


def is_within(module: str, part: str) -> bool:
    return f"{module}.".startswith(f"{part}.")


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The statements that importing a module executes: all but the bodies of functions and of `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from run_at_import(child)


@cache
def calls_in(path: Path) -> list[tuple[int, str, ast.Call]]:
    """(line, dotted name of what is called, the call)."""
    nodes = [node for node in nodes_of(path) if isinstance(node, ast.Call)]
    return [(node.lineno, ast.unparse(node.func), node) for node in nodes]


@cache
def functions_in(path: Path) -> list[Function]:
    return [node for node in nodes_of(path) if isinstance(node, Function)]


def length_in_lines(function: Function, with_signature: bool) -> int:
    """Lines of a function without its docstring."""
    first, last = function.body[0], function.body[-1]
    docstring = ast.get_docstring(function) is not None
    docstring_lines = (first.end_lineno or 0) - first.lineno + 1 if docstring else 0
    start = function.lineno if with_signature else first.lineno
    return (last.end_lineno or 0) - start + 1 - docstring_lines


def nesting(node: ast.AST, depth: int = 0) -> int:
    """Depth of if, for, while, with and try below `node`; an `elif` is as deep as its `if`."""
    deepest = depth
    for child in ast.iter_child_nodes(node):
        elif_branch = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        deeper = isinstance(child, ast.If | ast.For | ast.While | ast.With | ast.Try) and not elif_branch
        deepest = max(deepest, nesting(child, depth + deeper))
    return deepest


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def modules_loaded_by(code: str) -> set[str]:
    """The top-level modules in a fresh interpreter after it ran `code`."""
    report = "import json, sys; print(); print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_every_room_is_known() -> None:
    assert sorted({module_name(path).partition(".")[0] for path in SOURCES} - {*ROOMS, "__init__", "__main__"}) == []


def test_the_page_of_rooms_names_files_that_exist() -> None:
    named = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", PAGE_OF_ROOMS)
    assert len(named) > 30
    places = (PACKAGE, ROOT, PACKAGE / "data", PACKAGE / "train")
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_imports_go_down() -> None:
    wrong = []
    for path in SOURCES:
        room = room_of(module_name(path))
        if room in ("__init__", "__main__"):
            continue
        below = {*ROOMS[ROOMS.index(room) :]}
        alone = {part for of, parts in LEFT_ALONE.items() if is_within(module_name(path), of) for part in parts}
        wrong += [
            f"{where(path, line)}: {room} imports {other}"
            for line, other in own_modules_imported(path)
            if room_of(other) not in below or any(is_within(other, part) for part in alone)
        ]
    assert wrong == []


def test_imports_are_absolute() -> None:
    assert [
        where(path, node.lineno)
        for path in SOURCES
        for node in nodes_of(path)
        if isinstance(node, ast.ImportFrom) and node.level
    ] == []


def test_method_knows_torch_and_nothing_else() -> None:
    known = {"torch", "seekcli", *sys.stdlib_module_names}
    assert [
        f"{where(path, line)}: {name}"
        for path in sorted((PACKAGE / "method").rglob("*.py"))
        for line, name in imports_among(nodes_of(path))
        if name.partition(".")[0] not in known
    ] == []


def test_importing_a_folder_imports_nothing() -> None:
    assert [
        where(path, line)
        for path in SOURCES
        if path.name == "__init__.py"
        for node in run_at_import(tree_of(path))
        for line, name in imports_among(ast.walk(node))
        if name.partition(".")[0] not in ("sys", "types")  # which Python has loaded by then
    ] == []


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").rglob("*.py")), ids=lambda path: path.stem)
def test_commands_import_heavy_libraries_only_when_they_run(path: Path) -> None:
    top = [node for node in run_at_import(tree_of(path)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [
        f"{where(path, line)}: {name}"
        for node in top
        for line, name in imports_among(ast.walk(node))
        if name.partition(".")[0] in HEAVY
    ] == []


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from seekcli.cli.app import main; sys.argv = ['seek', '--help']\n"
        "try: main()\nexcept SystemExit as stop: assert not stop.code, stop.code"
    )
    assert modules_loaded_by(code) & set(HEAVY) == set()


def test_comparing_never_loads_torch() -> None:
    """`seek compare` answers in a second: nothing on its way needs the libraries that take seconds to import."""
    modules = [module_name(path) for path in SOURCES if room_of(module_name(path)) in ("analysis", "report")]
    assert {room_of(module) for module in modules} == {"analysis", "report"}
    code = "\n".join(f"import seekcli.{module}" for module in modules)
    assert modules_loaded_by(code) & set(SLOWEST) == set()


def test_backward_stands_once() -> None:
    """One path for every schedule: a second call would be a second training step."""
    found = [where(path, line) for path in SOURCES for line, name, _ in calls_in(path) if name.endswith(".backward")]
    assert len(found) == 1, found


def opens_for_writing(name: str, call: ast.Call) -> bool:
    """Whether this is open(path, mode) or path.open(mode) with a mode that writes."""
    if name.rpartition(".")[2] not in {"open", "fdopen"}:
        return False
    modes = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return any(
        isinstance(mode, ast.Constant) and re.fullmatch(r"[rbt]*[wax+][wax+bt]*", str(mode.value)) for mode in modes
    )


def test_only_files_writes() -> None:
    """No half-written file ever has its final name, because one module writes and it renames."""
    wrong = []
    for path in SOURCES:
        if module_name(path) in WRITERS:
            continue
        for line, name, call in calls_in(path):
            owner, _, method = name.rpartition(".")
            direct = method in WRITING_METHODS and owner not in {"", "files"}
            elsewhere = opens_for_writing(name, call) and "os.devnull" not in ast.unparse(call)
            if direct or name in WRITING_FUNCTIONS or elsewhere:
                wrong.append(f"{where(path, line)}: {name}")
            if method in PATH_WRITERS and "write_with" not in path.read_text(encoding="utf-8"):
                wrong.append(f"{where(path, line)}: {name} without files.write_with")
    assert wrong == []


def test_only_one_module_prints() -> None:
    """It writes out what a terminal would obey: a name in a message may hold anything."""
    assert [
        f"{where(path, line)}: {name}"
        for path in SOURCES
        if module_name(path) != "cli.output"
        for line, name, _ in calls_in(path)
        if name in {"print", "typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write"}
    ] == []


def test_no_write_of_a_run_forgets_the_lease() -> None:
    """Each is told to check it right before it renames or removes: its process may just have slept for an hour."""
    unguarded = [
        f"{where(path, line)}: {ast.unparse(call)}"
        for room in ("engines", "runs")
        for path in sorted((PACKAGE / room).rglob("*.py"))
        if path.stem not in ("lease", "exclusive", "doctor")  # the lease itself; what tries a disk, in no run
        for line, name, call in calls_in(path)
        if name.rpartition(".")[2] in GUARDED_WRITES
        and not name.startswith("self.writer.")  # made with the check, which each of its own writes is given
        and not re.search(r"\bcheck\b", ast.unparse(call.args[-1]))
    ]
    assert unguarded == []


def names_of_a_run_in(path: Path) -> Iterator[tuple[int, str]]:
    """(line, name) of what a file takes from runs/records.py or says itself of the files of a run."""
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom) and node.module in ("seekcli.runs.records", "seekcli.runs.config_file"):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith("records."):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_other_rooms_read_and_write_a_run_through_its_folder() -> None:
    """RunFolder reads and RunWriter writes: who knows the names of files, or reads one himself, would be a second."""
    inner = {"runs.parquet", "runs.checkpoint", "runs.liveness"}
    own = {*FILES_OF_A_RUN, *FILES_OF_A_RUN.values()}
    others = [path for path in SOURCES if not module_name(path).startswith("runs.")]
    known = [
        f"{where(path, line)}: {name}"
        for path in others
        for line, name in names_of_a_run_in(path)
        if name in own or re.fullmatch("(read|write|check)_[a-z_]+", name)
    ]
    imported = [
        f"{where(path, line)}: {name}" for path in others for line, name in own_modules_imported(path) if name in inner
    ]
    assert known + imported == []


def test_one_place_reads_what_a_schema_says_and_what_is_newer() -> None:
    found = {
        module_name(path)
        for path in SOURCES
        for _, name, call in calls_in(path)
        if name.endswith(".errors") or name == "NewerFile"
    }
    assert found == {"documents"}


def test_only_one_module_knows_parquet() -> None:
    """Beside the reader of images that other programs put into tables: there parquet is their choice."""
    assert [
        where(path, line)
        for path in SOURCES
        if module_name(path) not in ("runs.parquet", "data.sets.hf_files")
        for line, name in imports_among(nodes_of(path))
        if name.startswith("pyarrow.parquet")
    ] == []


def test_nothing_is_unpickled() -> None:
    loaders = {"pickle.load", "pickle.loads", "torch.load", "np.load", "pd.read_pickle", "joblib.load"}
    assert [where(path, line) for path in SOURCES for line, name, _ in calls_in(path) if name in loaders] == []


def test_files_are_short() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    """A command's signature is its table of options and not counted; everything else is."""
    too_long = {
        where(path, function.lineno): lines
        for path in SOURCES
        for function in functions_in(path)
        if (lines := length_in_lines(function, with_signature=room_of(module_name(path)) != "cli")) > MAX_FUNCTION_LINES
    }
    assert too_long == {}


def test_functions_are_flat() -> None:
    assert {
        where(path, function.lineno): depth
        for path in SOURCES
        for function in functions_in(path)
        if (depth := nesting(function)) > MAX_NESTING
    } == {}


def test_every_module_says_what_it_is_for() -> None:
    assert [where(path, 1) for path in SOURCES if tree_of(path).body and not ast.get_docstring(tree_of(path))] == []


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "common", "helpers", "helper", "misc"}
    assert [where(path, 1) for path in SOURCES if drawers & set(path.relative_to(PACKAGE).with_suffix("").parts)] == []


def lab_header(path: Path) -> dict[str, str]:
    """The `# item: value` lines that a grid file opens with."""
    header = re.match(r"(?:#[^\n]*\n)*", path.read_text(encoding="utf-8"))
    lines = header.group(0).splitlines() if header else []
    items = [re.match(r"# *([a-z ]+?) *: *(\S.*)", line, re.IGNORECASE) for line in lines]
    return {item[1].lower(): item[2] for item in items if item}


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_grids_open_with_the_lab_header(path: Path) -> None:
    header = lab_header(path)
    missing = {"command", "hardware", "expected minutes", "expected score", "seeds"} - set(header)
    assert missing == set()
    name, makefile = str(path.relative_to(ROOT)), (ROOT / "Makefile").read_text(encoding="utf-8")
    default = re.search(r"^GRID \?= (.*)$", makefile, re.MULTILINE)
    assert default is not None
    makefile = makefile.replace("$(GRID)", default[1])
    assert name in (makefile if header["command"].startswith("make ") else header["command"])
    assert re.match(r"\d", header["seeds"])
    assert re.search(r"\d", header["expected minutes"])
    assert re.search(r"\d", header["expected score"])


def test_there_is_a_grid() -> None:
    assert ROOT / "grids" / "digits.toml" in GRIDS
