"""Calls operations four ways and compares what they give (parity.sh).

usage: parity.py OPS DATA URL WHO TOKEN ROOT CONSOLE...
OPS: `tandemd -x ops`. DATA: tests/data/parity/operations. WHO: words for the
lines that are printed, and the names of the principal. ROOT: the console of
who may undo what was committed. CONSOLE...: how the console is run as the
same principal as the token. Prints "ok WORDS" and "not ok WORDS".
"""
import http.client
import json
import re
import ssl
import subprocess
import sys
import urllib.parse


class Call:
    """One line of the data."""

    def __init__(self, line, table):
        head, _, volatile = line.partition(" - ")
        name, brace, args = head.partition("{")
        self.name = name.strip()
        self.args = json.loads(brace + args)
        self.volatile = volatile.split()
        self.op = table[self.name]

    def words(self):
        """As a line of the console."""
        line = [self.name]
        for field in self.op.get("args", []):
            if field["name"] in self.args:
                line += self.argument(field, self.args[field["name"]])
        return " ".join(line)

    def argument(self, field, value):
        flags = field.get("flags", [])
        if field["type"] == "values":
            return [w for k, v in value.items() for w in (k, listed(v))]
        if field["type"] == "fields":
            return list(value)
        if "flag" in flags:
            return [field["name"]]
        if field["type"] == "path" or "key" in flags:
            return [value if field["type"] == "path" else quote(value)]
        return [field["name"], quote(value)]

    def rest(self):
        """Method, path and body."""
        path = "/v1/" + self.name.replace(" ", "/")
        if self.op["kind"] != "read":
            return "POST", path, json.dumps(self.args)
        query = urllib.parse.urlencode(
            {k: "" if v is True else v for k, v in self.args.items()})
        return "GET", path + ("?" + query if query else ""), None

    def rpc(self, number):
        return {"jsonrpc": "2.0", "method": self.name, "params": self.args,
                "id": number}


def quote(value):
    text = str(value)
    return text if re.fullmatch(r"[\w./@:+-]+", text) else json.dumps(
        text, ensure_ascii=False)


def listed(value):
    """A value of an object's field, which may be a list."""
    if isinstance(value, list):
        return "[%s]" % " ".join(quote(v) for v in value)
    return quote(value)


class Way:
    """What is the same whichever way it came."""

    def __init__(self, who):
        self.who = who

    def seen(self, call, answer):
        """Code and words of an error, rows of an answer, warnings."""
        if not answer["ok"]:
            # The console finds some errors itself, in words that speak of
            # the line; what the server says is compared word by word.
            own = answer["code"] in ("syntax", "unknown", "invalid")
            return [own or answer["code"],
                    None if own else self.clean(answer["message"])]
        rows = [{k: "*" if k in call.volatile else v for k, v in row.items()}
                for row in answer["data"]]
        return [json.loads(self.clean(json.dumps(rows))),
                [self.clean(w) for w in answer["warn"]]]

    def clean(self, text):
        for name in self.who:
            text = text.replace(name, "WHO")
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
        return re.sub(r"srv1\.[0-9a-f]{6}", "SESSION", text)


def from_rpc(reply):
    if "error" not in reply:
        return dict(reply["result"], ok=True)
    return {"ok": False, "code": reply["error"]["data"]["code"],
            "message": reply["error"]["message"]}


class Site:
    def __init__(self, url, token, console, root):
        self.url = urllib.parse.urlsplit(url)
        self.token = token
        self.console = console
        self.connection = None
        self.root = root
        self.base = json.loads(subprocess.run(
            root + ["--json", "-c", "show revisions last 1"], check=True,
            capture_output=True).stdout)["data"][0]["rev"]

    def ask(self, method, path, body):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(
                self.url.hostname, self.url.port, timeout=60,
                context=ssl._create_unverified_context())
        self.connection.request(
            method, path, body, {"Authorization": "Bearer " + self.token})
        reply = self.connection.getresponse()
        return json.loads(reply.read())

    def back(self, calls):
        """To the configuration of before."""
        if not {"commit", "confirm", "undo"} & {c.name for c in calls}:
            return
        subprocess.run(self.root + ["-q", "-c", "confirm"],
                       capture_output=True)
        subprocess.run(self.root + ["-q", "-c", f"rollback {self.base}",
                                    "-c", "commit"], check=True,
                       capture_output=True)

    def run(self, calls, how):
        answers = self.run_so(calls, how)
        self.back(calls)
        return answers

    def run_so(self, calls, how):
        if how == "rest":
            return [self.ask(*calls[0].rest())]
        if how == "rpc":
            replies = self.ask("POST", "/v1/rpc", json.dumps(
                [c.rpc(i) for i, c in enumerate(calls)]))
            return [from_rpc(r) for r in replies]
        lines = [c.words() for c in calls]
        words, text = ["-f", "-"], "\n".join(lines) + "\n"
        if how == "console":
            words, text = [w for c in lines for w in ("-c", c)], ""
        done = subprocess.run(self.console + ["--json"] + words,
                              input=text.encode(), capture_output=True)
        out = done.stdout.decode()
        return [json.loads(line) for line in out.splitlines()]


def groups(lines):
    group = []
    for line in lines:
        if not line.startswith("+") and group:
            yield group
            group = []
        group.append(line.lstrip("+ "))
    if group:
        yield group


def compare(way, calls, first, other):
    """What differs, in words; empty when nothing does. After an error only
    the console goes on to what does not commit."""
    for i, call in enumerate(calls):
        if i >= len(first) or i >= len(other):
            return f"{call.name}: {len(first)} and {len(other)} answers"
        a, b = way.seen(call, first[i]), way.seen(call, other[i])
        # What is no command the console refuses before rights are looked at.
        if a == [True, None] and b[0] == "permission":
            return ""
        if a != b:
            return f"{call.words()}\n#  {a}\n#  {b}"
        if not first[i]["ok"]:
            return ""
    return ""


def main(ops, data, url, who, token, root, *console):
    with open(ops) as file:
        table = {op["name"]: op for op in json.load(file)["ops"]}
    with open(data) as file:
        lines = [line.strip() for line in file
                 if line.strip() and not line.startswith("#")]
    site = Site(url, token, list(console), root.split())
    way = Way(["token:" + token.partition(".")[0]] + who.split()[1:])
    # A monitor's answer goes on: tests/process/monitor.sh.
    missing = {name for name in table if not name.startswith("monitor ")}
    for group in groups(lines):
        calls = [Call(line, table) for line in group]
        missing -= {c.name for c in calls}
        first = site.run(calls, "console")
        differs = ""
        for how in ["batch", "rpc"] + (["rest"] if len(calls) == 1 else []):
            why = compare(way, calls, first, site.run(calls, how))
            differs += f"#  {how}: {why}\n" if why else ""
        print(("not ok " if differs else "ok ") + who.split()[0] + ": " +
              calls[0].words())
        print(differs, end="")
    print("not ok no line for" if missing else "ok every operation has a line",
          *sorted(missing))


if __name__ == "__main__":
    main(*sys.argv[1:])
