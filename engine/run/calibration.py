"""The calibration of a device: made by a process of its own, once, and kept in the state folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.measure.calibration import (
    Calibration,
    calibration_path,
    keep_calibration,
    read_calibration,
)
from engine.places import state_dir
from engine.run import protocol
from engine.run.channel import ProtocolError
from engine.run.devices import Device
from engine.run.process import ChildBrokeProtocol, ChildGone, ChildTimedOut, Server

_LIMIT_S = 60.0


def calibration_of(device: Device) -> Calibration | None:
    """What is known of a device; None for the CPU device and for one never calibrated."""
    if device.name == "cpu":
        return None
    return read_calibration(calibration_path(state_dir(), device.key, device.driver))


def calibrate(device: Device, server: Server, scratch: Path) -> str:
    """Calibrate a device that nobody else uses, unless that has been done.

    Args:
        device: A GPU.
        server: Forks processes there.
        scratch: Folder for the one that does it.

    Returns:
        Why it could not be done, or "".

    Raises:
        ServerFailed: The fork server died.
    """
    if calibration_of(device) is not None:
        return ""
    try:
        child = server.child(scratch, trusted=True)
        try:
            answer, _ = child.ask(
                protocol.Calibrate(), limit=_LIMIT_S, phase="calibration", stop=lambda: False
            )
        finally:
            child.kill()
            shutil.rmtree(scratch, ignore_errors=True)
        if isinstance(answer, protocol.Failure):
            return f"{answer.error}: {answer.message}"
        if not isinstance(answer, protocol.Calibrated):
            return f"it sent {type(answer).__name__}"
        path = calibration_path(state_dir(), device.key, device.driver)
        keep_calibration(path, answer.calibration)
    except (ChildGone, ChildTimedOut, ChildBrokeProtocol, ProtocolError, OSError) as error:
        return str(error)
    return ""
