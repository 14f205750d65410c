# SPDX-License-Identifier: Apache-2.0
"""From Amaranth's RTLIL to Verilog, by the Yosys that comes with Amaranth."""
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.back import verilog

from ..core.errors import ToolError
from ..core.host.cache import tool_environment

__all__ = ["to_verilog"]

_ENVIRONMENT = threading.Lock()


def to_verilog(rtlil: str) -> str:
    """Verilog of a design that ``amaranth.back.rtlil`` wrote, without Amaranth's attributes.

    Raises
    ------
    ToolError : there is no Yosys, or it failed.
    """
    with _tools_cache():
        try:
            # Amaranth's own second step, public only together with the first.
            return verilog._convert_rtlil_text(rtlil, strip_internal_attrs=True)
        except verilog.YosysError as error:
            lines = str(error).strip().splitlines() or ["no message"]
            raise ToolError(f"Amaranth's Yosys failed: {lines[-1]}; run 'openeie doctor' to check "
                            f"the tools") from error


@contextmanager
def _tools_cache() -> Iterator[None]:
    """Let Yosys keep its compiled code in OpenEIE's cache.

    Amaranth starts Yosys in this process's environment, so the variable is set for as long as
    that takes, by one thread at a time.
    """
    name = "XDG_CACHE_HOME"
    with _ENVIRONMENT:
        before = os.environ.get(name)
        os.environ[name] = tool_environment()[name]
        try:
            yield
        finally:
            del os.environ[name]
            if before is not None:
                os.environ[name] = before
