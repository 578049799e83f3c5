"""The rules of the repository, as functions from the path and source of a file to a list of complaints.

Belongs here: the checks that `tests/test_layers.py` runs over the repository, and over small bad sources to prove that they can
fail. Does not belong here: checks of style that ruff does. Paths are relative to the root, with forward slashes.

    layer 7   app.cli   app.__main__
    layer 6   app.process
    layer 5   app.rpc
    layer 4   app.usecases
    layer 3   app.lanes
    layer 2   app.config   app.store   app.embedded   app.payments   app.notifications   app.tickets   app.telemetry   app.jobs
    layer 1   app.ports
    layer 0   app.domain
    generated app.pb, for rpc, process and cli only

A room may import every room of a lower layer, and no other room.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

LAYERS = {
    "app.domain": 0,
    "app.ports": 1,
    "app.config": 2,
    "app.embedded": 2,
    "app.jobs": 2,
    "app.notifications": 2,
    "app.payments": 2,
    "app.store": 2,
    "app.telemetry": 2,
    "app.tickets": 2,
    "app.lanes": 3,
    "app.usecases": 4,
    "app.rpc": 5,
    "app.process": 6,
    "app.cli": 7,
    "app.__main__": 8,
}
GENERATED = "app.pb"
MAY_IMPORT_GENERATED = {"app.rpc", "app.process", "app.cli"}
# The modules of the standard library that the domain may import: none knows the time, randomness, the machine or other tasks.
PURE_MODULES = {
    "abc",
    "base64",
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "ipaddress",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "string",
    "types",
    "typing",
    "unicodedata",
    "zoneinfo",
}
IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "input", "hash", "id", "exec", "eval", "__import__"}

# The only module that may name each asynchronous driver.
ASYNC_DRIVERS = {
    "motor": "app/store/driver.py",
    "mongomock_motor": "app/store/in_memory.py",
    "mongomock": "app/store/in_memory.py",
}
DRIVERS = {*ASYNC_DRIVERS, "pymongo", "bson", "gridfs"}
# The commands that start a process instead of calling one over gRPC, and the rooms that they may import when they are run.
STARTING_COMMANDS = {"app/cli/serve.py", "app/cli/quickstart.py", "app/cli/verify.py"}
STARTABLE = {"app.config", "app.process"}
# The command that checks tickets without a connection, and whose rules and keys it imports when it is run.
OFFLINE_COMMAND = "app/cli/ticket_verification.py"
OFFLINE_RULES = ("app.domain.ticket", "app.tickets")

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400

EMPTY_WORDS = {"util", "utils", "utility", "utilities", "helper", "helpers", "common", "manager", "managers"}


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module; lazy when the import is inside a function, or for type checkers only."""

    module: str
    line: int
    lazy: bool


def module_of(path: str) -> str:
    """Return `app.store.runs` for app/store/runs.py; the `__init__.py` of a package is the package."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def part_of(module: str) -> str:
    """Return the room that a module belongs to: its first two names."""
    return ".".join(module.split(".")[:2])


@dataclass(frozen=True, slots=True)
class Definition:
    """One class or function, with the lines that it takes."""

    name: str
    line: int
    lines: int
    is_class: bool


@cache
def imports(path: str, source: str) -> tuple[Import, ...]:
    """Return every import of a module, also inside functions and behind conditions."""
    return tuple(_imports(path, ast.parse(source), lazy=False))


@cache
def _definitions(source: str) -> tuple[Definition, ...]:
    """Return every class and function of a module."""
    return tuple(
        Definition(node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1, isinstance(node, ast.ClassDef))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    )


def _imports(path: str, node: ast.AST, *, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(path, child)
            # `from app import store` imports app.store.
            modules = [f"app.{alias.name}" for alias in child.names] if base == "app" else [base]
            yield from (Import(module, child.lineno, lazy) for module in modules)
        else:
            inside = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_for_types(child)
            yield from _imports(path, child, lazy=inside)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" and not node.orelse


def _absolute(path: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = path.split("/")[: -node.level]
    return ".".join((*package, node.module) if node.module else package)


def check_layers(path: str, source: str) -> list[str]:
    """Imports go to a lower layer, or stay within their room."""
    part = part_of(module_of(path))
    if part == "app":
        return [f"{path}:{imported.line} the package itself imports nothing" for imported in imports(path, source)]
    if part not in LAYERS:
        return [f"{path} is in no layer"]
    wrong: list[str] = []
    for imported in imports(path, source):
        target = part_of(imported.module)
        if imported.module.split(".")[0] not in ("app", "tests") or target == part:
            continue
        is_lower = target in LAYERS and LAYERS[target] < LAYERS[part]
        if not is_lower and not (target == GENERATED and part in MAY_IMPORT_GENERATED):
            wrong.append(f"{path}:{imported.line} imports {imported.module}")
    return wrong


def check_pure(path: str, source: str) -> list[str]:
    """The domain is pure: no I/O, no tasks, no clock, no randomness, nothing but the standard library."""
    if not path.startswith("app/domain/"):
        return []
    wrong = [
        f"{path}:{imported.line} imports {imported.module}"
        for imported in imports(path, source)
        if part_of(imported.module) != "app.domain" and imported.module.split(".")[0] not in PURE_MODULES
    ]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            wrong.append(f"{path}:{node.lineno} is asynchronous")
        if isinstance(node, ast.Call) and _last_name(node.func) in IMPURE_CALLS:
            wrong.append(f"{path}:{node.lineno} calls {_last_name(node.func)}")
    return wrong


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def check_drivers(path: str, source: str) -> list[str]:
    """One module names each asynchronous driver, one package the database's library."""
    wrong: list[str] = []
    for imported in imports(path, source):
        library = imported.module.split(".")[0]
        if ASYNC_DRIVERS.get(library, path) != path:
            wrong.append(f"{path}:{imported.line} imports {imported.module}; only {ASYNC_DRIVERS[library]} may")
        elif library in DRIVERS and not path.startswith("app/store/"):
            wrong.append(f"{path}:{imported.line} imports {imported.module}; only app/store may")
    return wrong


