"""Signals during a run."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from lakehouse.run.stopping import StopRequest


def stop_at(number: int) -> None:
    raise KeyboardInterrupt(number)


def test_a_stop_request_is_remembered_and_announced_once() -> None:
    said: list[str] = []
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest((signal.SIGTERM,), stop_at, said.append) as stop:
        assert stop.stopped() is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert [stop.stopped(), stop.stopped()] == [15, 15]
    assert len(said) == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_handler_that_spark_puts_in_the_way_is_replaced() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored where no one can press Ctrl-C
    with StopRequest((signal.SIGINT,), stop_at) as stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        assert stop.stopped() is None
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.stopped() == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_a_second_signal_is_the_callers_and_the_first_stays_remembered() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopRequest((signal.SIGINT, signal.SIGTERM), stop_at) as stop:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt) as raised:
            signal.raise_signal(signal.SIGTERM)
        assert raised.value.args == (15,)
        assert stop.stopped() == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_cannot_listen_and_need_not() -> None:
    answers = []

    def elsewhere() -> None:
        with StopRequest((signal.SIGINT,), stop_at) as stop:
            answers.append(stop.stopped())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert answers == [None]
