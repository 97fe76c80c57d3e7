# SPDX-License-Identifier: Apache-2.0
"""bystander.py INTERFACE: a line `MAC error_ns` for every Delay_Req that says what master time its
sender believes it is; the error is against this host's CLOCK_REALTIME when the frame came in (a
kernel stamp), so the frame's travel makes it smaller. Run in a network namespace."""
import socket
import struct
import sys

SO_TIMESTAMPNS = 35
ETH_P_1588 = 0x88F7
DELAY_REQ = 1


def main():
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_1588))
    listener.bind((sys.argv[1], ETH_P_1588))
    listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    while True:
        frame, ancillary, _, _ = listener.recvmsg(256, 128)
        seconds, ns = int.from_bytes(frame[48:54], "big"), int.from_bytes(frame[54:58], "big")
        if frame[14] & 15 != DELAY_REQ or seconds == 0 or not ancillary:
            continue
        at_s, at_ns = struct.unpack("qq", ancillary[0][2])
        print(frame[6:12].hex(":"), (seconds - at_s) * 10**9 + ns - at_ns, flush=True)


if __name__ == "__main__":
    main()
