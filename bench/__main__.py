"""``python -m bench [NAME...]``: measure, print, and write RESULTS.md. Without a name: everything."""

from __future__ import annotations

import argparse
import sys

from bench import accept, deliver, grow, machine, report, size


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(report.BENCHES))
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long a round measures (5)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies backlogs and stored events (1)")
    parser.add_argument(
        "--brief", action="store_true", help="one short round of everything, small amounts; keeps nothing"
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in report.BENCHES]
    if unknown:
        parser.error(f"no bench is called {', '.join(unknown)}: there are {', '.join(report.BENCHES)}")
    if arguments.brief:
        arguments.rounds, arguments.seconds, arguments.scale = 1, 1.5, min(arguments.scale, 0.01)
    print(f"{machine.describe()}, commit {machine.commit()}")
    failed = []
    for name in arguments.names or report.BENCHES:
        try:
            result = report.perform(name, report.Run(arguments.rounds, arguments.seconds, arguments.scale))
        except (RuntimeError, OSError) as problem:
            print(f"  could not measure: {problem}")
            failed.append(name)
            continue
        if not arguments.brief:
            report.keep([result])
    return 1 if failed else 0


__all__ = ["accept", "deliver", "grow", "size"]

if __name__ == "__main__":
    sys.exit(main())
