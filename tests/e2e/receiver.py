# SPDX-License-Identifier: Apache-2.0
"""receiver.py PORT: a line `ADDRESS COUNT NS` for every datagram of 8 bytes: who sent it, its number,
and this host's CLOCK_REALTIME when it came in (a kernel stamp). Run in a network namespace."""
import socket
import struct
import sys

SO_TIMESTAMPNS = 35


def main():
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    listener.bind(("0.0.0.0", int(sys.argv[1])))
    while True:
        value, ancillary, _, sender = listener.recvmsg(64, 128)
        if len(value) == 8 and ancillary:
            seconds, ns = struct.unpack("qq", ancillary[0][2])
            print(sender[0], struct.unpack("<Q", value)[0], seconds * 10**9 + ns, flush=True)


if __name__ == "__main__":
    main()
