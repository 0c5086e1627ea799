"""On what was it measured? Machine and versions, as docs/benchmarks.md tells them."""

import os
import platform
import subprocess


def description(iroh_python):
    return [
        ("Processor", f"{processor()}, {os.cpu_count()} cores"),
        ("Memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"),
        ("System", f"{distribution()}, Linux {platform.release()}"),
        ("Swift", first_line("swift", "--version").replace("Swift version ", "")),
        ("ngtcp2", package("libngtcp2-dev")),
        ("GnuTLS", package("libgnutls28-dev")),
        ("nginx", first_line("nginx", "-v").replace("nginx version: ", "")),
        ("OpenSSH", first_line("ssh", "-V")),
        ("wrk", package("wrk")),
        ("Iroh (Python package)", "1.2.0" if iroh_python else "not installed"),
    ]


def processor():
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def distribution():
    return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")


def first_line(*command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError:
        return "not installed"
    return ((result.stdout or result.stderr).splitlines() or ["?"])[0].strip()


def package(name):
    return first_line("dpkg-query", "--show", "--showformat=${Version}", name)
