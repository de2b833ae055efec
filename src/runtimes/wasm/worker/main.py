"""Runs one program as `python3` does. Read by the worker before the way to JavaScript is closed."""

import asyncio
import builtins
import code
import io
import json
import os
import runpy
import selectors
import sys
import time
import traceback


class _Waiting(selectors._BaseSelectorImpl):
    """There is nothing to wait for but time."""

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("this coroutine waits for something that can not come: there is no network here")
        if timeout > 0:
            time.sleep(timeout)
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__(_Waiting())

    def _make_self_pipe(self):
        pass

    def _close_self_pipe(self):
        pass

    def _write_to_self(self):
        pass


def _run_coroutine(main, *, debug=None, loop_factory=None):
    with asyncio.Runner(debug=debug, loop_factory=loop_factory or _Loop) as runner:
        return runner.run(main)


_USAGE = "usage: python3 [-c cmd | -m mod | file | -] [arg] ...\n"


def _run(argv):
    asyncio.events._set_running_loop(None)
    asyncio.events.new_event_loop = asyncio.new_event_loop = _Loop
    asyncio.run = _run_coroutine
    args = list(argv[1:])
    while args and args[0] in ("-u", "-B", "-E", "-s", "-I", "-q", "-S"):
        args.pop(0)
    if not args or args[0] == "-":
        sys.argv = args[:1] or [""]
        sys.path.insert(0, "")
        if sys.stdin.isatty():
            code.interact(banner=f"Python {sys.version.split()[0]}", exitmsg="")
            return 0
        return _text(sys.stdin.read(), "<stdin>")
    first = args.pop(0)
    if first in ("-V", "--version"):
        print(f"Python {sys.version.split()[0]}")
        return 0
    if first == "-c" and args:
        sys.argv = ["-c", *args[1:]]
        sys.path.insert(0, "")
        return _text(args[0], "<string>")
    if first == "-m" and args:
        sys.argv = args
        sys.path.insert(0, os.getcwd())
        runpy.run_module(args[0], run_name="__main__", alter_sys=True)
        return 0
    if first.startswith("-"):
        sys.stderr.write(f"unknown option {first}\n{_USAGE}")
        return 2
    sys.argv = [first, *args]
    if not os.path.exists(first):
        sys.stderr.write(f"python3: can't open file '{first}': [Errno 44] No such file or directory\n")
        return 2
    sys.path.insert(0, os.path.dirname(os.path.abspath(first)))
    with io.open_code(first) as file:
        return _text(file.read(), first)


def _text(text, name):
    main = sys.modules["__main__"]
    main.__dict__.clear()
    main.__dict__.update(__name__="__main__", __builtins__=builtins, __doc__=None)
    if not name.startswith("<"):
        main.__dict__["__file__"] = name
    exec(compile(text, name, "exec", dont_inherit=True), main.__dict__)
    return 0


def _status(stop):
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 255
    sys.stderr.write(f"{stop.code}\n")
    return 1


def _arc_main():
    """The order lies in a file: nothing comes by way of JavaScript any more."""
    with open("/arc/order.json", encoding="utf-8") as file:
        order = json.load(file)
    os.environ.clear()
    os.environ.update(order["env"])
    status = 1
    try:
        os.chdir(order["cwd"])
        status = _run(order["argv"])
    except SystemExit as stop:
        status = _status(stop)
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_globals.get("_arc_main") is not None:
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            status = status or 120
    return status
