"""Somebody who asks much and reads nothing: SOCKETS WebSockets that each ask
the same REQUESTS times ahead. "asked" is printed then; a line of standard
input later all answers are read and counted: those that are good.

usage: flood.py PORT TOKEN SOCKETS REQUESTS METHOD PARAMS
"""
import json
import socket
import sys

from websocket import Socket


def main(port, token, sockets, requests, method, params):
    all_of_them = []
    for _ in range(int(sockets)):
        s = Socket(int(port), "/v1/rpc", token, [])
        if " 101 " not in s.status:
            break
        s.tls.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        all_of_them.append(s)
    for s in all_of_them:
        for i in range(int(requests)):
            s.send(json.dumps({"jsonrpc": "2.0", "id": i, "method": method,
                               "params": json.loads(params)}).encode())
    print("asked", len(all_of_them), flush=True)
    sys.stdin.readline()
    good = 0
    for s in all_of_them:
        for _ in range(int(requests)):
            good += "result" in json.loads(s.message())
    print("good", good, flush=True)


main(*sys.argv[1:])
