"""Runs a command under a pseudo terminal of its own.

Input: one JSON object a line: {"send": TEXT}, {"resize": [COLS, ROWS]}, {"signal": NUMBER}, {"hangup": true}.
Output: one JSON object a line: {"out": TEXT} as it comes, at last {"code": N, "restored": true or false}.
"""
import fcntl, json, os, pty, select, signal, struct, sys, termios


def size(fd, cols, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def say(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main():
    master, slave = pty.openpty()
    size(slave, 80, 24)
    before = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        os.closerange(3, 256)
        os.execvp(sys.argv[1], sys.argv[1:])
    waiting = [master, 0]
    held = b""
    hung_up = False
    while True:
        ready, _, _ = select.select(waiting, [], [], 0.02)
        if master in ready:
            data = os.read(master, 65536)
            say({"out": data.decode("latin-1")})
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                waiting.remove(0)
            held += data
            while b"\n" in held:
                line, held = held.split(b"\n", 1)
                order = json.loads(line)
                if "send" in order:
                    os.write(master, order["send"].encode())
                if "resize" in order:
                    size(master, *order["resize"])
                if "signal" in order:
                    os.kill(pid, order["signal"])
                if "hangup" in order:
                    os.kill(pid, signal.SIGHUP)
                    hung_up = True
        if master not in ready:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                after = termios.tcgetattr(slave)
                say({"code": os.waitstatus_to_exitcode(status), "restored": before == after, "hungUp": hung_up})
                return


main()
