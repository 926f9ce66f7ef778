"""`polyrepro losses`, `train` and `status`: the command line."""

import argparse
from pathlib import Path

from polyrepro.options import add_settings, settings_of
from polyrepro.settings import Settings


def add_training_commands(commands: argparse._SubParsersAction) -> None:
    """Add `losses`, `train` and `status` to the commands of `polyrepro`."""
    command = commands.add_parser("losses", help="check the losses of all chosen studies")
    add_settings(command)
    command.set_defaults(command=_losses)

    command = commands.add_parser("train", help="train runs that have no finished record yet")
    command.add_argument("runs", nargs="+", metavar="RUN", help="recipe/variant/seedN")
    add_settings(command)
    command.add_argument(
        "--timeout",
        type=_positive,
        default=600,
        metavar="SECONDS",
        help="a process gives up on one that does not answer for so long (default 600)",
    )
    command.add_argument("--receipt", type=Path, help="write the ids of the finished runs here")
    command.set_defaults(command=_train)

    command = commands.add_parser("status", help="what is running, what failed, what is left")
    command.add_argument("runs", nargs="*", metavar="RUN", help="these in detail")
    add_settings(command)
    command.add_argument(
        "--watch",
        nargs="?",
        type=_positive,
        const=5,
        metavar="SECONDS",
        help="read again every so often (default 5), until Ctrl-C",
    )
    command.set_defaults(command=_status)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1, not {text!r}")
    return int(text)


def _losses(options: argparse.Namespace) -> None:
    from polyrepro.plan import Plan
    from polyrepro.running.loss_checks import check_losses

    plan = Plan(settings_of(options))
    variants = {v.name: v for study in plan.studies for v in study.variants}
    check_losses({name: variant.loss for name, variant in variants.items()})
    labels = {run.variant.name: run.label for run in plan.runs}
    for name, variant in variants.items():
        line = f"{name}: {labels.get(name, variant.label or variant.loss.label)}"
        line += f", with the coefficients of {variant.after}" if variant.after else ""
        line += "" if name in labels else f"; not run at the scale {plan.settings.scale}"
        print(line)


def _train(options: argparse.Namespace) -> None:
    from polyrepro.running.launch import start
    from polyrepro.running.progress import failure_noted

    settings = settings_of(options)
    with failure_noted(Path(settings.results), options.runs):
        start(settings.processes_per_run, settings.device, lambda: _train_here(options, settings))


def _train_here(options: argparse.Namespace, settings: Settings) -> None:
    """The training itself, in this process, alone or as one of several."""
    from polyrepro.running.collection import nothing_collected

    with nothing_collected():
        import torch

        from polyrepro.running.execution import Execution
        from polyrepro.running.interruption import Interruption
        from polyrepro.running.jobs import train_batch
        from polyrepro.running.processes import joined

    torch.set_num_threads(settings.cpus_per_process)
    with Interruption() as interruption, joined(settings.device, options.timeout) as processes:
        execution = Execution(
            processes,
            interruption,
            deterministic=settings.deterministic,
            # One CPU of several drives the training itself.
            workers=settings.cpus_per_process - 1,
        )
        train_batch(settings, options.runs, execution, receipt=options.receipt)


def _status(options: argparse.Namespace) -> None:
    from polyrepro.plan import Plan
    from polyrepro.running.status_screen import show_status

    show_status(Plan(settings_of(options)), options.runs, options.watch)
