"""The commands that the workflow's rules call; a person can paste any of them.

Heavy imports stay inside the commands, so that `--help` and planning are quick.
"""

import argparse
import errno
import sys
import warnings
from pathlib import Path

from polyrepro.check_gpu import add_check_command
from polyrepro.data.data_commands import add_data_commands
from polyrepro.errors import PolyreproError
from polyrepro.options import add_settings, settings_of
from polyrepro.running.interruption import EXIT_STATUS, InterruptedTrainingError
from polyrepro.running.training_commands import add_training_commands


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `polyrepro`.

    Errors of the user are one message and exit status 1; training that was interrupted by a signal
    and can go on exits with 75.
    """
    options = _parser().parse_args(arguments)
    # torch 2.15 says this of code of its own, at the beginning of every log.
    warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated", FutureWarning)
    try:
        options.command(options)
    except InterruptedTrainingError as interruption:
        print(f"polyrepro: {interruption}", file=sys.stderr)
        sys.exit(EXIT_STATUS)
    except (PolyreproError, OSError) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "; free some space there, then run the same command again" if full else ""
        sys.exit(f"polyrepro: error: {error}{remedy}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="polyrepro", description="Reproduce the PolyLoss paper.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    add_data_commands(commands)
    add_check_command(commands)
    add_training_commands(commands)
    _add_tables(commands)
    _add_documents(commands)
    return parser


def _add_tables(commands: argparse._SubParsersAction) -> None:
    """From run records to tables."""
    command = commands.add_parser("select", help="choose a variant on validation accuracy")
    command.add_argument("selection")
    add_settings(command)
    command.set_defaults(command=_select)

    command = commands.add_parser("collect", help="run records -> metrics.csv")
    add_settings(command)
    command.add_argument("--output", type=Path, required=True)
    command.set_defaults(command=_collect)

    command = commands.add_parser("estimate", help="GPU-hours and disk of a configuration")
    add_settings(command)
    command.add_argument("--throughputs", type=Path, help="table of images per second")
    command.set_defaults(command=_estimate)

    for name, help_text, function in (
        ("statistics", "metrics.csv -> statistics.csv", _statistics),
        ("claims", "metrics.csv -> claims.csv", _claims),
    ):
        command = commands.add_parser(name, help=help_text)
        command.add_argument("metrics", type=Path)
        command.add_argument("--output", type=Path, required=True)
        command.add_argument(
            "--without-runs", metavar="SCALE", help="metrics.csv may have no rows; of which scale"
        )
        command.set_defaults(command=function)

    command = commands.add_parser("compare", help="verdicts for records made elsewhere")
    command.add_argument("--metrics", type=Path, required=True, help="table, see docs/verdicts.md")
    command.set_defaults(command=_compare)


def _add_documents(commands: argparse._SubParsersAction) -> None:
    """From tables to figures and the report."""
    command = commands.add_parser("figure", help="draw one figure as PDF and PNG")
    command.add_argument("name")
    command.add_argument("--results", type=Path, required=True, help="folder, results/<scale>")
    command.add_argument(
        "--references",
        type=Path,
        nargs="*",
        default=[],
        metavar="FOLDER",
        help="other folders of results, for a figure of all claims",
    )
    command.set_defaults(command=_figure)

    command = commands.add_parser("atlas", help="the survey of losses: statements and figures")
    command.add_argument("--output", type=Path, required=True, help="folder for all its files")
    command.set_defaults(command=_atlas)

    command = commands.add_parser("report", help="report.pdf, report.html and summary.md")
    add_settings(command)
    command.set_defaults(command=_report)


def _select(options: argparse.Namespace) -> None:
    from polyrepro.analysis.selection import write_selection
    from polyrepro.plan import Plan

    write_selection(Plan(settings_of(options)), options.selection)


def _collect(options: argparse.Namespace) -> None:
    from polyrepro.analysis.metrics_table import collect
    from polyrepro.analysis.selection import check_selections
    from polyrepro.files import write_atomically
    from polyrepro.plan import Plan

    plan = Plan(settings_of(options))
    table = collect(plan)
    check_selections(plan)
    write_atomically(options.output, table.to_csv(index=False))


def _estimate(options: argparse.Namespace) -> None:
    from polyrepro.estimate import GIVEN, describe, estimate, read_throughputs
    from polyrepro.plan import Plan

    plan = Plan(settings_of(options))
    print(describe(estimate(plan, read_throughputs(options.throughputs or GIVEN))))


def _statistics(options: argparse.Namespace) -> None:
    from polyrepro.analysis.metrics_table import read_metrics
    from polyrepro.analysis.statistics import summarise
    from polyrepro.files import write_atomically

    metrics = read_metrics(options.metrics, may_be_empty=options.without_runs is not None)
    write_atomically(options.output, summarise(metrics).to_csv(index=False))


def _claims(options: argparse.Namespace) -> None:
    from polyrepro.analysis.claims import evaluate_claims
    from polyrepro.analysis.metrics_table import read_metrics
    from polyrepro.files import write_atomically

    scale = options.without_runs
    metrics = read_metrics(options.metrics, may_be_empty=scale is not None)
    table = evaluate_claims(metrics, options.metrics.parent, scale or "")
    write_atomically(options.output, table.to_csv(index=False))


def _compare(options: argparse.Namespace) -> None:
    from polyrepro.analysis.comparison import verdict_table

    print(verdict_table(options.metrics))


def _figure(options: argparse.Namespace) -> None:
    from polyrepro.figures import draw
    from polyrepro.running.collection import nothing_collected

    with nothing_collected():
        draw(options.name, options.results, options.references)


def _atlas(options: argparse.Namespace) -> None:
    from polyrepro.atlas import write_atlas

    write_atlas(options.output)


def _report(options: argparse.Namespace) -> None:
    from polyrepro.plan import Plan
    from polyrepro.report import write_report
    from polyrepro.running.collection import nothing_collected

    with nothing_collected():
        write_report(Plan(settings_of(options)))
