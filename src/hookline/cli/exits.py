"""How a command ends: its exit code, and one clear line on stderr when something is wrong.

====  ============================================================================================
0     ok
1     failure
2     usage: the command line itself is wrong
3     a check found problems (faulty configuration, failed ``verify``, ``doctor``)
4     not found
5     not allowed
6     partial success: some of what was asked for could not be done
7     server unreachable
130   interrupted
====  ============================================================================================
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

from hookline.cli import output
from hookline.errors import ConfigError, HooklineError

OK, FAILURE, USAGE, PROBLEMS, NOT_FOUND, NOT_ALLOWED, PARTIAL, UNREACHABLE = range(8)
INTERRUPTED = 130


class Stop(Exception):
    """Ends the command with a code, and a line that says what, where and what to do."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code


def guarded(command: Callable[[], object]) -> int:
    """Run ``command`` and turn whatever it ends in into an exit code, with at most one line of trouble on stderr.

    A bug still shows its traceback: that is for us to see. ``HOOKLINE_TRACEBACK=1`` shows it for expected trouble too.
    """
    try:
        code = command()
        sys.stdout.flush()
    except Stop as end:
        return _complain(str(end), end.code, end)
    except click.exceptions.NoArgsIsHelpError as problem:
        output.chatter(problem.format_message())
        return USAGE
    except click.UsageError as problem:
        hint = f"\nTry: {problem.ctx.command_path} --help" if problem.ctx else ""
        return _complain(problem.format_message() + hint, USAGE, problem)
    except click.ClickException as problem:
        return _complain(problem.format_message(), FAILURE, problem)
    except ConfigError as problem:
        return _complain(str(problem), PROBLEMS, problem)
    except HooklineError as problem:
        return _complain(str(problem), FAILURE, problem)
    except (click.Abort, KeyboardInterrupt):
        output.chatter("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough. The interpreter must not find out again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code if isinstance(code, int) else OK


def _complain(message: str, code: int, problem: BaseException) -> int:
    if os.environ.get("HOOKLINE_TRACEBACK"):
        raise problem
    if message:
        output.complain(message)
    return code
