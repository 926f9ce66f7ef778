"""Signals that stop a training."""

import os
import signal

import pytest

from polyrepro.running.interruption import SIGNALS, Interruption, interrupted


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_the_former_handlers_come_back(number):
    former = signal.getsignal(number)
    with Interruption() as interruption:
        assert interruption.requested is None
        os.kill(os.getpid(), number)
        assert interruption.requested == number
    assert signal.getsignal(number) == former


def test_ctrl_c_says_what_follows_and_a_second_one_stops_at_once(capfd):
    with pytest.raises(KeyboardInterrupt), Interruption():
        os.kill(os.getpid(), signal.SIGINT)
        said = capfd.readouterr().err
        assert said == (
            "\nstopping with a checkpoint after this step; Ctrl-C again stops without one\n"
        )
        os.kill(os.getpid(), signal.SIGINT)
    assert capfd.readouterr().err == ""


def test_a_forked_reader_of_images_neither_speaks_nor_stops(capfd):
    with Interruption():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert capfd.readouterr().err == ""


def test_the_message_names_the_signal_or_says_that_another_process_got_it():
    interruption = Interruption()
    assert "stopped after step 7 on a signal to another" in str(interrupted("r", 7, interruption))
    interruption.requested = signal.SIGTERM
    assert str(interrupted("r", 7, interruption)) == (
        "r stopped after step 7 on SIGTERM, with a checkpoint; run the same command again to go on"
    )
