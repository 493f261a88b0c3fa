"""How long is a program? Lines that hold code: no blank ones, comments, docstrings, nor what only the harness asks for."""

import ast
import io
import tokenize
from pathlib import Path

ASKED = {"LINES", "AT_LEAST_ONCE", "available"}
SILENT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER,
}  # fmt: skip


def python_lines(*paths: Path | str) -> int:
    """Return the lines of code of Python files."""
    return sum(_python(Path(path).read_text(encoding="utf-8")) for path in paths)


def _python(source: str) -> int:
    """Return the lines of code of a source.

    >>> _python('\"\"\"Why?\"\"\"\\n\\nimport sys\\n# because\\nLINES = 1\\nprint(\\n    sys.path)\\n')
    3
    """
    ignored: set[int] = set()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            ignored |= _span(node)
    for node in tree.body:
        if ASKED & _names(node):
            ignored |= _span(node)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return len({line for t in tokens if t.type not in SILENT for line in range(t.start[0], t.end[0] + 1)} - ignored)


def java_lines(path: Path) -> int:
    """Return the lines of code of a Java file whose comments stand on lines of their own."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return sum(bool(line) and not line.startswith(("//", "/*", "*")) for line in lines)


def _span(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return set()
