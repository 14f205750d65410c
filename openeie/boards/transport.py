# SPDX-License-Identifier: Apache-2.0
"""Frames over a serial port: opening the port, COBS, and their errors."""
import errno
import time
from collections.abc import Callable
from typing import TypeVar

from ..core.array.link_frames import MAX_FRAME
from ..core.errors import LinkError
from ..core.host.extras import missing

try:
    import serial
    from cobs import cobs
    from serial.tools import list_ports
except ImportError as error:        # only boards need these packages; they are an extra
    raise missing(error.name, "driver", "the link to a board") from error

__all__ = ["Port"]

_Result = TypeVar("_Result")


class Port:
    """A port that carries frames: a serial port, or anything else that pyserial has a URL for.

    Parameters
    ----------
    url : ``/dev/ttyUSB1``, ``COM3``, ``socket://host:port``, ...
    baud : bit/s; ignored by ports without a baud rate.

    Raises
    ------
    LinkError : the port does not exist, is in use, or the user may not open it.
    """
    def __init__(self, url: str, baud: int) -> None:
        self.url = url
        try:
            self._serial = serial.serial_for_url(url, baudrate=baud, timeout=0, write_timeout=1.5,
                                                  exclusive=True)
        except (OSError, ValueError) as error:      # SerialException is an OSError
            raise LinkError(_why(url, error)) from error
        self._received = bytearray()
        try:
            self.discard()
        except LinkError:
            self.close()
            raise

    def close(self) -> None:
        """Close the port; closing twice does nothing."""
        self._serial.close()

    def discard(self) -> None:
        """Drop what has been received, and end any frame that the board has begun to receive."""
        self._received.clear()
        self._guard(lambda: (self._serial.reset_input_buffer(), self._serial.write(b"\0")))

    def send(self, frame: bytes) -> None:
        """Send one frame."""
        self._guard(lambda: self._serial.write(cobs.encode(frame) + b"\0"))

    def receive(self, deadline: float) -> bytes | None:
        """The next frame, decoded; None if there is none by ``deadline`` (``time.monotonic``).

        Damaged frames are skipped: those that are not valid COBS, empty or too long.
        """
        while True:
            end = self._received.find(0)
            if end < 0:
                if time.monotonic() >= deadline:
                    return None
                self._serial.timeout = min(0.05, max(0.0, deadline - time.monotonic()))
                self._received += self._guard(
                    lambda: self._serial.read(max(1, self._serial.in_waiting)))
                continue
            encoded = bytes(self._received[:end])
            self._received = self._received[end + 1:]
            try:
                frame = cobs.decode(encoded)
            except cobs.DecodeError:
                continue
            if 0 < len(frame) <= MAX_FRAME:
                return frame

    def _guard(self, action: Callable[[], _Result]) -> _Result:
        """Do something with the port; its errors become a LinkError."""
        try:
            return action()
        except (OSError, serial.SerialException) as error:
            raise LinkError(f"port {self.url} is gone: {error}; check the cable, and that no other "
                            f"program uses the port") from error


def _why(url: str, error: Exception) -> str:
    """Why a port could not be opened."""
    number = getattr(error, "errno", None)
    if number == errno.EACCES or "Permission" in str(error):
        return (f"no permission to open port {url}; join the group that owns it "
                f"(Debian: sudo usermod -aG dialout $USER, then log in again)")
    if number in (errno.EBUSY, errno.EAGAIN):
        return f"port {url} is in use by another program; close that first"
    there = ", ".join(port.device for port in list_ports.comports()) or "none"
    return f"cannot open port {url}: {error}; serial ports here: {there}"
