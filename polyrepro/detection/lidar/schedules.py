"""The schedule of a configuration of MMDetection3D, for other epochs and another learning rate."""

import math

from mmengine.config import Config

EPOCHS = ("begin", "end", "T_max")
"""What a scheduler counts in epochs, besides its list of milestones."""


def set_schedule(config: Config, epochs: int, learning_rate: float) -> None:
    """Stretch the schedulers to so many epochs, and scale them to a highest learning rate.

    A rate that rises during the training to more than its first value, as KITTI's configurations
    have it, keeps its course. Schedulers that so few epochs leave no time for are dropped.

    Args:
        learning_rate: the highest of the schedule.
    """
    stretch = epochs / config.train_cfg.max_epochs
    optimizer, rates = config.optim_wrapper.optimizer, []
    for scheduler in config.param_scheduler:
        if scheduler.get("by_epoch", True):
            for key in EPOCHS:
                if key in scheduler:
                    scheduler[key] = round(stretch * scheduler[key])
            if "milestones" in scheduler:
                scheduler.milestones = [round(stretch * epoch) for epoch in scheduler.milestones]
        if "eta_min" in scheduler and not scheduler.type.endswith("Momentum"):
            rates.append(scheduler)
    highest = max(optimizer.lr, *(scheduler.eta_min for scheduler in rates), 0.0)
    for scheduler in rates:
        scheduler.eta_min *= learning_rate / highest
    optimizer.lr *= learning_rate / highest
    config.param_scheduler = [
        scheduler
        for scheduler in config.param_scheduler
        if scheduler.get("begin", 0) < scheduler.get("end", math.inf)
    ]
