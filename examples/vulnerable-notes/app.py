"""Notes: a small web app that is VULNERABLE ON PURPOSE. Run it in a sandbox and nowhere else.

There are two holes, marked HOLE below: a path traversal and a command injection. The rest means to be decent: input
is bounded, output is escaped, errors are answered. The walk-through is docs/guides/vulnerable-notes.md.
"""

import html
import os
import re
import string
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

HOME = os.path.dirname(os.path.abspath(__file__))
NOTES = os.path.join(HOME, "notes")
PORT = int(os.environ.get("PORT", "8080"))
BODY_BYTES_MAX = 64 * 1024
DRAIN_BYTES_MAX = 1024 * 1024
READ_BYTES_MAX = 1024 * 1024
SEARCH_SECONDS_MAX = 10

with open(os.path.join(HOME, "page.html"), encoding="utf-8") as file:
    PAGE = string.Template(file.read())


def read_note(name):
    # HOLE 1, path traversal: `name` comes from the address and may hold `../`. The right way: take the name only if
    # it is one of os.listdir(NOTES).
    with open(os.path.join(NOTES, name), "rb") as note:
        return note.read(READ_BYTES_MAX).decode("utf-8", "replace")


def search_notes(query):
    # HOLE 2, command injection: `query` becomes part of a shell's program. The right way: a list of arguments and no
    # shell, ["grep", "-i", "-F", "-e", query, ...].
    command = f'grep -i "{query}" *.txt'
    found = subprocess.run(
        command, shell=True, cwd=NOTES, timeout=SEARCH_SECONDS_MAX, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return found.stdout[:READ_BYTES_MAX].decode("utf-8", "replace")


def write_note(title, text):
    name = re.sub(r"[^a-z0-9-]+", "-", title.lower()).strip("-")[:60] or "untitled"
    with open(os.path.join(NOTES, name + ".txt"), "w", encoding="utf-8") as note:
        note.write(text.replace("\r\n", "\n"))
    return name + ".txt"


def show_list():
    names = sorted(name for name in os.listdir(NOTES) if name.endswith(".txt"))
    items = "".join(
        f'<li><a href="/note?name={quote(name)}">{html.escape(name.removesuffix(".txt"))}</a></li>' for name in names
    )
    return f"""<h2>All notes</h2><ul>{items}</ul>
<h2>New note</h2>
<form method="post" action="/notes">
  <label>Title <input name="title" required maxlength="60"></label>
  <label>Text <textarea name="text" rows="6" required></textarea></label>
  <button>Keep it</button>
</form>"""


def show_text(title, text):
    return f"<h2>{html.escape(title)}</h2><pre>{html.escape(text)}</pre>"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "notes"

    def do_GET(self):
        url = urlsplit(self.path)
        fields = {key: values[0] for key, values in parse_qs(url.query).items()}
        try:
            if url.path == "/":
                self.answer(200, show_list())
            elif url.path == "/note":
                name = fields.get("name", "")
                self.answer(200, show_text(name, read_note(name)))
            elif url.path == "/search":
                query = fields.get("q", "")
                self.answer(200, show_text("Found", search_notes(query) or "nothing"), query)
            else:
                self.answer(404, show_text("Not found", "There is no such page."))
        except (OSError, ValueError):
            self.answer(404, show_text("Not found", "There is no such note."))
        except subprocess.TimeoutExpired:
            self.answer(504, show_text("Too slow", "The search took too long."))

    def do_POST(self):
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            size = -1
        if self.path != "/notes" or not 0 <= size <= BODY_BYTES_MAX:
            # What was sent is read (within reason), or the client would see a reset and not the answer; what is left
            # of it must not be taken for the next request.
            self.rfile.read(min(max(size, 0), DRAIN_BYTES_MAX))
            self.close_connection = True
            self.answer(404 if self.path != "/notes" else 413, show_text("Refused", "That can't be kept."))
            return
        fields = parse_qs(self.rfile.read(size).decode("utf-8", "replace"))
        name = write_note(fields.get("title", [""])[0], fields.get("text", [""])[0])
        self.send_response(303)
        self.send_header("Location", f"/note?name={quote(name)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, status, content, query=""):
        body = PAGE.substitute(content=content, query=html.escape(query)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("0.0.0.0", PORT), Handler)
    server.daemon_threads = True
    print(f"notes: listening on port {PORT}", flush=True)
    server.serve_forever()
