"""A training of which the losses are kept."""

from mmdet.registry import HOOKS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from small_runs import training


class LossRecorder(Hook):
    """Keeps every loss of every iteration."""

    def __init__(self):
        self.losses = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append({name: float(value.detach()) for name, value in outputs.items()})


def train(model, scenes, folder, hooks=(), **more) -> tuple[Runner, list[dict]]:
    recorder = LossRecorder()
    runner = Runner.from_cfg(Config(training(model, scenes, folder, **more)))
    for hook in hooks:
        runner.register_hook(hook if isinstance(hook, Hook) else HOOKS.build(hook))
    runner.register_hook(recorder)
    runner.train()
    return runner, recorder.losses
