"""A program at a WebSocket: what comes on standard input, a line a message,
is sent; what comes is printed, a line a message. "!WORDS" are not sent: !wait
N waits for N messages, !until WORDS for one that holds them, !raw HEX sends bytes as they are, !closed waits for the
end.

usage: websocket.py PORT PATH TOKEN [FIELD:VALUE]...
"""
import base64
import os
import socket
import ssl
import struct
import sys


class Socket:
    def __init__(self, port, path, token, fields):
        raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.tls = ssl._create_unverified_context().wrap_socket(raw)
        key = base64.b64encode(os.urandom(16)).decode()
        head = [f"GET {path} HTTP/1.1", "Host: test", "Upgrade: websocket",
                "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                f"Sec-WebSocket-Key: {key}",
                f"Authorization: Bearer {token}"] + fields
        self.tls.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        self.bytes = b""
        while b"\r\n\r\n" not in self.bytes:
            self.more()
        answer, _, self.bytes = self.bytes.partition(b"\r\n\r\n")
        self.status = answer.split(b"\r\n")[0].decode()

    def more(self):
        part = self.tls.recv(65536)
        if not part:
            raise EOFError
        self.bytes += part

    def take(self, n):
        while len(self.bytes) < n:
            self.more()
        part, self.bytes = self.bytes[:n], self.bytes[n:]
        return part

    def send(self, data, opcode=1):
        mask = os.urandom(4)
        n = len(data)
        size = struct.pack("!B", 0x80 | n) if n < 126 else (
            struct.pack("!BH", 0x80 | 126, n) if n < 65536 else
            struct.pack("!BQ", 0x80 | 127, n))
        self.tls.sendall(bytes([0x80 | opcode]) + size + mask + bytes(
            b ^ mask[i % 4] for i, b in enumerate(data)))

    def message(self):
        """The next text; a ping is answered, a close ends it."""
        while True:
            first, n = self.take(2)
            if n == 126:
                n = struct.unpack("!H", self.take(2))[0]
            elif n == 127:
                n = struct.unpack("!Q", self.take(8))[0]
            data = self.take(n)
            if first & 15 == 9:
                self.send(data, 10)
            elif first & 15 == 8:
                raise EOFError
            elif first & 15 != 10:
                return data.decode()


def main(port, path, token, *fields):
    s = Socket(int(port), path, token, list(fields))
    print(s.status, flush=True)
    if " 101 " not in s.status:
        return
    try:
        for line in sys.stdin:
            line = line.rstrip("\n")
            if line.startswith("!wait "):
                for _ in range(int(line[6:])):
                    print(s.message(), flush=True)
            elif line.startswith("!until "):
                message = ""
                while line[7:] not in message:
                    message = s.message()
                    print(message, flush=True)
            elif line.startswith("!raw "):
                s.tls.sendall(bytes.fromhex(line[5:]))
            elif line == "!closed":
                while True:
                    print(s.message(), flush=True)
            else:
                s.send(line.encode())
    except (EOFError, ConnectionError, ssl.SSLError):
        print("closed", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