def check_cli(path: str, source: str) -> list[str]:
    """The command line is a client: it imports the stubs. Three commands import what they start, one the rules of tickets."""
    if not path.startswith("app/cli/"):
        return []
    wrong: list[str] = []
    for imported in imports(path, source):
        target = part_of(imported.module)
        if not imported.module.startswith("app") or target in ("app.cli", GENERATED):
            continue
        is_start = path in STARTING_COMMANDS and target in STARTABLE
        is_offline = path == OFFLINE_COMMAND and imported.module.startswith(OFFLINE_RULES)
        if not (imported.lazy and (is_start or is_offline)):
            wrong.append(f"{path}:{imported.line} imports {imported.module}")
    return wrong


def check_no_hidden_imports(path: str, source: str) -> list[str]:
    """Imports are statements, so that the other checks see them."""
    return [
        f"{path}:{node.lineno} calls {_last_name(node.func)}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and _last_name(node.func) in ("import_module", "__import__")
    ]


def check_sizes(path: str, source: str) -> list[str]:
    """Functions and files are short."""
    lines = len(source.splitlines())
    wrong = [f"{path} has {lines} lines; at most {FILE_LINES_MAX}"] if lines > FILE_LINES_MAX else []
    wrong.extend(
        f"{path}:{defined.line} {defined.name} has {defined.lines} lines; at most {FUNCTION_LINES_MAX}"
        for defined in _definitions(source)
        if not defined.is_class and defined.lines > FUNCTION_LINES_MAX
    )
    return wrong


def check_docstring(path: str, source: str) -> list[str]:
    """A module says what it is and what belongs in it. The root package does not need to."""
    text = ast.get_docstring(ast.parse(source))
    if not text:
        return [f"{path} has no docstring"]
    if path == "app/__init__.py" or "\n\n" in text or re.search(r"\bbelongs?\b", text, re.IGNORECASE):
        return []
    return [f"{path} does not say what belongs in it"]


def check_names(path: str, source: str) -> list[str]:
    """Names say what a thing does."""
    wrong = [f"{path} is named {word}" for word in _words(path) if word in EMPTY_WORDS]
    for line, name in _defined_names(path, source):
        wrong.extend(f"{path}:{line} {name} is named {word}" for word in _words(name) if word in EMPTY_WORDS)
    return wrong


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def _defined_names(path: str, source: str) -> Iterator[tuple[int, str]]:
    if path.endswith(".py"):
        yield from ((defined.line, defined.name) for defined in _definitions(source))
        return
    patterns = {"proto": r"\s*(?:message|service|rpc|enum)\s+(\w+)", "Makefile": r"([\w-]+):"}
    pattern = next((found for end, found in patterns.items() if path.endswith(end)), None)
    for number, line in enumerate(source.splitlines(), 1):
        match = re.match(pattern, line) if pattern else None
        if match:
            yield number, match[1]
