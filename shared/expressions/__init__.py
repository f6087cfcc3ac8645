"""The expression language of target expressions, parameter macros, monitors and alerts, and `{{ }}` macros.

Here belongs what contract expressions.md describes: parsing, values and their coercions, functions,
macros, and the guarded regular expressions that monitors and groups use as well. Anything may call it. It
knows no record, does no I/O, and reaches nothing but the context it is given and the `Directory` behind
`server()` and `event()`.

Evaluation is bounded (see `limits`) and raises `ExpressionError` alone. Importing the package is cheap: the
parser and the pattern engine are loaded when the first expression or pattern is compiled. Public besides the
names below: `measures.monitor_value`, `explain.explain`, `explain.names_of`, and `functions.percent_encode`
as the value filter of URLs.
"""

from .errors import ExpressionError
from .expression import Expression, compile_expression
from .json_text import json_ready
from .limits import Directory
from .macros import check_macros, expand
from .patterns import Pattern, compile_pattern
from .values import UNDEFINED, truthy

__all__ = [
    "UNDEFINED",
    "Directory",
    "Expression",
    "ExpressionError",
    "Pattern",
    "check_macros",
    "compile_expression",
    "compile_pattern",
    "expand",
    "json_ready",
    "truthy",
]
