"""The HTTP server that is measured directly, through the proxy and through `ssh -L`; and the sshd for the last."""

import getpass
import os

from .processes import free_port, wait_for_port

BULK_BYTES = 1 << 30

NGINX = """\
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
worker_processes auto;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {directory}/www;
        location = /small {{ default_type text/plain; return 200 "It lives.\\n"; }}
    }}
}}
"""

SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
PidFile {directory}/sshd.pid
AuthorizedKeysFile {directory}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowTcpForwarding yes
"""


def start_nginx(scene):
    """nginx with /small and /bulk (1 GiB of zeros); returns its port."""
    port = free_port()
    os.mkdir(scene.path("www"))
    with open(scene.path("www/bulk"), "wb") as file:
        file.truncate(BULK_BYTES)
    user = "user root;" if os.geteuid() == 0 else ""
    write(scene.path("nginx.conf"), NGINX.format(directory=scene.directory, port=port, user=user))
    scene.start("nginx", "-p", scene.directory, "-c", scene.path("nginx.conf"))
    wait_for_port(port)
    return port


def start_ssh_tunnel(scene, backend_port):
    """A private sshd and `ssh -L` to the backend through it, both with OpenSSH's defaults; returns the tunnel's port."""
    for key in ("host_key", "user_key"):
        scene.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", scene.path(key))
    if os.geteuid() == 0 and not os.path.isdir("/run/sshd"):
        os.mkdir("/run/sshd", 0o755)  # sshd's empty directory for its unprivileged half; it insists on it
        scene.stack.callback(os.rmdir, "/run/sshd")
    port, tunnel = free_port(), free_port()
    write(scene.path("sshd_config"), SSHD.format(directory=scene.directory, port=port))
    scene.start("/usr/sbin/sshd", "-D", "-e", "-f", scene.path("sshd_config"))
    wait_for_port(port)
    scene.start(
        "ssh", "-F", "none", "-N", "-i", scene.path("user_key"), "-p", port,
        "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes",
        "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={scene.path('known_hosts')}",
        "-L", f"127.0.0.1:{tunnel}:127.0.0.1:{backend_port}", f"{getpass.getuser()}@127.0.0.1",
    )  # fmt: skip
    wait_for_port(tunnel)
    return tunnel


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
