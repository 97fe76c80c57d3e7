# SPDX-License-Identifier: Apache-2.0
"""ECUs in QEMU for end-to-end tests: configuration blobs (docs/formats/boot-config.md), and raw
frames beside the user network."""
import os
import socket
import struct
import subprocess

from conftest import BUILD, until

KERNELS = os.path.join(BUILD, "os")
CONFIG_ADDRESS = {"virt": 0x44000000, "zcu102": 0x04000000}
GUEST = "10.0.2.15"
MASTER_HOST = "10.0.2.2"  # the host's 127.0.0.1 as QEMU's user network shows it


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def record(kind, value):
    return struct.pack("<II", kind, len(value)) + value + bytes(-len(value) % 8)


def channel_record(name, is_output, target):
    return record(13, name.encode().ljust(32, b"\0") + bytes([is_output]) + bytes(7) +
                  target.encode())


def config_blob(name, master, token="", mac=None, dhcp=False, peer_port=7100, advertise="",
                slots=16, seed=1, channels=(), address=GUEST, clock=None):
    """The blob of a networked node; master: port on the host, or "a.b.c.d:port"; clock: None or a
    PTP domain."""
    records = record(1, name.encode())
    if mac:
        records += record(3, bytes.fromhex(mac.replace(":", "")))
    records += record(4, struct.pack("<BBH4s4s4s", 2 if dhcp else 1, 0 if dhcp else 24, peer_port,
                                     bytes(4) if dhcp else socket.inet_aton(address),
                                     bytes(4) if dhcp or address != GUEST else
                                     socket.inet_aton(MASTER_HOST), socket.inet_aton(MASTER_HOST)))
    master = master if isinstance(master, str) else "%s:%d" % (MASTER_HOST, master)
    records += record(5, master.encode())
    if token:
        records += record(6, token.encode())
    if advertise:
        records += record(7, advertise.encode())
    records += record(9, struct.pack("<II", slots, 900000)) + record(11, struct.pack("<Q", seed))
    if clock is not None:
        records += record(14, struct.pack("<BBHIQQ", 1, clock, 0, 1, 0, 0))
    for one in channels:
        records += channel_record(*one)
    head = struct.pack("<4sHHI", b"AXBC", 1, 16, 16 + len(records))
    return head + struct.pack("<I", crc32c(head + records)) + records


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


ICOUNT = ["-icount", "shift=3"]


class Ecu:
    """One machine. With frames=True, send() puts raw Ethernet frames on its network beside the user
    network. With options=ICOUNT its clock counts instructions: what keeps QEMU from running makes
    nothing late, but the clock falls behind the host's."""

    def __init__(self, directory, name, master_port, board="virt", frames=False,
                 forwards=(), legacy=True, options=(), network=None, **config):
        """network: a Network (network.py); the machine is then a host of its bridge, by a tap, with
        the address that config names."""
        self.dir, self.name, self.board = str(directory), name, board
        self.log = os.path.join(self.dir, name + ".console")
        self.peer_port = free_port()
        self.mac = config.setdefault("mac", "52:54:00:12:34:%02x" % (0x50 + sum(name.encode()) % 90))
        config.setdefault("advertise", "" if network else "127.0.0.1:%d" % self.peer_port)
        blob = os.path.join(self.dir, name + ".cfg")
        with open(blob, "wb") as file:
            file.write(config_blob(name, master_port, **config))
        command = ["qemu-system-aarch64", "-M", "xlnx-zcu102" if board == "zcu102" else "virt",
                   "-m", "128", "-nodefaults", "-display", "none", "-monitor", "none",
                   "-serial", "file:" + self.log,
                   "-kernel", os.path.join(KERNELS, "axcan-os-%s.elf" % board), "-device",
                   "loader,file=%s,addr=%#x,force-raw=on" % (blob, CONFIG_ADDRESS[board])]
        if board == "virt":
            command += ["-cpu", "cortex-a53"]
        if not legacy:
            command += ["-global", "virtio-mmio.force-legacy=false"]
        self.socket = None
        if network:
            command += self.nic(["tap,id=tap,ifname=%s,script=no,downscript=no" %
                                 network.tap("tap-" + name)], "tap")
            command = network.inside(None, command)
        else:
            command += self.network(frames, [(self.peer_port, 7100), *forwards])
        command += list(options)
        if os.path.exists(self.log):
            os.remove(self.log)
        with open(self.log + ".qemu", "wb") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors,
                                            stderr=errors, env=dict(os.environ, QEMU_AUDIO_DRV="none"))

    def network(self, frames, forwards):
        user = "user,id=user"
        for forward in forwards:
            host, guest, *kind = forward
            user += ",hostfwd=%s:127.0.0.1:%d-10.0.2.15:%d" % (kind[0] if kind else "tcp", host, guest)
        parts = [user]
        netdev = "user"
        if frames:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind(("127.0.0.1", 0))
            self.qemu_port = free_port(socket.SOCK_DGRAM)
            netdev = "port0"
            parts += ["dgram,id=raw,local.type=inet,local.host=127.0.0.1,local.port=%d,"
                      "remote.type=inet,remote.host=127.0.0.1,remote.port=%d" %
                      (self.qemu_port, self.socket.getsockname()[1]),
                      "hubport,id=port0,hubid=0", "hubport,id=port1,hubid=0,netdev=user",
                      "hubport,id=port2,hubid=0,netdev=raw"]
        return self.nic(parts, netdev)

    def nic(self, netdevs, netdev):
        parts = [word for one in netdevs for word in ("-netdev", one)]
        if self.board == "zcu102":
            return parts + ["-net", "nic,netdev=%s,macaddr=%s" % (netdev, self.mac)]
        return parts + ["-device", "virtio-net-device,netdev=%s,mac=%s" % (netdev, self.mac)]

    def send(self, frame):
        self.socket.sendto(frame, ("127.0.0.1", self.qemu_port))

    def console(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="ascii", errors="replace") as file:
            return file.read()

    def memory_bytes(self, node):
        """RAM in use: the image with its bss and stacks, and what is taken from the page pool."""
        with open(os.path.join(KERNELS, "axcan-os-%s.bin" % self.board), "rb") as file:
            image_bytes, = struct.unpack("<Q", file.read(24)[16:])
        pool_kib = int(self.console().split("memory_kib=")[1].split()[0])
        return image_bytes + pool_kib * 1024 - node["memory_free_bytes"]

    def dropped(self):
        """What the node said last of frames it dropped, by reason."""
        lines = [line for line in self.console().splitlines() if "frames-dropped" in line]
        return {k: int(v) for k, v in (f.split("=") for f in (lines or [""])[-1].split() if "=" in f)}

    def wait_line(self, text, seconds=20):
        until(lambda: text in self.console(), seconds, "%s: %s\n%s" % (self.name, text,
                                                                      self.console()[-3000:]))

    def is_running(self):
        return self.process.poll() is None

    def close(self):
        self.process.kill()
        self.process.wait()
        if self.socket:
            self.socket.close()
