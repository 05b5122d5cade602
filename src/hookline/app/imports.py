"""Finding ``app:hooks``: importing a user's module, and saying what stands in the way."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import traceback
from difflib import get_close_matches
from pathlib import Path

from hookline.app import Hookline
from hookline.errors import ConfigError

DEFAULT_ATTRIBUTE = "hooks"
_REFERENCE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?::([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*))?")
_PACKAGE = str(Path(__file__).resolve().parent.parent)


class ImportTrouble(ConfigError):
    """The app could not be imported. ``detail`` is the traceback, from the user's first line on."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


def find_app(reference: str, directory: str | None = None) -> Hookline:
    """The :class:`Hookline` that ``module:attribute`` names; ``module`` alone means ``module:hooks``. Modules are
    looked for in ``directory`` (the working directory) first.

    :raises ImportTrouble: saying what is not there, what is instead, or which line of the user's file failed.
    """
    module, _, attribute = app_name(reference).partition(":")
    where = os.path.abspath(directory or os.getcwd())
    if where not in sys.path:
        sys.path.insert(0, where)
    found: object = _import(module, where)
    for depth, part in enumerate(attribute.split(".")):
        if not hasattr(found, part):
            raise ImportTrouble(_no_attribute(found, module, part if depth == 0 else attribute))
        found = getattr(found, part)
    if not isinstance(found, Hookline):
        raise ImportTrouble(f"{module}:{attribute} is a {type(found).__name__}, not a Hookline: {_others(module)}")
    return found


def app_name(reference: str) -> str:
    """``app`` → ``app:hooks``: the one name under which an app is published.

    :raises ImportTrouble: for what cannot be the name of a module and what is in it.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None or match[1].endswith(".py"):
        cure = " (a module, not a file: leave out .py)" if ".py" in reference else ""
        raise ImportTrouble(f"{reference!r} names no app: write module:attribute, such as app:hooks{cure}")
    return f"{match[1]}:{match[2] or DEFAULT_ATTRIBUTE}"


def _import(module: str, where: str) -> object:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as trouble:
        if trouble.name is not None and (module == trouble.name or module.startswith(f"{trouble.name}.")):
            raise ImportTrouble(_no_module(module, trouble.name, where)) from None
        raise _failed(module, trouble) from trouble
    except (Exception, SystemExit) as trouble:
        raise _failed(module, trouble) from trouble


def _failed(module: str, trouble: BaseException) -> ImportTrouble:
    summary = "".join(traceback.format_exception_only(trouble)).strip().splitlines()[-1]
    at = _user_frames(trouble)
    line = f" at {_short(at[-1].filename)}:{at[-1].lineno}" if at else ""
    return ImportTrouble(f"importing {module} failed{line}: {summary}", _traceback(trouble))


def _traceback(trouble: BaseException) -> str:
    """The traceback without the import machinery and us: it begins with the first line of the user's."""
    told = traceback.TracebackException.from_exception(trouble)
    told.stack = traceback.StackSummary.from_list(_user_frames(trouble))
    return "".join(told.format())


def _user_frames(trouble: BaseException) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(trouble.__traceback__)
    machinery = (importlib.__file__, "<frozen", _PACKAGE)
    return [frame for frame in frames if not frame.filename.startswith(machinery)]


def _no_module(module: str, missing: str, where: str) -> str:
    names = [path.stem for path in Path(where).glob("*.py")] + [path.parent.name for path in Path(where).glob("*/*.py")]
    near = get_close_matches(missing.partition(".")[0], sorted(set(names)), n=1)
    guess = f" — did you mean {near[0]}?" if near else " — run from the folder where it is, or install it"
    return f"there is no module {missing!r} for {module!r} (looked in {where} first){guess}"


def _no_attribute(found: object, module: str, attribute: str) -> str:
    return f"{module} has no {attribute!r}: {_others(module)}"


def _others(module: str) -> str:
    content = vars(sys.modules[module])
    known = sorted(name for name, value in content.items() if isinstance(value, Hookline))
    if known:
        return "did you mean " + " or ".join(f"{module}:{name}" for name in known) + "?"
    return "it has no Hookline — write hooks = Hookline()"


def _short(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
