// A fake SSM agent for a test's AMIs. It is the only way to their SSH server, which listens only on the machine's
// loopback. Its unit and session processes have the real names (packaging/linux and agent/appconfig of
// aws/amazon-ssm-agent).

/** Files for `Ec2Cloud.install`. */
export const ssmAgent: Record<string, { content: string; mode?: number }> = {
  "etc/ssh/sshd_config.d/00-agent.conf": { content: "ListenAddress 127.0.0.1\n" },
  "etc/systemd/system/amazon-ssm-agent.service": {
    content: `[Unit]
Description=amazon-ssm-agent
After=network-online.target

[Service]
Type=simple
ExecStart=/usr/bin/amazon-ssm-agent
KillMode=process
Restart=always
RestartSec=90

[Install]
WantedBy=multi-user.target
`,
  },
  "etc/systemd/system/multi-user.target.d/amazon-ssm-agent.conf": {
    content: "[Unit]\nWants=amazon-ssm-agent.service\n",
  },
  "usr/bin/amazon-ssm-agent": {
    mode: 0o755,
    content: `#!/usr/bin/python3
import os, select, signal, socket

os.makedirs("/var/log/amazon/ssm", exist_ok=True)

def note(what):
    with open("/var/log/amazon/ssm/amazon-ssm-agent.log", "a") as log:
        log.write(what + "\\n")

def session(client):
    with open("/proc/self/comm", "w") as comm:
        comm.write("ssm-session-wor")
    server = socket.create_connection(("127.0.0.1", 22))
    other = {client: server, server: client}
    while True:
        for ready in select.select([client, server], [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            other[ready].sendall(data)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
route = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
route.connect(("10.0.2.2", 9))
listener = socket.create_server((route.getsockname()[0], 22))
note("started")
while True:
    client, _ = listener.accept()
    note("session")
    if os.fork() == 0:
        listener.close()
        try:
            session(client)
        finally:
            os._exit(0)
    client.close()
`,
  },
};
